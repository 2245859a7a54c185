"""Remarks on prices and durations of a log's items."""

from typing import TYPE_CHECKING

import numpy as np

from recgym.arrays import Bools, Doubles
from recgym.logs.columns import as_numpy

if TYPE_CHECKING:
    from recgym.logs.log import Log


def item_remarks(log: "Log") -> list[str]:
    """Lines that count the items with rows but without a price or a duration, where others have one."""
    items = np.unique(log.column("item"))
    price, duration = (_of_items(log, key)[items] for key in ("price", "duration_ms"))
    return [
        *_lacking(np.isfinite(price), "price", "they count as the mean price"),
        *_lacking(duration > 0, "duration", "they have the median duration, also where agents see it"),
    ]


def _of_items(log: "Log", key: str) -> Doubles:
    """(N,) numbers of the items table, NaN where unknown."""
    if key not in log.items.column_names:
        return np.full(log.num_items, np.nan)
    return as_numpy(log.items[key]).astype(np.float64)


def _lacking(known: Bools, what: str, words: str) -> list[str]:
    lacking = int((~known).sum())
    if lacking in (0, len(known)):
        return []
    return [f"{lacking:,} of {len(known):,} items have no {what}: in a world {words}"]
