"""Figures of user-item pairs without impressions: held-out items of a user ranked over the catalogue.

Axes: P pairs, U users, N items.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Doubles, Ints
from recgym.fidelity import graph_metrics
from recgym.fidelity.card_metrics import Figure, figure, loss_figure
from recgym.fidelity.evaluation import Evaluation, LackingError
from recgym.fidelity.free_run import MAX_VISITS, FreeRun, Shape, free_run_of_pairs
from recgym.fidelity.resampling import Resampling
from recgym.logs import Log
from recgym.logs.splits import TEST, TRAIN, VALIDATION, LogPart, split_pairs
from recgym.sim.world import World
from recgym.sim.world_index import places, row_numbers

RECALL_DEPTH = 20  # items
NO_ROW = "their user or item has no row in the world"


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
class PairEvaluation:
    """A world and distinct pairs of users and items; it was not fitted on those of the test."""

    world: World
    log: Log
    user: Ints  # (P,) of the world
    item: Ints  # (P,)
    period: Ints  # (P,)
    resamples: int
    seed: int
    remarks: tuple[str, ...]
    curves: dict[str, Any] = field(default_factory=dict)
    visits: int = MAX_VISITS  # of the free-running world, at most
    shape: Shape | None = None  # of the free-running world; None: that of the log

    @cached_property
    def free(self) -> FreeRun:
        """Visits of the free-running world; a user's held-out items are one visit, without an order."""
        parts = [self.period == TEST, self.period == VALIDATION, self.period == TRAIN]
        logged, validated, train = ((self.user[part], self.item[part]) for part in parts)
        known = validated if len(validated[0]) else train
        options = {"visits": self.visits, "resamples": self.resamples, "seed": self.seed}
        return free_run_of_pairs(self.world, logged, known, train[1], **options).in_shape(self.shape)

    @classmethod
    def of(
        cls, world: World, log: Log, past: Log | None, resamples: int, seed: int, visits: int = MAX_VISITS
    ) -> "PairEvaluation":
        """The world's own split of the log, or `log` as the test set where `past` is given.

        ValueError where no user or item of a log is known to the world.
        """
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
                whose = "the log's" if part is log else "the earlier log's"
                remarks.append(f"{int((~known).sum()):,} of {whose} {len(known):,} rows left out: {NO_ROW}")
            parts.append((user[known], item[known]))
        if past is None:
            seed_of_world, keys = int(world.card.get("seed", 0)), own_rows(world, users, items)
            of_user, of_item, period = split_pairs(log, seed_of_world, keys)
            user, item = users[of_user], items[of_item]
            known, test = (user >= 0) & (item >= 0), period == TEST
            if not known[test].all():
                lost = int((test & ~known).sum())
                remarks.append(f"{lost:,} of {int(test.sum()):,} held-out pairs are in such rows")
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
            visits=visits,
        )

    @cached_property
    def score(self) -> NDArray[np.float64]:
        """(U, N) log-probabilities of items by affinity and exposure.

        The item bias of the world excludes exposure, a power of popularity by assumption; here it is added again.
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
        """(N,) log of the items' shares of the pairs of training and validation, add-one smoothed."""
        known = self.period != TEST
        share = np.bincount(self.item[known], minlength=self.world.num_items) + 1.0
        return np.asarray(np.log(share / share.sum()), np.float64)


def held_out(evaluation: PairEvaluation) -> list[Figure]:
    """Log-loss of held-out items over the catalogue, and recall."""
    test, score = evaluation.period == TEST, evaluation.score
    baseline = np.broadcast_to(evaluation.popularity, score.shape)
    loss, plain = (-table[evaluation.user[test], evaluation.item[test]] for table in (score, baseline))
    users, ours = recall(score, evaluation)
    theirs = recall(baseline, evaluation)[1]
    spread = Resampling(evaluation.user[test], evaluation.resamples, evaluation.seed)
    return [
        loss_figure("held_out_log_loss", loss=loss, baselines={"popularity": plain}, spread=spread.of_ratio),
        figure("held_out_recall", RECALL_DEPTH, world=float(ours.mean()), n=len(users),
               baselines={"popularity": float(theirs.mean())},
               spread=Resampling(users, evaluation.resamples, evaluation.seed).of_ratio(ours)),
    ]  # fmt: skip


def friends(evaluation: PairEvaluation | Evaluation) -> list[Figure]:
    """Figures of the graph of friends, of a social world; LackingError where log or world have none."""
    if evaluation.world.domain != "social":
        return []
    parts = (evaluation.log,) if isinstance(evaluation, PairEvaluation) else evaluation.origin
    wholes = [part.whole if isinstance(part, LogPart) else part for part in parts]
    if not any(log.friends is not None for log in wholes):
        raise LackingError("the log has no friends")
    if not evaluation.world.has_graph:
        raise LackingError("the world has no graph")
    logs = tuple(part.log() if isinstance(part, LogPart) else part for part in parts)
    return graph_metrics.friends(
        graph_metrics.GraphEvaluation.of(evaluation.world, logs, evaluation.resamples, evaluation.seed)
    )


def recall(score: NDArray[np.float64], evaluation: PairEvaluation) -> tuple[Ints, Doubles]:
    """Users with a held-out pair, and each one's recall among the RECALL_DEPTH best items that are not in training."""
    hidden = score.copy()
    past = evaluation.period != TEST
    hidden[evaluation.user[past], evaluation.item[past]] = -np.inf
    users = np.unique(evaluation.user[~past])
    depth = min(RECALL_DEPTH, score.shape[1])
    best = np.argpartition(-hidden[users], depth - 1, axis=1)[:, :depth]
    top = np.zeros((len(users), score.shape[1]), bool)
    np.put_along_axis(top, best, True, axis=1)
    row = np.searchsorted(users, evaluation.user[~past])
    hits = np.bincount(row, weights=top[row, evaluation.item[~past]])
    return users, np.asarray(hits / np.bincount(row), np.float64)
