"""Files of delimited text, such as CSV, with errors by row."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from recgym.arrays import Array
from recgym.checks import did_you_mean
from recgym.logs.files import Files, reading
from recgym.logs.ids import FLOAT, INT, TEXT
from recgym.logs.lines import first_undecoded, has_hexadecimal
from recgym.logs.problems import LogError, LogProblem, problems_of, raise_problems, shown
from recgym.logs.text_layout import CSV, NO_ROWS, TextLayout, read_header

TABLE = ("the table", 0)  # what has the names of columns where no row does (Parquet, a data frame)
FLAG = pa.bool_()
ID = pa.dictionary(pa.int32(), pa.string())
PATTERNS: dict[Any, tuple[str, str]] = {
    INT: (r"^\s*[+-]?[0-9]{1,18}\s*$", "a whole number is needed"),
    FLOAT: (r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$", "a number is needed"),
    FLAG: (r"^\s*([01]|true|false|True|False|TRUE|FALSE)\s*$", "0 or 1 is needed"),
}


def read_csv(
    files: Files,
    name: str,
    types: Mapping[str, Any],
    layout: TextLayout = CSV,
    *,
    nullable: Iterable[str] = (),
    where: tuple[str, str] | None = None,
) -> Any:
    """Columns of a file of delimited text as an Arrow table.

    Args:
        files: the files of the log.
        name: the file.
        types: Arrow type of each column to read; None: inferred by Arrow.
        layout: form of the file.
        nullable: columns that may have empty cells.
        where: (column, word): only rows with this word in the column are kept, block by block.

    Raises:
        LogError: a column is missing, a row has another width, a cell outside `nullable` is empty, or text is in place
            of a number; its `problems` list all such rows.
    """
    header = layout.header or read_header(files, name, layout)
    require_columns(name, header, types)
    wanted = {column: kind for column, kind in types.items() if kind is not None}
    convert = pacsv.ConvertOptions(include_columns=list(types), column_types=wanted)
    with reading(name):
        try:
            with layout.open(files, name, types) as (stream, read, parse):
                options = (stream, read, parse, convert)
                table = pacsv.read_csv(*options) if where is None else _matching(options, *where)
        except pa.ArrowInvalid:
            raise_problems(_diagnose(files, name, types, layout, set(nullable)))
            raise
        if any(table[column].null_count for column in types if column not in set(nullable)) or (
            _may_be_odd(files, name, table)
        ):
            raise_problems(_diagnose(files, name, types, layout, set(nullable)))
    if not table.num_rows:
        none = NO_ROWS if where is None else f"no row has {where[1]!r} in the column {where[0]!r}"
        raise LogError(f"{name}: {none}")
    return table


def _may_be_odd(files: Files, name: str, table: Any) -> bool:
    """Whether a table may have cells that Arrow reads as numbers, but no log means: 0x10, inf, nan(1)."""
    kinds = {field.name: field.type for field in table.schema}
    is_beyond = any(not pc.all(pc.is_finite(table[name])).as_py() for name in kinds if kinds[name] == FLOAT)
    return is_beyond or (INT in kinds.values() and has_hexadecimal(files, name))


def read_csv_and_lines(
    files: Files,
    name: str,
    types: Mapping[str, Any],
    layout: TextLayout = CSV,
    *,
    nullable: Iterable[str] = (),
) -> tuple[Any, Array]:
    """The table of `read_csv`, and (rows,) the line of the file at which each row starts; blank lines count."""
    table = read_csv(files, name, types, layout, nullable=nullable)
    return table, layout.lines(files, name, len(table))


def read_typed(files: Files, name: str, types: Mapping[str, Any], layout: "TextLayout") -> Any:
    """Columns as an Arrow table of these types; None if a cell or a row does not fit, or may be in hexadecimal."""
    wanted = {column: kind for column, kind in types.items() if kind is not None}
    convert = pacsv.ConvertOptions(include_columns=list(types), column_types=wanted)
    if {INT, None} & set(types.values()) and has_hexadecimal(files, name):
        return None
    with reading(name), layout.open(files, name, types) as options:
        try:
            table = pacsv.read_csv(*options, convert)
        except (pa.ArrowInvalid, UnicodeError):
            return None
    is_text = not any(pa.types.is_binary(field.type) for field in table.schema)
    return table if is_text else None


def _matching(options: tuple[Any, ...], column: str, word: str) -> Any:
    """Rows with this word in the column."""
    with pacsv.open_csv(*options) as batches:
        kept = [batch.filter(pc.equal(batch.column(column).cast(TEXT), word)) for batch in batches]
        return pa.Table.from_batches(kept, batches.schema).unify_dictionaries()


def require_columns(
    name: str, header: Sequence[str], wanted: Iterable[str], holder: str = "the header", row: int = 1
) -> None:
    """Raises LogError that names columns which are missing from `header` (of row `row`, 0: of none) or repeated."""
    missing = [column for column in wanted if column not in header]
    if missing:
        rule = f"{holder} must have {', '.join(map(repr, missing))}"
        raise_problems([LogProblem(name, row, "", rule, shown(header) + did_you_mean(missing[0], header))])
    for column in wanted:
        if header.count(column) > 1:
            raise_problems(
                [
                    LogProblem(
                        name, row, column, "a column must occur once", f"{header.count(column)} of that name"
                    )
                ]
            )


def read_words(
    files: Files, name: str, types: Mapping[str, Any], layout: TextLayout
) -> tuple[Any, Array, list[LogProblem]]:
    """Columns of `types` as text (a type of None is inferred), without rows of another width than the header.

    Returns:
        The table; the line of each row; and problems of the rows left out.

    Raises:
        LogError: the file cannot be read.
    """
    undecoded = first_undecoded(files, name, layout.encoding)
    if undecoded:
        encoding = "UTF-8" if layout.encoding == "utf8" else layout.encoding
        raise_problems(
            [LogProblem(name, undecoded, "", f"the file must be in {encoding}", "another encoding")]
        )
    widths: list[LogProblem] = []

    def note(row: Any) -> str:
        rule = f"a row must have {row.expected_columns} cells"
        widths.append(LogProblem(name, row.number or 0, "", rule, str(row.actual_columns)))
        return "skip"

    def read(words: dict[str, Any]) -> Any:
        widths.clear()
        convert = pacsv.ConvertOptions(include_columns=list(types), column_types=words)
        with layout.open(files, name, types, invalid_row_handler=note) as options:
            return pacsv.read_csv(*options, convert)

    with reading(name):
        try:
            table = read({column: ID for column, kind in types.items() if kind is not None})
        except pa.ArrowInvalid:  # a later row does not fit the type that Arrow inferred
            try:
                table = read(dict.fromkeys(types, ID))
            except pa.ArrowInvalid:
                raise_problems(widths)
                raise
    lines = layout.lines(files, name, len(table) + len(widths))
    first = 2 if layout.header is None else 1
    skipped = np.array([problem.row for problem in widths], np.int64) - first
    widths = [problem._replace(row=int(lines[at])) for problem, at in zip(widths, skipped, strict=True)]
    return table, np.delete(lines, skipped), widths


def _diagnose(
    files: Files,
    name: str,
    types: Mapping[str, Any],
    layout: TextLayout,
    nullable: set[str],
) -> list[LogProblem]:
    """Cells that do not fit, found by reading the file again as text."""
    table, rows, problems = read_words(files, name, types, layout)

    def place(row: int) -> tuple[str, int]:
        return name, int(rows[row])

    for column, kind in types.items():
        problems += misfits(place, column, table[column].cast(TEXT), kind, column in nullable)
    return problems


def misfits(
    place: Callable[[int], tuple[str, int]], column: str, texts: Any, kind: Any, may_be_empty: bool
) -> list[LogProblem]:
    """Problems of the cells of a text column that are not of type `kind`; `place` returns file and row of an index."""
    pattern, rule = PATTERNS.get(kind, (r"(?s).", "a value is needed"))
    empty = pc.fill_null(pc.match_substring_regex(texts, r"^\s*(NA|NaN|nan|null|NULL|None)?\s*$"), True)
    fits = pc.fill_null(pc.match_substring_regex(texts, pattern), False)
    bad = pc.and_(pc.invert(fits), pc.invert(empty)) if may_be_empty else pc.or_(pc.invert(fits), empty)
    rows = np.flatnonzero(bad.to_numpy())
    return problems_of(rows, len(texts), place, column, rule, lambda row: repr(texts[row].as_py() or ""))
