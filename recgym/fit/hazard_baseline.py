"""The plainest hazard of leaving: a rate by step number, shrunk to one rate for all steps.

It is what a fitted hazard has to beat, and what a world has where a log shows whole visits but too few for more.
"""

import numpy as np

from recgym.arrays import Bools, Doubles, Ints
from recgym.fit.baseline_guard import beats
from recgym.fit.leaving_model import RUNS, TIMES, Choices, Leaving, Rows

WEIGHTS = (1.0, 3.0, 7.0, 30.0, 100.0, 300.0, np.inf)  # rows of the one rate in the rate of a step
FOLDS = 5  # of visits, to choose among them


def rates(step: Ints, left: Doubles, weight: float) -> Doubles:
    """(TIMES,) chance of leaving after step 1, 2, ...; later ones are those of the last."""
    place = np.minimum(step, TIMES) - 1
    rate = (left.sum() + 0.5) / (len(left) + 1.0)
    if np.isinf(weight):
        return np.full(TIMES, rate)
    gone, there = (np.bincount(place, value, TIMES) for value in (left, np.ones(len(left))))
    return np.asarray((gone + weight * rate) / (there + weight), np.float64)


def fit_lengths(frame_items: int, contexts: int, rows: Rows, cut: int) -> Leaving | None:
    """Of whole visits, those that a log cuts at `cut` rows (0: none) censored there; None where nothing can end."""
    seen = open_rows(rows, cut)
    step, left, visit = rows.step[seen], rows.left[seen], rows.session[seen]
    if not len(step):
        return None
    fold = np.random.default_rng(0).permutation(int(visit.max()) + 1)[visit] % FOLDS

    def loss(weight: float) -> float:
        total = 0.0
        for k in range(FOLDS):
            asked = fold == k
            if asked.any() and not asked.all():
                total += float(
                    _losses(rates(step[~asked], left[~asked], weight), step[asked], left[asked]).sum()
                )
        return total

    logit = _logit(rates(step, left, min(WEIGHTS, key=loss)))
    nothing = np.zeros(RUNS)
    return Leaving(
        float(logit[0]), 0.0, logit - logit[0], 0.0, nothing, 0.0, 0.0, np.zeros(frame_items), np.zeros(contexts),
        0.0, 0.0, Choices(np.inf, np.inf, np.inf), {},
    )  # fmt: skip


def open_rows(rows: Rows, cut: int) -> Bools:
    """(rows,) after which a visit could be seen to go on."""
    return np.asarray(rows.step < cut if cut else np.ones(len(rows.step), bool))


def is_better(fitted: Leaving, plain: Leaving, judged: Rows, cut: int, guard: float) -> bool:
    """Whether a hazard beats the plainest one on the rows `judged`."""
    seen = open_rows(judged, cut)
    losses = [
        -np.where(judged.left > 0, np.log(chance), np.log1p(-chance))[seen]
        for chance in (np.clip(each.chances(judged), 1e-9, 1 - 1e-9) for each in (fitted, plain))
    ]
    return bool(seen.any()) and beats(losses[0], losses[1], judged.session[seen], guard)


def _losses(table: Doubles, step: Ints, left: Doubles) -> Doubles:
    chance = table[np.minimum(step, TIMES) - 1]
    return np.asarray(-np.where(left > 0, np.log(chance), np.log1p(-chance)), np.float64)


def _logit(chance: Doubles) -> Doubles:
    return np.asarray(np.log(chance) - np.log1p(-chance), np.float64)
