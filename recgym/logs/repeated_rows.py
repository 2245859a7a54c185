"""Rows that repeat an earlier one exactly: in all columns of their files, those that are not read too."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Array, Bools
from recgym.logs.arrow_types import is_list
from recgym.logs.cell_rules import COUNT_COLUMNS
from recgym.logs.columns import as_numpy
from recgym.logs.ids import first_rows
from recgym.logs.list_text import of_ids
from recgym.logs.origin import Origin
from recgym.logs.problems import shown
from recgym.logs.table_settings import TableSettings
from recgym.logs.time_units import FINE
from recgym.logs.unread_columns import UnreadColumns

REPEAT = "#repeat"  # column of a table of split slates: NEW, ALIKE or EXACT of the slate's row of the file
NEW, ALIKE, EXACT = range(
    3
)  # no row before is equal; one is in the columns that are read; one is in all columns
BETWEEN, NOTHING = "\x1f", "\x00"  # of the entries of a list, and an empty entry


def repeats_of(table: Any, unread: UnreadColumns | None, origin: Origin) -> Array:
    """(rows,) int8 NEW, ALIKE or EXACT; the columns that are not read are compared only where rows are alike."""
    repeats = np.full(len(table), ALIKE, np.int8)
    repeats[first_rows(table)] = NEW
    if unread is None or not unread.may_be_in(origin.names):
        repeats[repeats == ALIKE] = EXACT
    elif (repeats == ALIKE).any():
        is_first: Bools = np.zeros(len(table), np.bool_)
        is_first[first_rows(table.append_column("#unread", pa.array(unread.codes(origin))))] = True
        repeats[~is_first] = EXACT
    return repeats


def slate_repeats(table: Any, unread: UnreadColumns | None, origin: Origin) -> Array:
    """`repeats_of` a table with lists."""
    columns = {name: table[name] for name in table.column_names if not pa.types.is_null(table[name].type)}
    compared = {name: joined(cells) if is_list(cells.type) else cells for name, cells in columns.items()}
    return repeats_of(pa.table(compared), unread, origin)


def rows_kept(
    table: Any, columns: dict[str, Any], settings: TableSettings, origin: Origin, are_whole_days: bool
) -> tuple[Array, list[str]]:
    """Rows to keep, in order, and remarks on exact duplicates; takes REPEAT out of the columns.

    By default duplicates are dropped if the log has a step, slate or position, or times that are finer than a day.
    """
    split = columns.pop(REPEAT, None)  # slates and positions are numbered, not the file's
    if settings.duplicates == "keep":
        return np.arange(len(table)), []
    has_time = "time" in columns
    if split is None:
        beside = [name for name in (FINE, *COUNT_COLUMNS.values()) if name in columns]  # not in the table
        names = [name for name in (*table.column_names, *beside) if name != REPEAT]
        repeats = repeats_of(
            pa.table({name: columns[name] if name in columns else table[name] for name in names}),
            settings.unread,
            origin,
        )
    else:
        repeats = as_numpy(split)
    is_drop = settings.duplicates == "drop" or _are_errors(
        columns, split is not None, has_time, are_whole_days
    )
    alike, exact = (int((repeats == kind).sum()) for kind in (ALIKE, EXACT))
    remarks = []
    if exact and is_drop:
        remarks = [f"{exact:,} exact duplicate rows dropped"]
    elif exact:
        why = "times are whole days" if has_time else "there are no times"
        remarks = [f"{exact:,} exact duplicate rows kept, as {why}; duplicates=drop drops them"]
    if alike and settings.unread is not None:
        others = settings.unread.of_files(origin.names)
        named = f": {shown(others)}" if others else ""  # keys that only later JSON lines have
        remarks.append(
            f"{alike:,} rows kept that differ from an earlier one only in columns that are not read{named}"
        )
    kept = np.flatnonzero(repeats != EXACT) if is_drop else np.arange(len(table))
    return kept, [f"{settings.name}: {remark}" for remark in remarks]


def _are_errors(columns: Mapping[str, Any], is_split: bool, has_time: bool, are_whole_days: bool) -> bool:
    """Whether exact duplicates cannot be meant."""
    if "step" in columns or ("slate" in columns and not is_split):
        return True
    return not are_whole_days if has_time else "position" in columns and not is_split


def joined(cells: Any) -> Any:
    """Lists as text, one cell each; an empty one is that of a missing list."""
    length = as_numpy(pc.fill_null(pc.list_value_length(cells), 0)).astype(np.int64)
    flat = pc.list_flatten(cells)
    entries = pc.fill_null(
        of_ids(flat.combine_chunks() if isinstance(flat, pa.ChunkedArray) else flat), NOTHING
    )
    offsets = pa.array(np.r_[0, np.cumsum(length)].astype(np.int32))
    return pc.binary_join(pa.ListArray.from_arrays(offsets, entries), BETWEEN)
