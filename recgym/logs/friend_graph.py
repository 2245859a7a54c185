"""Graph of the friends of a log: degrees, common friends, transitivity, and the items that friends share.

A library is the set of items of one user. In statistics with weights of users (U,) the weight of a pair is the product
of both users' weights, and that of a triangle the product of three (Davezies, D'Haultfoeuille and Guyonvarch, 2021).

Axes: P pairs, U users, N items, S places of a library.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Doubles, Ints
from recgym.logs.log import Log


class FriendGraph(NamedTuple):
    """Adjacency lists of an undirected graph: the friends of u are friend[start[u] : start[u + 1]], ascending."""

    start: Ints  # (U + 1,)
    friend: Ints  # (2 P,)

    @property
    def degree(self) -> Ints:
        """(U,) number of friends of each user."""
        return np.diff(self.start)

    @classmethod
    def of(cls, pairs: Ints, users: int) -> "FriendGraph":
        """Graph of distinct pairs (P, 2) of `users` users."""
        owner, friend = np.r_[pairs[:, 0], pairs[:, 1]], np.r_[pairs[:, 1], pairs[:, 0]]
        order = np.lexsort((friend, owner))
        return cls(np.searchsorted(owner[order], np.arange(users + 1)), friend[order])

    @property
    def pairs(self) -> Ints:
        """(P, 2) pairs of friends, each once, the smaller index first."""
        owner = np.repeat(np.arange(len(self.degree)), self.degree)
        once = owner < self.friend
        return np.stack([owner[once], self.friend[once]], axis=1)

    def common_friends(self, pairs: Ints) -> Ints:
        """(P,) number of common friends of each pair."""
        sets = [set(part.tolist()) for part in np.split(self.friend, self.start[1:-1])]
        return np.array([len(sets[u] & sets[v]) for u, v in pairs.tolist()], np.int64)

    def transitivity(self) -> float:
        """Transitivity: share of the pairs of friends of one user that are friends of each other."""
        wedges = float((self.degree * (self.degree - 1)).sum())
        return 2.0 * float(self.common_friends(self.pairs).sum()) / max(wedges, 1.0)

    def weighted_transitivity(self) -> Callable[[Doubles], float]:
        """Transitivity as a function of users' weights (U,)."""
        owner = np.repeat(np.arange(len(self.degree)), self.degree)
        sets = [set(part.tolist()) for part in np.split(self.friend, self.start[1:-1])]
        found = [(u, v, w) for u, v in self.pairs.tolist() for w in sets[u] & sets[v] if w > v]
        ends = np.array(found, np.int64).reshape(-1, 3)

        def share(weight: Doubles) -> float:
            near = weight[self.friend]
            all_pairs = np.bincount(owner, near, len(weight)) ** 2 - np.bincount(owner, near**2, len(weight))
            return 6.0 * float(weight[ends].prod(1).sum()) / max(float(weight @ all_pairs), 1.0)

        return share

    def pair_features(self, pairs: Ints) -> Doubles:
        """(P, 2) log(1 + number of common friends), and the sum of log(1 + degree) of both."""
        features: Doubles = np.stack(
            [np.log1p(self.common_friends(pairs)), np.log1p(self.degree)[pairs].sum(1)], axis=1
        )
        return features


def indexed_friend_pairs(log: Log, number: Ints) -> Ints:
    """(P, 2) distinct pairs of friends of a log, on the user indices of a world.

    `number` (rows of the users table,) is the world index of each user of the log, -1 for an unknown user. Pairs with
    an unknown user are left out.
    """
    pairs = np.stack([log.friends["user"].to_numpy(), log.friends["friend"].to_numpy()], axis=1)
    pairs = np.sort(number[pairs], axis=1)
    return np.asarray(np.unique(pairs[pairs[:, 0] >= 0], axis=0), np.int64)


def split_friend_pairs(pairs: Ints, seed: int) -> list[Ints]:
    """Random split of the pairs: 80 % train, 10 % validation, 10 % test."""
    order = np.random.default_rng([seed, 20]).permutation(len(pairs))
    return [pairs[part] for part in np.split(order, [int(0.8 * len(pairs)), int(0.9 * len(pairs))])]


def configuration_pairs(pairs: Ints, times: int, seed: int) -> Ints:
    """Random pairs with the degrees of `pairs`, `times` as many (configuration model; Newman, 2003).

    Pairs of a user with himself are left out.
    """
    rng = np.random.default_rng([seed, 21])
    mixed = [np.stack([rng.permutation(pairs.ravel()) for _ in range(2)], axis=1) for _ in range(times)]
    both = np.sort(np.concatenate(mixed), axis=1)
    return np.asarray(both[both[:, 0] < both[:, 1]], np.int64)


def matched_non_friends(pairs: Ints, times: int, graph: FriendGraph, seed: int) -> Ints:
    """Random pairs with the degrees of `pairs` that are not friends in `graph`, at most `times` as many."""
    code = np.array([len(graph.degree), 1])
    mixed = configuration_pairs(pairs, times, seed)
    others = mixed[~np.isin(mixed @ code, graph.pairs @ code)]
    return np.asarray(others[: times * len(pairs)], np.int64)


def library_table(user: Ints, item: Ints, users: int) -> Ints:
    """(U, S) items of each user, ascending, then -1; from pairs of user and item."""
    user, item = np.unique(np.stack([user, item]), axis=1)
    place = np.arange(len(user)) - np.searchsorted(user, user)
    library = np.full((users, int(place.max(initial=0)) + 1), -1, np.int64)
    library[user, place] = item
    return library


def common_items(library: Any, pairs: Ints, num_items: int) -> Doubles:
    """(P,) number of items in both libraries; `library` (U, S) has -1 for an empty place."""
    has = np.zeros((len(library), num_items + 1), bool)
    np.put_along_axis(
        has, np.asarray(library, np.int64), True, axis=1
    )  # -1: the last column, which is dropped
    return np.array([(has[u, :-1] & has[v, :-1]).sum() for u, v in pairs.tolist()], np.float64)


def sharing_lift(library: Any, pairs: Ints, num_items: int, seed: int = 0) -> float:
    """Mean number of items that friends share, divided by that of random pairs with the same degrees."""
    return weighted_sharing_lift(library, pairs, num_items, seed)(np.ones(len(library)))


def weighted_sharing_lift(
    library: Any, pairs: Ints, num_items: int, seed: int = 0
) -> Callable[[Doubles], float]:
    """`sharing_lift` as a function of users' weights (U,)."""
    both = pairs, configuration_pairs(pairs, 4, seed)
    counts = [common_items(library, ends, num_items) for ends in both]

    def ratio(weight: Doubles) -> float:
        ours, theirs = (
            np.average(count, weights=weight[ends].prod(1)) for count, ends in zip(counts, both, strict=True)
        )
        return float(ours / theirs)

    return ratio


def inclusion_probabilities(score: NDArray[np.float64], sizes: Ints) -> Doubles:
    """(U, N) probability min(1, c_u exp(score)) of an item in a library; c_u makes `sizes` (U,) the expected number."""
    share = np.exp(score - score.max(1, keepdims=True))
    scale = sizes / share.sum(1)
    for _ in range(8):  # redistributes the excess of probabilities over 1
        cut = share * scale[:, None] >= 1.0
        rest = np.where(cut, 0.0, share).sum(1)
        scale = np.maximum(scale, (sizes - cut.sum(1)) / np.maximum(rest, 1e-300))
    chance: Doubles = np.minimum(share * scale[:, None], 1.0)
    return chance


def draw_libraries(chance: Doubles, longest: int, seed: int) -> Ints:
    """(U, S) drawn items of each user, -1 first, then ascending: independent draws, at most `longest` of a user."""
    rng = np.random.default_rng([seed, 22])
    drawn = rng.random(chance.shape) < chance
    width = min(max(int(drawn.sum(1).max()), 1), longest)
    library = np.full((len(chance), width), -1, np.int64)
    for user, row in enumerate(drawn):
        items = np.flatnonzero(row)
        if len(items) > width:
            items = np.sort(rng.choice(items, width, replace=False))
        library[user, width - len(items) :] = items
    return library
