"""Layout of a file of delimited text: its first line, and the options with which Arrow reads it."""

import io
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import pyarrow.csv as pacsv

from recgym.arrays import Array
from recgym.logs.files import Files, reading
from recgym.logs.lines import line_numbers
from recgym.logs.problems import LogError, raise_problems
from recgym.logs.quotes import QuotedCells, may_hold_long_cells, quoted_cells
from recgym.logs.separators import cells_of, padded_cells, rewritten, single, with_header

SIGNATURES = {  # first bytes of files of other formats
    "\x1f\x8b": "packed by gzip, whose names end in .gz",
    "BZh": "packed by bzip2, whose names end in .bz2",
    "\x28\xb5\x2f\xfd": "packed by zstd, whose names end in .zst",
    "\xfd7zXZ": "packed by xz, which must be unpacked first",
    "ARROW1": "an Arrow or Feather file",
    "FEA1": "a Feather file",
}
MAX_LINE_CHARACTERS = 1 << 20
NO_ROWS = "there are no rows below the header"


def read_line(files: Files, name: str, encoding: str = "utf8", *, has_rows: bool = False) -> str:
    """First line that is not blank.

    LogError for an empty file, for a file that is not text, and with `has_rows` for a file that ends with this line.
    """
    with reading(name), files.open(name) as stream, io.TextIOWrapper(stream, encoding="latin-1") as text:
        line = "\n"
        while line and not line.strip("\xef\xbb\xbf \t\r\n"):
            line = text.readline(MAX_LINE_CHARACTERS + 1)
    _refuse_other_format(name, line)
    try:
        line = line.encode("latin-1").decode("utf-8-sig" if encoding == "utf8" else encoding)
    except UnicodeDecodeError as error:
        raise LogError(f"{name}, row 1: the file is not in {encoding}") from error
    if not line:
        raise LogError(f"{name}: the file is empty; a header and rows are needed")
    if len(line) > MAX_LINE_CHARACTERS:
        raise LogError(
            f"{name}, row 1: a line of more than {MAX_LINE_CHARACTERS:,} characters; a table is needed"
        )
    if "\0" in line:
        raise LogError(f"{name}, row 1: the file is not UTF-8 text")
    if has_rows and not line.endswith("\n"):
        raise LogError(f"{name}: {NO_ROWS}")
    return line.strip("\r\n")


def _refuse_other_format(name: str, line: str) -> None:
    """Raises LogError that names the format of a file that is not text, by its first bytes."""
    for mark, what in SIGNATURES.items():
        if line.startswith(mark):
            raise LogError(f"{name}, row 1: a table of text or Parquet is needed; the file is {what}")
    if line.startswith('{"'):
        raise LogError(f"{name}, row 1: a table of text or Parquet is needed; the file is JSON")


def read_header(files: Files, name: str, layout: "TextLayout | None" = None) -> list[str]:
    """Column names of a file of delimited text; LogError for an empty one."""
    form = layout or CSV
    return cells_of(read_line(files, name, form.encoding), form.delimiter, name, form.is_quoted)


class TextLayout(NamedTuple):
    """Form of a file of delimited text."""

    delimiter: str = ","
    is_quoted: bool = True
    encoding: str = "utf8"
    header: Sequence[str] | None = None  # names of the columns of a file without header
    may_hold_rows: bool = False  # cells in quotes may hold lines that are like rows

    def lines(self, files: Files, name: str, rows: int) -> Array:
        """(rows,) line of the file at which each row starts."""
        has_header = self.header is None
        return line_numbers(
            files, name, rows, delimiter=self.delimiter, is_quoted=self.is_quoted, has_header=has_header
        )

    def quoted(self, files: Files, name: str) -> QuotedCells:
        """Cells in quotes that need a look; LogError for a quote that is not closed."""
        if not self.is_quoted:
            return QuotedCells([], [])
        key = name, self.delimiter
        if key not in files.quoted and not may_hold_long_cells(files, *key):
            files.quoted[key] = QuotedCells([], [])
        if key not in files.quoted:
            header = self.header or read_header(files, name, self)
            files.quoted[key] = quoted_cells(files, *key, header, self.encoding, self.may_hold_rows)
        found: QuotedCells = files.quoted[key]
        return found

    def remarks(self, files: Files, name: str) -> list[str]:
        """A remark that counts the rows that take several lines, if there are some."""
        rows = self.quoted(files, name).long_rows
        what = "rows take several lines, as a cell in quotes holds line breaks; the first is row"
        return [f"{name}: {len(rows):,} {what} {rows[0]}"] if rows else []

    @contextmanager
    def open(
        self, files: Files, name: str, columns: Container[str] = (), **parse: Any
    ) -> Iterator[tuple[Any, Any, Any]]:
        """Context of the stream of a file and the options with which Arrow reads and parses it.

        LogError for a cell of one of the `columns` whose quotes close before it ends.
        """
        long_rows, odd = self.quoted(files, name)
        raise_problems([problem for problem in odd if problem.column in columns])
        with files.open(name) as packed:
            stream, delimiter = single(packed, self.delimiter, self.is_quoted)
            if self.header is None:
                line = read_line(files, name, self.encoding, has_rows=True)
                form = self.delimiter, name, self.is_quoted
                header, is_whole = cells_of(line, *form), not self.is_quoted or line.count('"') % 2 == 0
                if is_whole and header != padded_cells(line, *form):
                    names = with_header(header, delimiter, self.encoding, self.is_quoted)
                    stream = rewritten(stream, names)
            yield (
                stream,
                pacsv.ReadOptions(
                    encoding=self.encoding,
                    column_names=self.header,
                    use_threads=not parse,
                    block_size=MAX_LINE_CHARACTERS,
                ),
                pacsv.ParseOptions(
                    delimiter=delimiter,
                    quote_char='"' if self.is_quoted else False,
                    newlines_in_values=bool(long_rows),
                    **parse,
                ),
            )


CSV = TextLayout()
