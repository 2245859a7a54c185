"""At which lines of a file the rows of its table begin: blank lines, and line breaks in quotes, are lines too."""

import io
from collections.abc import Iterator

import numpy as np

from recgym.arrays import Array
from recgym.logs.files import Files, reading
from recgym.logs.separators import BLANKS, COLONS

BLOCK = 1 << 20  # [bytes] read at once


def line_numbers(
    files: Files, name: str, rows: int, *, delimiter: str, is_quoted: bool = True, has_header: bool = True
) -> Array:
    """Line of the file, from 1, at which each of so many rows below the header begins, (rows,).

    Where every line is a row, which one pass over the bytes shows, no line is looked at.
    """
    first = 2 if has_header else 1
    if _count(files, name) == rows + first - 1:
        return np.arange(first, rows + first)
    quotes = is_quoted and delimiter != COLONS
    begins = np.fromiter(_begins(files, name, quotes, delimiter == BLANKS), np.int64)[first - 1 :]
    if len(begins) != rows:  # what is a line to Arrow is another thing here: rows are counted, then
        return np.arange(first, rows + first)
    return begins


def _count(files: Files, name: str) -> int:
    """Lines up to the last that is not empty."""
    lines, empty, ended = (
        0,
        0,
        True,
    )  # line ends; those that follow one another at the end; whether the last has one
    with reading(name), files.open(name) as stream:
        while block := stream.read(BLOCK):
            kept = block.rstrip(b"\r\n")
            tail = block.count(b"\n", len(kept))
            lines += block.count(b"\n")
            empty = tail if kept else empty + tail
            ended = block.endswith(b"\n")
    return lines - max(empty - 1, 0) if ended else lines + 1


def _begins(files: Files, name: str, quotes: bool, is_blank_empty: bool) -> Iterator[int]:
    """Lines, from 1, at which a row begins: not empty, and not within quotes."""
    is_open = False
    with reading(name), files.open(name) as stream, io.TextIOWrapper(stream, "latin-1") as text:
        for number, line in enumerate(text, 1):
            if not is_open and (line.strip() if is_blank_empty else line.strip("\n")):
                yield number
            if quotes and line.count('"') % 2:
                is_open = not is_open
