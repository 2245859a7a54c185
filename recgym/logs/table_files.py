"""Files of the generic table: which columns are read, as what, and how so that memory stays small."""

import re
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, NamedTuple
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recgym.arrays import Array
from recgym.events import EVENTS
from recgym.logs.arrow_types import NEEDED, plain, refuse_spans
from recgym.logs.columns import ITEM_COLUMNS, as_numpy, is_words
from recgym.logs.delimited import (
    FLAG,
    ID,
    TextLayout,
    misfits,
    read_csv,
    read_header,
    read_line,
    read_typed,
    read_words,
    require_columns,
)
from recgym.logs.files import Files, reading
from recgym.logs.ids import FLOAT, INT, TEXT, as_text, id_text
from recgym.logs.mapping import ATTRIBUTES, CONTEXT, KEYS
from recgym.logs.origin import Origin
from recgym.logs.problems import LogError, LogProblem, refuse, shown
from recgym.logs.separators import KNOWN, cells_of, separator_of
from recgym.logs.sessionize import UNKNOWN

NUMBERS = {"step": INT, "slate": INT, "position": INT, "propensity": FLOAT, "price": FLOAT, "watch_ms": INT,
           "duration_ms": FLOAT, "rating": FLOAT}  # fmt: skip
HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
MAGIC = b"PAR1"  # the first bytes of Parquet
BATCH_ROWS = 1 << 17
MERGED = 8  # batches after which their dictionaries become one
PLACE = "#"  # before the place of a column, from 1, in a file without header


def read_tables(
    files: Files, names: Sequence[str], columns: Mapping[str, str], domain: str, dated: bool = False
) -> tuple[Any, Origin, list[LogProblem]]:
    """The mapped columns of files of one layout under their keys' names, where each row came from, and rows left out.

    Without a map the columns whose names are keys. Columns of a file of text come as numbers where every cell is one,
    else as text; `dated` leaves times as text. LogError where the files have not the same columns.
    """
    layouts = [_Table.of(files, name, columns) for name in names]
    for other in layouts[1:]:
        _refuse_other(layouts[0], other)
    parts = [layout.read(columns, domain, dated) for layout in layouts]
    origin = Origin.of_each([Origin.of(name, rows) for name, (_, rows, _) in zip(names, parts, strict=True)])
    left_out = [problem for _, _, problems in parts for problem in problems]
    return _below_one_another(names, [table for table, _, _ in parts]), origin, left_out


def unused(files: Files, name: str, columns: Mapping[str, str], domain: str) -> list[str]:
    """The columns of a file that no key names, where no map says which are meant."""
    keys = (*KEYS, *ATTRIBUTES, *(event.name for event in EVENTS[domain]))
    header = [] if columns else _Table.of(files, name, columns).header
    return [column for column in header if column not in keys and not column.startswith(CONTEXT)]


class _Table(NamedTuple):
    """A file of a table and how it is written."""

    files: Files
    name: str
    is_parquet: bool
    delimiter: str  # of text
    header: list[str]
    is_placed: bool  # it has no header: columns go by their place
    folders: dict[
        str, str | None
    ]  # columns that stand in the names of folders, as in event=view/part-0.parquet
    in_file: list[str]  # the columns without those of folders

    @classmethod
    def of(cls, files: Files, name: str, columns: Mapping[str, str]) -> "_Table":
        """LogError for a file that is no table, or that lacks the columns."""
        is_parquet, is_placed, delimiter = holds_parquet(files, name), by_place(columns), ","
        if is_parquet:
            header = parquet_file(files, name).schema_arrow.names
        else:
            line = read_line(files, name)
            delimiter = separator_of(line)
            header = cells_of(line, delimiter, name)
            if (
                line.startswith("#")
                and not is_placed
                and not set(columns.values() or ("user", "item")) <= set(header)
            ):
                raise LogError(
                    f"{name}, row 1: the header must be the first line; found a comment, {line[:40]!r}"
                )
            if len(header) == 1:
                raise LogError(
                    f"{name}, row 1: one column found, {shown(header)!r}; separators known are {KNOWN}"
                )
        if is_placed:
            header = [f"{PLACE}{k + 1}" for k in range(len(header))]
        folders, in_file = _of_folders(name), header
        header = [*header, *(key for key in folders if key not in header)]
        _hint(name, header, columns)
        require_columns(name, header, columns.values() or ("user", "item"))
        return cls(files, name, is_parquet, delimiter, header, is_placed, folders, in_file)

    def read(
        self, columns: Mapping[str, str], domain: str, dated: bool
    ) -> tuple[Any, Array, list[LogProblem]]:
        """The mapped columns, the file row of each row, and the rows left out."""
        flags = [event.name for event in EVENTS[domain]]
        keys = (*KEYS, *ATTRIBUTES, *flags)
        columns = columns or {key: key for key in self.header if key in keys or key.startswith(CONTEXT)}
        require_columns(self.name, self.header, columns.values())
        wanted = [c for c in dict.fromkeys(columns.values()) if c not in self.folders or c in self.in_file]
        left_out: list[LogProblem] = []
        if self.is_parquet:
            schema = parquet_file(self.files, self.name).schema_arrow
            if columns.get("time") in wanted:
                refuse_spans(schema.field(columns["time"]).type, self.name, columns["time"])
            table = parquet_columns(self.files, self.name, wanted)
            rows = np.arange(2, len(table) + 2)
        else:
            types = {c: next(_type(key, flags) for key in columns if columns[key] == c) for c in wanted}
            time = {columns["time"]: ID} if columns.get("time") in wanted else {}
            table, rows, left_out = self._text(types | time if dated else types, types | time)
        for column, value in self.folders.items():
            if column in wanted:
                self._refuse_other_value(column, table[column], rows)
                continue
            codes = pa.array(np.zeros(len(table), np.int32), mask=np.full(len(table), value is None))
            table = table.append_column(
                column, pa.DictionaryArray.from_arrays(codes, pa.array([value or ""]))
            )
        return pa.table({key: _coded(table[column]) for key, column in columns.items()}), rows, left_out

    def _refuse_other_value(self, column: str, cells: Any, rows: Array) -> None:
        """LogError for the first cell of a column that is not as the name of its folder says."""
        differs = pc.not_equal(as_text(cells), pa.scalar(self.folders[column], TEXT))
        bad = np.flatnonzero(as_numpy(pc.fill_null(differs, True)))
        rule = f"a cell must be as the folder's name says, {self.folders[column]}"
        refuse([LogProblem(self.name, int(rows[row]), column, rule, repr(cells[row].as_py())) for row in bad])

    def _text(
        self, types: Mapping[str, Any], words: Mapping[str, Any]
    ) -> tuple[Any, Array, list[LogProblem]]:
        """The columns of a file of text: of these types, or as `words` where a cell does not fit."""
        layout = TextLayout(self.delimiter, True, "utf8", self.header if self.is_placed else None)
        left_out: list[LogProblem] = []
        table = read_typed(self.files, self.name, types, layout)
        if table is None:
            table, rows, left_out = read_words(self.files, self.name, words, layout)
        else:
            rows = layout.lines(self.files, self.name, len(table))
        if not len(table):
            refuse(left_out)
            raise LogError(f"{self.name}: there are no rows below the header")
        return table, rows, left_out


def _of_folders(name: str) -> dict[str, str | None]:
    """Columns in the names of a file's folders, as Hive, Spark and DuckDB write them."""
    parts = (part.partition("=") for part in name.split("/")[:-1])
    return {key: None if value == HIVE_NULL else unquote(value) for key, equals, value in parts if equals}


def _refuse_other(one: _Table, other: _Table) -> None:
    """LogError where two files are not of one layout."""
    lacks = [column for column in one.header if column not in other.header]
    adds = [column for column in other.header if column not in one.header]
    if lacks or adds:
        what = f"has no column {shown(lacks)}" if lacks else f"has also {shown(adds)}"
        raise LogError(
            f"{other.name}: {what}, unlike {one.name}; files of one log have the same columns: name those that are it"
        )


def _below_one_another(names: Sequence[str], parts: Sequence[Any]) -> Any:
    """The rows of all parts; a column that is text in one of them is text in all."""
    columns = {}
    for key in parts[0].column_names:
        pieces = [part[key] for part in parts]
        if any(pa.types.is_dictionary(piece.type) for piece in pieces):
            pieces = [
                piece if pa.types.is_dictionary(piece.type) else as_text(piece).dictionary_encode()
                for piece in pieces
            ]
        try:
            tables = [pa.table({key: piece}) for piece in pieces]
            columns[key] = pa.concat_tables(tables, promote_options="permissive")[key]
        except pa.ArrowException:
            odd = next(k for k, piece in enumerate(pieces) if piece.type != pieces[0].type)
            raise LogError(
                f"{names[odd]}, {key}: the column is {pieces[odd].type}, in {names[0]} it is {pieces[0].type}"
            ) from None
    return pa.table(columns)


def by_place(columns: Mapping[str, str]) -> bool:
    """Whether a map names columns by their place, as #1; LogError where only some are."""
    placed = [column for column in columns.values() if re.fullmatch(f"{PLACE}[1-9][0-9]*", column)]
    if placed and len(placed) < len(columns):
        other = next(column for column in columns.values() if column not in placed)
        raise LogError(
            f"map: {other!r} is a name and {placed[0]!r} a place; a file without header has places alone"
        )
    return bool(placed)


def _hint(name: str, header: Sequence[str], columns: Mapping[str, str]) -> None:
    """LogError that says what to do where the first row looks like data, or no map names the columns."""
    missing = [column for column in columns.values() or ("user", "item") if column not in header]
    if missing and any(re.fullmatch(r"[-+]?[0-9][0-9.:/ -]*", cell) for cell in header):
        first = ",".join(header[:6])[:80]
        raise LogError(
            f"{name}, row 1: there is no column {missing[0]!r}, and {first!r} looks like data: where a "
            f"file has no header, name its columns by their place, as in user={PLACE}1,item={PLACE}2,time={PLACE}3"
        )
    if missing and not columns:
        raise LogError(
            f"{name}, row 1: there is no column {missing[0]!r}; say which column is what by a map, --map "
            f"user=COLUMN,item=COLUMN,time=COLUMN or mapping= in Python; found {shown(header)}"
        )


def parquet_columns(files: Files, name: str, wanted: Sequence[str], lists: Sequence[str] = ()) -> Any:
    """Columns of a Parquet file, read in batches: words become codes at once, so that no text of all rows is held.

    Those in `lists` stay as they are; LogError for a kind of column that a log is not made from.
    """
    schema = parquet_file(files, name).schema_arrow
    require_columns(name, schema.names, wanted)
    words = [column for column in wanted if pa.types.is_string(schema.field(column).type)]
    chunks: dict[str, list[Any]] = {column: [] for column in wanted}
    file = parquet_file(files, name, words)
    with reading(name):
        for batch in file.iter_batches(BATCH_ROWS, columns=list(wanted)):
            for column, parts in chunks.items():
                values = batch.column(column)
                parts.append(values if column in lists else _coded(plain(values, name, column)))
                if len(parts) == MERGED:
                    parts[:] = _one(parts).chunks
    if not chunks[wanted[0]]:
        raise LogError(f"{name}: there are no rows")
    return pa.table({column: _one(parts) for column, parts in chunks.items()})


def holds_parquet(files: Files, name: str) -> bool:
    """Whether a file is Parquet, by its name or by its first bytes."""
    if name.endswith((".parquet", ".pq")):
        return True
    with reading(name), files.open(name) as stream:
        return bool(stream.read(len(MAGIC)) == MAGIC)


def parquet_file(files: Files, name: str, words: Sequence[str] = ()) -> Any:
    """A Parquet file to read from, these columns as codes; LogError where it is none."""
    with reading(name, "no Parquet file"):
        return pq.ParquetFile(files.seekable(name), read_dictionary=list(words))


def _one(parts: Sequence[Any]) -> Any:
    """The parts one after the other; words as one part with one dictionary."""
    column = pa.chunked_array(parts)
    if not pa.types.is_dictionary(column.type):
        return column
    return pa.chunked_array([column.unify_dictionaries().combine_chunks()])


def _coded(values: Any) -> Any:
    if pa.types.is_large_string(values.type) or pa.types.is_string_view(values.type):
        values = values.cast(TEXT)
    return values.dictionary_encode() if values.type == TEXT else values


def _type(key: str, flags: Sequence[str]) -> Any:
    """Arrow type of a CSV column; None where the file tells (time, context)."""
    if key in ("user", "item", "event", "category", "session"):
        return ID
    return FLAG if key in flags else NUMBERS.get(key)


def read_ids(path: str | PathLike[str]) -> tuple[Any, list[str]]:
    """A table with a column id from a CSV or Parquet file, and remarks."""
    files = Files(path)
    name = files.one("*")
    if holds_parquet(files, name):
        with reading(name):
            table = parquet_file(files, name).read()
        return with_id(name, table)
    delimiter = separator_of(read_line(files, name)) or ","
    header = read_header(files, name, delimiter)
    types = {column: TEXT if column == "id" else None for column in ("id", *header)}
    table = read_csv(files, name, types, delimiter=delimiter, nullable=header)
    return with_id(name, table, TextLayout(delimiter, True, "utf8", None).lines(files, name, len(table)))


def with_id(name: str, table: Any, lines: Array | None = None) -> tuple[Any, list[str]]:
    """The table with its ids as strings, other columns as words, numbers or booleans; a remark names those left out.

    `lines` (rows,) are those of the file; None: from 2 on, below a header.
    LogError where there is no column id, or an item's category, price, duration or page is of no use.
    """
    require_columns(name, table.column_names, ("id", *table.column_names))
    if not len(table):
        raise LogError(f"{name}: there are no rows")
    lines = np.arange(2, len(table) + 2) if lines is None else lines
    columns, left_out = {"id": id_text(plain(table["id"], name, "id"))}, []
    ids = columns["id"].to_pylist()
    first = {key: row for row, key in reversed(list(enumerate(ids)))}
    rule = "an id must occur once"
    refuse(
        [
            LogProblem(name, int(lines[row]), "id", rule, repr(key))
            for row, key in enumerate(ids)
            if first[key] != row
        ]
    )
    for column in table.column_names:
        try:
            columns[column] = columns.get(column) or _fact(name, column, table[column], lines)
        except LogError:
            if column in ITEM_COLUMNS:
                raise
            left_out.append(column)
    remarks = [f"{name}: left out are {shown(left_out)}: {NEEDED}"] if left_out else []
    return pa.table(columns), remarks


def _fact(name: str, column: str, values: Any, lines: Array) -> Any:
    """A column of a table of users or items: dates as ms, those that a log knows by name as what they are there."""
    cells = values.cast(FLOAT) if pa.types.is_decimal(values.type) else plain(values, name, column)
    if pa.types.is_dictionary(cells.type):
        cells = cells.cast(TEXT)
    if pa.types.is_timestamp(cells.type) or pa.types.is_date(cells.type):
        cells = cells.cast(pa.timestamp("ms"), safe=False).cast(INT)
    if column not in ITEM_COLUMNS:
        return cells
    if ITEM_COLUMNS[column] is is_words:
        return pc.fill_null(as_text(cells), UNKNOWN)
    if cells.type == TEXT:
        refuse(misfits(lambda row: (name, int(lines[row])), column, cells, FLOAT, True))
        known = pc.match_substring_regex(cells, "[0-9]")
        cells = pc.if_else(known, pc.utf8_trim_whitespace(cells), pa.scalar(None, TEXT)).cast(FLOAT)
    refuse(_beyond(name, column, as_numpy(cells).astype(np.float64), lines))
    return cells


def _beyond(name: str, column: str, values: Array, lines: Array) -> list[LogProblem]:
    """The prices and durations of items that no item has; NaN is an unknown one."""
    rules = {
        "price": ("a price must be 0 or above and finite", values < 0),
        "duration_ms": ("a duration must be above 0 ms and finite", values <= 0),
    }
    rule, bad = rules.get(column, ("a finite number is needed", np.zeros(len(values), bool)))
    rows = np.flatnonzero(bad | np.isinf(values))
    return [LogProblem(name, int(lines[row]), column, rule, f"{values[row]:g}") for row in rows]
