"""Lines of the rows of a file of text: blank lines and line breaks within quotes count. Numbers in hexadecimal."""

import io
import re
from collections.abc import Iterator

import numpy as np

from recgym.arrays import Array
from recgym.logs.files import Files, reading
from recgym.logs.quotes import quoted_rows
from recgym.logs.separators import BLANKS, single

BLOCK_BYTES = 1 << 20  # read at once
HEXADECIMAL = re.compile(rb"(?<![0-9A-Za-z])0[xX][0-9A-Fa-f]{1,16}(?![0-9A-Za-z])")
LONGEST = 20  # bytes of a hexadecimal number and of its surroundings


def line_numbers(
    files: Files, name: str, rows: int, *, delimiter: str, is_quoted: bool = True, has_header: bool = True
) -> Array:
    """(rows,) line of the file, from 1, at which each row starts.

    If every line is a row, by a count of line breaks, the lines are not parsed.
    """
    first = 2 if has_header else 1
    quoted = delimiter if is_quoted else None
    begins = _starts(files, name, rows, first, quoted, delimiter == BLANKS)
    return np.arange(first, rows + first) if begins is None else begins  # Arrow splits lines otherwise


def lines_of_objects(files: Files, name: str, rows: int) -> Array | None:
    """(rows,) line, from 1, of each object of JSON lines; None if not every line is one object."""
    return _starts(files, name, rows, 1, None, True)


def _starts(
    files: Files, name: str, rows: int, first: int, quoted: str | None, is_blank_empty: bool
) -> Array | None:
    """(rows,) lines at which rows start, from the line `first` on; None if their number differs."""
    if _count(files, name) == rows + first - 1:
        return np.arange(first, rows + first)
    begins = np.fromiter(_begins(files, name, quoted, is_blank_empty), np.int64)[first - 1 :]
    return begins if len(begins) == rows else None


def has_hexadecimal(files: Files, name: str) -> bool:
    """Whether a file has a word such as 0x5f5e, which Arrow reads as a whole number."""
    last = b""
    with reading(name), files.open(name) as stream:
        while block := stream.read(BLOCK_BYTES):
            block = last + block
            if (b"0x" in block or b"0X" in block) and HEXADECIMAL.search(block):
                return True
            last = block[-LONGEST:]
    return False


def first_undecoded(files: Files, name: str, encoding: str) -> int:
    """First line that is not in an encoding, 0 for none."""
    with files.open(name) as stream, io.TextIOWrapper(stream, encoding, errors="surrogateescape") as text:
        return next((row for row, line in enumerate(text, 1) if re.search("[\ud800-\udfff]", line)), 0)


def _count(files: Files, name: str) -> int:
    """Number of lines up to the last one that is not empty."""
    lines, empty, ended = (
        0,
        0,
        True,
    )  # line ends; those that follow one another at the end; whether the last has one
    with reading(name), files.open(name) as stream:
        while block := stream.read(BLOCK_BYTES):
            kept = block.rstrip(b"\r\n")
            tail = block.count(b"\n", len(kept))
            lines += block.count(b"\n")
            empty = tail if kept else empty + tail
            ended = block.endswith(b"\n")
    return lines - max(empty - 1, 0) if ended else lines + 1


def _begins(files: Files, name: str, quoted: str | None, is_blank_empty: bool) -> Iterator[int]:
    """Lines, from 1, at which a row starts: not empty and not within quotes, between cells that `quoted` separates."""
    with reading(name), files.open(name) as stream:
        if quoted is not None:
            yield from (row for row, _, _ in quoted_rows(*single(stream, quoted)))
            return
        with io.TextIOWrapper(stream, "latin-1") as text:
            for number, line in enumerate(text, 1):
                if line.strip() if is_blank_empty else line.strip("\n"):
                    yield number
