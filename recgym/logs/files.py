"""Files of a log: in a folder or a zip, a single file, or several files."""

import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from os import PathLike
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from recgym.checks import near_path, stated_path
from recgym.logs.problems import LogError, shown

Place = str | PathLike[str]
COMPRESSION = {"": None, ".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}  # suffix of a file -> its compression
TABLES = ("*.parquet", "*.pq", *(f"*.{kind}{ending}" for kind in ("csv", "tsv") for ending in COMPRESSION))
JSON_LINES = tuple(f"*.{kind}{ending}" for kind in ("jsonl", "ndjson") for ending in COMPRESSION)
DATA = (*TABLES, *JSON_LINES, "*.dat", "*.data")
PACKED = r"(?i)\.(tar(\.[a-z0-9]+)?|tgz|7z|rar)$"  # archives; a zip is read
HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
MAX_FOLDER_DEPTH, MAX_FILES = 8, 250_000  # H&M's folder has 105,103, most of them images
MAX_FIRST_BYTES = 1 << 16  # of a first line, by which a data set is recognised
FAILURES = (
    pa.ArrowException,
    OSError,
    EOFError,
    zlib.error,
    zipfile.BadZipFile,
    NotImplementedError,  # an unknown compression of a zip
    UnicodeError,
)


@contextmanager
def reading(name: object, what: str = "cannot be read") -> Iterator[None]:
    """Turns errors of a library in the block into a LogError of one line that names the file."""
    try:
        yield
    except FAILURES as error:
        words = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
        raise LogError(f"{name}: {what}: {' '.join(words.split())}") from error


def stated(path: object, name: str = "path") -> Path:
    """A path that an argument states; LogError that names it for another type, or an empty text."""
    try:
        return stated_path(path, name)
    except ValueError as error:
        raise LogError(str(error)) from None


def is_folder(path: Path) -> bool:
    """Whether a path is a folder; LogError if it is neither a folder nor a regular file."""
    with reading(path):
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            raise LogError(f"{path}: there is no such file or folder{near_path(path)}") from None
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise LogError(f"{path}: a file or a folder is needed; it is a pipe or a device")
    return stat.S_ISDIR(mode)


class Files:
    """Names of the files in a folder or a zip, of a single file, or of several files; to search and to open.

    Hidden files are left out. A folder that holds one zip and no other data is read as the zip.

    Raises:
        LogError: a path does not exist, or is a pipe or a device.
    """

    def __init__(self, path: Place | Sequence[Place]):
        self.zip: zipfile.ZipFile | None = None
        paths = [stated(path)] if isinstance(path, str | PathLike) else [stated(each) for each in path]
        if not paths:
            raise LogError("a log needs at least one file")
        self.is_named = len(paths) > 1  # the caller has named each file
        self._left: list[str] = []
        self.quoted: dict[tuple[str, str], Any] = {}  # cells in quotes, by name of a file and separator
        if self.is_named:
            self.path, self.names, self._left = _several(paths)
            return
        self.path = paths[0]
        if is_folder(self.path):
            self.names = _inside(self.path)
            zips = [name for name in self.names if fnmatch(name, "*.zip") and "/" not in name]
            if len(zips) == 1 and not self.find(*DATA):
                self.path /= zips[0]  # many data sets are downloaded so
        else:
            self.names = [self.path.name]
        if len(self.names) == 1 and re.search(PACKED, self.names[0]):
            raise LogError(f"{self.path}: an archive of a kind that is not read, {self.names[0]}; unpack it")
        if self.path.is_dir():
            return
        if zipfile.is_zipfile(self.path):
            self._unzip()
        elif self.path.suffix == ".zip":
            raise LogError(f"{self.path}: not a zip, or an incomplete one")

    def _unzip(self) -> None:
        with reading(self.path):
            self.zip = zipfile.ZipFile(self.path)
        self.names = sorted(
            entry.filename for entry in self.zip.infolist() if not entry.is_dir() and _is_seen(entry.filename)
        )
        if "[Content_Types].xml" in self.names:
            raise LogError(f"{self.path}: a document of an office program; save its table as CSV")
        locked = [entry.filename for entry in self.zip.infolist() if entry.flag_bits & 1]
        if locked:
            raise LogError(f"{self.path}: {locked[0]} is encrypted; unpack it first")

    def find(self, *patterns: str) -> list[str]:
        """Names whose last part, or last parts for a pattern with /, match one of the shell patterns, in order."""
        return _matching(self.names, patterns)

    def tables(self) -> list[str]:
        """Names of the files of a table: the only file, all named files, or those with a suffix of TABLES."""
        return self.names if len(self.names) == 1 or self.is_named else _tables(self.names)

    def unread(self) -> list[str]:
        """Names of the files in the folders that are no tables, and are left out of `tables`."""
        return self._left if len(self.names) == 1 or self.is_named else _unread(self.names)

    def one(self, *patterns: str) -> str:
        """The only name that matches; LogError for none or several."""
        found = self.find(*patterns)
        if len(found) != 1:
            what = f"several files match ({shown(found)})" if found else "there is no file"
            raise LogError(f"{self.path}: {what}; one named {' or '.join(patterns)} is needed")
        return found[0]

    def open(self, name: str) -> Any:
        """Arrow stream of a file, decompressed by the suffix of its name."""
        with reading(name):
            source = str(self._local(name)) if self.zip is None else self.zip.open(name)
            return pa.input_stream(source, compression=COMPRESSION.get(Path(name).suffix.lower()))

    def seekable(self, name: str) -> Any:
        """Arrow file with random access."""
        with reading(name):
            return (
                pa.OSFile(str(self._local(name)))
                if self.zip is None
                else pa.BufferReader(self.zip.read(name))
            )

    def _local(self, name: str) -> Path:
        return self.path / name if self.path.is_dir() else self.path


def first_text(files: Files, name: str) -> str:
    """First line of a file, at most MAX_FIRST_BYTES of it; "" for a file that cannot be read."""
    try:
        with reading(name), files.open(name) as stream:
            return bytes(stream.read(MAX_FIRST_BYTES)).partition(b"\n")[0].decode("utf-8-sig", "replace")
    except LogError:
        return ""


def _matching(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    return [name for name in names if any(_ends_as(name, each) for each in patterns)]


def _ends_as(name: str, pattern: str) -> bool:
    parts = pattern.count("/") + 1
    return fnmatch("/".join(name.split("/")[-parts:]), pattern)


def _tables(names: Sequence[str]) -> list[str]:
    """Names of tables and of JSON lines, as A.CSV; names that start with _ are metadata of writers such as Spark."""
    kept = [name for name in names if not re.search("(^|/)_", name)]
    return [name for name in kept if _matching([name.lower()], (*TABLES, *JSON_LINES))]


def _unread(names: Sequence[str]) -> list[str]:
    """Names that `_tables` leaves out, without the metadata of writers that are no tables."""
    read = {*_tables(names)}
    return [
        name
        for name in names
        if name not in read and (not re.search("(^|/)_", name) or _matching([name], (*TABLES, *JSON_LINES)))
    ]


def _several(paths: Sequence[Path]) -> tuple[Path, list[str], list[str]]:
    """Common folder of the files, and of the tables in the folders; their names in it; and names that are left out."""
    files: list[Path] = []
    left: list[str] = []
    for path in paths:
        if not is_folder(path):
            if zipfile.is_zipfile(path):
                raise LogError(f"{path}: a zip must be the only path; unpack it")
            files.append(path.absolute())
            continue
        found, rest = _tables(names := _inside(path)), _unread(names)
        if not found:
            raise LogError(f"{path}: there is no table in this folder ({', '.join(TABLES)})")
        files += [path.absolute() / name for name in found]
        left += [f"{path.name}/{name}" for name in rest]
    twice = [file for k, file in enumerate(files) if file in files[:k]]
    if twice:
        raise LogError(f"{twice[0]}: is given twice")
    root = Path(os.path.commonpath([file.parent for file in files]))
    return root, [file.relative_to(root).as_posix() for file in files], left


def _is_seen(name: str) -> bool:
    parts = name.split("/")
    return "__MACOSX" not in parts and not any(part.startswith(".") for part in parts)


def _inside(folder: Path) -> list[str]:
    """Sorted relative names of the regular files in a folder that are not hidden; each folder is searched once."""
    found: list[str] = []
    seen: set[str] = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        inner = Path(place).relative_to(folder)
        is_new = os.path.realpath(place) not in seen and len(inner.parts) < MAX_FOLDER_DEPTH
        seen.add(os.path.realpath(place))
        folders[:] = sorted(each for each in folders if is_new and _is_seen(each))
        if is_new:
            found += [
                (inner / file).as_posix()
                for file in files
                if _is_seen(file) and (Path(place) / file).is_file()
            ]
        if len(found) > MAX_FILES:
            raise LogError(f"{folder}: more than {MAX_FILES:,} files; name the folder of the log")
    return sorted(found)


def folder_columns(name: str) -> dict[str, str | None]:
    """Columns in the names of the folders of a file, as Hive, Spark and DuckDB write them."""
    parts = (part.partition("=") for part in name.split("/")[:-1])
    return {key: None if value == HIVE_NULL else unquote(value) for key, equals, value in parts if equals}
