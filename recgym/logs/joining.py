"""Joins rows of single actions (a view, a cart, a purchase of one item) to one row of the log."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Array
from recgym.logs.columns import as_numpy
from recgym.logs.problems import shown
from recgym.logs.sessionize import join_actions, join_in_slates, last_known, merged
from recgym.logs.time_units import FINE

PLACES = ("slate", "step")  # keys of items that were shown together
KEPT = ("user", "item", "session", "time", FINE, "file", "file_row", "price", "watch_ms", "position", *PLACES)


def join_rows(
    columns: Mapping[str, Any], events: Sequence[str], impressions: bool
) -> tuple[dict[str, Any], list[str]]:
    """Columns of the rows that are kept, and remarks on the join.

    The price is that of the strongest event, of the last row if several have it; watch time is the longest; the other
    values are those of the row that is kept.

    Args:
        columns: columns of actions, sorted by session and time.
        events: the domain's events that are columns.
        impressions: whether some rows are impressions without an event.
    """
    flags = np.stack([columns[name] for name in events], axis=1)
    into = _into(columns, flags, impressions)
    rows, joined = merged(into, flags)
    less = np.flatnonzero(into != np.arange(len(into)))
    if not len(less):
        return dict(columns), []
    out = {
        name: values[rows] if isinstance(values, np.ndarray) else values.take(pa.array(rows))
        for name, values in columns.items()
    }
    out |= dict(zip(events, joined.T.copy(), strict=True))
    remarks = _joined(flags, into, less)
    for name, best in (("price", _strongest(columns, flags, into)), ("watch_ms", _longest(columns, into))):
        if best is not None:
            out[name] = columns[name].take(pa.array(best[rows]))
            remarks += _chosen(name, columns[name], best, into, less)
    return out, remarks + _left_out(columns, events, into, less)


def _into(columns: Mapping[str, Any], flags: Array, impressions: bool) -> Array:
    """(rows,) the row that each row joins; its own index if it joins none."""
    session, item = (as_numpy(columns[name]).astype(np.int64) for name in ("session", "item"))
    position = last_known(_whole(columns, "position"), session, item, flags)
    place = next((name for name in PLACES if name in columns), None)
    if place is None:
        _, item = np.unique(item * (1 << 17) + position, return_inverse=True)
        return join_actions(session, item, flags, impressions)
    slate = last_known(_whole(columns, place), session, item, flags)
    into = join_in_slates((position, item, slate, session), flags)
    alone = np.flatnonzero(slate < 0)
    if len(alone):
        into[alone] = alone[join_actions(session[alone], item[alone], flags[alone], impressions)]
    return into


def _whole(columns: Mapping[str, Any], name: str) -> Array:
    """Column of whole numbers, -1 for an empty cell or a missing column."""
    if name not in columns:
        return np.full(len(columns["item"]), -1)
    values = columns[name]
    return as_numpy(values if isinstance(values, np.ndarray) else pc.fill_null(values, -1)).astype(np.int64)


def _strongest(columns: Mapping[str, Any], flags: Array, into: Array) -> Array | None:
    """Row whose price each kept row takes: the last of the strongest events with a price."""
    if "price" not in columns:
        return None
    strength = np.where(flags.any(axis=1), flags.shape[1] - np.argmax(flags[:, ::-1], axis=1), 0)
    return _last(columns["price"], into, strength)


def _longest(columns: Mapping[str, Any], into: Array) -> Array | None:
    """Row whose watch time each kept row takes."""
    if "watch_ms" not in columns:
        return None
    return _last(columns["watch_ms"], into, as_numpy(pc.fill_null(columns["watch_ms"], -1)))


def _last(values: Any, into: Array, rank: Array) -> Array:
    """Row of the highest rank (the last of ties) that has a value, of the rows that join a row."""
    known = as_numpy(values.is_valid())
    order = np.lexsort((rank, into))
    order = order[known[order]]
    best = np.arange(len(into))
    best[into[order]] = order  # the last one written is kept
    return best


def _joined(flags: Array, into: Array, less: Array) -> list[str]:
    """Remarks on the number of joined rows."""
    clicks = flags[less, 0] & ~flags[less, 1:].any(axis=1) & ~flags[into[less]].any(axis=1)
    count, others = int(clicks.sum()), int((~clicks).sum())
    remarks = [f"{count:,} click rows joined the impression of their item in the visit"] if count else []
    return remarks + ([f"{others:,} rows joined an earlier row of their item"] if others else [])


def _chosen(name: str, values: Any, best: Array, into: Array, less: Array) -> list[str]:
    """Remark on the number of joined rows with another value than their row, and the value that is kept."""
    count = int(_differs(values, less, into[less]).sum())
    rule = {"price": "that of the strongest event, as the price paid,", "watch_ms": "the longest"}[name]
    return [f"{name} differs in {count:,} joined rows: {rule} is kept"] if count else []


def _left_out(columns: Mapping[str, Any], events: Sequence[str], into: Array, less: Array) -> list[str]:
    """Remark on columns whose values of joined rows differ from the kept row."""
    counts = {
        name: int(_differs(values, less, into[less]).sum())
        for name, values in columns.items()
        if name not in (*KEPT, *events)
    }
    named = [f"{name} in {count:,}" for name, count in counts.items() if count]
    return [f"joined rows lose values that differ from the row they join: {shown(named)}"] if named else []


def _differs(values: Any, rows: Array, others: Array) -> Array:
    """Which rows have a value that differs from that of the other row."""
    cells = pa.array(values) if isinstance(values, np.ndarray) else values
    if pa.types.is_dictionary(cells.type):
        cells = cells.cast(cells.type.value_type)
    if pa.types.is_null(cells.type):
        return np.zeros(len(rows), bool)
    one, other = cells.take(pa.array(rows)), cells.take(pa.array(others))
    has_value = pc.not_equal(one, "") if pa.types.is_string(cells.type) else one.is_valid()
    differs = pc.and_(pc.fill_null(has_value, False), pc.fill_null(pc.not_equal(one, other), True))
    return as_numpy(differs)
