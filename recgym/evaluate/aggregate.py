"""Comparisons over several tasks (Agarwal et al., 2021), and Holm's correction for many comparisons.

Axes: T tasks, S seeds of a task. Scores are one array (S,) for each task; their scale must be the same in all tasks.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from recgym.arrays import Doubles
from recgym.checks import checked_seed, quoted, whole_number
from recgym.evaluate.argument_checks import arrays_of, numbers
from recgym.evaluate.stats import Interval, bootstrap_interval, check_level

Scores = Sequence[ArrayLike]


def iqm(values: ArrayLike) -> float:
    """Interquartile mean: mean of the middle half, the values at its ends in part; NaN for no value."""
    ordered = np.sort(numbers("values", values, is_finite=True).ravel())
    n = len(ordered)
    if not n:
        return float("nan")
    inside = np.minimum(np.arange(1, n + 1), 0.75 * n) - np.maximum(np.arange(n), 0.25 * n)
    weight = np.maximum(inside, 0.0)
    return float(weight @ ordered / weight.sum())


def iqm_interval(scores: Scores, *, seed: int = 0, resamples: int = 2_000, level: float = 0.95) -> Interval:
    """Interquartile mean over all seeds of all tasks, with a bootstrap interval stratified by task."""
    return bootstrap_interval(_scores("scores", scores), iqm, seed=seed, resamples=resamples, level=level)


def probability_of_improvement(
    first: Scores, second: Scores, *, seed: int = 0, resamples: int = 2_000, level: float = 0.95
) -> Interval:
    """Probability that a seed of the first agent is above one of the second, ties half, averaged over tasks.

    Seeds of both are resampled in each task; `n` is the number of tasks.

    Raises:
        ValueError: the numbers of tasks differ, or a task has no score.
    """
    check_level(level)
    ours, theirs = _scores("first", first), _scores("second", second)
    if len(ours) != len(theirs):
        raise ValueError(f"{len(ours)} tasks cannot be compared with {len(theirs)}")
    rng = np.random.default_rng(checked_seed(seed))
    drawn = np.zeros(whole_number(resamples, "resamples", 2))
    value = 0.0
    for a, b in zip(ours, theirs, strict=True):
        above = (a[:, None] > b) + 0.5 * (a[:, None] == b)
        value += float(above.mean()) / len(ours)
        rows = rng.multinomial(len(a), np.full(len(a), 1 / len(a)), len(drawn)) / len(a)
        columns = rng.multinomial(len(b), np.full(len(b), 1 / len(b)), len(drawn)) / len(b)
        drawn += np.einsum("ri,ij,rj->r", rows, above, columns) / len(ours)
    low, high = np.quantile(drawn, (0.5 - level / 2.0, 0.5 + level / 2.0))
    return Interval(value, float(low), float(high), float(drawn.std(ddof=1)), len(ours))


def _scores(name: str, scores: Scores) -> list[Doubles]:
    """Scores of each task, checked."""
    tasks = [task.ravel() for task in arrays_of(name, scores, "task")]
    if not tasks or min(map(len, tasks)) == 0:
        raise ValueError(f"{name}: each task needs at least one score, and there must be a task")
    return tasks


def performance_profile(scores: Scores, thresholds: ArrayLike) -> Doubles:
    """Share of seeds above each threshold, averaged over tasks; shape of `thresholds`."""
    edges = numbers("thresholds", thresholds)
    if np.isnan(edges).any():
        raise ValueError("thresholds has a value that is not a number")
    shares = [(task > edges[..., None]).mean(axis=-1) for task in _scores("scores", scores)]
    return np.asarray(np.mean(shares, axis=0), np.float64)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """p-values adjusted for all comparisons together (Holm, 1979), by name.

    Raises:
        ValueError: a p-value is outside [0, 1].
    """
    if not isinstance(p_values, Mapping):
        raise ValueError(f"p_values is {quoted(p_values)}, expected a mapping of names to p-values")
    for name, p in p_values.items():
        if not isinstance(p, int | float | np.number) or not 0.0 <= p <= 1.0:
            raise ValueError(f"the p-value of {name} is {quoted(p)}, expected a number in [0, 1]")
    adjusted, largest = {}, 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[name]))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}


def t_p_value(interval: Interval) -> float:
    """Two-sided p-value of Student's test that the mean of a `t_interval` is 0; 1 where it has no standard error."""
    from scipy.special import stdtr

    if not interval.se > 0.0 or interval.n < 2:
        return 1.0 if interval.mean == 0.0 or interval.n < 2 else 0.0
    return float(2.0 * stdtr(interval.n - 1, -abs(interval.mean / interval.se)))
