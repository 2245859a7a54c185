"""Reading stored files: regular files of bounded size, inside their folder, with the right checksum.

Errors are ValueErrors of one line that names the file.
"""

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

from recgym.checks import near_path, quoted, require_mapping, stated_path, whole_number, words

if TYPE_CHECKING:
    from numpy.typing import NDArray

MANIFEST = "SHA256SUMS"  # as sha256sum writes and checks it
MAX_JSON_BYTES = 16 << 20
MAX_ARRAYS_BYTES = 2 << 30
MAX_JSON_DEPTH = 64  # nested lists and objects
MAX_HEADER_BYTES = 16 << 20  # of a safetensors file
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


def safe_name(name: object, place: object) -> str:
    """Relative name of a file inside its folder; ValueError if it leads out of the folder or is not a name."""
    parts = PurePosixPath(name).parts if isinstance(name, str) else ()
    if not parts or ".." in parts or parts[0] == "/" or re.search(r"[\\:\x00-\x1f]", str(name)):
        raise ValueError(f"{place}: {quoted(name)} is not the name of a file inside the folder")
    return "/".join(parts)


@contextmanager
def _opened(path: Path, most: int) -> Iterator[tuple[BinaryIO, int]]:
    """An open regular file of at most `most` bytes, and its size in bytes."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(handle, "rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise ValueError(f"{path} is not a regular file")
            if facts.st_size > most:
                raise ValueError(f"{path} has {facts.st_size:,} bytes, expected at most {most:,}")
            yield file, facts.st_size
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from None


def read_file(path: str | Path, most: int = MAX_ARRAYS_BYTES) -> bytes:
    """Bytes of a regular file; ValueError for a pipe, a device, more than `most` bytes, or an error of the system."""
    with _opened(stated_path(path, "path"), whole_number(most, "most")) as (file, size):
        return file.read(size)


def _read_arrays_file(path: Path, most: int) -> bytes:
    """Bytes of a safetensors file; the header must agree with the size before the rest is read."""
    with _opened(path, whole_number(most, "most")) as (file, size):
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > min(MAX_HEADER_BYTES, size - 8):
            raise ValueError(f"{path} is truncated or damaged: its header does not fit into {size:,} bytes")
        header = file.read(length)
        try:
            entries = parse_json(header, path, depth=8)
            ends = [entry["data_offsets"][1] for name, entry in entries.items() if name != "__metadata__"]
            whole = 8 + length + max(ends, default=0)
        except (ValueError, TypeError, KeyError, IndexError):
            raise ValueError(f"{path} is damaged: it has no safetensors header") from None
        if whole != size:
            raise ValueError(f"{path} is truncated or damaged: {size:,} bytes, its header says {whole:,}")
        return start + header + file.read(size - 8 - length)


def parse_json(data: bytes, place: object, *, depth: int = MAX_JSON_DEPTH) -> dict[str, Any]:
    """JSON object in `data`; ValueError that names `place` if it is not one or is nested deeper than `depth`."""
    if not isinstance(data, bytes | str):
        raise ValueError(f"{place}: data is {quoted(data)}, expected bytes")
    whole_number(depth, "depth", 1)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        why = "it is nested too deep" if isinstance(error, RecursionError) else error
        raise ValueError(f"{place} is not valid JSON: {why}") from None
    if not isinstance(value, dict):
        raise ValueError(f"{place} holds a JSON {type(value).__name__}, expected an object")
    level: list[Any] = [value]
    for _ in range(depth):
        inner = [each for part in level for each in (part.values() if isinstance(part, dict) else part)]
        level = [each for each in inner if isinstance(each, dict | list)]
        if not level:
            return value
    raise ValueError(f"{place} is nested deeper than {depth} levels")


def check_keys(about: Mapping[str, Any], kinds: Mapping[str, Any], place: object) -> None:
    """Raises ValueError that names the first key that is missing or not of its type in `kinds`, or above 64 bits."""
    require_mapping(about, f"{place}: about")
    require_mapping(kinds, f"{place}: kinds")
    for name, kind in kinds.items():
        if name not in about:
            raise ValueError(f"{place}: {name} is missing")
        allowed, value = kind if isinstance(kind, tuple) else (kind,), about[name]
        is_long = isinstance(value, int) and not -(2**63) <= value < 2**63
        if not isinstance(value, kind) or is_long or (isinstance(value, bool) and bool not in allowed):
            wanted = " or ".join(each.__name__ for each in allowed) + " of 64 bits" * is_long
            raise ValueError(f"{place}: {name} is {quoted(value, 60)}, expected {wanted}")


@contextmanager
def refusing(place: object) -> Iterator[None]:
    """Turns errors of the block into a ValueError of one line that starts with `place`."""
    try:
        yield
    except ValueError as error:
        text = " ".join(str(error).split())
        raise ValueError(text if text.startswith(f"{place}") else f"{place}: {text}") from None
    except (LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError) as error:
        what = " ".join(f"{type(error).__name__} {error}".split())
        raise ValueError(f"{place} is damaged or of another type: {what}") from None


def _parse_arrays(data: bytes, place: Path, is_finite: bool) -> "dict[str, NDArray[Any]]":
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(data)
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{place} is damaged: {error}") from None
    for name, array in arrays.items():
        if is_finite and array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{place}: {name} holds a number that is not finite")
    return arrays


class Stored:
    """A stored folder. Files are checked against its SHA256SUMS; a folder of an older version has none.

    Args:
        folder: its path.
        what: its name in messages: "world", "saved agent".
    """

    def __init__(self, folder: str | Path, what: str) -> None:
        self.folder, self.what = stated_path(folder), words(what, "what")
        if not self.folder.is_dir():
            why = "it is not a folder" if self.folder.exists() else "there is no such folder"
            near = "" if self.folder.exists() else near_path(folder, Path.is_dir)
            raise ValueError(f"{folder} holds no {what}: {why}{near}")
        self.digests = self._manifest()

    def _manifest(self) -> dict[str, str] | None:
        """SHA-256 by name; None without SHA256SUMS."""
        path = self.folder / MANIFEST
        if not os.path.lexists(path):
            return None
        found: dict[str, str] = {}
        for line in read_file(self._inside(MANIFEST), MAX_JSON_BYTES).decode("utf-8", "replace").splitlines():
            match = _LINE.fullmatch(line)
            if match is None:
                raise ValueError(f"{path}: a line is not '<sha256>  <name>'")
            found[safe_name(match[2], path)] = match[1]
        return found

    def _inside(self, name: str) -> Path:
        """Path of a file; ValueError if it is missing or a link out of the folder."""
        path = self.folder / words(name, "name")
        if not os.path.lexists(path):
            raise ValueError(f"{self.folder} holds no {self.what}: {name} is missing")
        root = os.path.realpath(self.folder)
        if os.path.commonpath([root, os.path.realpath(path)]) != root:
            raise ValueError(f"{path} is a link to a file outside the folder")
        return path

    def _checked(self, name: str, data: bytes) -> bytes:
        if self.digests is None:
            return data
        if name not in self.digests:
            raise ValueError(f"{self.folder / MANIFEST} does not list {name}: the {self.what} is incomplete")
        if hashlib.sha256(data).hexdigest() != self.digests[name]:
            raise ValueError(
                f"{self.folder / name} differs from its checksum: it was damaged, or edited (then remove {MANIFEST})"
            )
        return data

    def read(self, name: str, most: int = MAX_ARRAYS_BYTES) -> bytes:
        """Bytes of a file."""
        return self._checked(name, read_file(self._inside(name), most))

    def json(
        self, name: str, kinds: Mapping[str, Any] | None = None, most: int = MAX_JSON_BYTES
    ) -> dict[str, Any]:
        """Object in a JSON file; it must have the keys of `kinds`, with values of these types."""
        about = parse_json(self.read(name, most), self.folder / name)
        check_keys(about, {} if kinds is None else kinds, self.folder / name)
        return about

    def arrays(
        self, name: str, *, most: int = MAX_ARRAYS_BYTES, is_finite: bool = True
    ) -> "dict[str, NDArray[Any]]":
        """Arrays of a safetensors file by name; with `is_finite`, NaN and infinity are errors."""
        data = self._checked(name, _read_arrays_file(self._inside(name), most))
        return _parse_arrays(data, self.folder / name, is_finite)
