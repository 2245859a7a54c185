"""Figures and how far they may be trusted: intervals by resampling clusters, and the noise between halves of a log.

Clusters (visits or users) are resampled, not rows: rows of one visit are not independent (Field and Welsh, 2007).
Axes: R rows, D draws, G clusters.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from recgym.arrays import Array, Doubles, Ints
from recgym.numerics import sigmoid

Figure = dict[str, Any]
USERS, POLICY = "users", "logging policy"
MATCHED = "users, drawn to match"  # what the world was drawn to have: no forecast of anything held out
BINS = 15


class Spread(NamedTuple):
    """How a statistic of a log varies."""

    low: float | None  # 95 % interval under resampling of clusters, by percentiles but for distances
    high: float | None
    noise: float | None  # 95 % bound of its difference between two random halves of the log


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
        """Spread of `statistic(row weights)`; the first `draws` draws."""
        values = [statistic(weight[self.code]) for weight in self.counts[:draws]]
        apart = [
            statistic(half[self.code]) - statistic(1.0 - half[self.code]) for half in self.halves[:draws]
        ]
        return _spread(np.array(values), np.array(apart))

    def of_distance(
        self, gaps: Callable[[Doubles], Doubles], size: Callable[[Doubles], float], draws: int = 100
    ) -> Spread:
        """Spread of `size(gaps(row weights))`, a sum or the largest of absolute values, which chance makes positive.

        Resampling adds that chance a second time, so that percentiles lie high: they are turned round (basic
        bootstrap: Davison and Hinkley, 1997, section 5.2), but not below the figure itself. The interval begins at 0
        where gaps that are nothing but what resampling adds would be as large (as in consistency resampling:
        Broecker and Smith, 2007).
        """
        own = gaps(np.ones(len(self.code)))
        drawn = [gaps(weight[self.code]) for weight in self.counts[:draws]]
        low, high = 2.0 * size(own) - np.quantile([size(each) for each in drawn], [0.975, 0.025])
        if size(own) <= np.quantile([size(each - own) for each in drawn], 0.975):
            low = 0.0
        apart = [size(gaps(half[self.code]) - gaps(1.0 - half[self.code])) for half in self.halves[:draws]]
        return Spread(max(float(low), 0.0), max(float(high), size(own)), float(np.quantile(apart, 0.95)))

    def of_ratio(self, top: Array, bottom: Array | None = None) -> Spread:
        """Spread of sum(top) / sum(bottom), a mean where `bottom` is None: quick."""
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


def figure(
    name: str, judges: str, *, world: float, n: int, log: float | None = None, toys: dict[str, float] | None = None,
    spread: Spread | None = None, best: Callable[..., str] | None = None,
) -> Figure:  # fmt: skip
    """A row of the card's table.

    `log` is None for a loss or an area, which a log has not by itself: then the interval is that of the world's figure.
    Of several toys the card shows the `best` (`min` for a loss, `max` for an area); the others stand in "toys".
    """
    if judges not in (USERS, POLICY, MATCHED):
        raise ValueError(f"a figure judges {USERS}, {POLICY} or {MATCHED}, not {judges!r}")
    toys = toys or {}
    name_of_best = "" if not toys else (best or min)(toys, key=lambda key: toys[key])
    low, high, noise = spread or (None, None, None)
    values = {
        "log": log,
        "world": world,
        "toy": toys.get(name_of_best),
        "low": low,
        "high": high,
        "noise": noise,
    }
    rounded = {
        key: None if value is None or not np.isfinite(value) else round(float(value), 5)
        for key, value in values.items()
    }
    others = {"toys": {key: round(float(value), 5) for key, value in toys.items()}} if len(toys) > 1 else {}
    return {"figure": name, "judges": judges, **rounded, "toy_name": name_of_best, "n": int(n), **others}


def bins_of(chance: Array, bins: int = BINS) -> Ints:
    """(R,) number of the equal-mass bin of each row, by its chance."""
    rank = np.empty(len(chance), np.int64)
    rank[np.argsort(chance, kind="stable")] = np.arange(len(chance))
    return rank * bins // max(len(chance), 1)


def calibration_gaps(flag: Array, chance: Array, code: Ints, weight: Doubles) -> Doubles:
    """(bins,) what each of the bins `code` adds to the mean of flag less chance."""
    return np.asarray(np.bincount(code, weights=weight * (flag - chance)) / weight.sum(), np.float64)


def calibration_error(flag: Array, chance: Array, code: Ints) -> float:
    """Mean gap between rate and mean chance over the bins `code` (Naeini et al., 2015)."""
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
    """Of 15 equal-mass bins: mean chance, rate, its interval by `ratio(top, bottom)` of rows, number of rows."""
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
    """Intercept and slope of the flag's logit on the predicted one (Cox, 1958): 0 and 1 where calibrated."""
    beta = np.zeros(2)
    design = np.stack([np.ones(len(logit)), logit], axis=1)
    for _ in range(rounds):
        chance = sigmoid(design @ beta)
        curve = (design * (chance * (1 - chance))[:, None]).T @ design + 1e-9 * np.eye(2)
        beta += np.linalg.solve(curve, design.T @ (flag - chance))
    return float(beta[0]), float(beta[1])
