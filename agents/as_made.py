"""Observations as our environments make them, checked quickly: act is called at every step.

Axes: B sessions.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recgym.jit import njit

if TYPE_CHECKING:
    from agents.guards import Part


def as_made(parts: "tuple[Part, ...]", observation: Any) -> tuple[Any, bool] | None:
    """A batch of it, and whether it was a single one; None where it is another thing, which `as_batch` looks into."""
    if not isinstance(observation, dict):
        found = _part_as_made(parts[0], observation) if len(parts) == 1 and not parts[0].name else None
        return None if found is None else (found[0], found[1] < 0)
    batch, rows = {}, set()
    for part in parts:
        found = _part_as_made(part, observation.get(part.name))
        if found is None:
            return None
        batch[part.name] = found[0]
        rows.add(found[1])
    if len(rows) != 1 or len(observation) != len(parts):
        return None
    return batch, rows.pop() < 0


def _part_as_made(part: "Part", value: Any) -> tuple[NDArray[Any], int] | None:
    """A batch of it, and its rows, -1 of a single one; None where its type, its shape or a number is another."""
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
    """Whether low <= value <= high for each value, which NaN is not."""
    for value in values:  # noqa: SIM110  # compiled
        if not low <= value <= high:
            return False
    return True
