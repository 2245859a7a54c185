"""Figures of a graph of friends: who are friends, how many, in what triangles, and what they share.

Libraries and graph of a world are draws from its fit; a log's are its pairs. All figures take the world and a log with
a table of friends. What the graph was drawn to have is marked: degrees, triangles, what friends share.

Intervals resample users: one drawn k times counts k times, a pair of two as often as the product says, three friends as
that of three (vertices: Snijders and Borgatti, 1999; such products: Davezies, D'Haultfoeuille and Guyonvarch, 2021).

Axes: P pairs, U users, N items.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Doubles, Ints
from recgym.fidelity.resampling import MATCHED, USERS, Figure, Resampling, figure, largest
from recgym.logs import Log
from recgym.numerics import auc, auc_of_codes
from recgym.sim.world import World
from recgym.sim.world_index import places

OMEGAS = (1.0, 1.5, 2.0, 3.0)  # looked at: below, influence is weak; above, all come to like the same few


class Graph(NamedTuple):
    """Friends both ways, ascending: those of u stand at friend[start[u] : start[u + 1]]."""

    start: Ints  # (U + 1,)
    friend: Ints  # (2 P,)

    @property
    def degree(self) -> Ints:
        """(U,) friends of each."""
        return np.diff(self.start)

    @classmethod
    def of(cls, pairs: Ints, users: int) -> "Graph":
        """From pairs (P, 2), each once."""
        owner, friend = np.r_[pairs[:, 0], pairs[:, 1]], np.r_[pairs[:, 1], pairs[:, 0]]
        order = np.lexsort((friend, owner))
        return cls(np.searchsorted(owner[order], np.arange(users + 1)), friend[order])

    @property
    def pairs(self) -> Ints:
        """(P, 2) each once, the smaller first."""
        owner = np.repeat(np.arange(len(self.degree)), self.degree)
        once = owner < self.friend
        return np.stack([owner[once], self.friend[once]], axis=1)

    def common(self, pairs: Ints) -> Ints:
        """Friends in common of each pair, (P,)."""
        sets = [set(part.tolist()) for part in np.split(self.friend, self.start[1:-1])]
        return np.array([len(sets[u] & sets[v]) for u, v in pairs.tolist()], np.int64)

    def transitivity(self) -> float:
        """Share of the pairs of one person's friends who are friends."""
        wedges = float((self.degree * (self.degree - 1)).sum())
        return 2.0 * float(self.common(self.pairs).sum()) / max(wedges, 1.0)

    def closing(self) -> Callable[[Doubles], float]:
        """`transitivity` as a function of users' weights (U,)."""
        owner = np.repeat(np.arange(len(self.degree)), self.degree)
        sets = [set(part.tolist()) for part in np.split(self.friend, self.start[1:-1])]
        found = [(u, v, w) for u, v in self.pairs.tolist() for w in sets[u] & sets[v] if w > v]
        ends = np.array(found, np.int64).reshape(-1, 3)

        def share(weight: Doubles) -> float:
            near = weight[self.friend]
            all_pairs = np.bincount(owner, near, len(weight)) ** 2 - np.bincount(owner, near**2, len(weight))
            return 6.0 * float(weight[ends].prod(1).sum()) / max(float(weight @ all_pairs), 1.0)

        return share

    def facts(self, pairs: Ints) -> Doubles:
        """(P, 2) what it tells of pairs: log(1 + friends in common), the sum of both's log(1 + friends)."""
        facts: Doubles = np.stack([np.log1p(self.common(pairs)), np.log1p(self.degree)[pairs].sum(1)], axis=1)
        return facts


def friend_pairs(log: Log, number: Ints) -> Ints:
    """(P, 2) the log's pairs of friends as a world numbers its users; `number` (users of the log,), -1: not there."""
    pairs = np.stack([log.friends["user"].to_numpy(), log.friends["friend"].to_numpy()], axis=1)
    pairs = np.sort(number[pairs], axis=1)
    return np.asarray(np.unique(pairs[pairs[:, 0] >= 0], axis=0), np.int64)


def split_friends(pairs: Ints, seed: int) -> list[Ints]:
    """80/10/10 % of the pairs at random: train, validation, test."""
    order = np.random.default_rng([seed, 20]).permutation(len(pairs))
    return [pairs[part] for part in np.split(order, [int(0.8 * len(pairs)), int(0.9 * len(pairs))])]


def mixed_pairs(pairs: Ints, times: int, seed: int) -> Ints:
    """Pairs at random whose ends are those of `pairs`, so that degrees stay; nobody with himself."""
    rng = np.random.default_rng([seed, 21])
    mixed = [np.stack([rng.permutation(pairs.ravel()) for _ in range(2)], axis=1) for _ in range(times)]
    both = np.sort(np.concatenate(mixed), axis=1)
    return np.asarray(both[both[:, 0] < both[:, 1]], np.int64)


def matched_strangers(pairs: Ints, times: int, graph: Graph, seed: int) -> Ints:
    """`times` as many pairs as `pairs`, of like degrees, who are no friends in `graph`."""
    code = np.array([len(graph.degree), 1])
    mixed = mixed_pairs(pairs, times, seed)
    strangers = mixed[~np.isin(mixed @ code, graph.pairs @ code)]
    return np.asarray(strangers[: times * len(pairs)], np.int64)


def libraries(user: Ints, item: Ints, users: int) -> Ints:
    """(U, S) items of each user, -1 for none, from pairs."""
    user, item = np.unique(np.stack([user, item]), axis=1)
    place = np.arange(len(user)) - np.searchsorted(user, user)
    library = np.full((users, int(place.max(initial=0)) + 1), -1, np.int64)
    library[user, place] = item
    return library


def common_items(library: Any, pairs: Ints, num_items: int) -> Doubles:
    """(P,) items in both libraries; `library` (U, S) with -1 for none."""
    has = np.zeros((len(library), num_items + 1), bool)
    np.put_along_axis(has, np.asarray(library, np.int64), True, axis=1)  # -1 marks the column that is dropped
    return np.array([(has[u, :-1] & has[v, :-1]).sum() for u, v in pairs.tolist()], np.float64)


def lift(library: Any, pairs: Ints, num_items: int, seed: int = 0) -> float:
    """Items that friends share, over those of pairs at random with the same degrees."""
    return lifting(library, pairs, num_items, seed)(np.ones(len(library)))


def lifting(library: Any, pairs: Ints, num_items: int, seed: int = 0) -> Callable[[Doubles], float]:
    """`lift` as a function of users' weights (U,)."""
    both = pairs, mixed_pairs(pairs, 4, seed)
    counts = [common_items(library, ends, num_items) for ends in both]

    def ratio(weight: Doubles) -> float:
        ours, theirs = (
            np.average(count, weights=weight[ends].prod(1)) for count, ends in zip(counts, both, strict=True)
        )
        return float(ours / theirs)

    return ratio


def inclusion(score: NDArray[np.float64], sizes: Ints) -> Doubles:
    """(U, N) chances of items to stand in libraries: min(1, c_u exp(score)), `sizes` (U,) of them expected."""
    share = np.exp(score - score.max(1, keepdims=True))
    scale = sizes / share.sum(1)
    for _ in range(8):  # what is cut at 1 goes to the others
        cut = share * scale[:, None] >= 1.0
        rest = np.where(cut, 0.0, share).sum(1)
        scale = np.maximum(scale, (sizes - cut.sum(1)) / np.maximum(rest, 1e-300))
    chance: Doubles = np.minimum(share * scale[:, None], 1.0)
    return chance


def draw_libraries(chance: Doubles, longest: int, seed: int) -> Ints:
    """(U, S) items of each user, ascending after -1 for none: each with its chance, `longest` at most."""
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


class FriendCase(NamedTuple):
    """A world with a graph before a log with friends, on the world's users."""

    world: World
    graph: Graph  # the world's
    log: Graph
    library: Ints  # (U, S) of the log: its pairs of users and the world's items
    seed: int  # of the world's own split of the friends
    users: Resampling

    @classmethod
    def of(cls, world: World, logs: tuple[Log, ...], resamples: int, seed: int) -> "FriendCase":
        """Of logs with the same tables, all rows of which judge; ValueError where world or logs have no friends."""
        log = next((each for each in logs if each.friends is not None), None)
        if not world.has_graph or log is None:
            raise ValueError(f"{'the log' if world.has_graph else f'world {world.name}'} has no friends")
        users, items, _ = places(world, log)
        pairs = np.concatenate([_responses(each, world.events[0].name) for each in logs], axis=1)
        user, item = users[pairs[0]], items[pairs[1]]
        known = (user >= 0) & (item >= 0)
        library = libraries(user[known], item[known], world.num_users)
        arrays, pairs = world.arrays, friend_pairs(log, users)
        graph = Graph(arrays.friend_start.astype(np.int64), arrays.friend.astype(np.int64))
        draws = Resampling(np.arange(world.num_users), resamples, seed)
        return cls(
            world, graph, Graph.of(pairs, world.num_users), library, int(world.card.get("seed", 0)), draws
        )


def _responses(log: Log, event: str) -> Ints:
    """(2, rows) users and items of the rows with the event; all rows of a log without it."""
    rows = log.column(event).astype(bool) if event in log.events else np.ones(log.num_rows, bool)
    return np.stack([log.column("user")[rows], log.column("item")[rows]])


def pair_auc(case: FriendCase) -> Figure:
    """Held-out friends against strangers of like degrees, by acceptance over the graph of 80 %."""
    train, _, test = split_friends(case.log.pairs, case.seed)
    pairs = np.concatenate([test, matched_strangers(test, 5, case.log, case.seed + 1)])
    facts, kin = Graph.of(train, case.world.num_users).facts(pairs), case.world.arrays.kin.astype(np.float64)
    numbers = case.world.params
    logit = numbers["connect_taste"] * (kin[pairs[:, 0]] * kin[pairs[:, 1]]).sum(1)
    logit += facts @ np.array([numbers["connect_common"], numbers["connect_degree"]])
    flag, code = np.arange(len(pairs)) < len(test), np.unique(logit, return_inverse=True)[1]
    spread = case.users.of(lambda weight: auc_of_codes(flag, code, weight[pairs].prod(1)))
    return figure("AUC of held-out friends against strangers of like degrees", USERS, world=auc(flag, logit),
                  n=len(test), toys={"degrees": auc(flag, facts[:, 1])}, best=max, spread=spread)  # fmt: skip


def degrees(case: FriendCase) -> Figure:
    """Kolmogorov-Smirnov distance of the numbers of friends; the toy joins everybody with everybody alike."""
    ours, theirs = case.graph.degree, case.log.degree
    even = np.random.default_rng(case.seed).poisson(theirs.mean(), len(theirs))
    return figure("Kolmogorov-Smirnov distance of the numbers of friends", MATCHED, world=distance(ours, theirs),
                  n=len(theirs), toys={"equal chances": distance(even, theirs)},
                  spread=case.users.of_distance(partial(apart, ours, theirs), largest))  # fmt: skip


def distance(ours: Ints, theirs: Ints) -> float:
    """Largest gap of two empirical distributions."""
    return largest(apart(ours, theirs, np.ones(len(theirs))))


def apart(ours: Ints, theirs: Ints, weight: Doubles) -> Doubles:
    """Gaps of two empirical distributions at every value that occurs; `weight` is that of `theirs`."""
    at, code = np.unique(np.r_[ours, theirs], return_inverse=True)
    mine = np.bincount(code[: len(ours)], minlength=len(at)) / len(ours)
    other = np.bincount(code[len(ours) :], weight, len(at)) / weight.sum()
    return np.asarray(np.cumsum(mine - other), np.float64)


def triangles(case: FriendCase) -> Figure:
    """Transitivity; the toy keeps degrees alone."""
    pairs = np.unique(mixed_pairs(case.log.pairs, 1, case.seed), axis=0)
    toy = Graph.of(pairs, case.world.num_users).transitivity()
    return figure("transitivity of the graph", MATCHED, n=len(case.log.pairs), toys={"degrees alone": toy},
                  log=case.log.transitivity(), world=case.graph.transitivity(),
                  spread=case.users.of(case.log.closing()))  # fmt: skip


def shared(case: FriendCase) -> list[Figure]:
    """Lift of friends in what they share: the world's, and both extremes of what it may come from."""
    items, pairs = case.world.num_items, case.log.pairs
    lift_of = lifting(case.library, pairs, items)
    log, spread = lift_of(np.ones(len(case.library))), case.users.of(lift_of)
    omega, influence = all_influence(case, log)
    name = "items that friends share, over pairs of like degrees"
    return [
        figure(name, MATCHED, log=log, world=lift(case.world.arrays.library, case.graph.pairs, items), n=len(pairs),
               toys={"pairs at random": 1.0}, spread=spread),
        figure(f"{name}: all homophily (omega 0)", MATCHED, log=log, n=len(pairs), spread=spread,
               world=lift(_drawn(case, None, 0.0), case.graph.pairs, items)),
        figure(f"{name}: all influence (nearest: omega {omega:g}; friends of unrelated taste)", MATCHED, log=log,
               world=influence, n=len(pairs), spread=spread),
    ]  # fmt: skip


def all_influence(case: FriendCase, wanted: float) -> tuple[float, float]:
    """The omega in OMEGAS at which people put anywhere in the world's graph come nearest to `wanted`, and the lift."""
    places = np.random.default_rng([case.seed, 24]).permutation(case.world.num_users)
    graph = Graph.of(np.sort(places[case.graph.pairs], axis=1), case.world.num_users)
    lifts = [lift(_drawn(case, graph, omega), graph.pairs, case.world.num_items) for omega in OMEGAS]
    nearest = int(np.argmin(np.abs(np.array(lifts) - wanted)))
    return OMEGAS[nearest], lifts[nearest]


def _drawn(case: FriendCase, graph: Graph | None, omega: float) -> Ints:
    """Libraries drawn anew from the world's affinities, one user after another.

    With a `graph`, omega log(1 + friends who have the item already) is added, so each pair has one who came first.
    """
    arrays, items = case.world.arrays, case.world.num_items
    terms = {row["term"]: row for row in case.world.card.get("terms", [])}
    row = terms.get("item_bias", {})  # fitted from impressions: shown as often as in the log
    power = float(row["value"]) if row.get("status") == "assumed" else float(bool(row))
    score = arrays.profile.astype(np.float64) @ arrays.factors.T.astype(np.float64) + arrays.item_bias
    score += power * np.log(np.maximum(arrays.exposure, 1e-12))  # shown as popularity to this power
    sizes = (arrays.library >= 0).sum(1)
    if graph is None:
        return draw_libraries(inclusion(score, sizes), items, case.seed + 1)
    rng = np.random.default_rng([case.seed, 23])
    has = np.zeros(score.shape, bool)
    for user in rng.permutation(len(has)):
        friends = has[graph.friend[graph.start[user] : graph.start[user + 1]]].sum(0)
        chance = inclusion(score[user : user + 1] + omega * np.log1p(friends), sizes[user : user + 1])[0]
        has[user] = rng.random(items) < chance
    user, item = np.nonzero(has)
    return libraries(user, item, len(has))


def friends(case: FriendCase) -> list[Figure]:
    """All figures of the graph."""
    return [pair_auc(case), degrees(case), triangles(case), *shared(case)]
