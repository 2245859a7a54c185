"""Effect of an earlier response to the item in the visit (`rho`), by maximum likelihood beside the other logits.

Training has it among many terms and stops early, before it has its value, and where the other terms are of no use it
would be left out with them. So what the trained one lacks is found again, with the other logits held fixed.
"""

import numpy as np

from recgym.arrays import Bools, Doubles
from recgym.fit.baseline_guard import beats, visit_folds
from recgym.fit.dataset import MIN_EVIDENCE, Dataset
from recgym.logs.visit_history import repeats
from recgym.numerics import log_losses, sigmoid
from recgym.sim.state import MEMORY

PRIOR = 1.0  # precision [1 / logit^2]
ROUNDS = 25  # of Newton's method


def is_repeated(dataset: Dataset) -> Doubles:
    """(rows,) 1 where the item had an earlier response in the visit."""
    responded = dataset.positive.astype(bool)
    found = repeats(dataset.session, dataset.item, responded, MEMORY)
    return np.asarray(found & dataset.ordered[dataset.session], np.float64)


def repeat_effect(dataset: Dataset, x: Doubles, guard: float) -> tuple[float, float]:
    """What the logits `x` (rows,) lack on all rows, and on repeated items; 0, 0 where that forecasts no better.

    Args:
        dataset: the rows.
        x: logits, NaN where unknown. They may lack what random intercepts add on average: that is left out.
        guard: standard errors by which left-out visits are to be forecast better.
    """
    again, rows = is_repeated(dataset), dataset.known & np.isfinite(x)
    if again[rows].sum() < MIN_EVIDENCE:
        return 0.0, 0.0
    none, losses = np.zeros(len(x)), np.zeros((2, len(x)))
    for known, judged in visit_folds(dataset, rows):
        for out, column in zip(losses, (none, again), strict=True):
            level, slope = _fitted(dataset, x, column, known)
            chance = sigmoid(x[judged] + level + slope * column[judged])
            out[judged] = log_losses(dataset.positive[judged], chance)
    if not beats(losses[1, rows], losses[0, rows], dataset.session[rows], guard):
        return 0.0, 0.0
    level, slope = _fitted(dataset, x, again, rows)
    return level - _fitted(dataset, x, none, rows)[0], slope


def _fitted(dataset: Dataset, x: Doubles, column: Doubles, rows: Bools) -> tuple[float, float]:
    """Level, and slope on a column, beside the logits; a column of zeros has slope 0."""
    table, flag = np.column_stack([np.ones(int(rows.sum())), column[rows]]), dataset.positive[rows]
    found = np.zeros(2)
    for _ in range(ROUNDS):
        chance = sigmoid(x[rows] + table @ found)
        curve = (table * (chance * (1.0 - chance))[:, None]).T @ table + PRIOR * np.eye(2)
        found += np.linalg.solve(curve, table.T @ (flag - chance) - PRIOR * found)
    return float(found[0]), float(found[1])
