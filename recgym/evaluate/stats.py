"""Intervals of means: Student-t, paired differences on common random numbers, and a seeded bootstrap."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recgym.checks import checked_seed, finite_number, flag, quoted, whole_number
from recgym.evaluate.argument_checks import arrays_of, numbers


class Interval(NamedTuple):
    """An estimate with its interval; `low` and `high` are NaN if n is too small."""

    mean: float
    low: float
    high: float
    se: float  # standard error of the mean
    n: int  # number of independent units


def t_quantile(p: float, df: float) -> float:
    """Quantile of Student's t: the value below which it lies with probability p.

    Args:
        p: probability, 0 < p < 1.
        df: degrees of freedom, above 0.

    Raises:
        ValueError: p or df is out of range.
    """
    p, df = finite_number(p, "p"), finite_number(df, "df")
    if not 0.0 < p < 1.0 or df <= 0:
        raise ValueError(f"t_quantile needs 0 < p < 1 and df > 0; it got p={p}, df={df}")
    return _t_quantile(p, df)


@lru_cache(maxsize=256)
def _t_quantile(p: float, df: float) -> float:
    from scipy.special import stdtrit  # lazy: `import recgym` stays quick

    return float(stdtrit(df, p))


def check_level(level: float) -> None:
    """Raises ValueError unless `level`, the coverage of an interval, is a number in (0, 1)."""
    if isinstance(level, bool) or not isinstance(level, int | float | np.number) or not 0.0 < level < 1.0:
        raise ValueError(f"level is {quoted(level)}, expected a number between 0 and 1")


def mean_se(values: ArrayLike) -> tuple[float, float]:
    """Mean and its standard error; NaN for fewer than two values."""
    array = numbers("values", values, is_finite=True).ravel()
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
    """Student-t interval of the mean of treatment - control over sessions on common random numbers.

    Args:
        treatment: one array of returns for each random seed; session i of both has the same random numbers.
        control: arrays of the same shapes.
        level: coverage of the interval.
        is_learned: whether one of the two policies was trained with the random seed. Then sessions of one seed are not
            independent: they are averaged, and the seeds are the units (n). If neither was trained, the sessions are
            the units.

    With one seed the sessions are the units in any case; the interval then leaves out the variation between trainings.

    Raises:
        ValueError: the numbers of seeds or the shapes differ; a side is not a list of arrays.
    """
    is_learned = flag("is_learned", is_learned)
    ours, theirs = arrays_of("treatment", treatment, "seed"), arrays_of("control", control, "seed")
    if len(ours) != len(theirs) or not ours:
        need = "treatment and control need as many, at least 1"
        raise ValueError(f"{len(ours)} seeds cannot be paired with {len(theirs)}: {need}")
    differences = []
    for a, b in zip(ours, theirs, strict=True):
        if a.shape != b.shape or not a.size:
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
    """Percentile bootstrap interval of a statistic of all values, resampled within each stratum (Efron, 1979).

    `seed` determines the result; `se` is the standard deviation of the resampled statistics.

    Raises:
        ValueError: `strata` is not a list of arrays, a stratum is empty, or the statistic is no finite number.
    """
    check_level(level)
    seed, resamples = checked_seed(seed), whole_number(resamples, "resamples", 2)
    arrays = [stratum.ravel() for stratum in arrays_of("strata", strata, "stratum")]
    if not arrays or min(len(array) for array in arrays) == 0:
        raise ValueError("a bootstrap needs at least one value in every stratum")
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    drawn = np.empty(resamples)
    for r in range(resamples):
        value = statistic(np.concatenate([rng.choice(array, len(array)) for array in arrays]))
        drawn[r] = finite_number(value, "the statistic of a resample")
    low, high = np.quantile(drawn, (0.5 - level / 2.0, 0.5 + level / 2.0))
    values = np.concatenate(arrays)
    return Interval(statistic(values), float(low), float(high), float(drawn.std(ddof=1)), len(values))
