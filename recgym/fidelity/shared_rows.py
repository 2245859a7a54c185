"""Rows of a test that are rows of the log that a world is fitted to: such a test shows nothing about new exposure.

Axes: R rows of the test.
"""

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Bools
from recgym.logs import Log
from recgym.logs.ids import lookup

MAX_SHARED = 0.01  # share of the test's rows, where both logs have times
MAX_ALIKE = 0.5  # where one has none: users are shown items of the log by chance, and respond alike


def refuse_own_rows(test: Log, log: Log) -> None:
    """ValueError where the rows of a test are rows of the log.

    Where both have times, a row is shared if user, item and time are equal, and at most MAX_SHARED of the test's rows
    may be: times may be whole days. Without times a row is alike if user, item and events are equal, and at most
    MAX_ALIKE may be.
    """
    has_times = all(np.isfinite(_times(each)).all() for each in (test, log))
    shared = rows_in(test, log, has_times=has_times)
    if shared.mean() <= (MAX_SHARED if has_times else MAX_ALIKE):
        return
    what = "user, item and time" if has_times else "user, item and events, without times"
    raise ValueError(
        f"the randomised test has rows of the log that the world is fitted to, by {what}: {int(shared.sum()):,} of its "
        f"{len(shared):,} rows; leave them out of one of the two"
    )


def rows_in(test: Log, log: Log, *, has_times: bool) -> Bools:
    """(R,) rows of the test that the log has: of equal user, item, and time or, without times, events."""
    users, items = (
        lookup(getattr(test, what)["id"], getattr(log, what)["id"]) for what in ("users", "items")
    )
    user, item = users[test.column("user")].astype(np.int64), items[test.column("item")].astype(np.int64)
    pair = np.where((user < 0) | (item < 0), -1, user * log.num_items + item)
    other = log.column("user").astype(np.int64) * log.num_items + log.column("item")
    near = np.flatnonzero(np.isin(other, pair))
    if has_times:
        mark, other_mark = _times(test), _times(log)[near]
    else:
        events = [name for name in test.events if name in log.events]
        mark, other_mark = _bits(test, events), _bits(log, events)[near]
    rows = np.stack([np.r_[pair, other[near]].astype(np.float64), np.r_[mark, other_mark]], axis=1)
    code = np.unique(rows, axis=0, return_inverse=True)[1].ravel()
    return np.isin(code[: len(pair)], code[len(pair) :])


def _times(log: Log) -> NDArray[np.float64]:
    return np.asarray(log.column("time"), np.float64)


def _bits(log: Log, events: list[str]) -> NDArray[np.float64]:
    """One number for the events of a row."""
    flags = [np.asarray(log.column(name), np.float64) * 2.0**k for k, name in enumerate(events)]
    return np.asarray(np.sum([np.zeros(len(log)), *flags], axis=0), np.float64)
