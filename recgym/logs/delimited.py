"""Delimited text, as CSV, with errors by row."""

import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from recgym.arrays import Array
from recgym.logs.files import Files, reading
from recgym.logs.ids import FLOAT, INT, TEXT
from recgym.logs.lines import line_numbers
from recgym.logs.problems import LogError, LogProblem, problems_of, refuse, shown
from recgym.logs.separators import cells_of, rewritten, single, trimmed_header

MARKS = {  # the first bytes of files that hold a table in another way
    "\x1f\x8b": "packed by gzip, whose names end in .gz",
    "BZh": "packed by bzip2, whose names end in .bz2",
    "\x28\xb5\x2f\xfd": "packed by zstd, whose names end in .zst",
    "\xfd7zXZ": "packed by xz, which must be unpacked first",
    "ARROW1": "an Arrow or Feather file",
    "FEA1": "a Feather file",
}
MOST_LINE = 1 << 20  # [characters] of a line
FLAG = pa.bool_()
ID = pa.dictionary(pa.int32(), pa.string())
PATTERNS: dict[Any, tuple[str, str]] = {
    INT: (r"^\s*[+-]?[0-9]{1,18}\s*$", "a whole number is needed"),
    FLOAT: (r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$", "a number is needed"),
    FLAG: (r"^\s*([01]|true|false|True|False|TRUE|FALSE)\s*$", "0 or 1 is needed"),
}


def read_line(files: Files, name: str, encoding: str = "utf8") -> str:
    """The first line that is not blank; LogError where there is none, or what is there is no text."""
    with reading(name), files.open(name) as stream, io.TextIOWrapper(stream, encoding="latin-1") as text:
        line = "\n"
        while line and not line.strip("\xef\xbb\xbf \t\r\n"):
            line = text.readline(MOST_LINE + 1)
    _refuse_other_format(name, line)
    try:
        line = line.encode("latin-1").decode("utf-8-sig" if encoding == "utf8" else encoding)
    except UnicodeDecodeError as error:
        raise LogError(f"{name}, row 1: the file is not in {encoding}") from error
    if not line:
        raise LogError(f"{name}: the file is empty; a header and rows are needed")
    if len(line) > MOST_LINE:
        raise LogError(f"{name}, row 1: a line of more than {MOST_LINE:,} characters; a table is needed")
    if "\0" in line:
        raise LogError(f"{name}, row 1: the file is no text in UTF-8")
    return line.strip("\r\n")


def _refuse_other_format(name: str, line: str) -> None:
    """LogError that names the format of a file that is no text, by its first bytes."""
    for mark, what in MARKS.items():
        if line.startswith(mark):
            raise LogError(f"{name}, row 1: a table of text or Parquet is needed; the file is {what}")
    if line.startswith('{"'):
        raise LogError(f"{name}, row 1: a table of text or Parquet is needed; the file is JSON")


def read_header(files: Files, name: str, delimiter: str = ",", encoding: str = "utf8") -> list[str]:
    """Column names of a CSV file; LogError for an empty one."""
    return cells_of(read_line(files, name, encoding), delimiter, name)


def read_csv(
    files: Files,
    name: str,
    types: Mapping[str, Any],
    *,
    delimiter: str = ",",
    encoding: str = "utf8",
    quoted: bool = True,
    nullable: Iterable[str] = (),
    header: Sequence[str] | None = None,
    where: tuple[str, str] | None = None,
) -> Any:
    """The columns of `types` as an Arrow table; a type of None is inferred.

    `header` names the columns of a file that has none. With `where`, (column, word), only the rows with that word
    are kept, block by block: memory is theirs. Raises LogError for a missing column, a row of another width, an empty
    cell outside `nullable`, and text where a number belongs; its `problems` list every such row.
    """
    require_columns(name, header or read_header(files, name, delimiter, encoding), types)
    layout = TextLayout(delimiter, quoted, encoding, header)
    wanted = {column: kind for column, kind in types.items() if kind is not None}
    convert = pacsv.ConvertOptions(include_columns=list(types), column_types=wanted)
    with reading(name):
        try:
            with layout.open(files, name) as (stream, read, parse):
                options = (stream, read, parse, convert)
                table = pacsv.read_csv(*options) if where is None else _matching(options, *where)
        except pa.ArrowInvalid:
            refuse(_diagnose(files, name, types, layout, set(nullable)))
            raise
        if any(table[column].null_count for column in types if column not in set(nullable)):
            refuse(_diagnose(files, name, types, layout, set(nullable)))
    if not table.num_rows:
        raise LogError(f"{name}: there are no rows below the header")
    return table


def read_typed(files: Files, name: str, types: Mapping[str, Any], layout: "TextLayout") -> Any:
    """The columns as an Arrow table of these types; None where a cell or a row does not fit."""
    wanted = {column: kind for column, kind in types.items() if kind is not None}
    convert = pacsv.ConvertOptions(include_columns=list(types), column_types=wanted)
    with reading(name), layout.open(files, name) as options:
        try:
            return pacsv.read_csv(*options, convert)
        except pa.ArrowInvalid:
            return None


class TextLayout(NamedTuple):
    """How a file of text is written."""

    delimiter: str
    is_quoted: bool
    encoding: str
    header: Sequence[str] | None  # of a file that has none

    def lines(self, files: Files, name: str, rows: int) -> Array:
        """Line of the file at which each of so many rows begins."""
        has_header = self.header is None
        return line_numbers(
            files, name, rows, delimiter=self.delimiter, is_quoted=self.is_quoted, has_header=has_header
        )

    @contextmanager
    def open(self, files: Files, name: str, **parse: Any) -> Iterator[tuple[Any, Any, Any]]:
        """The stream of a file and Arrow's options to read and to parse it."""
        with files.open(name) as packed:
            stream, delimiter = single(packed, self.delimiter)
            if self.header is None and delimiter == self.delimiter:
                line = read_line(files, name, self.encoding)
                is_padded = f"{delimiter} " in line or f" {delimiter}" in line or line != line.strip(" ")
                stream = rewritten(stream, trimmed_header(delimiter)) if is_padded else stream
            yield (
                stream,
                pacsv.ReadOptions(
                    encoding=self.encoding,
                    column_names=self.header,
                    use_threads=not parse,
                    block_size=MOST_LINE,
                ),
                pacsv.ParseOptions(delimiter=delimiter, quote_char='"' if self.is_quoted else False, **parse),
            )


def _matching(options: tuple[Any, ...], column: str, word: str) -> Any:
    """The rows whose column has this word."""
    with pacsv.open_csv(*options) as batches:
        kept = [batch.filter(pc.equal(batch.column(column).cast(TEXT), word)) for batch in batches]
    return pa.Table.from_batches(kept).unify_dictionaries()


def require_columns(name: str, header: Sequence[str], wanted: Iterable[str]) -> None:
    """LogError that names the columns which `header` lacks or has twice."""
    missing = [column for column in wanted if column not in header]
    if missing:
        rule = f"the header must have {', '.join(map(repr, missing))}"
        refuse([LogProblem(name, 1, "", rule, shown(header))])
    for column in wanted:
        if header.count(column) > 1:
            refuse(
                [
                    LogProblem(
                        name, 1, column, "a column must occur once", f"{header.count(column)} of that name"
                    )
                ]
            )


def read_words(
    files: Files, name: str, types: Mapping[str, Any], layout: TextLayout
) -> tuple[Any, Array, list[LogProblem]]:
    """The columns of `types` as text, those of None as Arrow infers them; their file rows; and the rows left out.

    Left out are rows of another width than the header's. LogError where the file cannot be read at all.
    """
    undecoded = _not_utf8(files, name) if layout.encoding == "utf8" else 0
    if undecoded:
        refuse([LogProblem(name, undecoded, "", "the file must be in UTF-8", "another encoding")])
    widths: list[LogProblem] = []

    def note(row: Any) -> str:
        rule = f"a row must have {row.expected_columns} cells"
        widths.append(LogProblem(name, row.number or 0, "", rule, str(row.actual_columns)))
        return "skip"

    def read(words: dict[str, Any]) -> Any:
        widths.clear()
        convert = pacsv.ConvertOptions(include_columns=list(types), column_types=words)
        with layout.open(files, name, invalid_row_handler=note) as options:
            return pacsv.read_csv(*options, convert)

    with reading(name):
        try:
            table = read({column: ID for column, kind in types.items() if kind is not None})
        except pa.ArrowInvalid:  # a column is of another kind below the rows from which Arrow infers
            try:
                table = read(dict.fromkeys(types, ID))
            except pa.ArrowInvalid:
                refuse(widths)
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
    """Read again as text, row by row, and list what does not fit."""
    table, rows, problems = read_words(files, name, types, layout)

    def place(row: int) -> tuple[str, int]:
        return name, int(rows[row])

    for column, kind in types.items():
        problems += misfits(place, column, table[column].cast(TEXT), kind, column in nullable)
    return problems


def _not_utf8(files: Files, name: str) -> int:
    """First row that is not UTF-8, 0 where there is none."""
    with files.open(name) as stream, io.TextIOWrapper(stream, "utf8", errors="surrogateescape") as text:
        return next((row for row, line in enumerate(text, 1) if re.search("[\ud800-\udfff]", line)), 0)


def misfits(
    place: Callable[[int], tuple[str, int]], column: str, texts: Any, kind: Any, may_be_empty: bool
) -> list[LogProblem]:
    """Cells of a text column that are no `kind`; `place` gives file and row of an index."""
    pattern, rule = PATTERNS.get(kind, (r"(?s).", "a value is needed"))
    empty = pc.fill_null(pc.match_substring_regex(texts, r"^\s*(NA|NaN|nan|null|NULL|None)?\s*$"), True)
    fits = pc.fill_null(pc.match_substring_regex(texts, pattern), False)
    bad = pc.and_(pc.invert(fits), pc.invert(empty)) if may_be_empty else pc.or_(pc.invert(fits), empty)
    rows = np.flatnonzero(bad.to_numpy())
    return problems_of(rows, len(texts), place, column, rule, lambda row: repr(texts[row].as_py() or ""))
