"""Tables of users and items: an id, and public features."""

from os import PathLike
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Array
from recgym.logs.arrow_types import TEXT, TYPES_RULE, plain
from recgym.logs.cell_rules import VALUE_RULE
from recgym.logs.columns import ITEM_COLUMNS, as_numpy, is_words
from recgym.logs.delimited import (
    TABLE,
    read_csv_and_lines,
    require_columns,
)
from recgym.logs.files import Files, reading
from recgym.logs.ids import FLOAT, INT, as_text, encode_ids, id_text
from recgym.logs.number_text import RULES, number_column
from recgym.logs.origin import from_one
from recgym.logs.parquet_files import holds_parquet, parquet_file
from recgym.logs.problems import LogError, LogProblem, problems_of, raise_problems, shown
from recgym.logs.separators import separator_of
from recgym.logs.sessionize import UNKNOWN
from recgym.logs.text_form import ANY_TEXT, TextForm
from recgym.logs.text_layout import TextLayout, read_header, read_line
from recgym.logs.text_values import are_comma_numbers, values_of, words_of
from recgym.logs.vector_column import VECTOR, vector_column


def read_ids(path: str | PathLike[str], form: TextForm = ANY_TEXT) -> tuple[Any, list[str]]:
    """Table of users or items from a CSV or Parquet file with a column `id`, and remarks; `form` states its quotes."""
    files = Files(path)
    name = files.one("*")
    if holds_parquet(files, name):
        with reading(name):
            table = parquet_file(files, name).read()
        return with_id(name, table)
    delimiter = separator_of(read_line(files, name)) or ","
    layout = TextLayout(delimiter, form.is_quoted, may_hold_rows=form.may_hold_rows)
    header = read_header(files, name, layout)
    types = {column: None if column == VECTOR else TEXT for column in ("id", *header)}
    table, lines = read_csv_and_lines(files, name, types, layout, nullable=header)
    remarks = layout.remarks(files, name)
    for place, column in enumerate(table.column_names):
        if column not in ("id", *ITEM_COLUMNS):
            if are_comma_numbers(table[column]):
                remarks.append(
                    f"{name}, {column}: numbers with a comma are words here; a decimal point makes them numbers"
                )
            table = table.set_column(place, column, values_of(table[column]))
    found, said = with_id(name, table, lines)
    return found, [*remarks, *said]


def refuse_repeated(name: str, ids: Any) -> None:
    """LogError for a table of items, read from the file `name`, in which an id occurs more than once."""
    codes, words = encode_ids(ids)
    twice = np.flatnonzero(np.bincount(codes[codes >= 0], minlength=len(words)) > 1)
    if len(twice):
        raise LogError(f"{name}: an id must occur once; {words[int(twice[0])].as_py()} does not")


def with_id(name: str, table: Any, lines: Array | None = None) -> tuple[Any, list[str]]:
    """Table with ids as strings and the other columns as strings, numbers or booleans; and remarks.

    Columns of other types are left out, with a remark. `lines` (rows,) are line numbers for messages; default: from 1.

    Raises:
        LogError: there is no column `id`, an id is empty or repeated, or a value of a column of ITEM_COLUMNS does not
            fit.
    """
    require_columns(name, table.column_names, ("id", *table.column_names), *(TABLE if lines is None else ()))
    if not len(table):
        raise LogError(f"{name}: there are no rows")
    lines = from_one(len(table)) if lines is None else lines
    columns, left_out = {"id": id_text(plain(table["id"], name, "id"))}, []
    remarks: list[str] = []
    ids = columns["id"].to_pylist()
    first = {key: row for row, key in reversed(list(enumerate(ids)))}
    rule = "an id must occur once"
    raise_problems(
        [
            LogProblem(
                name, int(lines[row]), "id", rule if key else VALUE_RULE, repr(key) if key else "nothing"
            )
            for row, key in enumerate(ids)
            if not key or first[key] != row
        ]
    )
    for column in table.column_names:
        try:
            columns[column] = columns.get(column) or _fact(name, column, table[column], lines, remarks)
        except LogError:
            if column in ITEM_COLUMNS:
                raise
            left_out.append(column)
    remarks += [f"{name}: left out are {shown(left_out)}: {TYPES_RULE}"] if left_out else []
    return pa.table(columns), remarks


def _fact(name: str, column: str, values: Any, lines: Array, remarks: list[str]) -> Any:
    """Column of a table of users or items: dates of a typed file as ms, columns of ITEM_COLUMNS as their types.

    Appends remarks on the column.
    """
    if column == VECTOR:
        return vector_column(name, values, lines)
    if column == "category":  # as in rows of events
        return pc.fill_null(words_of(plain(values, name, column)).cast(TEXT), UNKNOWN)
    cells = values.cast(FLOAT) if pa.types.is_decimal(values.type) else plain(values, name, column)
    if pa.types.is_dictionary(cells.type):
        cells = cells.cast(TEXT)
    if pa.types.is_timestamp(cells.type) or pa.types.is_date(cells.type):
        cells = cells.cast(pa.timestamp("ms"), safe=False).cast(INT)
    if column not in ITEM_COLUMNS:
        return words_of(cells).cast(TEXT) if cells.type == TEXT else cells
    if ITEM_COLUMNS[column] is is_words:
        return pc.fill_null(as_text(cells), UNKNOWN)
    if cells.type == TEXT:
        cells, said = _numbers(name, column, cells, lines)
        remarks += said
    raise_problems(_beyond(name, column, as_numpy(cells).astype(np.float64), lines))
    return cells


def _numbers(name: str, column: str, cells: Any, lines: Array) -> tuple[Any, list[str]]:
    """Numbers of a column of text, null for none, and remarks; LogError if a cell is none."""
    values, broken, remarks = number_column(cells, column, column == "price")
    problems = []
    for number, rule in enumerate(RULES):
        rows = np.flatnonzero(broken == number)
        problems += problems_of(
            rows,
            len(cells),
            lambda row: (name, int(lines[row])),
            column,
            rule,
            lambda row: repr(cells[row].as_py()),
        )
    raise_problems(problems)
    return values, [f"{name}: {remark}" for remark in remarks]


def _beyond(name: str, column: str, values: Array, lines: Array) -> list[LogProblem]:
    """Problems of prices and durations out of range; NaN is unknown."""
    rules = {
        "price": ("a price must be 0 or above and finite", values < 0),
        "duration_ms": ("a duration must be above 0 ms and finite", values <= 0),
    }
    rule, bad = rules.get(column, ("a finite number is needed", np.zeros(len(values), bool)))
    rows = np.flatnonzero(bad | np.isinf(values))
    return [LogProblem(name, int(lines[row]), column, rule, f"{values[row]:g}") for row in rows]
