"""Files of the generic table: their layout, and the columns that are read, with little memory."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Array
from recgym.events import EVENTS
from recgym.logs.arrow_types import is_list, refuse_list, refuse_spans
from recgym.logs.column_names import ANY_EVENTS, FILE_NAME, PLACE, by_place, needed_columns, refuse_unnamed
from recgym.logs.columns import as_numpy
from recgym.logs.delimited import (
    FLAG,
    ID,
    TABLE,
    read_typed,
    read_words,
    require_columns,
)
from recgym.logs.files import Files, folder_columns
from recgym.logs.ids import FLOAT, INT, TEXT, as_text
from recgym.logs.json_lines import holds_json, json_columns, json_header, refuse_late_keys
from recgym.logs.list_text import LISTED
from recgym.logs.mapping import ATTRIBUTES, CONTEXT, KEYS
from recgym.logs.origin import Origin, from_one
from recgym.logs.parquet_files import _coded, holds_parquet, parquet_columns, parquet_file
from recgym.logs.problems import LogError, LogProblem, raise_problems, shown
from recgym.logs.separators import KNOWN, cells_of, separator_of
from recgym.logs.text_form import ANY_TEXT, TextForm
from recgym.logs.text_layout import NO_ROWS, TextLayout, read_line
from recgym.logs.text_values import with_values

NUMBERS = {"step": INT, "position": INT, "propensity": FLOAT, "price": FLOAT, "watch_ms": INT,
           "duration_ms": FLOAT, "rating": FLOAT}  # fmt: skip
WORDS = ("user", "item", "event", "category", "session", "slate", "id", "shown", "price")
LISTS = ("shown", "item", *LISTED)  # keys whose cells may be lists


def read_columns(files: Files, name: str, columns: Mapping[str, str], form: TextForm = ANY_TEXT) -> Any:
    """Columns of one file, such as a table of items, with the given keys as names; LogError for a broken row."""
    table, _, left_out = TableFile.of(files, name, columns, form).read(columns, "content", False)
    raise_problems(left_out)
    return table


def read_tables(
    files: Files,
    names: Sequence[str],
    columns: Mapping[str, str],
    domain: str,
    dated: bool = False,
    form: TextForm = ANY_TEXT,
) -> tuple[Any, Origin, list[LogProblem]]:
    """Reads the mapped columns of files of the same columns.

    Files may have further columns of their own if a key is mapped to FILE_NAME.

    Args:
        files: the files of the log.
        names: files to read.
        columns: column of each key; without a map, columns with the name of a key.
        domain: ecommerce, content or social.
        dated: read times as text.
        form: form of files of text.

    Returns:
        Table with the keys as column names, the origin of its rows, and the problems of rows that were left out.

    Raises:
        LogError: a file cannot be read, or has other columns.
    """
    layouts = [TableFile.of(files, name, columns, form) for name in names]
    for other in layouts[1:] if FILE_NAME not in columns.values() else ():
        _refuse_other(layouts[0], other)
    parts = [layout.read(columns, domain, dated) for layout in layouts]
    origin = Origin.of_each([Origin.of(name, rows) for name, (_, rows, _) in zip(names, parts, strict=True)])
    left_out = [problem for _, _, problems in parts for problem in problems]
    table = _below_one_another(names, [table for table, _, _ in parts])
    is_text = any(layout.kind == "text" for layout in layouts)
    return with_values(table, CONTEXT) if is_text else table, origin, left_out


def layout_remarks(
    files: Files, names: Sequence[str], columns: Mapping[str, str], form: TextForm
) -> list[str]:
    """Remarks that count the rows of files of text that take several lines."""
    tables = [TableFile.of(files, name, columns, form) for name in names]
    return [
        line for table in tables if table.kind == "text" for line in table.text.remarks(files, table.name)
    ]


class TableFile(NamedTuple):
    """A file of a table, and its layout."""

    files: Files
    name: str
    kind: str  # parquet, json or text
    text: TextLayout
    header: list[str]
    folders: dict[str, str | None]  # FILE_NAME, and columns in names of folders: event=view/part-0.parquet
    in_file: list[str]  # columns without those of folders

    @classmethod
    def of(cls, files: Files, name: str, columns: Mapping[str, str], form: TextForm) -> "TableFile":
        """Layout of a file; LogError if it is not a table or lacks the columns."""
        kind = "parquet" if holds_parquet(files, name) else "json" if holds_json(name) else "text"
        is_placed, separator, folders = by_place(columns), "", folder_columns(name)
        if FILE_NAME in columns.values():
            folders[FILE_NAME] = name.rpartition("/")[2].partition(".")[0]
        if kind == "parquet":
            header = parquet_file(files, name).schema_arrow.names
        elif kind == "json":
            header = json_header(
                files, name, [] if is_placed else [c for c in columns.values() if c not in folders]
            )
        else:
            separator, header = _first_cells(files, name, columns, form)
        if is_placed and kind != "text":
            raise LogError(
                f"{name}: columns of Parquet and JSON have names, use these in the map: {shown(header)}"
            )
        if is_placed:
            header = [f"{PLACE}{k + 1}" for k in range(len(header))]
        text = TextLayout(
            separator, form.is_quoted, form.encoding, header if is_placed else None, form.may_hold_rows
        )
        in_file = header
        header = [*header, *(key for key in folders if key not in header)]
        table = cls(files, name, kind, text, header, folders, in_file)
        refuse_unnamed(f"{name}, row 1" if kind != "parquet" else name, header, columns)
        table.require(columns.values() or needed_columns(header))
        return table

    def require(self, columns: Iterable[str]) -> None:
        """Raises LogError that names columns that the file lacks or repeats."""
        first = {"parquet": TABLE, "json": ("a line", 1), "text": ("the header", 1)}
        require_columns(self.name, self.header, columns, *first[self.kind])

    def read(
        self, columns: Mapping[str, str], domain: str, dated: bool
    ) -> tuple[Any, Array, list[LogProblem]]:
        """Mapped columns, the file row of each row, and problems of the rows left out."""
        flags = [event.name for event in EVENTS[domain]]
        keys = (*KEYS, *ATTRIBUTES, *flags)
        if not columns:
            self.require(needed_columns(self.header, flags))
            if self.kind == "json":
                refuse_late_keys(self.files, self.name, [key for key in keys if key not in self.header])
        columns = columns or {key: key for key in self.header if key in keys or key.startswith(CONTEXT)}
        self.require(columns.values())
        wanted = [c for c in dict.fromkeys(columns.values()) if c not in self.folders or c in self.in_file]
        left_out: list[LogProblem] = []
        if self.kind == "parquet":
            table = self._parquet(wanted, columns)
            rows = from_one(len(table))
        elif self.kind == "json":
            lists = [columns[key] for key in columns if key in (*LISTS, *flags)] if "shown" in columns else []
            words = (*flags, "event", "category")
            marks = [columns[key] for key in columns if key in words or key.startswith(CONTEXT)]
            table, rows, left_out = json_columns(self.files, self.name, wanted, lists, marks)
        else:
            types = {c: next(_type(key, flags) for key in columns if columns[key] == c) for c in wanted}
            if "shown" in columns:  # other cells may be lists, too
                types = dict.fromkeys(types, ID)
            time = {columns["time"]: ID} if columns.get("time") in wanted else {}
            table, rows, left_out = self._text(types | time if dated else types, types | time)
            table = self._clocks(table, time)
        for column, value in self.folders.items():
            if column in wanted:
                self._refuse_other_value(column, table[column], rows)
                continue
            codes = pa.array(np.zeros(len(table), np.int32), mask=np.full(len(table), value is None))
            cells = pa.DictionaryArray.from_arrays(codes, pa.array([value or ""]))
            table = table.append_column(column, cells)
        return pa.table({key: _coded(table[column]) for key, column in columns.items()}), rows, left_out

    def _clocks(self, table: Any, time: Mapping[str, Any]) -> Any:
        """Table with times as text where they have a zone: Arrow reads them as UTC, without the clock of a row."""
        for place, column in enumerate(table.column_names):
            kind = table[column].type
            if column in time and pa.types.is_timestamp(kind) and kind.tz is not None:
                texts = read_typed(self.files, self.name, time, self.text)
                table = table.set_column(place, column, texts[column])
        return table

    def _parquet(self, wanted: Sequence[str], columns: Mapping[str, str]) -> Any:
        """Columns of a Parquet file; only a table with slates in a cell may have lists."""
        schema = parquet_file(self.files, self.name).schema_arrow
        kinds = {column: schema.field(column).type for column in wanted}
        if columns.get("time") in kinds:
            refuse_spans(kinds[columns["time"]], self.name, columns["time"])
        lists = [column for column in wanted if is_list(kinds[column])]
        for key in ("item", "slate") if "shown" not in columns else ():
            if columns.get(key) in lists:
                refuse_list(kinds[columns[key]], self.name, columns[key])
        return parquet_columns(self.files, self.name, wanted, lists if "shown" in columns else ())

    def _refuse_other_value(self, column: str, cells: Any, rows: Array) -> None:
        """Raises LogError for cells of a column that differ from the name of the folder."""
        differs = pc.not_equal(as_text(cells), pa.scalar(self.folders[column], TEXT))
        bad = np.flatnonzero(as_numpy(pc.fill_null(differs, True)))
        rule = f"a cell must agree with the name of the folder, {self.folders[column]}"
        raise_problems(
            [LogProblem(self.name, int(rows[row]), column, rule, repr(cells[row].as_py())) for row in bad]
        )

    def _text(
        self, types: Mapping[str, Any], words: Mapping[str, Any]
    ) -> tuple[Any, Array, list[LogProblem]]:
        """Columns of a text file: of `types`, or of `words` if a cell does not fit."""
        left_out: list[LogProblem] = []
        table = read_typed(self.files, self.name, types, self.text)
        if table is None:
            table, rows, left_out = read_words(self.files, self.name, words, self.text)
        else:
            rows = self.text.lines(self.files, self.name, len(table))
        if not len(table):
            raise_problems(left_out)
            raise LogError(f"{self.name}: {NO_ROWS}")
        return table, rows, left_out


def _first_cells(
    files: Files, name: str, columns: Mapping[str, str], form: TextForm
) -> tuple[str, list[str]]:
    """Separator and cells of the first line of a file of text; LogError if it cannot be a table."""
    line = read_line(files, name, form.encoding)
    separator = separator_of(line) if form.separator is None else form.separator
    header = cells_of(line, separator, name, form.is_quoted)
    is_lacking = not set(columns.values() or ("user", "item")) - {FILE_NAME} <= set(header)
    if line.startswith("#") and not by_place(columns) and is_lacking:
        raise LogError(f"{name}, row 1: the header must be the first line; found a comment, {line[:40]!r}")
    if len(header) == 1:
        known = (
            f"separators known are {KNOWN}" if form.separator is None else f"the separator is {separator!r}"
        )
        raise LogError(f"{name}, row 1: one column found, {shown(header)!r}; {known}")
    return separator, header


def _refuse_other(one: TableFile, other: TableFile) -> None:
    """Raises LogError if two files have other columns."""
    lacks = [column for column in one.header if column not in other.header]
    adds = [column for column in other.header if column not in one.header]
    if lacks or adds:
        what = f"has no column {shown(lacks)}" if lacks else f"has also {shown(adds)}"
        raise LogError(
            f"{other.name}: {what}, unlike {one.name}; files of one log must have the same columns"
        )


def _below_one_another(names: Sequence[str], parts: Sequence[Any]) -> Any:
    """Concatenated rows; a column that is text in one part is text in all."""
    columns = {}
    for key in parts[0].column_names:
        pieces = [part[key] for part in parts]
        if any(pa.types.is_dictionary(piece.type) for piece in pieces):
            pieces = [p if pa.types.is_dictionary(p.type) else as_text(p).dictionary_encode() for p in pieces]
        elif key in ANY_EVENTS and len({piece.type for piece in pieces}) > 1:  # true and false are 1 and 0
            pieces = [piece.cast(INT) if piece.type == FLAG else piece for piece in pieces]
        try:
            tables = [pa.table({key: piece}) for piece in pieces]
            columns[key] = pa.concat_tables(tables, promote_options="permissive")[key]
        except pa.ArrowException:
            odd = next(k for k, piece in enumerate(pieces) if piece.type != pieces[0].type)
            raise LogError(
                f"{names[odd]}, {key}: the column is {pieces[odd].type}, in {names[0]} it is {pieces[0].type}"
            ) from None
    return pa.table(columns)


def _type(key: str, flags: Sequence[str]) -> Any:
    """Arrow type of a column of a text file; None: inferred (time)."""
    if key in WORDS or key.startswith(CONTEXT):
        return ID
    return FLAG if key in flags else NUMBERS.get(key)
