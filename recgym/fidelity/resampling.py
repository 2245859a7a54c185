"""Uncertainty of figures: bootstrap intervals, and the noise floor, the difference of two random halves of a log.

Clusters (visits or users) are resampled, not rows, because rows of one visit are not independent. Source: Field and
Welsh (2007), Bootstrapping clustered data.

Axes: R rows, D draws, G clusters.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from recgym.arrays import Array, Doubles, Ints


class Spread(NamedTuple):
    """Variability of a statistic of a log."""

    low: float | None  # 95 % bootstrap interval over clusters: percentile, or basic for a distance
    high: float | None
    noise: float | None  # 95 % quantile of the absolute difference of two random halves of the log


class Resampling:
    """Draws over the clusters of R rows: bootstrap counts and random halves (D, G)."""

    def __init__(self, cluster: Ints, draws: int, seed: int) -> None:
        self.code = np.unique(cluster, return_inverse=True)[1]
        self.num = int(self.code.max(initial=-1)) + 1
        rng = np.random.default_rng(seed)
        self.counts = np.stack(
            [np.bincount(rng.integers(self.num, size=self.num), minlength=self.num) for _ in range(draws)]
        ).astype(np.float64)
        self.halves = np.stack([rng.permutation(self.num) % 2 for _ in range(draws)]).astype(np.float64)

    def of(self, statistic: Callable[[Doubles], float], draws: int = 100) -> Spread:
        """Spread of `statistic(row weights)` over the first `draws` draws."""
        values = [statistic(weight[self.code]) for weight in self.counts[:draws]]
        apart = [
            statistic(half[self.code]) - statistic(1.0 - half[self.code]) for half in self.halves[:draws]
        ]
        return _spread(np.array(values), np.array(apart))

    def of_distance(
        self, gaps: Callable[[Doubles], Doubles], size: Callable[[Doubles], float], draws: int = 100
    ) -> Spread:
        """Spread of the distance `size(gaps(row weights))`, a sum or maximum of absolute values.

        Sampling noise makes such a distance positive, and resampling adds that noise a second time, so that
        percentiles are too high. The interval is the basic bootstrap (Davison and Hinkley, 1997, section 5.2), and
        contains the distance itself. Its lower end is 0 where the distance is not above the 97.5 % quantile of
        `size(resampled gaps - gaps)`, as in consistency resampling (Broecker and Smith, 2007).
        """
        own = gaps(np.ones(len(self.code)))
        drawn = [gaps(weight[self.code]) for weight in self.counts[:draws]]
        low, high = 2.0 * size(own) - np.quantile([size(each) for each in drawn], [0.975, 0.025])
        if size(own) <= np.quantile([size(each - own) for each in drawn], 0.975):
            low = 0.0
        apart = [size(gaps(half[self.code]) - gaps(1.0 - half[self.code])) for half in self.halves[:draws]]
        low, high = min(max(float(low), 0.0), size(own)), max(float(high), size(own))
        return Spread(low, high, float(np.quantile(apart, 0.95)))

    def of_ratio(self, top: Array, bottom: Array | None = None) -> Spread:
        """Spread of sum(top) / sum(bottom), or of the mean of `top` where `bottom` is None, without a loop."""
        ones = np.ones(len(self.code)) if bottom is None else bottom
        a = np.bincount(self.code, weights=top, minlength=self.num)
        b = np.bincount(self.code, weights=ones, minlength=self.num)
        with np.errstate(invalid="ignore", divide="ignore"):
            values = (self.counts @ a) / (self.counts @ b)
            one, other = self.halves, 1.0 - self.halves
            apart = (one @ a) / (one @ b) - (other @ a) / (other @ b)
        return _spread(values, apart)


def _spread(values: Doubles, apart: Doubles) -> Spread:
    values, apart = values[np.isfinite(values)], np.abs(apart[np.isfinite(apart)])
    if not len(values) or not len(apart):
        return Spread(float("nan"), float("nan"), float("nan"))
    low, high = np.quantile(values, [0.025, 0.975])
    return Spread(float(low), float(high), float(np.quantile(apart, 0.95)))
