"""Origin of the rows of a table: file and row."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from recgym.arrays import Array


def from_one(rows: int) -> Array:
    """Numbers of the rows of a table without lines (Parquet, a data frame), as messages have them: from 1."""
    return np.arange(1, rows + 1)


class Origin(NamedTuple):
    """File and row of each of R rows: the line of a text file; rows of other tables count from 1 (`from_one`)."""

    names: Sequence[str]
    file: Array  # (R,) index into names
    row: Array  # (R,)

    @classmethod
    def of(cls, name: str, row: Array) -> "Origin":
        """Origin of the rows of one file."""
        return cls((name,), np.broadcast_to(np.int32(0), len(row)), row)

    @classmethod
    def of_each(cls, parts: Sequence["Origin"]) -> "Origin":
        """Origin of the concatenated rows of several tables."""
        names = [name for part in parts for name in part.names]
        first = np.cumsum([0, *(len(part.names) for part in parts)])
        files = [part.file + before for part, before in zip(parts, first, strict=False)]
        return cls(
            names, np.concatenate(files).astype(np.int32), np.concatenate([part.row for part in parts])
        )

    def place(self, index: Any) -> tuple[str, int]:
        """File and row of a row of the table."""
        return self.names[int(self.file[index])], int(self.row[index])

    def take(self, rows: Array) -> "Origin":
        """Origin of a selection of rows."""
        return Origin(self.names, self.file[rows], self.row[rows])

    def columns(self) -> dict[str, Any]:
        """Columns `file` and `file_row` of a log."""
        file = pa.array(np.ascontiguousarray(self.file), pa.int32())
        names = pa.array(self.names, pa.string())
        return {
            "file": pa.DictionaryArray.from_arrays(file, names),
            "file_row": pa.array(self.row, pa.int64()),
        }
