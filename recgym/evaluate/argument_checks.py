"""Checks of the arguments of evaluation: arrays of numbers, ranges, thresholds."""

import math
from collections.abc import Iterable, Mapping, Set
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from recgym.arrays import Array, Ints
from recgym.checks import MAX_NUMBER, finite_number, quoted

SMALLEST = 1e-12  # of thresholds
MAX_SIZE = 1e100  # of a finite number: sums of squares are finite


def numbers(name: str, values: ArrayLike, *, is_finite: bool = False, low: float = -math.inf) -> Array:
    """Real numbers as float64.

    Raises:
        ValueError: text, complex or masked values, rows of different lengths; with `is_finite` NaN, infinity and sizes
            over MAX_SIZE; a number below `low`. The message names the argument.
    """
    if np.ma.is_masked(values):
        raise ValueError(f"{name} has masked values, expected numbers")
    try:
        array = np.asarray(values)
        known = array.dtype.kind in "biuf" or (array.dtype.kind == "O" and all(map(_is_number, array.flat)))
        found = array.astype(np.float64, copy=False) if known or not array.size else None
    except OverflowError:
        raise ValueError(f"{name} has a number of more than 1e308, expected numbers") from None
    except (TypeError, ValueError):
        found = None
    if found is None:
        raise ValueError(f"{name} must be an array of real numbers")
    if is_finite and not np.isfinite(found).all():
        raise ValueError(f"{name} has a value that is not finite")
    if is_finite and found.size and np.abs(found).max() > MAX_SIZE:
        raise ValueError(f"{name} has a value over {MAX_SIZE:g} in size")
    if low > -math.inf and found.size and not found.min() >= low:
        raise ValueError(f"{name} has the value {found.min():g}, expected at least {low:g}")
    return found


def arrays_of(name: str, values: Any, unit: str) -> list[Array]:
    """Finite numbers as one float64 array for each `unit`, such as a task, in the order given.

    Raises:
        ValueError: values without an order or without arrays: a mapping, a set, text, single numbers. The message names
            the argument.
    """
    wanted = f"expected a list with one array of numbers for each {unit}"
    is_list = isinstance(values, Iterable) and not isinstance(values, Mapping | Set | str | bytes)
    if not is_list or getattr(values, "ndim", 1) == 0:
        raise ValueError(f"{name} is {quoted(values)}, {wanted}")
    found = []
    for index, each in enumerate(values):
        array = numbers(f"{name}, {unit} {index}", each, is_finite=True)
        if array.ndim == 0:
            raise ValueError(f"{name} has the number {quoted(each)} for {unit} {index}, {wanted}")
        found.append(array)
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) or hasattr(value, "__float__")


def whole_indices(name: str, values: ArrayLike, size: int) -> Ints:
    """Whole numbers from 0 to size - 1, as int64 of the same shape; ValueError names the argument, value and row."""
    found = numbers(name, values)
    wrong = ~((found >= 0) & (found < size) & (found == np.floor(found)))
    if wrong.any():
        place = np.argwhere(wrong)[0]
        value, row = found[tuple(place)], f" at index {place[0]}" if len(place) else ""
        raise ValueError(f"{name} is {value:g}{row}, it must be a whole number from 0 to {size - 1}")
    return found.astype(np.int64)


def positive(name: str, value: Any) -> float:
    """A number above 0, infinity included; ValueError names it."""
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_)
    if not is_number or not value >= SMALLEST:
        raise ValueError(f"{name} is {quoted(value)}, expected a number above 0 (at least {SMALLEST:g})")
    return float(value) if value <= MAX_NUMBER else math.inf


def range_of(name: str, value: Any, most: float) -> tuple[float, float] | None:
    """A smaller and a larger finite number within [-most, most], or None; ValueError names the argument."""
    if value is None:
        return None
    try:
        low, high = (finite_number(each, name, -most, most) for each in value)
    except (TypeError, ValueError):
        low = high = 0.0
    if not low < high:
        raise ValueError(f"{name} is {quoted(value)}, expected a smaller and a larger finite number")
    return low, high
