"""Separators of the cells of a text table: one character, two colons, or white space."""

import csv
import io
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pyarrow as pa

from recgym.logs.ids import NO_WIDTH
from recgym.logs.problems import LogError

COLONS, BLANKS = "::", " "  # BLANKS: one or more spaces or tabs
SEPARATORS = (",", ";", "\t", "|", COLONS)
KNOWN = ", ; tab | :: and white space"
BLOCK_BYTES = 1 << 20  # rewritten at once
_REPLACEMENT = {COLONS: "\x1f", BLANKS: "\t"}  # a single character, as readers of CSV need


def separator_of(line: str) -> str:
    """Most frequent separator of a header; BLANKS if it has only white space, "" if it has no separator."""
    best = max(SEPARATORS, key=line.count)
    if best in line:
        return best
    return BLANKS if len(line.split()) > 1 else ""


def cells_of(line: str, separator: str, name: str, is_quoted: bool = True) -> list[str]:
    """Cells of the first line of a file, without spaces around them; LogError for a quote that is not closed."""
    return [cell.strip().strip(NO_WIDTH).strip() for cell in padded_cells(line, separator, name, is_quoted)]


def padded_cells(line: str, separator: str, name: str, is_quoted: bool) -> list[str]:
    """Cells as `cells_of`, with spaces around them."""
    if separator == BLANKS:
        line = _one_tab(line.encode(), is_quoted).decode()
    elif separator == COLONS:
        line = _one_character(line.encode()).decode()
    separator = _REPLACEMENT.get(separator, separator) or "\n"
    if '"' not in line or not is_quoted:
        return line.split(separator)
    try:
        return next(csv.reader([line], delimiter=separator))
    except csv.Error as error:
        raise LogError(f"{name}, row 1: a quote is not closed, or {error}") from error


def single(stream: Any, separator: str, is_quoted: bool = True) -> tuple[Any, str]:
    """Stream with a single character as separator, and this character."""
    if separator not in _REPLACEMENT:
        return stream, separator
    rewrite = partial(_one_tab, is_quoted=is_quoted) if separator == BLANKS else _one_character
    return rewritten(stream, rewrite), _REPLACEMENT[separator]


def rewritten(stream: Any, rewrite: Callable[[bytes], bytes]) -> Any:
    """Stream whose lines are rewritten by a function of a block of whole lines."""
    return pa.input_stream(io.BufferedReader(_Rewritten(stream, rewrite), BLOCK_BYTES))


def with_header(
    cells: Sequence[str], separator: str, encoding: str, is_quoted: bool
) -> Callable[[bytes], bytes]:
    """Function for `rewritten` that puts these cells in place of the first line that is not blank."""
    written = ['"' + cell.replace('"', '""') + '"' for cell in cells] if is_quoted else cells
    header, is_done = separator.join(written).encode(encoding), False

    def rewrite(lines: bytes) -> bytes:
        nonlocal is_done
        found = None if is_done else re.search(rb"[^\r\n]*[^\s][^\r\n]*", lines)
        if found is None:
            return lines
        is_done = True
        return lines[: found.start()] + header + lines[found.end() :]

    return rewrite


def _one_character(lines: bytes) -> bytes:
    return lines.replace(COLONS.encode(), _REPLACEMENT[COLONS].encode())


def _one_tab(lines: bytes, is_quoted: bool) -> bytes:
    """Lines with one tab for white space outside quotes, stripped."""
    if is_quoted and b'"' in lines:
        lines = re.sub(rb'("[^"\n]*")|[ \t]+', lambda found: found[1] or b"\t", lines)
    else:
        lines = re.sub(rb"[ \t]+", b"\t", lines)
    return re.sub(rb"^\t|\t(?=\r?$)", b"", lines, flags=re.MULTILINE)


class _Rewritten(io.RawIOBase):
    """Raw stream of `rewritten`."""

    def __init__(self, stream: Any, rewrite: Callable[[bytes], bytes]):
        self._stream, self._rewrite = stream, rewrite
        self._rest = self._ready = b""  # an incomplete line; bytes to be read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            block = self._stream.read(BLOCK_BYTES)
            whole, end, self._rest = (
                (self._rest + block).rpartition(b"\n") if block else (self._rest, b"", b"")
            )
            self._ready = self._rewrite(whole + end)
            if not block:
                break
        part, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        self._stream.close()
        super().close()
