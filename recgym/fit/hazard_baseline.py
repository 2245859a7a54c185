"""The baseline of a hazard of leaving: a rate by step number, shrunk to one rate for all steps.

A fitted hazard is kept where it beats this baseline; else the world has the baseline.
"""

from dataclasses import replace

import numpy as np

from recgym.arrays import Doubles, Ints
from recgym.fit.baseline_guard import beats
from recgym.fit.leaving_model import MAX_RUN, MAX_STEP, Choices, HazardRows, Leaving, open_rows
from recgym.numerics import sigmoid

WEIGHTS = (
    1.0,
    3.0,
    7.0,
    30.0,
    100.0,
    300.0,
    np.inf,
)  # [rows] at the overall rate that are added to each step
FOLDS = 5  # of sessions, to choose the weight
PRIOR = 1.0  # precision of the effects of having a response or none


def rates(step: Ints, left: Doubles, weight: float) -> Doubles:
    """(MAX_STEP,) hazard after step 1, 2, ...; the last is that of all later steps."""
    place = np.minimum(step, MAX_STEP) - 1
    rate = (left.sum() + 0.5) / (len(left) + 1.0)
    if np.isinf(weight):
        return np.full(MAX_STEP, rate)
    num_left, num_rows = (np.bincount(place, value, MAX_STEP) for value in (left, np.ones(len(left))))
    return np.asarray((num_left + weight * rate) / (num_rows + weight), np.float64)


def fit_lengths(num_items: int, num_contexts: int, rows: HazardRows, cut: int) -> Leaving | None:
    """Fits rates to whole sessions, censored after `cut` rows (0: never); None where all rows are censored."""
    is_open = open_rows(rows, cut)
    step, left, visit = rows.step[is_open], rows.left[is_open], rows.session[is_open]
    if not len(step):
        return None
    fold = np.random.default_rng(0).permutation(int(visit.max()) + 1)[visit] % FOLDS

    def loss(weight: float) -> float:
        total = 0.0
        for k in range(FOLDS):
            held = fold == k
            if held.any() and not held.all():
                total += float(
                    _losses(
                        rates(step[~held], left[~held], weight),
                        step[held],
                        left[held],
                    ).sum()
                )
        return total

    logit = _logit(rates(step, left, min(WEIGHTS, key=loss)))
    zeros = np.zeros(MAX_RUN)
    return Leaving(
        float(logit[0]), 0.0, logit - logit[0], 0.0, zeros, 0.0, 0.0, np.zeros(num_items), np.zeros(num_contexts),
        0.0, 0.0, Choices(np.inf, np.inf, np.inf), {},
    )  # fmt: skip


def with_no_response(plain: Leaving, rows: HazardRows, cut: int) -> Leaving:
    """The rates by step with an effect of no response on their logits, by Newton's method."""
    is_open = open_rows(rows, cut)
    left, idle, logit = rows.left[is_open], rows.no_response[is_open], plain.logits(rows)[is_open]
    table = np.column_stack([np.ones(len(idle)), idle])
    found = np.zeros(2)
    for _ in range(25):
        chance = sigmoid(logit + table @ found)
        curve = (table * (chance * (1.0 - chance))[:, None]).T @ table + PRIOR * np.eye(2)
        found += np.linalg.solve(curve, table.T @ (left - chance) - PRIOR * found)
    return replace(plain, bias=plain.bias + float(found[0]), no_response=float(found[1]))


def is_better(fitted: Leaving, plain: Leaving, judged: HazardRows, cut: int, guard: float) -> bool:
    """Whether a hazard beats the baseline on the rows `judged` by `guard` standard errors."""
    is_open = open_rows(judged, cut)
    losses = [
        -np.where(judged.left > 0, np.log(chance), np.log1p(-chance))[is_open]
        for chance in (np.clip(each.chances(judged), 1e-9, 1 - 1e-9) for each in (fitted, plain))
    ]
    return bool(is_open.any()) and beats(losses[0], losses[1], judged.session[is_open], guard)


def _losses(table: Doubles, step: Ints, left: Doubles) -> Doubles:
    chance = table[np.minimum(step, MAX_STEP) - 1]
    return np.asarray(-np.where(left > 0, np.log(chance), np.log1p(-chance)), np.float64)


def _logit(chance: Doubles) -> Doubles:
    return np.asarray(np.log(chance) - np.log1p(-chance), np.float64)
