"""Checked input of off-policy estimates: rewards, and both policies' probabilities of the logged actions.

Axes: n logged rounds, A actions.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recgym.arrays import Array, Ints
from recgym.checks import as_array
from recgym.evaluate.argument_checks import numbers, range_of, whole_indices

SUM_TOLERANCE = 1e-6  # of the sum of a distribution
MAX_CATEGORIES = 1_000_000
BLOCK_CELLS = 1_000_000  # of an array of actions that is checked at once
ROUNDING = 1e-12  # above 1, of a sum of probabilities
MIN_MAGNITUDE, MAX_MAGNITUDE = 1e-70, 1e70  # of a weight or a reward: the square of their product is finite


Range = tuple[float, float]


class Rounds(NamedTuple):
    """Rewards and importance weights of logged rounds: an estimate is mean(base) + a weighted mean of `reward`."""

    reward: Array  # (n,) logged reward, less the reward model's prediction if there is one
    weight: Array  # (n,) as the estimator uses it
    range: Range | None  # smallest and largest possible `reward`, if known
    unsupported: float  # mean target probability of actions with propensity 0
    target: Array  # (n,) target probability of the logged action
    raw_weight: Array  # (n,) target probability / propensity
    observed: Array  # (n,) logged reward
    bounds: Range | None  # smallest and largest possible logged reward, if known
    base: Array | None = None  # (n,) the reward model's value of the target policy


def _row_of(wrong: NDArray[np.bool_]) -> int:
    return int(np.flatnonzero(wrong)[0])


def row_blocks(values: Array) -> Iterator[slice]:
    """Slices of rows with about `BLOCK_CELLS` cells each, so that temporary arrays stay small."""
    step = max(BLOCK_CELLS // max(values[0].size, 1), 1) if len(values) else 1
    for begin in range(0, len(values), step):
        yield slice(begin, begin + step)


def _within(name: str, values: Array, low: float) -> None:
    """Raises ValueError unless low <= values <= 1."""
    wrong = np.zeros(len(values), bool)
    for rows in row_blocks(values):
        outside = ~((values[rows] >= low) & (values[rows] <= 1.0 + ROUNDING))
        wrong[rows] = outside.any(axis=1) if outside.ndim == 2 else outside
    if wrong.any():
        row = _row_of(wrong)
        wanted, here = "in (0, 1]" if low else "in [0, 1]", np.atleast_1d(values[row])
        first = here[~((here >= low) & (here <= 1.0 + ROUNDING))][0]
        raise ValueError(f"{name} is {first} at index {row}, it must be {wanted}")


def checked_distribution(name: str, values: Array, n: int) -> Array:
    """(n, A) distributions, checked; `values` is (n, A), or (A,) for all rounds."""
    values = values if values.ndim == 2 else np.broadcast_to(values, (n, len(values)))
    if len(values) != n:
        raise ValueError(f"{name} has {len(values)} rows, action has {n}")
    _within(name, values, 0.0)
    wrong = np.abs(values.sum(1) - 1.0) > SUM_TOLERANCE
    if wrong.any():
        row = _row_of(wrong)
        raise ValueError(f"{name} has sum {values[row].sum():.6g} at index {row}, a distribution has sum 1")
    return values


def whole_actions(action: ArrayLike, size: int, name: str = "action") -> Ints:
    """(n,) indices below `size`, checked; `name` is that of the argument."""
    found = whole_indices(name, action, size)
    if found.ndim != 1:
        raise ValueError(f"{name} has shape {found.shape}, expected (n,)")
    return found


def _are_of_logged(p: Array, q: Array, n: int) -> bool:
    """Whether propensities are those of the logged actions (n,), not of all (A,); ValueError where they may be both."""
    if q.ndim != 1 or len(q) != n or p.ndim not in (1, 2):
        return False
    if p.shape[-1] != n or abs(float(q.sum()) - 1.0) > SUM_TOLERANCE:
        return True
    if (q > 0.0).all() and np.ptp(q) > 0.0:
        raise ValueError(
            f"propensity ({n},) may be that of each round's action, (n,), or of all actions, (A,), as n and A are {n}: "
            "give it as (n, A), or leave out action and give both probabilities of the logged actions"
        )
    return False


def _taken(action: ArrayLike, p: Array, q: Array) -> tuple[Array, Array, float]:
    """(n,) target probability and propensity of the logged actions, and `Rounds.unsupported`."""
    n = len(np.atleast_1d(as_array(action, "action")))
    of_logged = _are_of_logged(p, q, n)
    if p.ndim not in (1, 2) or q.ndim not in (1, 2) or not (of_logged or p.shape[-1] == q.shape[-1]):
        raise ValueError(
            f"with action ({n},), target {p.shape} must be (n, A) or (A,), propensity {q.shape} the same or (n,)"
        )
    at = np.arange(n), whole_actions(action, p.shape[-1])
    p = checked_distribution("target", p, n)
    if of_logged:
        return p[at], q, 0.0
    q = checked_distribution("propensity", q, n)
    unsupported = [float(p[rows][q[rows] == 0.0].sum()) for rows in row_blocks(p)]
    return p[at], q[at], sum(unsupported) / max(n, 1)


def checked(
    reward: ArrayLike,
    target: ArrayLike,
    propensity: ArrayLike,
    action: ArrayLike | None,
    reward_range: tuple[float, float] | None,
) -> Rounds:
    """Checked arguments of `recgym.evaluate.ips`; ValueError names the argument and row that is out of range."""
    named = (("reward", reward), ("target", target), ("propensity", propensity))
    r, p, q = (numbers(name, values) for name, values in named)
    unsupported = 0.0
    if action is not None:
        p, q, unsupported = _taken(action, p, q)
    if r.ndim != 1 or not r.shape == p.shape == q.shape or len(r) < 2:
        raise ValueError(
            f"reward {r.shape}, target {p.shape}, propensity {q.shape} must be of one length, at least 2"
        )
    bounds = range_of("reward_range", reward_range, MAX_MAGNITUDE)
    low, high = bounds or (-MAX_MAGNITUDE, MAX_MAGNITUDE)
    if not np.isfinite(r).all():
        raise ValueError(f"reward is not finite at index {_row_of(~np.isfinite(r))}")
    wrong = (r < low) | (r > high)
    if wrong.any():
        row = _row_of(wrong)
        raise ValueError(f"reward is {r[row]:g} at index {row}, allowed: {low:g} to {high:g}")
    wrong = (r != 0.0) & (np.abs(r) < MIN_MAGNITUDE)
    if wrong.any():
        row = _row_of(wrong)
        raise ValueError(
            f"reward is {r[row]:g} at index {row}, allowed: 0 or at least {MIN_MAGNITUDE:g} in size"
        )
    _within("target", p, 0.0)
    _within("propensity", q, float(np.nextafter(0.0, 1.0)))
    wrong = p > q * MAX_MAGNITUDE
    if wrong.any():
        row = _row_of(wrong)
        raise ValueError(
            f"propensity is {q[row]:g} at index {row} where target is {p[row]:g}: their ratio is over {MAX_MAGNITUDE:g}"
        )
    weight = p / q
    return Rounds(r, weight, bounds, unsupported, p, weight, r, bounds)


def with_model(rounds: Rounds, action: ArrayLike, target: ArrayLike, predicted: ArrayLike) -> Rounds:
    """Rounds whose reward is the error of a reward model, and whose base is its value of the target policy.

    Args:
        rounds: checked.
        action: (n,) index of the logged action.
        target: (n, A) or (A,) probability of each action under the target policy.
        predicted: (n, A) or (A,) reward that the model predicts for each action.

    Raises:
        ValueError: `predicted` has another shape or is not finite.
    """
    p, q, n = numbers("target", target), numbers("model", predicted), len(rounds.reward)
    if q.shape not in ((n, p.shape[-1]), (p.shape[-1],)):
        raise ValueError(f"model {q.shape} must be (n, A) or (A,), here A is {p.shape[-1]} and n is {n}")
    q, p = np.broadcast_to(q, (n, q.shape[-1])), np.broadcast_to(p, (n, p.shape[-1]))
    base = np.empty(n)
    for rows in row_blocks(q):
        known = np.abs(q[rows]) <= MAX_MAGNITUDE
        if not known.all():
            row = rows.start + int(known.all(axis=1).argmin())
            raise ValueError(f"model is not finite at index {row}, or over {MAX_MAGNITUDE:g} in size")
        base[rows] = np.einsum("na,na->n", p[rows], q[rows])
    return with_base(rounds, q[np.arange(n), np.asarray(action).astype(np.int64)], base)


def with_base(rounds: Rounds, predicted: Array, base: Array) -> Rounds:
    """Rounds less predicted rewards (n,) of the logged actions, beside the model's values (n,) of the target policy.

    Without `bounds` the range of rewards is that of the logged ones with 0 and 1, and with -1 where one is negative.
    """
    low, high = float(rounds.observed.min()), float(rounds.observed.max())
    bottom, top = rounds.bounds or (min(low, -float(low < 0.0)), max(high, 1.0))
    span = bottom - float(predicted.max()), top - float(predicted.min())
    return rounds._replace(reward=rounds.observed - predicted, base=base, range=span)


def category_rounds(
    target: ArrayLike, propensity: ArrayLike, category: ArrayLike, action: ArrayLike
) -> tuple[Array, Array, Ints]:
    """Probabilities (n, C) of each category under both policies, and the category (n,) of the logged action.

    Raises:
        ValueError: shapes do not fit, or a category is no whole number of at least 0.
    """
    p, q, group = (
        numbers("target", target),
        numbers("propensity", propensity),
        numbers("category", category),
    )
    if group.ndim != 1 or not len(group):
        raise ValueError(f"category {group.shape} must be (A,)")
    group = whole_indices("category", group, MAX_CATEGORIES)
    n, size = len(np.atleast_1d(as_array(action, "action"))), len(group)
    for name, values in (("target", p), ("propensity", q)):
        if values.shape not in ((n, size), (size,)):
            sizes = f"here A is {size}, the length of category, and n is {n}"
            raise ValueError(f"{name} {values.shape} must be (n, A) or (A,), {sizes}")
    taken = whole_actions(action, size)
    member = np.equal.outer(group, np.arange(int(group.max()) + 1)).astype(np.float64)
    groups = [
        np.broadcast_to(checked_distribution(*named, n) @ member, (n, member.shape[1]))
        for named in (("target", p), ("propensity", q))
    ]
    return groups[0], groups[1], group[taken]
