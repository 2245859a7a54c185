"""What comes into an environment from outside, checked: actions, seeds, options of a reset."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

MODULUS = 1 << 64  # of seeds


def check_slates(action: Any, num: int, slots: int, num_items: int) -> NDArray[np.int64]:
    """The action as int64 (B, K); ValueError where its shape is wrong or an item is not a whole number in range."""
    if isinstance(action, int | np.integer) and num == slots == 1 and 0 <= action < num_items:
        return np.array([[action]], np.int64)  # the usual case of a single environment
    slates = np.asarray(action)
    shapes: set[tuple[int, ...]] = {(num, slots)} | ({(num,)} if slots == 1 else set())
    if num == 1:
        shapes |= {(slots,)} | ({()} if slots == 1 else set())
    if slates.shape not in shapes:
        wanted = "one item" if slots == 1 else f"a slate of {slots} items"
        rows = "" if num == 1 else f" for each of {num} environments"
        raise ValueError(f"action has shape {slates.shape}, expected {wanted}{rows}")
    whole = slates.dtype.kind in "iu" or (
        slates.dtype.kind == "f" and bool(np.all(slates == np.floor(slates)))
    )
    if not whole or not np.all(np.isfinite(slates)):
        raise ValueError(f"action {_short(slates)} is not a whole number of the items 0 to {num_items - 1}")
    if slates.min() < 0 or slates.max() >= num_items:
        raise ValueError(f"action {_short(slates)} is out of range: items are numbered 0 to {num_items - 1}")
    return slates.astype(np.int64).reshape(num, slots)


def _short(values: NDArray[Any]) -> str:
    text = np.array2string(values, threshold=8, separator=", ")
    return text if len(text) < 80 else text[:76] + "...]"


def entropy() -> int:
    """A seed of 64 bits that nobody chose."""
    return int(np.random.SeedSequence().generate_state(1, np.uint64)[0])


def spread(seed: int, num: int) -> NDArray[np.uint64]:
    """Seeds s, s + 1, ..., modulo 2^64."""
    return np.arange(num, dtype=np.uint64) + np.uint64(seed % MODULUS)


def refuse_options(options: Mapping[str, Any] | None, allowed: tuple[str, ...]) -> None:
    """ValueError that names an option of `reset` which is not known."""
    if unknown := sorted(set(options or ()) - set(allowed)):
        raise ValueError(
            f"reset option {', '.join(unknown)} is unknown; allowed: {', '.join(allowed) or 'none'}"
        )
