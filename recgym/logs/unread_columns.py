"""Columns of the files of a table that are not read: rows that differ in one of them are no exact duplicates.

They are read only where rows are equal in all other columns, in batches, and a row becomes one number of 64 bits.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from recgym.arrays import Array
from recgym.events import EVENTS
from recgym.logs.columns import as_numpy
from recgym.logs.files import Files, reading
from recgym.logs.ids import TEXT
from recgym.logs.json_lines import holds_json, numbered_lines, record_of
from recgym.logs.mapping import without_key
from recgym.logs.origin import Origin, from_one
from recgym.logs.parquet_files import BATCH_ROWS, parquet_file
from recgym.logs.problems import LogError, not_read, shown
from recgym.logs.table_files import TableFile
from recgym.logs.text_form import TextForm
from recgym.logs.unread_responses import Marks, named_responses, refuse_marks, response_keys

BYTES = pa.binary()
FACTOR = np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing (Knuth, 1973)


class UnreadColumns(NamedTuple):
    """Columns of files that are not read: not in the map or, without one, no keys."""

    files: Files
    columns: Mapping[str, str]  # the map
    domain: str
    form: TextForm
    is_own_map: bool = False  # the map was given, and is not that of a known data set

    def names(self, name: str) -> list[str]:
        """Their names in a file."""
        return self._of(self._header(name))

    def of_files(self, names: Sequence[str]) -> list[str]:
        """Their names in any of several files."""
        return list(dict.fromkeys(column for name in names for column in self.names(name)))

    def may_be_in(self, names: Sequence[str]) -> bool:
        """Whether one of the files may have such columns; JSON lines may have them in any line."""
        return any(holds_json(name) or self.names(name) for name in names)

    def remarks(self, names: Sequence[str]) -> list[str]:
        """Remarks that name them: one for all files of the same columns."""
        found: dict[tuple[str, ...], list[str]] = {}
        for name in names:
            found.setdefault(tuple(self.names(name)), []).append(name)
        several = {columns: f" and {len(same) - 1} more" * (len(same) > 1) for columns, same in found.items()}
        return [
            line + self._advice(columns)
            for columns, same in found.items()
            for line in not_read(f"{same[0]}{several[columns]}", columns)
        ]

    def _advice(self, columns: Sequence[str]) -> str:
        """End of the remark where some of the columns are named as keys that the map lacks."""
        keys = set(columns) - set(without_key(columns, self.domain)) - self.columns.keys()
        entries = ",".join(f"{column}={column}" for column in columns if column in keys)
        return f"; {entries} in the map would read what is named as a key" if keys and self.is_own_map else ""

    def refuse_responses(self, names: Sequence[str]) -> None:
        """LogError where no column of responses is read, and a file has one that is named so, such as Click.

        Otherwise all rows would be responses, without a word.
        """
        for name in self._without_responses(names):
            unread = self.names(name)
            events = [event.name for event in EVENTS[self.domain]]
            exact = {key: key for key in (*events, "event", "rating") if key in unread}
            found = exact | named_responses(unread, self.domain) | exact  # the exact ones stand first
            if found:
                entries = ",".join(f"{event}={column}" for event, column in found.items())
                said = "the map names no column" if self.columns else "no column has the name of a key"
                raise LogError(
                    f"{name}: {said} that says what users did, and the table has {shown([*found.values()])}: "
                    f"add {entries} to the map, or leave these columns out of the table"
                )

    def refuse_marks(self, names: Sequence[str]) -> None:
        """LogError where no column of responses is read, and one that is not read has cells as responses have."""
        marks = Marks()
        without = self._without_responses(names)
        for name in without:
            self._add_marks(name, marks)
        if without:
            refuse_marks(without[0], marks.found(), is_map=True)

    def _without_responses(self, names: Sequence[str]) -> list[str]:
        """Files of which no column that is read says what users did; none of a known data set."""
        keys = response_keys(self.domain)
        if self.columns:
            return list(names) if self.is_own_map and not keys & self.columns.keys() else []
        return [name for name in names if not keys & {*self._header(name)}]

    def _header(self, name: str) -> list[str]:
        return TableFile.of(self.files, name, self.columns, self.form).header

    def _add_marks(self, name: str, marks: Marks) -> None:
        """Adds the cells of a file in these columns."""
        file = TableFile.of(self.files, name, self.columns, self.form)
        for column in set(self._of(file.header)).difference(file.in_file):
            marks.add_words(column, [file.folders[column] or ""])
        if file.kind == "json":
            records: Iterator[dict[str, Any]] = (
                record_of(line) or {} for _, line in numbered_lines(self.files, name)
            )
            marks.add_lines({key: line[key] for key in self._of(list(line))} for line in records)
        else:
            unread = set(self._of(file.in_file))
            places = {column: place for place, column in enumerate(file.in_file) if column in unread}
            marks.add(_parquet(file) if file.kind == "parquet" else _text(file), places)

    def codes(self, origin: Origin) -> Array:
        """(R,) int64 of the rows of an origin: equal where all cells in these columns are equal."""
        codes = np.zeros(len(origin.row), np.int64)
        for number, name in enumerate(origin.names):
            rows = np.flatnonzero(origin.file == number)
            places, of_file = self._of_file(name)
            codes[rows] = of_file[np.searchsorted(places, origin.row[rows])]
        return codes

    def _of(self, header: Sequence[str]) -> list[str]:
        if self.columns:
            return [column for column in header if column not in self.columns.values()]
        return without_key(header, self.domain)

    def _of_file(self, name: str) -> tuple[Array, Array]:
        """Row numbers of a file, as in an origin, and the code of each."""
        file = TableFile.of(self.files, name, self.columns, self.form)
        if file.kind == "json":
            found = np.array(list(self._of_lines(name)), np.int64)
            return found[:, 0], found[:, 1]
        unread = set(self._of(file.header))
        fixed = {column: file.folders[column] for column in unread.difference(file.in_file)}
        used = [place for place, column in enumerate(file.in_file) if column not in unread]
        parts = _parquet(file) if file.kind == "parquet" else _text(file)
        codes = np.concatenate([_codes(part, used, fixed) for part in parts])
        is_text = file.kind == "text"
        rows = file.text.lines(self.files, name, len(codes)) if is_text else from_one(len(codes))
        return rows, codes

    def _of_lines(self, name: str) -> Iterator[tuple[int, int]]:
        """Line and code of each object of JSON lines."""
        for row, line in numbered_lines(self.files, name):
            record: dict[str, Any] = record_of(line) or {}
            yield row, hash(repr([(key, record[key]) for key in sorted(self._of(list(record)))]))


def _text(file: TableFile) -> Iterator[Any]:
    """Batches of a file of text, all cells as bytes."""
    with reading(file.name):
        with file.text.open(file.files, file.name) as options, pacsv.open_csv(*options) as batches:
            convert = pacsv.ConvertOptions(column_types=dict.fromkeys(batches.schema.names, BYTES))
        with file.text.open(file.files, file.name) as options, pacsv.open_csv(*options, convert) as batches:
            yield from batches


def _parquet(file: TableFile) -> Iterator[Any]:
    """Batches of a Parquet file."""
    with reading(file.name):
        yield from parquet_file(file.files, file.name).iter_batches(BATCH_ROWS)


def _codes(batch: Any, used: Sequence[int], fixed: Mapping[str, str | None]) -> Array:
    """(rows,) int64 of all columns but some, and of columns with one value."""
    codes = np.full(len(batch), hash(repr(sorted(fixed.items()))), np.int64).view(np.uint64)
    unread, names = set(range(batch.num_columns)) - set(used), batch.schema.names
    for place in sorted(unread, key=lambda place: (names[place], place)):
        codes = (codes ^ _cell_codes(batch.column(place)).view(np.uint64)) * FACTOR
        codes ^= codes >> np.uint64(32)
    return codes.view(np.int64)


def _cell_codes(cells: Any) -> Array:
    """(rows,) int64, equal for equal cells."""
    if isinstance(cells, pa.BaseExtensionType | pa.ExtensionArray):
        cells = cells.storage
    if pa.types.is_nested(cells.type):
        return np.fromiter((hash(repr(cell)) for cell in cells.to_pylist()), np.int64, len(cells))
    if pa.types.is_null(cells.type):
        return np.zeros(len(cells), np.int64)
    coded = cells if pa.types.is_dictionary(cells.type) else cells.dictionary_encode()
    words = coded.dictionary
    if not (pa.types.is_binary(words.type) or pa.types.is_large_binary(words.type)):
        words = words.cast(TEXT)
    of_words = [hash(word) for word in words.cast(BYTES).to_pylist()]
    codes: Array = np.array([*of_words, 0], np.int64)[as_numpy(coded.indices.fill_null(-1))]
    return codes
