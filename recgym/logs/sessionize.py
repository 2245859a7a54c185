"""Sessions, steps and joined rows from times and actions, in numpy."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from recgym.arrays import Array
from recgym.logs.columns import as_numpy
from recgym.logs.ids import index_ids, labels, map_strings

UNKNOWN = "unknown"
MANY_SESSIONS, MOSTLY = 100, 0.9  # of which so many of one row are remarked


def number_by_start(order: Array, fresh: Array, time: Array) -> Array:
    """Session of every row (rows,), numbered by its first time; ties are in the given order.

    Args:
        order: (rows,) order in which the rows of a session follow each other.
        fresh: (rows,) whether a row starts a session, in that order.
        time: (rows,) in the original order.
    """
    starts = np.flatnonzero(fresh)
    number = np.empty(len(starts), np.int64)
    number[np.argsort(time[order][starts], kind="stable")] = np.arange(len(starts))
    session = np.empty(len(order), np.int64)
    session[order] = number[np.cumsum(fresh) - 1]
    return session


def gap_sessions(user: Array, time: Array | None, gap_minutes: float) -> Array:
    """Session of every row: a new one after a pause longer than the gap; without times [ms] one per user."""
    if time is None:
        return user.astype(np.int64)
    order = np.lexsort((time, user))
    user, moment = user[order], time[order]
    pause = np.diff(moment) > gap_minutes * 60_000
    return number_by_start(order, np.r_[True, (user[1:] != user[:-1]) | pause], time)


def short_sessions(session: Array, gap_minutes: float) -> list[str]:
    """One line where nearly all of many sessions that a gap ended have a single row: they tell nothing of leaving."""
    rows = np.unique(session, return_counts=True)[1]
    alone = int((rows == 1).sum())
    if len(rows) < MANY_SESSIONS or alone < MOSTLY * len(rows):
        return []
    return [
        f"{alone:,} of {len(rows):,} sessions have one row, as they end after {gap_minutes:g} minutes without one: the "
        "log does not show when users leave; session=COLUMN in the map, such as that of the user, states others"
    ]


def number_steps(session: Array, slate: Array | None = None) -> Array:
    """Step of every row, for rows sorted by session and time; rows of a slate share a step (slate -1: no slate)."""
    rows = np.arange(len(session))
    leads = np.ones(len(session), bool)
    lead = rows
    if slate is not None:
        key = np.where(slate < 0, -1 - rows, slate)
        order = np.lexsort((key, session))  # stable: the first row of a slate stays first
        starts = np.flatnonzero(np.r_[True, _moved(session[order], key[order])])
        lead = np.empty(len(rows), np.int64)
        lead[order] = np.repeat(order[starts], np.diff(np.r_[starts, len(rows)]))
        leads = lead == rows
    count = np.cumsum(leads) - 1
    starts = np.flatnonzero(np.r_[True, session[1:] != session[:-1]])
    base = np.repeat(count[starts], np.diff(np.r_[starts, len(session)]))
    step: Array = count[lead] - base
    return step


def join_actions(
    session: Array, item: Array, flags: Array, apart: Callable[[Array, Array], Array] | None = None
) -> Array:
    """(rows,) the row that each row joins; its own index if it joins none.

    Rows are single actions, sorted by session and time; `flags` (rows, E) are the event of the action and the events
    that it needs. A row with an event beyond the first joins the last row of its session and item without such an
    event; the k-th such event since then makes the k-th row, so that a second purchase is a second row.

    `apart` is given where some rows are impressions without an event: it returns which of some rows are another
    exposure than the impressions of their item before them. The others join, the first with the first event only.
    """
    rows = np.arange(len(session))
    acts: Array = np.asarray(flags[:, 1:].any(axis=1))
    kind = np.where(acts, flags.shape[1] - np.argmax(flags[:, ::-1], axis=1), 0).astype(np.int8)
    order = np.lexsort((item, session))
    fresh = np.r_[True, _moved(session[order], item[order])]
    leads = fresh | ~acts[order]
    if apart is not None:
        rows_of, shown_of = _unanswered(fresh, flags[order])
        is_apart = apart(order[rows_of], order[shown_of])
        leads[rows_of] = is_apart
        joins = order[rows_of[~is_apart]]
        kind[joins] = np.maximum(kind[joins], 1)
    run = np.empty(len(rows), np.int32)
    run[order] = np.cumsum(leads)

    order = np.lexsort((kind, run))
    starts = np.flatnonzero(np.r_[True, _moved(run[order], kind[order])])
    again = np.empty(len(rows), np.int32)
    again[order] = rows - np.repeat(starts, np.diff(np.r_[starts, len(rows)]))

    order = np.lexsort((again, run))
    starts = np.flatnonzero(np.r_[True, _moved(run[order], again[order])])
    into = np.empty(len(rows), np.int64)
    into[order] = np.repeat(order[starts], np.diff(np.r_[starts, len(rows)]))
    return into


def begun_with_events(session: Array, item: Array, flags: Array) -> tuple[int, float, int]:
    """How many items with an event in a session begin with it, how many would in a random order, and their number.

    Rows are sorted by session and time; `flags` (rows, E) are their events.
    """
    order = np.lexsort((item, session))
    starts = np.flatnonzero(np.r_[True, _moved(session[order], item[order])])
    happened = np.asarray(flags.any(axis=1))[order]
    share = np.add.reduceat(happened, starts, dtype=np.float64) / np.diff(np.r_[starts, len(order)])
    return int(happened[starts].sum()), float(share.sum()), int((share > 0).sum())


def _unanswered(fresh: Array, flags: Array) -> tuple[Array, Array]:
    """Rows with an event until the first event after an impression, and that impression; `fresh` starts an item."""
    shown: Array = np.asarray(~flags.any(axis=1))
    clicked = flags[:, 0]
    starts = np.flatnonzero(fresh | shown)
    lead = np.repeat(starts, np.diff(np.r_[starts, len(fresh)]))
    clicks = np.cumsum(clicked) - clicked  # before each row
    rows = np.flatnonzero(shown[lead] & ~shown & (clicks == clicks[lead]))
    return rows, lead[rows]


def join_in_slates(keys: Sequence[Array], flags: Array) -> Array:
    """As `join_actions` for slates: all actions join the impression of the item in the slate, or else the first action.

    `keys` are (rows,) each: position, item, slate and session.
    """
    happened = flags.any(axis=1)
    order = np.lexsort((happened, *keys))
    starts = np.flatnonzero(np.r_[True, _moved(*(key[order] for key in keys))])
    into = np.empty(len(order), np.int64)
    into[order] = np.repeat(order[starts], np.diff(np.r_[starts, len(order)]))
    return np.where(happened, into, np.arange(len(into)))


def last_known(values: Array, session: Array, item: Array, flags: Array) -> Array:
    """Values (-1: unknown) of sorted rows; unknown values of actions become the last known of item and session."""
    if not (flags.any(axis=1) & (values < 0)).any():
        return values
    order = np.lexsort((item, session))
    fresh = np.r_[True, _moved(session[order], item[order])]
    rows = np.arange(len(order))
    known = values[order] >= 0
    last = np.maximum.accumulate(np.where(known, rows, -1))
    takes = ~known & flags[order].any(axis=1) & (last >= np.maximum.accumulate(np.where(fresh, rows, 0)))
    filled = values.copy()
    filled[order[takes]] = values[order[last[takes]]]
    return filled


def merged(into: Array, flags: Array) -> tuple[Array, Array]:
    """Kept rows, in order, when every row joins the row of `into`, and their flags."""
    order = np.argsort(into, kind="stable")
    starts = np.flatnonzero(np.r_[True, _moved(into[order])])
    return into[order][starts], np.logical_or.reduceat(flags[order], starts, axis=0)


def _moved(*keys: Array) -> Array:
    """(rows - 1,) whether a row differs from the row before it in one of the keys."""
    moved = np.zeros(max(len(keys[0]) - 1, 0), bool)
    for key in keys:
        moved |= key[1:] != key[:-1]
    return moved


def attributes(ids: Any, item: Array, category: Any, numbers: dict[str, Array], order: Array) -> Any:
    """Table of items: the category and numbers (NaN: unknown) of their first rows that know them, and a label.

    `order` (rows,) is that of the rows in time. Later values would be unknown to a model fitted on early days.
    """

    def first(known: Array) -> Array:
        rows = order[known[order]][::-1]
        found = np.full(len(ids), -1)
        found[item[rows]] = rows  # the last one written, the earliest, is kept
        return found

    table = {"id": ids}
    if category is not None:
        codes, names = index_ids(map_strings(category, lambda word: word or UNKNOWN))
        rows = first(codes != (names.index(UNKNOWN) if UNKNOWN in names else -1))
        table["category"] = pa.array([names[codes[row]] if row >= 0 else UNKNOWN for row in rows.tolist()])
    for name, values in numbers.items():
        rows = first(~np.isnan(values))
        table[name] = pa.array(np.where(rows >= 0, values[rows], np.nan).astype(np.float32))
    if category is not None:
        table["label"] = pa.array(labels(as_numpy(table["category"]).tolist()))
    return pa.table(table)
