"""Figures of pairs of users and items without exposures: held-out items of a user against the whole catalogue.

Axes: P pairs, U users, N items.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Doubles, Ints
from recgym.fidelity import graph_metrics
from recgym.fidelity.evaluation import Evaluation, LackingError
from recgym.fidelity.resampling import USERS, Figure, Resampling, figure
from recgym.logs import Log
from recgym.logs.splits import TEST, TRAIN, split_pairs
from recgym.sim.world import World
from recgym.sim.world_index import places, row_numbers

TOP = 20  # recall is counted at this rank


def own_rows(world: World, users: Ints, items: Ints) -> tuple[Ints, Ints] | None:
    """Rows of the world's own log, by which it held out pairs, of users and items by their world indices; 0 for -1."""
    known = world.card.get("identity")
    if known is None:
        return None
    user, item = (
        np.where(index < 0, 0, row_numbers(known[f"{what}_rows"])[index])
        for what, index in (("user", users), ("item", items))
    )
    return user, item


@dataclass(frozen=True)
class PairCase:
    """A world before distinct pairs of which it has not seen those of the test."""

    world: World
    log: Log
    user: Ints  # (P,) of the world
    item: Ints  # (P,)
    period: Ints  # (P,)
    resamples: int
    seed: int
    remarks: tuple[str, ...]
    curves: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, world: World, log: Log, past: Log | None, resamples: int, seed: int) -> "PairCase":
        """The world's own split of the log, or `log` as the test where `past` is given; ValueError for strangers."""
        parts, remarks = [], []
        for part in (log,) if past is None else (past, log):
            users, items, _ = places(world, part)
            user, item = users[part.column("user")], items[part.column("item")]
            known = (user >= 0) & (item >= 0)
            if not known.any():
                raise ValueError(
                    f"pairs are judged user by user: none of the log's is known to world {world.name}"
                )
            if not known.all():
                remarks.append(
                    f"{int((~known).sum())} rows left out: their user or item has no row in the world"
                )
            parts.append((user[known], item[known]))
        if past is None:
            seed_of_world, keys = int(world.card.get("seed", 0)), own_rows(world, users, items)
            of_user, of_item, period = split_pairs(log, seed_of_world, keys)
            user, item = users[of_user], items[of_item]
            known = (user >= 0) & (item >= 0)
            pairs = user[known], item[known], period[known]
        else:
            codes = [np.unique(user * world.num_items + item) for user, item in parts]
            fresh = np.setdiff1d(codes[1], codes[0])
            code = np.r_[codes[0], fresh]
            period = np.repeat([TRAIN, TEST], [len(codes[0]), len(fresh)])
            pairs = code // world.num_items, code % world.num_items, period
        return cls(
            world,
            log,
            *pairs,
            resamples,
            seed,
            (f"{int((pairs[2] == TEST).sum()):,} held-out pairs", *remarks),
        )

    @cached_property
    def score(self) -> NDArray[np.float64]:
        """(U, N) log-probabilities of a user's items: affinity, and how often an item was there to be met.

        The world's item bias has exposure, assumed to grow as a power of popularity, taken out: it goes in again.
        """
        arrays = self.world.arrays
        terms = {row["term"]: row for row in self.world.card.get("terms", [])}
        power = (
            float(terms["item_bias"]["value"])
            if terms.get("item_bias", {}).get("status") == "assumed"
            else 0.0
        )
        bias = arrays.item_bias.astype(np.float64) + power * np.log(np.maximum(arrays.exposure, 1e-12))
        score = arrays.profile.astype(np.float64) @ arrays.factors.T.astype(np.float64) + bias
        score -= score.max(1, keepdims=True)
        return np.asarray(score - np.log(np.exp(score).sum(1, keepdims=True)), np.float64)

    @cached_property
    def popularity(self) -> Doubles:
        """(N,) log of the items' shares of the pairs that are not held out."""
        known = self.period != TEST
        share = np.bincount(self.item[known], minlength=self.world.num_items) + 1.0
        return np.asarray(np.log(share / share.sum()), np.float64)


def held_out(case: PairCase) -> list[Figure]:
    """Log-loss of a held-out item over the catalogue, and recall among the best that the user did not have before."""
    test = case.period == TEST
    toy = np.broadcast_to(case.popularity, case.score.shape)
    loss, plain = (-table[case.user[test], case.item[test]] for table in (case.score, toy))
    users, ours = recall(case.score, case)
    theirs = recall(toy, case)[1]
    spread = Resampling(case.user[test], case.resamples, case.seed)
    return [
        figure("log-loss of a held-out item over the catalogue", USERS, world=float(loss.mean()), n=len(loss),
               toys={"popularity": float(plain.mean())}, spread=spread.of_ratio(loss)),
        figure(f"recall at {TOP} of held-out items", USERS, world=float(ours.mean()), n=len(users), best=max,
               toys={"popularity": float(theirs.mean())},
               spread=Resampling(users, case.resamples, case.seed).of_ratio(ours)),
    ]  # fmt: skip


def friends(case: PairCase | Evaluation) -> list[Figure]:
    """Who is whose friend, where the world has a graph and the log friends."""
    if case.world.domain != "social":
        return []
    logs = (case.log,) if isinstance(case, PairCase) else case.origin
    if not any(log.friends is not None for log in logs):
        raise LackingError("the log has no friends")
    if not case.world.has_graph:
        raise LackingError("the world has no graph")
    return graph_metrics.friends(graph_metrics.FriendCase.of(case.world, logs, case.resamples, case.seed))


def recall(score: NDArray[np.float64], case: PairCase) -> tuple[Ints, Doubles]:
    """Users with a held-out pair, and the share of their held-out items among the TOP best that they had not before."""
    hidden = score.copy()
    past = case.period != TEST
    hidden[case.user[past], case.item[past]] = -np.inf
    users = np.unique(case.user[~past])
    depth = min(TOP, score.shape[1])
    best = np.argpartition(-hidden[users], depth - 1, axis=1)[:, :depth]
    top = np.zeros((len(users), score.shape[1]), bool)
    np.put_along_axis(top, best, True, axis=1)
    row = np.searchsorted(users, case.user[~past])
    hits = np.bincount(row, weights=top[row, case.item[~past]])
    return users, np.asarray(hits / np.bincount(row), np.float64)
