"""A fast check of observations in the form that recgym environments return; `act` makes it at every step.

Axes: B sessions.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recgym.jit import njit


class Part(NamedTuple):
    """One array of a session's observation, from its space."""

    name: str  # "" if the observation is one array
    shape: tuple[int, ...]
    low: float
    high: float
    is_whole: bool
    dtype: Any  # np.dtype


def fast_batch(parts: tuple[Part, ...], observation: Any) -> tuple[Any, bool] | None:
    """A batch of observations, and whether it was a single one; None for any other form, which `as_batch` checks."""
    if not isinstance(observation, dict):
        found = _fast_part(parts[0], observation) if len(parts) == 1 and not parts[0].name else None
        return None if found is None else (found[0], found[1] < 0)
    batch, rows = {}, set()
    for part in parts:
        found = _fast_part(part, observation.get(part.name))
        if found is None:
            return None
        batch[part.name] = found[0]
        rows.add(found[1])
    if len(rows) != 1 or len(observation) != len(parts):
        return None
    return batch, rows.pop() < 0


def _fast_part(part: Part, value: Any) -> tuple[NDArray[Any], int] | None:
    """A batch of one part and its number of rows, -1 for a single one; None for another type, shape or range."""
    if not isinstance(value, np.ndarray | np.generic) or value.dtype != part.dtype:
        return None
    values = np.asarray(value)
    shape: tuple[int, ...] = values.shape
    is_single = shape == part.shape
    if not is_single and (not shape or not shape[0] or shape[1:] != part.shape):
        return None
    if not _is_within(values.reshape(-1), part.low, part.high):
        return None
    return (values[None], -1) if is_single else (values, shape[0])


@njit()
def _is_within(values: NDArray[Any], low: float, high: float) -> bool:
    """Whether low <= value <= high for each value; False if one is NaN."""
    for value in values:  # noqa: SIM110  # compiled
        if not low <= value <= high:
            return False
    return True
