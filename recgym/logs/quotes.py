"""Cells in quotes that hold line breaks, and quotes that nothing closes, which would take the rows below into a cell.

A cell whose quotes close before its end, as in "Great" show, would lose them. As Arrow reads it, a quote at the start
of a cell opens it, and the next one that is not doubled closes it.
"""

import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from recgym.logs.files import Files, reading
from recgym.logs.problems import LogProblem, raise_problems
from recgym.logs.separators import single

BLOCK_BYTES = 1 << 20  # read at once
MAX_CHARACTERS = 1 << 20  # of a cell, as of a line
MAX_SHOWN = 40  # characters of a cell in messages
BOM = "\xef\xbb\xbf"  # of UTF-8, as latin-1
TO_QUOTE = re.compile(r'[^"]*(?:""[^"]*)*')  # a cell up to the quote that closes it
RULE = "a quote that opens a cell must be closed where the cell ends (quote=literal: quotes are characters)"


class QuotedCells(NamedTuple):
    """Cells in quotes of a file that need a look."""

    long_rows: list[int]  # lines at which those rows start that take several lines
    odd: list[LogProblem]  # cells of one line whose quotes close before the cell ends


class LongCell(NamedTuple):
    """A cell in quotes that holds line breaks, or whose quotes close before it ends."""

    row: int  # line of the quote that opens it
    column: int  # from 0
    lines: Sequence[str]  # its text
    after: str | None  # rest of the line behind the quote that closes it; None: none does

    def fault(self, separator: str, width: int, may_hold_rows: bool) -> str:
        """Why the quote may not be meant so, in a table of `width` columns; "" for a cell that is well formed."""
        last = self.row + len(self.lines) - 1
        if self.after is None:
            return "and none closes it"
        if goes_on(self.after, separator):
            return f"and the next one, in row {last}, is not at the end of a cell"
        first, *inner, end = (line.count(separator) for line in self.lines)
        is_like_rows = first == width - 1 - self.column and end == self.column
        is_like_rows &= all(
            count == width - 1 for count, line in zip(inner, self.lines[1:-1], strict=True) if line
        )
        if is_like_rows and not may_hold_rows:
            return f"and each line to row {last}, where one closes it, is like a row (quote=lines: they are text)"
        return ""


def goes_on(after: str, separator: str) -> bool:
    """Whether the text behind a quote that closes goes on in the same cell."""
    return bool(after.strip(" ")) and not after.lstrip(" ").startswith(separator)


def may_hold_long_cells(files: Files, name: str, delimiter: str) -> bool:
    """Whether a quote opens a cell whose line has none that closes it at its end; a fast look where quotes are few."""
    with reading(name), files.open(name) as packed:
        stream, separator = single(packed, delimiter)
        sign = re.escape(separator).encode()
        text = rb'"[^"\r\n]*+(?:""[^"\r\n]*+)*+'
        opened = re.compile(rb'(?<=[%b\r\n])%b(?:[\r\n]|" *+[^ %b\r\n])' % (sign, text, sign))
        cell = rb'(?:%b" *+|(?!")[^%b\r\n]*+)' % (text, sign)
        is_plain = re.compile(rb"%b(?:%b%b)*+(?=[\r\n])" % (cell, sign, cell)).match
        last, start = b"\n", BOM.encode("latin-1")
        while block := stream.read(BLOCK_BYTES):
            block, start = last + block.removeprefix(start), b""
            end = max(block.rfind(b"\n"), block.rfind(b"\r"))
            if block.find(b'"') >= 0 and _has_odd_line(block[: end + 1], opened, is_plain):
                return True
            last = block[max(end, 0) :]
            if len(last) > MAX_CHARACTERS:
                return False  # no reader takes such a line
        return _has_odd_line(last + b"\n", opened, is_plain)


def _has_odd_line(lines: bytes, opened: re.Pattern[bytes], is_plain: Callable[[bytes, int], Any]) -> bool:
    """Whether a line in which `opened` finds something is not plain as a whole; other quotes are within cells."""
    at = 0
    while found := opened.search(lines, at):
        start = lines.rfind(b"\n", 0, found.start()) + 1
        plain = is_plain(lines, max(lines.rfind(b"\r", start, found.start()) + 1, start))
        if plain is None:
            return True
        at = plain.end()
    return False


def quoted_cells(
    files: Files, name: str, delimiter: str, header: Sequence[str], encoding: str, may_hold_rows: bool
) -> QuotedCells:
    """Rows that take several lines, as a cell in quotes holds line breaks, and cells whose quotes close too early.

    Raises:
        LogError: a quote is not closed; or, unless cells `may_hold_rows`, each line of a cell is like a row.
    """
    found: list[int] = []
    odd: list[LogProblem] = []
    width = 0
    with reading(name), files.open(name) as packed:
        stream, separator = single(packed, delimiter)
        for row, cells, several in quoted_rows(stream, separator):
            width = width or cells
            found += [row] if any(len(cell.lines) > 1 for cell in several) else []
            for cell in several:
                if fault := cell.fault(separator, width, may_hold_rows):
                    column = header[cell.column] if cell.column < len(header) else ""
                    start = cell.lines[0].encode("latin-1").decode(encoding, "replace")[:MAX_SHOWN]
                    value = f"{chr(34) + start!r}, {fault}"
                    odd.append(LogProblem(name, cell.row, column, RULE, value))
                    if len(cell.lines) > 1 or cell.after is None:
                        raise_problems(odd[-1:])
    return QuotedCells(found, odd)


def quoted_rows(stream: Any, separator: str) -> Iterator[tuple[int, int, list[LongCell]]]:
    """Line, from 1, at which each row starts, its number of cells, and its cells that are a `LongCell`."""
    opening = re.compile(rf'(?:^|{re.escape(separator)})"').search
    with io.TextIOWrapper(stream, "latin-1") as text:
        lines = enumerate(_plain(text), 1)
        for row, line in lines:
            if not line:
                continue
            number, column, at = row, 0, 0
            found: list[LongCell] = []
            while '"' in line and (opened := opening(line, at)):
                column += line.count(separator, at, opened.end())
                begin, parts, at, size = number, [], opened.end(), 0
                while (end := _quote(line, at)) == len(line):
                    parts.append(line[at:])
                    size += len(line)
                    number, line = next(lines, (0, ""))
                    at = 0
                    if not number or size > MAX_CHARACTERS:
                        yield row, column, [*found, LongCell(begin, column, parts, None)]
                        return
                if parts or goes_on(line[end + 1 :], separator):
                    found.append(LongCell(begin, column, [*parts, line[at:end]], line[end + 1 :]))
                at = end + 1
            yield row, column + line.count(separator, at) + 1, found


def _quote(line: str, at: int) -> int:
    """Place of the quote that closes a cell in quotes whose text goes on at a place; the line's length for none."""
    found = TO_QUOTE.match(line, at)
    return found.end() if found else at


def _plain(text: Iterable[str]) -> Iterator[str]:
    """Lines without their ends, and the first without a byte order mark."""
    for number, line in enumerate(text):
        yield line.rstrip("\n") if number else line.rstrip("\n").removeprefix(BOM)
