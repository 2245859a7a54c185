"""Checked input of off-policy estimates: rewards, and both policies' probabilities of the logged actions.

Axes: n logged rounds, A actions.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recgym.arrays import Array

SUM_TOLERANCE = 1e-6  # of the sum of a distribution
MAX_MAGNITUDE = 1e70  # of a weight or a reward: the square of their product is finite


class Rounds(NamedTuple):
    """Rewards and importance weights of logged rounds."""

    reward: Array  # (n,)
    weight: Array  # (n,)
    range: tuple[float, float] | None  # smallest and largest possible reward, if known
    unsupported: float  # mean target probability of actions with propensity 0


def _numbers(name: str, values: ArrayLike) -> Array:
    try:
        array = np.asarray(values)
        if array.dtype.kind in "biufO":
            return array.astype(np.float64)
    except (TypeError, ValueError):
        pass
    raise ValueError(f"{name} must be an array of real numbers")


def _row_of(wrong: NDArray[np.bool_]) -> int:
    return int(np.flatnonzero(wrong)[0])


def _within(name: str, values: Array, low: float) -> None:
    """Raises ValueError unless low <= values <= 1."""
    wrong: NDArray[np.bool_] = np.any(np.atleast_2d(~((values >= low) & (values <= 1.0)).T), axis=0)
    if wrong.any():
        row = _row_of(wrong)
        wanted = "in (0, 1]" if low else "in [0, 1]"
        raise ValueError(f"{name} is {values[row]} in row {row}, it must be {wanted}")


def _distribution(name: str, values: Array, n: int) -> Array:
    """(n, A) distributions, checked; `values` is (n, A), or (A,) for all rounds."""
    values = values if values.ndim == 2 else np.tile(values, (n, 1))
    if len(values) != n:
        raise ValueError(f"{name} has {len(values)} rows, action has {n}")
    _within(name, values, 0.0)
    wrong = np.abs(values.sum(1) - 1.0) > SUM_TOLERANCE
    if wrong.any():
        row = _row_of(wrong)
        raise ValueError(f"{name} has sum {values[row].sum():.6g} in row {row}, a distribution has sum 1")
    return values


def _taken(action: ArrayLike, p: Array, q: Array) -> tuple[Array, Array, float]:
    """(n,) target probability and propensity of the logged actions, and `Rounds.unsupported`."""
    number = _numbers("action", action)
    if number.ndim != 1 or p.ndim not in (1, 2) or q.ndim not in (1, 2) or p.shape[-1] != q.shape[-1]:
        raise ValueError(
            f"with action {number.shape}, target {p.shape} and propensity {q.shape} must be (n, A) or (A,)"
        )
    n, size = len(number), p.shape[-1]
    wrong = ~((number >= 0) & (number < size) & (number == np.floor(number)))
    if wrong.any():
        row = _row_of(wrong)
        raise ValueError(f"action is {number[row]:g} in row {row}, it must be a whole number below {size}")
    p, q = _distribution("target", p, n), _distribution("propensity", q, n)
    at = np.arange(n), number.astype(np.int64)
    return p[at], q[at], float(np.where(q > 0.0, 0.0, p).sum(1).mean()) if n else 0.0


def checked(
    reward: ArrayLike,
    target: ArrayLike,
    propensity: ArrayLike,
    action: ArrayLike | None,
    reward_range: tuple[float, float] | None,
) -> Rounds:
    """Checked arguments of `recgym.evaluate.ips`; ValueError names the argument and row that is out of range."""
    named = (("reward", reward), ("target", target), ("propensity", propensity))
    r, p, q = (_numbers(name, values) for name, values in named)
    unsupported = 0.0
    if action is not None:
        p, q, unsupported = _taken(action, p, q)
    if r.ndim != 1 or not r.shape == p.shape == q.shape or len(r) < 2:
        raise ValueError(
            f"reward {r.shape}, target {p.shape}, propensity {q.shape} must be of one length, at least 2"
        )
    low, high = reward_range or (-MAX_MAGNITUDE, MAX_MAGNITUDE)
    if not -MAX_MAGNITUDE <= low < high <= MAX_MAGNITUDE:
        raise ValueError(f"reward_range is {reward_range}, expected a smaller and a larger finite number")
    if not np.isfinite(r).all():
        raise ValueError(f"reward is not finite in row {_row_of(~np.isfinite(r))}")
    wrong = (r < low) | (r > high)
    if wrong.any():
        row = _row_of(wrong)
        raise ValueError(f"reward is {r[row]:g} in row {row}, allowed: {low:g} to {high:g}")
    _within("target", p, 0.0)
    _within("propensity", q, float(np.nextafter(0.0, 1.0)))
    wrong = p > q * MAX_MAGNITUDE
    if wrong.any():
        row = _row_of(wrong)
        raise ValueError(
            f"propensity is {q[row]:g} in row {row} where target is {p[row]:g}: their ratio is over {MAX_MAGNITUDE:g}"
        )
    return Rounds(r, p / q, reward_range, unsupported)
