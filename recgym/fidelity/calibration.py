"""Calibration of forecast probabilities. Axes: R rows."""

from collections.abc import Callable

import numpy as np

from recgym.arrays import Array, Doubles, Ints
from recgym.fidelity.resampling import Spread
from recgym.numerics import sigmoid

BINS = 15  # of equal mass


def bins_of(chance: Array, bins: int = BINS) -> Ints:
    """(R,) number of the equal-mass bin of each row, by its probability."""
    rank = np.empty(len(chance), np.int64)
    rank[np.argsort(chance, kind="stable")] = np.arange(len(chance))
    return rank * bins // max(len(chance), 1)


def calibration_gaps(flag: Array, chance: Array, code: Ints, weight: Doubles) -> Doubles:
    """(bins,) weighted sum of flag - chance over the rows of each bin, divided by the sum of all weights.

    Args:
        flag: (R,) 1 where the event happened.
        chance: (R,) forecast probabilities.
        code: (R,) bin of each row.
        weight: (R,) of the rows.
    """
    return np.asarray(np.bincount(code, weights=weight * (flag - chance)) / weight.sum(), np.float64)


def calibration_error(flag: Array, chance: Array, code: Ints) -> float:
    """Expected calibration error over the bins `code`. Source: Naeini et al. (2015)."""
    return total(calibration_gaps(flag, chance, code, np.ones(len(flag))))


def total(gaps: Doubles) -> float:
    """Sum of absolute gaps."""
    return float(np.abs(gaps).sum())


def largest(gaps: Doubles) -> float:
    """Largest absolute gap."""
    return float(np.abs(gaps).max())


def reliability(
    flag: Array, chance: Array, ratio: Callable[[Doubles, Doubles], Spread]
) -> list[list[float | int | None]]:
    """A reliability diagram over equal-mass bins.

    Returns:
        For each bin: mean probability, rate, the rate's interval by `ratio(numerator, denominator)`, number of rows.
    """
    code, rows = bins_of(chance), []
    for k in range(BINS):
        part = code == k
        if part.any():
            bounds = ratio((flag & part).astype(np.float64), part.astype(np.float64))
            rows.append(
                [
                    float(chance[part].mean()),
                    float(flag[part].mean()),
                    bounds.low,
                    bounds.high,
                    int(part.sum()),
                ]
            )
    return rows


def calibration_slope(flag: Array, logit: Array, rounds: int = 30) -> tuple[float, float]:
    """Intercept and slope of a logistic regression of the flag on the forecast logit; 0 and 1 where calibrated.

    Source: Cox (1958), Two further applications of a model for binary regression. Solved by `rounds` Newton steps.
    """
    beta = np.zeros(2)
    design = np.stack([np.ones(len(logit)), logit], axis=1)
    for _ in range(rounds):
        chance = sigmoid(design @ beta)
        curve = (design * (chance * (1 - chance))[:, None]).T @ design + 1e-9 * np.eye(2)
        beta += np.linalg.solve(curve, design.T @ (flag - chance))
    return float(beta[0]), float(beta[1])
