"""Joins rows of single actions (a view, a cart, a purchase of one item) to one row of the log."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Array
from recgym.logs.columns import as_numpy
from recgym.logs.problems import shown
from recgym.logs.sessionize import begun_with_events, join_actions, join_in_slates, last_known, merged
from recgym.logs.time_units import FINE

Apart = Callable[
    [Array, Array], Array
]  # (rows,) responses and the impressions before them -> other exposures

ADVICE = (
    "if each row is an impression of its own, say so by a word none (event=COLUMN:skip>none), a column step, or "
    "columns of 0 and 1"
)
LEAST_OWN = 2 / 3  # of the expected beginnings; where half of the responses lack an impression before them
PLACES = ("slate", "step")  # keys of items that were shown together
KEPT = ("user", "item", "session", "time", FINE, "file", "file_row", "price", "watch_ms", "position", *PLACES)


def join_rows(
    columns: Mapping[str, Any], events: Sequence[str], impressions: bool, gap_minutes: float
) -> tuple[dict[str, Any], list[str]]:
    """Columns of the rows that are kept, and remarks on the join.

    The price is that of the strongest event, of the last row if several have it; watch time is the longest; the other
    values are those of the row that is kept.

    Args:
        columns: columns of actions, sorted by session and time.
        events: the domain's events that are columns.
        impressions: whether some rows are impressions without an event.
        gap_minutes: a response more than so long after an impression is to another exposure.
    """
    flags = np.stack([columns[name] for name in events], axis=1)
    into, own = _into(columns, flags, _apart(columns, gap_minutes) if impressions else None)
    rows, joined = merged(into, flags)
    less = np.flatnonzero(into != np.arange(len(into)))
    if not len(less):
        return dict(columns), own
    out = {
        name: values[rows] if isinstance(values, np.ndarray) else values.take(pa.array(rows))
        for name, values in columns.items()
    }
    out |= dict(zip(events, joined.T.copy(), strict=True))
    remarks = own + _joined(columns, flags, into, less, gap_minutes)
    for name, best in (("price", _strongest(columns, flags, into)), ("watch_ms", _longest(columns, into))):
        if best is not None:
            out[name] = columns[name].take(pa.array(best[rows]))
            remarks += _chosen(name, columns[name], best, into, less)
    return out, remarks + _left_out(columns, events, into, less)


def _apart(columns: Mapping[str, Any], gap_minutes: float) -> Apart:
    """Which responses are to another exposure than the impression before: long after it, or of another watch time."""
    time, watch = columns.get("time"), columns.get("watch_ms")

    def apart(rows: Array, impressions: Array) -> Array:
        found = np.zeros(len(rows), bool)
        if time is not None:
            found |= time[rows] - time[impressions] > gap_minutes * 60_000
        if watch is not None:
            ms = as_numpy(pc.fill_null(watch, 0))  # 0: not watched, or not known
            found |= (ms[rows] > 0) & (ms[impressions] > 0) & (ms[rows] != ms[impressions])
        return found

    return apart


def _always_apart(rows: Array, impressions: Array) -> Array:
    """Of a log whose impressions without a response are rows of their own."""
    return np.ones(len(rows), bool)


def _into(columns: Mapping[str, Any], flags: Array, apart: Apart | None) -> tuple[Array, list[str]]:
    """(rows,) the row that each row joins; its own index if it joins none; and a remark of `_own_impressions`.

    `apart` is None where no row is an impression that a later one may answer.
    """
    session, item = (as_numpy(columns[name]).astype(np.int64) for name in ("session", "item"))
    position = _whole(columns, "position")
    place = next((name for name in PLACES if name in columns), None)
    if place is None:
        position = last_known(position, session, item, flags)
        _, item = np.unique(item * (1 << 17) + position, return_inverse=True)
        own = _own_impressions(session, item, flags) if apart else []
        return join_actions(session, item, flags, apart if apart and not own else _always_apart), own
    slate, position = _placed(_whole(columns, place), position, session, item, flags)
    into = join_in_slates((position, item, slate, session), flags)
    alone = np.flatnonzero(slate < 0)
    if len(alone):
        into[alone] = alone[
            join_actions(
                session[alone],
                item[alone],
                flags[alone],
                lambda rows, shown: (apart or _always_apart)(alone[rows], alone[shown]),
            )
        ]
    return into, []


def _placed(slate: Array, position: Array, session: Array, item: Array, flags: Array) -> tuple[Array, Array]:
    """Slates and positions of rows; an action without a slate is in the last one of its item, at its position if known.

    An action without a position has that of its item in its slate.
    """
    at_position = last_known(slate, session, item * (1 << 17) + position, flags)
    slate = last_known(np.where(position < 0, slate, at_position), session, item, flags)
    slates, place = np.unique(slate, return_inverse=True)
    return slate, last_known(position, session, item * len(slates) + place, flags)


def _own_impressions(session: Array, item: Array, flags: Array) -> list[str]:
    """A remark where each row is an impression of its own, with its answer; none where responses follow impressions.

    The rows of an item in a visit then begin with a response as often as in any order of them; where a response is a
    row after that of its impression, they begin with the impression.
    """
    begun, expected, count = begun_with_events(session, item, flags)
    if expected == count or begun <= LEAST_OWN * expected:  # nothing to join, or impressions come first
        return []
    return [
        "each row is an impression of its own, so that none without a response joined a later one: of "
        f"{count:,} items with a response in a visit {begun:,} begin with it, and {expected:,.0f} would in any order"
    ]


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


def _joined(
    columns: Mapping[str, Any], flags: Array, into: Array, less: Array, gap_minutes: float
) -> list[str]:
    """Remarks on the number of joined rows: responses to an impression, and others."""
    responds: Array = np.asarray(flags.any(axis=1))
    answered = np.unique(into[less[~responds[into[less]]]])
    if not len(answered):
        return [f"{len(less):,} rows joined an earlier row of their item"]
    rest = len(less) - len(answered)
    if any(place in columns for place in PLACES):
        rule = "to their item in the same slate"
    else:
        limits = [f"at most {gap_minutes:g} minutes later"] if "time" in columns else []
        limits += ["not of another watch_ms"] if "watch_ms" in columns else []
        rule = ", ".join(["to their item before it is shown again in the visit", *limits])
    alone = int((responds & (into == np.arange(len(into)))).sum())
    line = (
        f"{len(answered):,} rows without a response joined the next row with one {rule}; {alone:,} rows with a "
        "response joined none such"
    )
    if alone > len(answered):
        line += f": {ADVICE}"
    return [line] + ([f"{rest:,} rows joined an earlier row of their item"] if rest else [])


def _chosen(name: str, values: Any, best: Array, into: Array, less: Array) -> list[str]:
    """Remark on the number of joined rows with another value than their row, and the value that is kept."""
    is_known = as_numpy(values.is_valid())[into[less]]
    count = int((_differs(values, less, into[less]) & is_known).sum())
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
