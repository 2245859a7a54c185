"""The baseline of a hazard of leaving: a rate by step number, shrunk to one rate for all steps.

A fitted hazard is kept where it beats this baseline; else the world has the baseline.
"""

from collections.abc import Sequence

import numpy as np

from recgym.arrays import Bools, Codes, Doubles, Ints
from recgym.fit.baseline_guard import beats
from recgym.fit.hazard import EffectTable, VisitRows, fit_hazard
from recgym.fit.leaving_model import (
    MAX_ROWS,
    MAX_RUN,
    MAX_STEP,
    Choices,
    HazardRows,
    Leaving,
    drawn,
    open_rows,
    take,
)

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
EFFECTS = ("no_response", "level")  # columns of `HazardRows`, and their slopes in `Leaving`


def rates(step: Codes, left: Bools, weight: float) -> Doubles:
    """(MAX_STEP,) hazard after step 1, 2, ...; the last is that of all later steps."""
    return _rates(*_counts(np.minimum(step, MAX_STEP) - 1, left, MAX_STEP), weight)


def _counts(code: Codes, left: Bools, size: int) -> tuple[Ints, Ints]:
    """(size,) rows of each code, and those after which the session ended."""
    return np.bincount(code, minlength=size), np.bincount(code[np.asarray(left, bool)], minlength=size)


def _rates(num_rows: Ints, num_left: Ints, weight: float) -> Doubles:
    """`rates` from the numbers of rows and of ends of each step (MAX_STEP,)."""
    rate = (num_left.sum() + 0.5) / (num_rows.sum() + 1.0)
    if np.isinf(weight):
        return np.full(MAX_STEP, rate)
    return np.asarray((num_left + weight * rate) / (num_rows + weight), np.float64)


def fit_lengths(
    num_items: int, num_contexts: int, rows: HazardRows, cut: int, effects: Sequence[str] = ()
) -> Leaving | None:
    """Fits rates to whole sessions, censored after `cut` rows (0: never), and beside them some of EFFECTS, jointly.

    None where all rows are censored.
    """
    rows = take(rows, open_rows(rows, cut))
    if not len(rows.step):
        return None
    weight = _best_weight(rows)
    logit, slopes = _logit(rates(rows.step, rows.left, weight)), dict[str, float]()
    if effects:
        rows = drawn(rows, MAX_ROWS["fit"])
        rate = float(rows.left.mean())
        step = EffectTable(np.minimum(rows.step, MAX_STEP) - 1, MAX_STEP, weight * rate * (1.0 - rate))
        table = np.column_stack([getattr(rows, name) for name in effects]).astype(np.float64)
        found = fit_hazard(VisitRows(rows.left, rows.starts), table, [step])
        logit, slopes = found.bias + found.tables[0], dict(zip(effects, found.slopes.tolist(), strict=True))
    no_effect = {"repeat": 0.0, "no_response": 0.0, "level": 0.0}
    return Leaving(
        float(logit[0]), 0.0, logit - logit[0], 0.0, np.zeros(MAX_RUN), item=np.zeros(num_items),
        context=np.zeros(num_contexts), patience=0.0, joint_patience=0.0,
        choices=Choices(np.inf, np.inf, np.inf), validation={}, **(no_effect | slopes),
    )  # fmt: skip


def _best_weight(rows: HazardRows) -> float:
    """The weight of the overall rate that is best on sessions that are left out; folds are counted in one pass."""
    fold = (np.random.default_rng(0).permutation(int(rows.session.max()) + 1) % FOLDS).astype(np.int32)
    code = fold[rows.session] * MAX_STEP + np.minimum(rows.step, MAX_STEP) - 1
    shown, ended = (count.reshape(FOLDS, -1) for count in _counts(code, rows.left, FOLDS * MAX_STEP))

    def loss(weight: float) -> float:
        total = 0.0
        for held, left in zip(shown, ended, strict=True):
            if 0 < held.sum() < shown.sum():
                chance = _rates(shown.sum(0) - held, ended.sum(0) - left, weight)
                total -= float(left @ np.log(chance) + (held - left) @ np.log1p(-chance))
        return total

    return min(WEIGHTS, key=loss)


def better_effects(size: tuple[int, int], rows: HazardRows, cut: int, guard: float) -> tuple[str, ...]:
    """Those of EFFECTS by which each half of the visits is forecast better from the other, the best first.

    They are added one by one: who seldom responds has more rows without a response, so that each effect alone would
    hold a part of the other. One slope needs no later days to be chosen by, and those are few.

    Args:
        size: numbers of items and contexts.
        rows: of the known visits.
        cut: see `fit_lengths`.
        guard: standard errors by which an effect has to be better.
    """
    rows = drawn(take(rows, open_rows(rows, cut)), MAX_ROWS["choose"])
    there = [name for name in EFFECTS if len(rows.step) and getattr(rows, name).any()]
    kept: tuple[str, ...] = ()
    found = _held_out(size, rows, kept) if there else None
    while found is not None and (left := [name for name in there if name not in kept]):
        tried = {name: _held_out(size, rows, (*kept, name)) for name in left}
        best, loss = min(((name, loss) for name, loss in tried.items() if loss is not None), key=_total)
        if not beats(loss, found, rows.session, guard):
            break
        kept, found = (*kept, best), loss
    return kept


def _total(entry: tuple[str, Doubles]) -> float:
    return float(entry[1].sum())


def _held_out(size: tuple[int, int], rows: HazardRows, effects: tuple[str, ...]) -> Doubles | None:
    """(rows,) losses by the fit to the other half of the visits; None where a half has no rows."""
    half = np.random.default_rng(0).permutation(int(rows.session.max()) + 1)[rows.session] % 2
    losses = np.zeros(len(half))
    for side in (0, 1):
        found = fit_lengths(*size, take(rows, half != side), 0, effects)
        if found is None:
            return None
        losses[half == side] = _row_losses(found, take(rows, half == side), 0)
    return losses


def is_better(fitted: Leaving, plain: Leaving, judged: HazardRows, cut: int, guard: float) -> bool:
    """Whether a hazard beats the baseline on the rows `judged` by `guard` standard errors."""
    losses = [_row_losses(each, judged, cut) for each in (fitted, plain)]
    session = judged.session[open_rows(judged, cut)]
    return bool(len(session)) and beats(losses[0], losses[1], session, guard)


def _row_losses(hazard: Leaving, rows: HazardRows, cut: int) -> Doubles:
    """Log-loss of each row that is not censored."""
    chance = np.clip(hazard.chances(rows), 1e-9, 1 - 1e-9)
    loss = -np.where(rows.left, np.log(chance), np.log1p(-chance))
    return np.asarray(loss[open_rows(rows, cut)], np.float64)


def _logit(chance: Doubles) -> Doubles:
    return np.asarray(np.log(chance) - np.log1p(-chance), np.float64)
