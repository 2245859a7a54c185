"""Means with their uncertainty: Student-t intervals, pairs on common random numbers, a seeded bootstrap."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recgym.checks import seed_of, whole

_TINY = 1e-300


class Interval(NamedTuple):
    """A figure with its interval; `low` and `high` are NaN where n is too small to say."""

    mean: float
    low: float
    high: float
    se: float  # standard error of the mean
    n: int  # independent units behind it


def _beta_fraction(a: float, b: float, x: float) -> float:
    """Continued fraction of the incomplete beta function, by Lentz's method (Press et al., 2007, 6.4)."""
    c, d = 1.0, 1.0 / max(1.0 - (a + b) * x / (a + 1.0), _TINY)
    value = d
    for m in range(1, 400):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        for term in (even, odd):
            d = 1.0 / max(1.0 + term * d, _TINY)
            c = max(1.0 + term / c, _TINY)
            value *= d * c
        if abs(d * c - 1.0) < 1e-15:
            break
    return value


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Regularised incomplete beta function I_x(a, b)."""
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    if x < (a + 1.0) / (a + b + 2.0):
        return math.exp(log_front) * _beta_fraction(a, b, x) / a
    return 1.0 - math.exp(log_front) * _beta_fraction(b, a, 1.0 - x) / b


def t_upper_tail(t: float, df: float) -> float:
    """P(T > t) of Student's t for t at least 0."""
    return 0.5 * _incomplete_beta(df / 2.0, 0.5, df / (df + t * t))


@lru_cache(maxsize=256)
def t_quantile(p: float, df: float) -> float:
    """The t below which Student's t with `df` degrees of freedom lies with probability p, 0 < p < 1.

    Bisection of the tail, exact to about 12 digits; scipy is no dependency of the package.
    """
    if not 0.0 < p < 1.0 or df <= 0:
        raise ValueError(f"t_quantile needs 0 < p < 1 and df > 0; it got p={p}, df={df}")
    if p < 0.5:
        return -t_quantile(1.0 - p, df)
    low, high = 0.0, 1.0
    while t_upper_tail(high, df) > 1.0 - p:
        low, high = high, 2.0 * high
    for _ in range(200):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        low, high = (middle, high) if t_upper_tail(middle, df) > 1.0 - p else (low, middle)
    return 0.5 * (low + high)


def check_level(level: float) -> None:
    """ValueError unless the coverage of an interval is a number between 0 and 1."""
    if isinstance(level, bool) or not isinstance(level, int | float | np.number) or not 0.0 < level < 1.0:
        raise ValueError(f"level is {level!r}, it must lie between 0 and 1")


def mean_se(values: ArrayLike) -> tuple[float, float]:
    """Mean and its standard error (NaN for fewer than two values)."""
    array = np.asarray(values, np.float64).ravel()
    if not len(array):
        return math.nan, math.nan
    se = float(array.std(ddof=1)) / math.sqrt(len(array)) if len(array) > 1 else math.nan
    return float(array.mean()), se


def t_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Student-t interval of a mean; the values must be independent."""
    check_level(level)
    mean, se = mean_se(values)
    n = int(np.size(np.asarray(values)))
    half = t_quantile(0.5 + level / 2.0, n - 1) * se if n > 1 else math.nan
    return Interval(mean, mean - half, mean + half, se, n)


def paired_difference(
    treatment: Sequence[ArrayLike],
    control: Sequence[ArrayLike],
    level: float = 0.95,
    *,
    is_learned: bool = True,
) -> Interval:
    """Interval of treatment - control, paired session by session on common random numbers.

    Args:
        treatment: one array of sessions a seed; session i of both met the same user with the same luck.
        control: the same shapes.
        level: coverage of the interval.
        is_learned: whether what one of them does depends on the seed's training. Then sessions of one seed
            are not independent, so they are averaged first and the seeds are the units (n). Where neither
            learns, the sessions are the units.

    With one seed the sessions are the units in any case, and the interval says nothing about learning again.
    """
    if len(treatment) != len(control) or not treatment:
        raise ValueError(f"{len(treatment)} seeds cannot be paired with {len(control)}")
    differences = []
    for ours, theirs in zip(treatment, control, strict=True):
        a, b = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
        if a.shape != b.shape:
            raise ValueError(f"sessions of shape {a.shape} cannot be paired with {b.shape}")
        differences.append(a - b)
    if len(differences) == 1 or not is_learned:
        return t_interval(np.concatenate([difference.ravel() for difference in differences]), level)
    return t_interval([difference.mean() for difference in differences], level)


def bootstrap_interval(
    strata: Sequence[ArrayLike],
    statistic: Callable[[NDArray[np.float64]], float] = lambda values: float(values.mean()),
    *,
    seed: int,
    resamples: int = 1000,
    level: float = 0.95,
) -> Interval:
    """Percentile interval of a statistic of all values, resampled within each stratum (Efron, 1979).

    `seed` fixes it; `se` is the spread of the resampled statistics.
    """
    check_level(level)
    seed, resamples = seed_of(seed), whole(resamples, "resamples", 1)
    arrays = [np.asarray(stratum, np.float64).ravel() for stratum in strata]
    if not arrays or min(len(array) for array in arrays) == 0:
        raise ValueError("a bootstrap needs at least one value in every stratum")
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    drawn = np.empty(resamples)
    for r in range(resamples):
        drawn[r] = statistic(np.concatenate([rng.choice(array, len(array)) for array in arrays]))
    low, high = np.quantile(drawn, (0.5 - level / 2.0, 0.5 + level / 2.0))
    values = np.concatenate(arrays)
    return Interval(statistic(values), float(low), float(high), float(drawn.std(ddof=1)), len(values))
