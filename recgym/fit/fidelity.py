"""How true a world is to its log: each figure beside the same figure of a toy, with a bootstrap interval.

Clusters (visits or users) are resampled, not rows: rows of one visit are not independent (Field and Welsh, 2007).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recgym.sim.card import card_markdown

__all__ = [
    "auc",
    "calibration_slope",
    "card_markdown",
    "figure",
    "interval",
    "log_losses",
    "mean_figure",
    "rate_figure",
]

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
Any1 = NDArray[Any]
Figure = dict[str, Any]


def figure(
    name: str, judges: str, *, world: float, log: float | None = None, toy: float | None = None,
    bounds: tuple[float, float] | None = None, n: int, toy_name: str = "",
) -> Figure:  # fmt: skip
    """A row of the card's table; `log` is None for a loss, which a log has not by itself."""
    if judges not in ("users", "logging policy"):
        raise ValueError(f"a figure judges users or logging policy, not {judges!r}")
    low, high = bounds if bounds is not None else (None, None)
    values = {"log": log, "world": world, "toy": toy, "low": low, "high": high}
    rounded = {key: None if value is None else round(float(value), 5) for key, value in values.items()}
    return {"figure": name, "judges": judges, **rounded, "n": int(n), "toy_name": toy_name}


def interval(
    cluster: Any1, statistic: Callable[[Doubles], float], resamples: int, seed: int
) -> tuple[float, float]:
    """95 % percentile interval of `statistic(row weights)` under resampling of clusters."""
    _, code = np.unique(cluster, return_inverse=True)
    num = int(code.max()) + 1
    rng = np.random.default_rng(seed)
    draws = [
        statistic(np.bincount(rng.integers(num, size=num), minlength=num)[code].astype(np.float64))
        for _ in range(resamples)
    ]
    low, high = np.nanquantile(np.array(draws), [0.025, 0.975])
    return float(low), float(high)


def mean_figure(
    name: str,
    judges: str,
    values: Any1,
    cluster: Any1,
    resamples: int,
    *,
    toy: Any1 | None = None,
    toy_name: str = "",
) -> Figure:
    """A mean over rows, a log-loss as a rule; the interval is that of the world's mean."""
    bounds = interval(cluster, lambda w: float(np.average(values, weights=w)), resamples, 1)
    return figure(
        name, judges, world=float(values.mean()), toy=None if toy is None else float(toy.mean()), bounds=bounds,
        n=len(values), toy_name=toy_name,
    )  # fmt: skip


def rate_figure(
    name: str, judges: str, flag: Any1, chance: Any1, cluster: Any1, resamples: int, *, toy: float | None = None,
    toy_name: str = "",
) -> Figure:  # fmt: skip
    """A logged rate beside the world's mean probability; the interval is that of the logged rate."""
    bounds = interval(cluster, lambda w: float(np.average(flag, weights=w)), resamples, 2)
    return figure(
        name, judges, log=float(flag.mean()), world=float(chance.mean()), toy=toy, bounds=bounds, n=len(flag),
        toy_name=toy_name,
    )  # fmt: skip


def auc_figure(
    name: str, flag: Any1, score: Any1, cluster: Any1, resamples: int, *, toy: Any1 | float, toy_name: str
) -> Figure:
    """Area under the curve with the interval of the world's; the toy is a score a row, or a number."""
    _, code = np.unique(score, return_inverse=True)
    bounds = interval(cluster, lambda w: auc_of_codes(flag, code, w), min(resamples, 100), 3)
    beside = toy if isinstance(toy, float) else auc(flag, toy)
    return figure(
        name, "users", world=auc(flag, score), toy=beside, bounds=bounds, n=len(flag), toy_name=toy_name
    )


def auc(flag: Any1, score: Any1) -> float:
    """Area under the ROC curve, ties count half (Hanley and McNeil, 1982); NaN where one class is missing."""
    _, code = np.unique(score, return_inverse=True)
    return auc_of_codes(flag, code, np.ones(len(flag)))


def auc_of_codes(flag: Any1, code: Ints, weight: Doubles) -> float:
    """As `auc`, for scores given as ranks 0, 1, ... and weighted rows."""
    yes = np.bincount(code, weights=weight * flag)
    no = np.bincount(code, weights=weight * (1 - flag.astype(np.float64)))
    if yes.sum() == 0 or no.sum() == 0:
        return float("nan")
    below = np.cumsum(no) - no
    return float((yes * (below + 0.5 * no)).sum() / (yes.sum() * no.sum()))


def log_losses(flag: Any1, chance: Any1) -> Doubles:
    """Per row; chances are kept off 0 and 1 by 1e-9."""
    safe = np.clip(chance, 1e-9, 1 - 1e-9)
    loss: Doubles = -np.where(flag, np.log(safe), np.log1p(-safe))
    return loss


def calibration_slope(flag: Any1, logit: Any1, rounds: int = 30) -> tuple[float, float]:
    """Intercept and slope of the flag's logit on the predicted one (Cox, 1958): 0 and 1 where calibrated."""
    beta = np.zeros(2)
    design = np.stack([np.ones(len(logit)), logit], axis=1)
    for _ in range(rounds):
        chance = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
        curve = (design * (chance * (1 - chance))[:, None]).T @ design + 1e-9 * np.eye(2)
        beta += np.linalg.solve(curve, design.T @ (flag - chance))
    return float(beta[0]), float(beta[1])
