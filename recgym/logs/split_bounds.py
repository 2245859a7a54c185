"""Bounds at which the sessions of a log are split: their type, order and range."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np

from recgym.arrays import Array, Ints
from recgym.checks import iso_day, quoted
from recgym.logs.cell_rules import DATE
from recgym.logs.date_text import iso_milliseconds
from recgym.logs.problems import LogError


def parts_at(column: str, firsts: Array, bounds: Sequence[Any]) -> Ints:
    """(S,) part of each session, by the value (S,) of its first row; a part includes its lower bound.

    Raises:
        LogError: the bounds do not rise, are of another type than the column, or no session is before or from one on.
    """
    is_text, is_time = firsts.dtype.kind in "OUS", column == "time"
    if is_text and column == DATE:
        bounds = [iso_day(bound, f"split_at of column {column!r} has", LogError) for bound in bounds]
    wanted = "text" if is_text else "numbers of ms or ISO dates" if is_time else "numbers"
    values: list[Any] = [
        iso_milliseconds(bound) if is_time and isinstance(bound, str) else bound for bound in bounds
    ]
    kinds = str if is_text else int | float | np.number
    for bound, value in zip(bounds, values, strict=True):
        if not isinstance(value, kinds) or isinstance(value, bool) or value != value:
            raise LogError(f"split_at of column {column!r} needs {wanted}; found {quoted(bound)}")
    if not values or any(not low < high for low, high in pairwise(values)):
        raise LogError(f"split_at needs values that rise; found {tuple(bounds)}")
    if not len(firsts):
        raise LogError("split_at needs a session; the log has none")
    first, last = min(firsts), max(firsts)
    for bound, value in zip(bounds, values, strict=True):
        if not first < value <= last:
            span = " to ".join(_shown(end, is_time) for end in (first, last))
            raise LogError(
                f"split_at {quoted(bound)} leaves a part empty: sessions start at {column} {span}, "
                "expected a later value than the first, up to the last"
            )
    part: Ints = np.sum([np.asarray(firsts >= value, np.int64) for value in values], axis=0, dtype=np.int64)
    return part


def _shown(value: Any, is_time: bool) -> str:
    if not is_time:
        return str(value)
    try:
        return f"{value:.0f} ({datetime.fromtimestamp(float(value) / 1000.0, UTC):%Y-%m-%d %H:%M:%S})"
    except (ValueError, OverflowError, OSError):
        return f"{value:.0f}"
