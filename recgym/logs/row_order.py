"""Order of rows in time. At equal times it depends on what the rows hold, not on where they are in the files.

At one time rows go by position, where they have one, then by a pseudo-random number of user and item. Rows of one user
and item are in the order of the event table (shown, click, cart, purchase), then by the rest of their contents.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recgym.arrays import Array, Bools
from recgym.logs.columns import as_numpy
from recgym.logs.ids import encode, row_hashes
from recgym.logs.sessionize import number_steps
from recgym.logs.time_units import FINE

ORIGIN = ("file", "file_row")
NO_POSITION = 1 << 16  # after all positions
FACTORS = tuple(np.uint64(each) for each in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def row_order(
    columns: Mapping[str, Any], events: Sequence[str], *, is_split: bool, are_ties_as_in_file: bool
) -> Array:
    """(rows,) order of rows in time; without times that of the files.

    Args:
        columns: `user`, `item`, and further columns of the log; sessions may be codes.
        events: the domain's events that are columns, in the order of the event table.
        is_split: the column `slate` numbers the rows of the file.
        are_ties_as_in_file: rows of one time are in the order of the files.
    """
    if "time" not in columns:
        return np.arange(len(columns["user"]))
    time = moments(columns)
    order = np.argsort(time, kind="stable")
    places = np.flatnonzero(_shared(time[order]))
    if are_ties_as_in_file or not len(places):
        return order
    rows = order[places]
    time = time[rows]
    pair = _mixed(time, *(as_numpy(columns[key])[rows] for key in ("user", "item")))
    position = _first_positions(columns, rows, time, pair)
    ranked = np.lexsort((pair, position, time))
    order[places] = rows[ranked]
    again = np.flatnonzero(_shared(time[ranked], position[ranked], pair[ranked]))
    if len(again):
        alike = ranked[again]
        keys = _last_keys(columns, rows[alike], events, is_split)
        within = np.lexsort((*keys, pair[alike], position[alike], time[alike]))
        order[places[again]] = rows[alike[within]]
    return order


def moments(columns: Mapping[str, Any]) -> Array:
    """(rows,) int64 numbers in the order of the exact times: their ms, or ranks where times are finer than ms."""
    time = as_numpy(columns["time"])
    if FINE not in columns:
        return time
    order = np.lexsort((columns[FINE], time))
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.cumsum(~_follows(time[order], columns[FINE][order]))
    return ranks


def moments_in_slates(columns: Mapping[str, Any], events: Sequence[str]) -> Array:
    """(rows,) times [ms]; a response has that of the first row of its item in its slate, if that has fewer events.

    A slate stays in one session, however late its responses are. Rows that are shown again keep their own time.
    """
    time = as_numpy(columns["time"])
    if "slate" not in columns or not events:
        return time
    user, item = (as_numpy(columns[key]) for key in ("user", "item"))
    slate = as_numpy(columns["slate"].fill_null(-1))
    strength = np.sum([columns[name] for name in events], axis=0)
    order = np.lexsort((strength, time, item, slate, user))
    starts = np.flatnonzero(~_follows(user[order], slate[order], item[order]))
    first = np.empty(len(time), np.int64)
    first[order] = np.repeat(order[starts], np.diff(np.r_[starts, len(time)]))
    return np.where((slate >= 0) & (strength > strength[first]), time[first], time)


def order_of_file(columns: Mapping[str, Any], name: str) -> list[str]:
    """Remark on rows, sorted by session, that have no order but that of the file."""
    if "time" in columns or "step" in columns or not number_steps(columns["session"], _slates(columns)).any():
        return []
    return [f"{name}: there are no times: the order of the rows of a session is that of the file"]


def number_places(columns: dict[str, Any], name: str, is_split: bool, ties: str | None) -> list[str]:
    """Numbers the steps of rows in order, and slates without numbers of their own; remarks on rows without an order."""
    remarks = []
    if "step" not in columns:
        columns["step"] = number_steps(columns["session"], _slates(columns))
        remarks = [] if ties else _without_order(columns, name)
    columns.pop(FINE, None)
    if is_split:
        columns["slate"] = _renumbered(columns)
    return remarks


def _slates(columns: Mapping[str, Any]) -> Array | None:
    return as_numpy(columns["slate"].fill_null(-1)) if "slate" in columns else None


def _without_order(columns: Mapping[str, Any], name: str) -> list[str]:
    """Remark on the number of rows whose time is that of another step of their session."""
    if "time" not in columns:
        return []
    session, step, time = *(as_numpy(columns[key]) for key in ("session", "step")), moments(columns)
    order = np.lexsort((step, time, session))
    session, step, time = session[order], step[order], time[order]
    starts = np.flatnonzero(np.r_[True, (session[1:] != session[:-1]) | (time[1:] != time[:-1])])
    ends = np.r_[starts[1:], len(step)]
    count = int((ends - starts)[step[ends - 1] > step[starts]].sum())
    what = "rows share their time with another step of their session: their order is not known"
    return [f"{name}: {count:,} {what}, and that of the file is not used; ties=file uses it"] if count else []


def _renumbered(columns: Mapping[str, Any]) -> Any:
    """Slates without numbers of their own, numbered from 0 in the order of the log."""
    slate = as_numpy(pc.fill_null(columns["slate"], -1)).astype(np.int64)
    order = np.lexsort((columns["step"], columns["session"]))
    found, first, place = np.unique(slate[order], return_index=True, return_inverse=True)
    rank = np.empty(len(found), np.int64)
    rank[np.argsort(np.where(found < 0, len(order), first), kind="stable")] = np.arange(len(found))
    number = np.empty(len(order), np.int64)
    number[order] = rank[place]
    return pa.array(number, mask=slate < 0)


def _first_positions(columns: Mapping[str, Any], rows: Array, time: Array, pair: Array) -> Array:
    """(rows,) lowest position of the rows of the same time, user and item."""
    if "position" not in columns:
        return np.zeros(len(rows), np.int32)
    position = as_numpy(pc.fill_null(columns["position"], NO_POSITION))[rows]
    order = np.lexsort((position, pair, time))
    starts = np.flatnonzero(~_follows(time[order], pair[order]))
    lowest = np.empty(len(rows), np.int32)
    lowest[order] = np.repeat(position[order[starts]], np.diff(np.r_[starts, len(order)]))
    return lowest


def _last_keys(
    columns: Mapping[str, Any], rows: Array, events: Sequence[str], is_split: bool
) -> tuple[Array, Array]:
    """Keys of rows of the same user and item at one time: the rest of their contents, and first their events."""
    known = _rows(columns, rows)
    if is_split:
        known["slate"] = _contents_of_slates(columns, known["slate"])
    bits = np.zeros(len(rows), np.int64)
    for place, name in enumerate(events):
        bits |= known[name].astype(np.int64) << place
    return _contents(known), bits


def _contents_of_slates(columns: Mapping[str, Any], wanted: Any) -> NDArray[np.uint64]:
    """(rows,) a number of the contents of each wanted slate, 0 for none; slates have no number of their own."""
    wanted, slate = (
        as_numpy(pc.fill_null(cells, -1)).astype(np.int64) for cells in (wanted, columns["slate"])
    )
    rows = np.flatnonzero(np.isin(slate, wanted))
    codes = _contents({name: values for name, values in _rows(columns, rows).items() if name != "slate"})
    slates, place = np.unique(slate[rows], return_inverse=True)
    sums = np.zeros(len(slates), np.uint64)
    np.add.at(sums, place, _mixed(codes))
    return np.where(wanted < 0, np.uint64(0), sums[np.searchsorted(slates, wanted)])


def _contents(columns: Mapping[str, Any]) -> NDArray[np.uint64]:
    """(rows,) hashes of all columns but the origin; words by their rank, as their codes are in the order of rows."""
    names = sorted(name for name in columns if name not in ORIGIN)
    return row_hashes(pa.table({name: _comparable(columns[name]) for name in names}))


def _comparable(values: Any) -> Any:
    cells = pa.array(values) if isinstance(values, np.ndarray) else values
    if pa.types.is_dictionary(cells.type) or pa.types.is_string(cells.type):
        codes, words = encode(cells)
        ranks = np.empty(len(words) + 1, np.int64)
        ranks[-1] = -1
        ranks[as_numpy(pc.array_sort_indices(words))] = np.arange(len(words))
        return pa.array(ranks[codes])
    if pa.types.is_floating(cells.type):  # whole numbers are equal, whatever a file states as their type
        whole = pc.and_(pc.equal(cells, pc.floor(cells)), pc.less(pc.abs(cells), 2.0**53))
        cells = cells.cast(pa.int64()) if pc.all(whole).as_py() else cells
    return cells.cast(pa.int8()) if pa.types.is_boolean(cells.type) else cells


def _mixed(*values: Array) -> NDArray[np.uint64]:
    """(rows,) pseudo-random numbers of whole numbers (Steele et al., 2014, SplitMix)."""
    mixed = np.zeros(len(values[0]), np.uint64)
    for value in values:
        mixed ^= value.astype(np.int64).view(np.uint64) if value.dtype != np.uint64 else value
        mixed += FACTORS[0]
        mixed = (mixed ^ (mixed >> np.uint64(30))) * FACTORS[1]
        mixed = (mixed ^ (mixed >> np.uint64(27))) * FACTORS[2]
        mixed ^= mixed >> np.uint64(31)
    return mixed


def _shared(*keys: Array) -> Bools:
    """(rows,) whether a row has the keys of the row before it or after it."""
    follows = _follows(*keys)
    return follows | np.r_[follows[1:], False] if len(follows) else follows


def _follows(*keys: Array) -> Bools:
    """(rows,) whether a row has the keys of the row before it."""
    same: Bools = np.zeros(len(keys[0]), np.bool_)
    same[1:] = np.logical_and.reduce([key[1:] == key[:-1] for key in keys])
    return same


def _rows(columns: Mapping[str, Any], rows: Array) -> dict[str, Any]:
    """These rows of each column."""
    return {
        name: values[rows] if isinstance(values, np.ndarray) else values.take(pa.array(rows))
        for name, values in columns.items()
    }
