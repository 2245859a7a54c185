"""Figures of a graph of friends: who are friends, how many, in what triangles, and what they share.

Libraries and graph of a world are draws from its fit; a log's are its pairs. All figures take the world and a log with
a table of friends. What the graph was drawn to have is marked: degrees, triangles, what friends share.

Intervals resample users: one drawn k times counts k times, a pair of two as often as the product says, three friends as
that of three (vertices: Snijders and Borgatti, 1999; such products: Davezies, D'Haultfoeuille and Guyonvarch, 2021).

Axes: P pairs, U users, N items.
"""

from functools import partial
from typing import NamedTuple

import numpy as np

from recgym.arrays import Doubles, Ints
from recgym.fidelity.resampling import MATCHED, USERS, Figure, Resampling, figure, largest
from recgym.logs import Log
from recgym.logs.friend_graph import (
    FriendGraph,
    configuration_pairs,
    draw_libraries,
    inclusion_probabilities,
    indexed_friend_pairs,
    library_table,
    matched_non_friends,
    sharing_lift,
    split_friend_pairs,
    weighted_sharing_lift,
)
from recgym.numerics import auc, auc_of_codes
from recgym.sim.world import World
from recgym.sim.world_index import places

OMEGAS = (1.0, 1.5, 2.0, 3.0)  # looked at: below, influence is weak; above, all come to like the same few


class FriendCase(NamedTuple):
    """A world with a graph before a log with friends, on the world's users."""

    world: World
    graph: FriendGraph  # the world's
    log: FriendGraph
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
        library = library_table(user[known], item[known], world.num_users)
        arrays, pairs = world.arrays, indexed_friend_pairs(log, users)
        graph = FriendGraph(arrays.friend_start.astype(np.int64), arrays.friend.astype(np.int64))
        draws = Resampling(np.arange(world.num_users), resamples, seed)
        return cls(
            world,
            graph,
            FriendGraph.of(pairs, world.num_users),
            library,
            int(world.card.get("seed", 0)),
            draws,
        )


def _responses(log: Log, event: str) -> Ints:
    """(2, rows) users and items of the rows with the event; all rows of a log without it."""
    rows = log.column(event).astype(bool) if event in log.events else np.ones(log.num_rows, bool)
    return np.stack([log.column("user")[rows], log.column("item")[rows]])


def pair_auc(case: FriendCase) -> Figure:
    """Held-out friends against strangers of like degrees, by acceptance over the graph of 80 %."""
    train, _, test = split_friend_pairs(case.log.pairs, case.seed)
    pairs = np.concatenate([test, matched_non_friends(test, 5, case.log, case.seed + 1)])
    facts, kin = (
        FriendGraph.of(train, case.world.num_users).pair_features(pairs),
        case.world.arrays.kin.astype(np.float64),
    )
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
    pairs = np.unique(configuration_pairs(case.log.pairs, 1, case.seed), axis=0)
    toy = FriendGraph.of(pairs, case.world.num_users).transitivity()
    return figure("transitivity of the graph", MATCHED, n=len(case.log.pairs), toys={"degrees alone": toy},
                  log=case.log.transitivity(), world=case.graph.transitivity(),
                  spread=case.users.of(case.log.weighted_transitivity()))  # fmt: skip


def shared(case: FriendCase) -> list[Figure]:
    """Lift of friends in what they share: the world's, and both extremes of what it may come from."""
    items, pairs = case.world.num_items, case.log.pairs
    lift_of = weighted_sharing_lift(case.library, pairs, items)
    log, spread = lift_of(np.ones(len(case.library))), case.users.of(lift_of)
    omega, influence = all_influence(case, log)
    name = "items that friends share, over pairs of like degrees"
    return [
        figure(name, MATCHED, log=log, n=len(pairs), toys={"pairs at random": 1.0}, spread=spread,
               world=sharing_lift(case.world.arrays.library, case.graph.pairs, items)),
        figure(f"{name}: all homophily (omega 0)", MATCHED, log=log, n=len(pairs), spread=spread,
               world=sharing_lift(_drawn(case, None, 0.0), case.graph.pairs, items)),
        figure(f"{name}: all influence (nearest: omega {omega:g}; friends of unrelated taste)", MATCHED, log=log,
               world=influence, n=len(pairs), spread=spread),
    ]  # fmt: skip


def all_influence(case: FriendCase, wanted: float) -> tuple[float, float]:
    """The omega in OMEGAS at which people put anywhere in the world's graph come nearest to `wanted`, and the lift."""
    places = np.random.default_rng([case.seed, 24]).permutation(case.world.num_users)
    graph = FriendGraph.of(np.sort(places[case.graph.pairs], axis=1), case.world.num_users)
    lifts = [sharing_lift(_drawn(case, graph, omega), graph.pairs, case.world.num_items) for omega in OMEGAS]
    nearest = int(np.argmin(np.abs(np.array(lifts) - wanted)))
    return OMEGAS[nearest], lifts[nearest]


def _drawn(case: FriendCase, graph: FriendGraph | None, omega: float) -> Ints:
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
        return draw_libraries(inclusion_probabilities(score, sizes), items, case.seed + 1)
    rng = np.random.default_rng([case.seed, 23])
    has = np.zeros(score.shape, bool)
    for user in rng.permutation(len(has)):
        friends = has[graph.friend[graph.start[user] : graph.start[user + 1]]].sum(0)
        chance = inclusion_probabilities(
            score[user : user + 1] + omega * np.log1p(friends), sizes[user : user + 1]
        )[0]
        has[user] = rng.random(items) < chance
    user, item = np.nonzero(has)
    return library_table(user, item, len(has))


def friends(case: FriendCase) -> list[Figure]:
    """All figures of the graph."""
    return [pair_auc(case), degrees(case), triangles(case), *shared(case)]
