"""From moments and actions to sessions, steps and rows: plain numpy over rows in order of time."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.logs.log import Array, as_numpy
from recgym.logs.tables import index_ids, labels, usual

UNKNOWN = "unknown"


def number_by_start(order: Array, fresh: Array, time: Array) -> Array:
    """Session of every row, numbered by first moment (ties by the given order).

    `order` sorts the rows, `fresh` marks the sorted rows that begin a session, `time` is in the rows' own
    order.
    """
    starts = np.flatnonzero(fresh)
    number = np.empty(len(starts), np.int64)
    number[np.argsort(time[order][starts], kind="stable")] = np.arange(len(starts))
    session = np.empty(len(order), np.int64)
    session[order] = number[np.cumsum(fresh) - 1]
    return session


def gap_sessions(user: Array, time: Array | None, gap_minutes: float) -> Array:
    """A new session after a pause longer than the gap; one a user without a clock (time in ms)."""
    if time is None:
        return user.astype(np.int64)
    order = np.lexsort((time, user))
    user, moment = user[order], time[order]
    pause = np.diff(moment) > gap_minutes * 60_000
    return number_by_start(order, np.r_[True, (user[1:] != user[:-1]) | pause], time)


def number_steps(session: Array, slate: Array | None = None) -> Array:
    """Step of every row, for rows by session and time; rows of one slate share a step (-1: alone)."""
    rows = np.arange(len(session))
    leads = np.ones(len(session), bool)
    lead = rows
    if slate is not None:
        key = np.where(slate < 0, -1 - rows, slate)
        _, first, inverse = np.unique(
            np.stack([session, key]), axis=1, return_index=True, return_inverse=True
        )
        lead = first[inverse.ravel()]
        leads = lead == rows
    count = np.cumsum(leads) - 1
    starts = np.flatnonzero(np.r_[True, session[1:] != session[:-1]])
    base = np.repeat(count[starts], np.diff(np.r_[starts, len(session)]))
    step: Array = count[lead] - base
    return step


def join_actions(session: Array, item: Array, flags: Array) -> tuple[Array, Array]:
    """Rows to keep and their flags, for rows of single actions sorted by session and time.

    `flags` (rows, E): the action's event with those it needs. A row with an event beyond the first joins the
    last row of its session and item that showed it or had the first event only; the k-th such event since
    then makes the k-th row. Nothing is lost: a second purchase is a second row.
    """
    rows = np.arange(len(session))
    acts: Array = np.asarray(flags[:, 1:].any(axis=1))
    kind = np.where(acts, flags.shape[1] - np.argmax(flags[:, ::-1], axis=1), 0)
    order = np.lexsort((rows, item, session))
    moved = np.r_[True, (session[order][1:] != session[order][:-1]) | (item[order][1:] != item[order][:-1])]
    run = np.empty(len(rows), np.int64)
    run[order] = np.cumsum(moved | ~acts[order])

    by_kind = np.lexsort((rows, kind, run))
    fresh = np.r_[True, (run[by_kind][1:] != run[by_kind][:-1]) | (kind[by_kind][1:] != kind[by_kind][:-1])]
    starts = np.flatnonzero(fresh)
    again = np.empty(len(rows), np.int64)
    again[by_kind] = rows - np.repeat(starts, np.diff(np.r_[starts, len(rows)]))

    _, first, group = np.unique(np.stack([run, again]), axis=1, return_index=True, return_inverse=True)
    joined = np.zeros((len(first), flags.shape[1]), bool)
    np.logical_or.at(joined, group.ravel(), flags)
    by_row = np.argsort(first)
    return first[by_row], joined[by_row]


def attributes(ids: Any, item: Array, category: Any, numbers: dict[str, Array]) -> Any:
    """The table of items from their rows: usual category, mean of each number (NaN: unknown), a label."""
    table = {"id": ids}
    if category is not None:
        codes, names = index_ids(pc.if_else(pc.equal(category.fill_null(""), ""), UNKNOWN, category))
        most, _ = usual(item, codes, len(ids))
        table["category"] = pa.array([names[code] for code in most])
    for name, values in numbers.items():
        known = ~np.isnan(values)
        count = np.bincount(item[known], minlength=len(ids))
        total = np.bincount(item[known], values[known], minlength=len(ids))
        mean = np.divide(total, count, out=np.full(len(ids), np.nan), where=count > 0)
        table[name] = pa.array(mean.astype(np.float32))
    if category is not None:
        table["label"] = pa.array(labels(as_numpy(table["category"]).tolist()))
    return pa.table(table)
