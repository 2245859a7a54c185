"""Off-policy estimates of a target policy's value from a log, and the diagnostics that say when to refuse.

Axes: n logged rounds. w = target probability / logging propensity.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recgym.evaluate.stats import t_quantile

LEAST_EFFECTIVE_SHARE = 0.1  # of n, below which an estimate is not to be believed
LEAST_EFFECTIVE_SIZE = 50.0
_MOST_OFF = 4.0  # standard errors that the mean weight may lie from 1


class Estimate(NamedTuple):
    """An estimated value per round, with its interval and what speaks against it."""

    value: float
    low: float
    high: float
    se: float
    n: int
    effective_sample_size: float  # (sum w)^2 / sum w^2 (Kish, 1965)
    max_weight: float
    mean_weight: float  # near 1 where the logging policy supports the target
    warning: str  # "" where overlap is good enough

    @property
    def is_reliable(self) -> bool:
        """Whether overlap between the policies is good enough to believe the interval."""
        return not self.warning


def _checked(
    reward: ArrayLike, target: ArrayLike, propensity: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r, p, q = (np.asarray(values, np.float64) for values in (reward, target, propensity))
    if r.ndim != 1 or not r.shape == p.shape == q.shape or len(r) < 2:
        raise ValueError(
            f"reward {r.shape}, target {p.shape}, propensity {q.shape} must be of one length, at least 2"
        )
    if not np.isfinite(r).all():
        raise ValueError(f"reward is not finite in row {int(np.flatnonzero(~np.isfinite(r))[0])}")
    for name, values, low in (("target", p, 0.0), ("propensity", q, np.nextafter(0.0, 1.0))):
        wrong = ~((values >= low) & (values <= 1.0))
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            wanted = "in (0, 1]" if low else "in [0, 1]"
            raise ValueError(f"{name} is {values[row]} in row {row}, it must be {wanted}")
    return r, p / q


def _warning(weights: NDArray[np.float64], effective: float) -> str:
    n = len(weights)
    if effective < LEAST_EFFECTIVE_SHARE * n or effective < LEAST_EFFECTIVE_SIZE:
        return f"poor overlap: {n} rounds are worth {effective:.0f}"
    off = abs(weights.mean() - 1.0)
    if off > _MOST_OFF * weights.std(ddof=1) / math.sqrt(n) + 1e-9:
        return (
            f"weights average {weights.mean():.3f}, not 1: the logging policy leaves out what the target does"
        )
    return ""


def _estimate(value: float, se: float, weights: NDArray[np.float64], level: float) -> Estimate:
    n, square = len(weights), float(weights @ weights)
    effective = float(weights.sum()) ** 2 / square if square else 0.0
    half = t_quantile(0.5 + level / 2.0, n - 1) * se
    return Estimate(
        value,
        value - half,
        value + half,
        se,
        n,
        effective,
        float(weights.max()),
        float(weights.mean()),
        _warning(weights, effective),
    )


def ips(reward: ArrayLike, target: ArrayLike, propensity: ArrayLike, level: float = 0.95) -> Estimate:
    """Inverse propensity score, mean(w r): unbiased where the logging policy shows all that the target does.

    Args:
        reward: (n,) of each logged round.
        target: (n,) probability that the target policy takes the logged action.
        propensity: (n,) probability with which it was taken, in (0, 1].
        level: coverage of the interval.
    """
    r, weights = _checked(reward, target, propensity)
    terms = weights * r
    return _estimate(float(terms.mean()), float(terms.std(ddof=1)) / math.sqrt(len(terms)), weights, level)


def snips(reward: ArrayLike, target: ArrayLike, propensity: ArrayLike, level: float = 0.95) -> Estimate:
    """Self-normalised IPS, sum(w r) / sum(w) (Swaminathan and Joachims, 2015); arguments as for `ips`.

    The standard error is the delta method's for a ratio, sqrt(sum(w^2 (r - value)^2)) / sum(w). NaN where the
    target never does what was logged.
    """
    r, weights = _checked(reward, target, propensity)
    total = float(weights.sum())
    if not total:
        return _estimate(math.nan, math.nan, weights, level)
    value = float(weights @ r) / total
    se = math.sqrt(float(weights**2 @ (r - value) ** 2)) / total
    return _estimate(value, se, weights, level)
