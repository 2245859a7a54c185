"""Figures of a graph of friends: friend pairs, degrees, triangles, and items that friends share.

Libraries and graph of a world are draws from its fit; those of a log are its pairs. All figures take the world and a
log with a table of friends. Figures that the graph is calibrated to are marked: degrees, triangles, shared items.

Intervals resample users. A user who is drawn k times has weight k; pairs and triangles have the product of the weights
of their users (vertices: Snijders and Borgatti, 1999; products: Davezies, D'Haultfoeuille and Guyonvarch, 2021).

Axes: P pairs, U users, N items.
"""

from functools import partial
from typing import NamedTuple

import numpy as np

from recgym.arrays import Doubles, Ints
from recgym.fidelity.calibration import largest
from recgym.fidelity.card_metrics import MATCHED, Figure, figure
from recgym.fidelity.resampling import Resampling
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
from recgym.logs.kinds import responses_of
from recgym.numerics import auc, auc_of_codes
from recgym.sim.world import World
from recgym.sim.world_index import places

OMEGAS = (1.0, 1.5, 2.0, 3.0)  # candidates: below, influence is weak; above, all libraries become alike


class GraphEvaluation(NamedTuple):
    """A world with a graph and a log with friends, on the world's users."""

    world: World
    graph: FriendGraph  # the world's
    log: FriendGraph
    library: Ints  # (U, S) of the log: its pairs of users and the world's items
    seed: int  # of the world's own split of the friends
    users: Resampling

    @classmethod
    def of(cls, world: World, logs: tuple[Log, ...], resamples: int, seed: int) -> "GraphEvaluation":
        """Of logs with the same tables, all rows of which judge; ValueError where world or logs have no friends."""
        log = next((each for each in logs if each.friends is not None), None)
        if not world.has_graph or log is None:
            raise ValueError(f"{'the log' if world.has_graph else f'world {world.name}'} has no friends")
        users, items, _ = places(world, log)
        pairs = np.concatenate([_responding(each) for each in logs], axis=1)
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


def _responding(log: Log) -> Ints:
    """(2, rows) users and items of the rows with a response."""
    rows = responses_of(log)
    return np.stack([log.column("user")[rows], log.column("item")[rows]])


def pair_auc(evaluation: GraphEvaluation) -> Figure:
    """AUC of held-out friends against degree-matched pairs, by the acceptance model on 80 % of the graph."""
    world = evaluation.world
    train, _, test = split_friend_pairs(evaluation.log.pairs, evaluation.seed)
    pairs = np.concatenate([test, matched_non_friends(test, 5, evaluation.log, evaluation.seed + 1)])
    facts, kin = (
        FriendGraph.of(train, world.num_users).pair_features(pairs),
        world.arrays.kin.astype(np.float64),
    )
    numbers = world.params
    logit = numbers["connect_taste"] * (kin[pairs[:, 0]] * kin[pairs[:, 1]]).sum(1)
    logit += facts @ np.array([numbers["connect_common"], numbers["connect_degree"]])
    flag, code = np.arange(len(pairs)) < len(test), np.unique(logit, return_inverse=True)[1]
    spread = evaluation.users.of(lambda weight: auc_of_codes(flag, code, weight[pairs].prod(1)))
    return figure("friends_auc", world=auc(flag, logit), n=len(test),
                  baselines={"degrees": auc(flag, facts[:, 1])}, spread=spread)  # fmt: skip


def degrees(evaluation: GraphEvaluation) -> Figure:
    """Kolmogorov-Smirnov distance of the degree distributions; the baseline is a Poisson distribution."""
    ours, theirs = evaluation.graph.degree, evaluation.log.degree
    even = np.random.default_rng(evaluation.seed).poisson(theirs.mean(), len(theirs))
    return figure("degree_distance", judges=MATCHED, world=distance(ours, theirs), n=len(theirs),
                  baselines={"equal chances": distance(even, theirs)},
                  spread=evaluation.users.of_distance(partial(apart, ours, theirs), largest))  # fmt: skip


def distance(ours: Ints, theirs: Ints) -> float:
    """Kolmogorov-Smirnov distance of two samples."""
    return largest(apart(ours, theirs, np.ones(len(theirs))))


def apart(ours: Ints, theirs: Ints, weight: Doubles) -> Doubles:
    """Difference of two empirical distribution functions at every value that occurs; `weight` is that of `theirs`."""
    at, code = np.unique(np.r_[ours, theirs], return_inverse=True)
    mine = np.bincount(code[: len(ours)], minlength=len(at)) / len(ours)
    other = np.bincount(code[len(ours) :], weight, len(at)) / weight.sum()
    return np.asarray(np.cumsum(mine - other), np.float64)


def triangles(evaluation: GraphEvaluation) -> Figure:
    """Transitivity; the baseline is a random graph with the same degrees."""
    pairs = np.unique(configuration_pairs(evaluation.log.pairs, 1, evaluation.seed), axis=0)
    baseline = FriendGraph.of(pairs, evaluation.world.num_users).transitivity()
    return figure("transitivity", judges=MATCHED, n=len(evaluation.log.pairs),
                  baselines={"degrees alone": baseline}, log=evaluation.log.transitivity(),
                  world=evaluation.graph.transitivity(),
                  spread=evaluation.users.of(evaluation.log.weighted_transitivity()))  # fmt: skip


def shared(evaluation: GraphEvaluation) -> list[Figure]:
    """Items that friends share: the world's, under homophily alone and under influence alone."""
    graph, items, pairs = evaluation.graph, evaluation.world.num_items, evaluation.log.pairs
    lift_of = weighted_sharing_lift(evaluation.library, pairs, items)
    log, spread = lift_of(np.ones(len(evaluation.library))), evaluation.users.of(lift_of)
    omega, influence = all_influence(evaluation, log)
    return [
        figure("shared_items", judges=MATCHED, log=log, n=len(pairs), spread=spread,
               baselines={"pairs at random": 1.0},
               world=sharing_lift(evaluation.world.arrays.library, graph.pairs, items)),
        figure("shared_items_homophily", judges=MATCHED, log=log, n=len(pairs), spread=spread,
               world=sharing_lift(_drawn(evaluation, None, 0.0), graph.pairs, items)),
        figure("shared_items_influence", f"{omega:g}", judges=MATCHED, log=log, world=influence, n=len(pairs),
               spread=spread),
    ]  # fmt: skip


def all_influence(evaluation: GraphEvaluation, wanted: float) -> tuple[float, float]:
    """The omega of OMEGAS whose lift is nearest to `wanted`, and that lift, under influence alone.

    Users are permuted over the nodes of the world's graph, so that friends have unrelated profiles.
    """
    places = np.random.default_rng([evaluation.seed, 24]).permutation(evaluation.world.num_users)
    graph = FriendGraph.of(np.sort(places[evaluation.graph.pairs], axis=1), evaluation.world.num_users)
    lifts = [
        sharing_lift(_drawn(evaluation, graph, omega), graph.pairs, evaluation.world.num_items)
        for omega in OMEGAS
    ]
    nearest = int(np.argmin(np.abs(np.array(lifts) - wanted)))
    return OMEGAS[nearest], lifts[nearest]


def _drawn(evaluation: GraphEvaluation, graph: FriendGraph | None, omega: float) -> Ints:
    """Libraries drawn again from the world's affinities, one user after another.

    With a `graph`, omega log(1 + friends who already have the item) is added to the affinity.
    """
    arrays, items = evaluation.world.arrays, evaluation.world.num_items
    terms = {row["term"]: row for row in evaluation.world.card.get("terms", [])}
    row = terms.get("item_bias", {})  # fitted from impressions: exposure as in the log
    power = float(row["value"]) if row.get("status") == "assumed" else float(bool(row))
    score = arrays.profile.astype(np.float64) @ arrays.factors.T.astype(np.float64) + arrays.item_bias
    score += power * np.log(np.maximum(arrays.exposure, 1e-12))  # exposure ~ popularity ** power
    sizes = (arrays.library >= 0).sum(1)
    if graph is None:
        return draw_libraries(inclusion_probabilities(score, sizes), items, evaluation.seed + 1)
    rng = np.random.default_rng([evaluation.seed, 23])
    has = np.zeros(score.shape, bool)
    for user in rng.permutation(len(has)):
        friends = has[graph.friend[graph.start[user] : graph.start[user + 1]]].sum(0)
        chance = inclusion_probabilities(
            score[user : user + 1] + omega * np.log1p(friends), sizes[user : user + 1]
        )[0]
        has[user] = rng.random(items) < chance
    user, item = np.nonzero(has)
    return library_table(user, item, len(has))


def friends(evaluation: GraphEvaluation) -> list[Figure]:
    """All figures of the graph."""
    return [pair_auc(evaluation), degrees(evaluation), triangles(evaluation), *shared(evaluation)]
