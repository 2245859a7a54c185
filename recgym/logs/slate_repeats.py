"""Rows of slates that repeat an earlier one exactly, before the slates are split and numbered."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Bools
from recgym.logs.arrow_types import is_list
from recgym.logs.columns import as_numpy
from recgym.logs.ids import first_rows
from recgym.logs.list_text import of_ids

REPEAT = "#repeat"  # column of the split table: the row of the file is an exact duplicate of an earlier one
BETWEEN, NOTHING = "\x1f", "\x00"  # of the entries of a list, and an empty entry


def repeated(table: Any) -> Bools:
    """(rows,) whether all cells of a row, lists too, are those of an earlier row."""
    compared = {
        name: _joined(table[name]) if is_list(table[name].type) else table[name]
        for name in table.column_names
        if not pa.types.is_null(table[name].type)
    }
    repeats = np.ones(len(table), np.bool_)
    repeats[first_rows(pa.table(compared))] = False
    return repeats


def _joined(cells: Any) -> Any:
    """Lists as text, one cell each; an empty one is that of a missing list."""
    length = as_numpy(pc.fill_null(pc.list_value_length(cells), 0)).astype(np.int64)
    flat = pc.list_flatten(cells)
    entries = pc.fill_null(
        of_ids(flat.combine_chunks() if isinstance(flat, pa.ChunkedArray) else flat), NOTHING
    )
    offsets = pa.array(np.r_[0, np.cumsum(length)].astype(np.int32))
    return pc.binary_join(pa.ListArray.from_arrays(offsets, entries), BETWEEN)
