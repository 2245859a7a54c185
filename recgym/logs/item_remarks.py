"""Remarks on prices, durations and watch times of a log, and on their units."""

from typing import TYPE_CHECKING

import numpy as np

from recgym.arrays import Bools, Doubles
from recgym.logs.cell_rules import MIN_DURATION_MS
from recgym.logs.columns import as_numpy

if TYPE_CHECKING:
    from recgym.logs.log import Log


MAX_SHARE = 2.0  # median over rows of the watch time over the duration (KuaiRand: 0.13)


def item_remarks(log: "Log") -> list[str]:
    """Lines on the items with rows: how many lack a price or a duration that others have, and doubtful units."""
    item = log.column("item")
    items = np.unique(item)
    price, duration = (_of_items(log, key) for key in ("price", "duration_ms"))
    watch = log.column("watch_ms").astype(np.float64)
    return [
        *_lacking(np.isfinite(price[items]), "price", "they count as the mean price"),
        *_lacking(duration[items] > 0, "duration", "they have the median duration, also where agents see it"),
        *_doubtful_units(duration[items], duration[item], watch),
        *_watch_times(log, duration[item], watch),
    ]


def _doubtful_units(duration: Doubles, length: Doubles, watch: Doubles) -> list[str]:
    """That times are probably not in ms; `duration` (items,), and (rows,) `length`, that of the item, and `watch`."""
    ask = "ms are expected: multiply seconds by 1000"
    known = duration > 0
    if known.any() and (middle := float(np.median(duration[known]))) < MIN_DURATION_MS:
        return [f"the median of duration_ms is {middle:g} ms; {ask}"]
    known = (length > 0) & np.isfinite(watch)
    share = watch[known] / length[known]
    if len(share) and (middle := float(np.median(share))) > MAX_SHARE:
        return [f"half of the rows have a watch_ms of {middle:.2g} times the duration_ms or more; {ask}"]
    watched = watch[watch > 0]  # not NaN
    if len(watched) and (high := float(np.quantile(watched, 0.95))) < MIN_DURATION_MS:
        return [f"of the rows with a watch_ms 95 % have {high:.3g} ms or less; {ask}"]
    return []


def _watch_times(log: "Log", length: Doubles, watch: Doubles) -> list[str]:
    """The unit of watch times, by their median, and what a world needs beside them that a log of content lacks."""
    known = np.isfinite(watch)
    if not known.any():
        return []
    middle = float(np.median(watch[known]))
    line = f"watch_ms is in ms: the median of {int(known.sum()):,} rows is {middle:,.0f} ms, {middle / 1000:.3g} s"
    if log.domain != "content":
        return [line]
    lacking = [name for name in ("click", "long_view") if name not in log.events]
    lacking += ["duration_ms in more than half of the rows"] * bool(
        2 * (known & (length > 0)).sum() <= len(watch)
    )
    needed = f"; a world has watch times where the log has {' and '.join(lacking)}, too" if lacking else ""
    return [line + needed]


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
