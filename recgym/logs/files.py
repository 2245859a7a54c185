"""The files of a log, a folder, a zip, one file or several, as names that can be searched and opened."""

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

import pyarrow as pa

from recgym.logs.problems import LogError, shown

Place = str | PathLike[str]
PACKED = {"": None, ".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}  # ending of a name -> how it is packed
TABLES = ("*.parquet", "*.pq", *(f"*.{kind}{ending}" for kind in ("csv", "tsv") for ending in PACKED))
DATA = (*TABLES, "*.dat", "*.data", "*.jsonl")
MOST_LEVELS, MOST_FILES = 8, 100_000  # of a folder
FAILURES = (
    pa.ArrowException,
    OSError,
    EOFError,
    zlib.error,
    zipfile.BadZipFile,
    NotImplementedError,  # a zip packed in a way that Python does not know
    UnicodeError,
)


@contextmanager
def reading(name: object, what: str = "cannot be read") -> Iterator[None]:
    """What a library raises about a file that is read becomes a LogError that names it, in one line."""
    try:
        yield
    except FAILURES as error:
        words = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
        raise LogError(f"{name}: {what}: {' '.join(words.split())}") from error


def is_folder(path: Path) -> bool:
    """Whether the path is a folder or a regular file; LogError where it is neither."""
    with reading(path):
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            raise LogError(f"{path}: there is no such file or folder") from None
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise LogError(f"{path}: a file or a folder is needed; it is a pipe or a device")
    return stat.S_ISDIR(mode)


class Files:
    """A folder, a zip, a single file or several of them, as names that can be searched and opened.

    Hidden files are left out. A folder with one zip and no data beside it is that zip. Raises LogError for what is
    not there, and for a pipe or a device.
    """

    def __init__(self, path: Place | Sequence[Place]):
        self.zip: zipfile.ZipFile | None = None
        paths = [Path(path)] if isinstance(path, str | PathLike) else [Path(each) for each in path]
        if not paths:
            raise LogError("a log needs at least one file")
        self.is_named = len(paths) > 1  # each file by the caller, not found in a folder or zip
        if self.is_named:
            self.path, self.names = _several(paths)
            return
        self.path = paths[0]
        if is_folder(self.path):
            self.names = _inside(self.path)
            zips = [name for name in self.names if fnmatch(name, "*.zip") and "/" not in name]
            if len(zips) == 1 and not self.find(*DATA):
                self.path /= zips[0]  # a folder around a zip, as data sets are often kept
        else:
            self.names = [self.path.name]
        if self.path.is_dir():
            return
        if zipfile.is_zipfile(self.path):
            self._unzip()
        elif self.path.suffix == ".zip":
            raise LogError(f"{self.path}: no zip, or not the whole of one")

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
        """Names whose last part matches a shell pattern, in order."""
        return _matching(self.names, patterns)

    def tables(self) -> list[str]:
        """Names of the files of a table: the only file, all that were named, or those that look like tables."""
        return self.names if len(self.names) == 1 or self.is_named else _tables(self.names)

    def one(self, *patterns: str) -> str:
        """The single name that matches; LogError where there is none, or more than one."""
        found = self.find(*patterns)
        if len(found) != 1:
            what = f"several files match ({shown(found)})" if found else "there is no file"
            raise LogError(f"{self.path}: {what}; one named {' or '.join(patterns)} is needed")
        return found[0]

    def open(self, name: str) -> Any:
        """The bytes of a file as an Arrow stream, unpacked where its name says that it is packed."""
        with reading(name):
            source = str(self._local(name)) if self.zip is None else self.zip.open(name)
            return pa.input_stream(source, compression=PACKED.get(Path(name).suffix))

    def seekable(self, name: str) -> Any:
        """The bytes of a file as an Arrow file that can be read anywhere."""
        with reading(name):
            return (
                pa.OSFile(str(self._local(name)))
                if self.zip is None
                else pa.BufferReader(self.zip.read(name))
            )

    def _local(self, name: str) -> Path:
        return self.path / name if self.path.is_dir() else self.path


def _matching(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    bases = [name.rpartition("/")[2] for name in names]
    return [
        name for name, base in zip(names, bases, strict=True) if any(fnmatch(base, each) for each in patterns)
    ]


def _tables(names: Sequence[str]) -> list[str]:
    """Those that look like a part of a table; writers of folders put their own notes under names with a _."""
    return [name for name in _matching(names, TABLES) if not re.search("(^|/)_", name)]


def _several(paths: Sequence[Path]) -> tuple[Path, list[str]]:
    """The folder around all of these files, and tables of these folders, and their names in it."""
    files: list[Path] = []
    for path in paths:
        if not is_folder(path):
            if zipfile.is_zipfile(path):
                raise LogError(f"{path}: of several paths none may be a zip; unpack it")
            files.append(path.absolute())
            continue
        found = _tables(_inside(path))
        if not found:
            raise LogError(f"{path}: there is no table in this folder ({', '.join(TABLES)})")
        files += [path.absolute() / name for name in found]
    twice = [file for k, file in enumerate(files) if file in files[:k]]
    if twice:
        raise LogError(f"{twice[0]}: is given twice")
    root = Path(os.path.commonpath([file.parent for file in files]))
    return root, [file.relative_to(root).as_posix() for file in files]


def _is_seen(name: str) -> bool:
    parts = name.split("/")
    return "__MACOSX" not in parts and not any(part.startswith(".") for part in parts)


def _inside(folder: Path) -> list[str]:
    """Relative names of the regular files in a folder that are not hidden, sorted; each folder once."""
    found: list[str] = []
    seen: set[str] = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        inner = Path(place).relative_to(folder)
        is_new = os.path.realpath(place) not in seen and len(inner.parts) < MOST_LEVELS
        seen.add(os.path.realpath(place))
        folders[:] = sorted(each for each in folders if is_new and _is_seen(each))
        if is_new:
            found += [
                (inner / file).as_posix()
                for file in files
                if _is_seen(file) and (Path(place) / file).is_file()
            ]
        if len(found) > MOST_FILES:
            raise LogError(f"{folder}: more than {MOST_FILES:,} files; name the folder of the log")
    return sorted(found)
