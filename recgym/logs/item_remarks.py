"""Remarks on the prices of a log's items."""

from typing import TYPE_CHECKING

import numpy as np

from recgym.arrays import Ints
from recgym.logs.columns import as_numpy

if TYPE_CHECKING:
    from recgym.logs.log import Log


def item_remarks(log: "Log") -> list[str]:
    """One line that counts the items with rows but without a price, where others have one."""
    items = np.unique(log.column("item"))
    return _lacking(log, items, "price", "they count as the mean price")


def _lacking(log: "Log", items: Ints, key: str, words: str) -> list[str]:
    if key not in log.items.column_names:
        return []
    known = np.isfinite(as_numpy(log.items[key]).astype(np.float64)[items])
    lacking = int((~known).sum())
    if lacking in (0, len(known)):
        return []
    return [f"{lacking:,} of {len(known):,} items have no {key}: in a world {words}"]
