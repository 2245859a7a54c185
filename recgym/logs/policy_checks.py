"""Checks of what a policy returns for a step of a sampled log: slates, and the propensities of their items.

Axes: B sessions, K slate positions, N items.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Bools, Doubles
from recgym.checks import as_array, quoted
from recgym.sim.state import Slates

ROUNDING = 1e-6  # above 1, of a propensity in single precision


def checked_choice(returned: Any, running: Bools, slots: int, num_items: int) -> tuple[Slates, Doubles]:
    """Slates (B, K) int64 and propensities (B, K) of a policy; those of sessions that have ended are 0 and 1.

    Args:
        returned: by the policy: whole numbers from 0 to N - 1, and numbers in (0, 1], both (B, K).
        running: (B,) sessions whose slates are shown; the others are not checked.
        slots: K.
        num_items: N.

    Raises:
        ValueError: no pair, another shape or type, or an item or propensity that is out of range; the message names it.
    """
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        raise ValueError(
            f"the policy returned {quoted(returned)}, expected slates (B, K) and their propensities (B, K)"
        )
    size = len(running), slots
    slates, propensity = (
        _array(value, name, size) for value, name in zip(returned, ("slates", "propensities"), strict=True)
    )
    if slates.dtype.kind not in "iu":
        raise ValueError(f"the policy returned slates of type {slates.dtype}, expected whole numbers")
    if propensity.dtype.kind not in "fiu":
        raise ValueError(f"the policy returned propensities of type {propensity.dtype}, expected numbers")
    _refuse_any(
        "item", slates, running, (slates >= 0) & (slates < num_items), f"items are 0 to {num_items - 1}"
    )
    in_range = (propensity > 0.0) & (propensity <= 1.0 + ROUNDING)
    _refuse_any("propensity", propensity, running, in_range, "it must be in (0, 1]")
    shown = running[:, None]
    return np.where(shown, slates, 0).astype(np.int64), np.where(shown, propensity, 1.0).astype(np.float64)


def _array(value: Any, name: str, size: tuple[int, int]) -> NDArray[Any]:
    """The value as an array of this size; ValueError that names it."""
    array = as_array(value, f"what the policy returned as {name}")
    if array.shape != size:
        raise ValueError(
            f"the policy returned {name} of shape {array.shape}, expected {size}: sessions, slate positions"
        )
    return array


def _refuse_any(name: str, values: NDArray[Any], running: Bools, is_right: Bools, rule: str) -> None:
    """ValueError that names the first wrong value of a session that runs."""
    wrong = np.argwhere(~is_right & running[:, None])
    if len(wrong):
        row, place = wrong[0]
        raise ValueError(
            f"the policy returned {name} {values[row, place]} at position {place} of session {row}; {rule}"
        )
