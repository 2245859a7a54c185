"""Atomic writing of files and folders: a killed process or a stopped machine leaves the old one or the new one.

Unfinished files and folders have hidden names and locks, see `recgym.storage.locks`.
"""

import ctypes
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recgym.checks import as_numbers, flag, quoted, require_mapping, stated_path, whole_number, words
from recgym.storage.locks import (
    HIDDEN_NAME,
    delete,
    hidden_path,
    named,
    new_file,
    new_folder,
    parents_made,
    sweep,
)
from recgym.storage.read import MANIFEST, Stored

if TYPE_CHECKING:
    from numpy.typing import NDArray


def _sync(path: Path) -> None:
    """Flush a file, or the entries of a folder, to the disk."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names atomically; False on a system that cannot."""
    libc = ctypes.CDLL(None, use_errno=True) if os.name != "nt" else None
    first, second = os.fsencode(one), os.fsencode(other)
    if sys.platform == "darwin" and hasattr(libc, "renamex_np"):
        return bool(libc.renamex_np(first, second, 2) == 0)  # type: ignore[union-attr]  # RENAME_SWAP
    if hasattr(libc, "renameat2"):
        here = -100  # AT_FDCWD
        return bool(libc.renameat2(here, first, here, second, 2) == 0)  # type: ignore[union-attr]  # RENAME_EXCHANGE
    return False


def outer_folder(folder: str | Path) -> Path | None:
    """The stored world, log or agent that a folder lies in, None for none."""
    marks = ("world.json", "meta.json", "agent.json", "training.json")
    return next(
        (
            each
            for each in stated_path(folder).resolve().parents
            if (each / MANIFEST).is_file() and any((each / mark).is_file() for mark in marks)
        ),
        None,
    )


@contextmanager
def whole_folder(folder: str | Path, *, drop: Sequence[str] = (), is_part: bool = False) -> Iterator[Path]:
    """Context of a hidden folder that becomes `folder`, with checksums, at the end of the block; removed on an error.

    Of an existing folder, the entries in its SHA256SUMS and those in `drop` are replaced; other entries (a licence) are
    kept. At any time either the old or the new folder is there, complete. `is_part`: it may be in a stored folder.

    Raises:
        ValueError: `folder` is no path, a file, inside another stored folder, or contains the working folder.
        OSError: it cannot be written; the error names `folder`.
    """
    folder = stated_path(folder).resolve()
    if not isinstance(drop, list | tuple):
        raise ValueError(f"drop is {quoted(drop)}, expected names of files")
    dropped = tuple(words(name, "a name in drop") for name in drop)
    if os.path.lexists(folder) and not folder.is_dir():
        raise ValueError(f"{folder} is a file, not a folder")
    if Path.cwd().is_relative_to(folder):
        raise ValueError(f"{folder} is or contains the working folder, expected a folder inside it")
    outer = None if flag("is_part", is_part) else outer_folder(folder)
    if outer is not None:
        raise ValueError(f"{folder} is inside {outer}, a stored folder, expected one beside it")
    with named(folder), parents_made(folder):
        sweep(folder.parent, folder.name)
        work, handle = new_folder(folder)
        try:
            yield work
            _finish(work, folder, dropped)
        finally:
            delete(work)  # after an exchange: the old folder
            if handle is not None:
                os.close(handle)


def _finish(work: Path, folder: Path, drop: tuple[str, ...]) -> None:
    write_manifest(work)
    for place, _, files in os.walk(work):
        for name in files:
            _sync(Path(place) / name)
        _sync(Path(place))
    if not folder.is_dir():
        work.rename(folder)
    else:
        _take_along(folder, work, drop)
        if not _exchange(work, folder):
            _rename_twice(work, folder)
    _sync(folder.parent)


def _rename_twice(new: Path, folder: Path) -> None:
    """Replacement for `_exchange`; after a kill between the two renames, `sweep` restores the old folder."""
    old = hidden_path(folder, "old")
    folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    delete(old)


def _take_along(old: Path, new: Path, drop: tuple[str, ...]) -> None:
    """Link entries of `old` that this package did not write into `new`."""
    try:
        listed = Stored(old, "folder").digests or {}
    except ValueError:
        listed = {}
    ours = {name.split("/")[0] for name in listed} | {MANIFEST, *drop}
    for entry in old.iterdir():
        target = new / entry.name
        if entry.name in ours or os.path.lexists(target) or HIDDEN_NAME.fullmatch(entry.name):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.copytree(entry, target, symlinks=True, copy_function=_link)
        else:
            _link(str(entry), str(target))


def _link(source: str, target: str) -> None:
    """Hard link of a file, or a copy on a file system without hard links."""
    try:
        os.link(source, target, follow_symlinks=False)
    except (OSError, NotImplementedError):
        shutil.copy2(source, target, follow_symlinks=False)


def write_file(path: str | Path, data: bytes | str) -> Path:
    """Write or replace one file (text as UTF-8) atomically."""
    path = stated_path(path, "path").resolve()
    write_files({path: data})
    return path


def write_files(files: Mapping[Path, bytes | str]) -> None:
    """Write or replace several files; if one cannot be written (a full disk), none is replaced."""
    require_mapping(files, "files")
    places = {stated_path(path, "a path in files").resolve(): data for path, data in files.items()}
    for path, data in places.items():
        if not isinstance(data, bytes | str):
            raise ValueError(f"data of {path} is {quoted(data)}, expected bytes or a text")
    with ExitStack() as stack:
        ready = [stack.enter_context(_beside(path, data)) for path, data in places.items()]
        for work, path in ready:
            os.replace(work, path)
            _sync(path.parent)


@contextmanager
def _beside(path: Path, data: bytes | str) -> Iterator[tuple[Path, Path]]:
    """Context of a hidden file with the data, flushed to the disk, and its destination; removed unless renamed."""
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is not a regular file")
    sweep(path.parent, path.name)
    with named(path):
        work, handle = new_file(path)
    try:
        with named(path), os.fdopen(handle, "wb") as file:
            if path.exists():
                work.chmod(path.stat().st_mode)
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
            yield work, path
    finally:
        with suppress(FileNotFoundError):
            work.unlink()


def remove(folder: str | Path) -> None:
    """Remove a folder atomically: a killed process leaves the complete folder or none under its name."""
    folder = stated_path(folder)
    hidden = hidden_path(folder)
    with suppress(FileNotFoundError):
        folder.rename(hidden)
        delete(hidden)


def write_json(path: str | Path, value: Any, *, indent: int | None = 1) -> None:
    """Write JSON and a newline, in an unfinished folder; ValueError for a value that JSON does not have."""
    path = stated_path(path, "path")
    try:
        text = json.dumps(value, indent=None if indent is None else whole_number(indent, "indent", 0, 99))
    except (TypeError, RecursionError) as error:
        raise ValueError(f"{path} is to hold {quoted(value)}, which is no JSON: {error}") from None
    path.write_text(text + "\n", encoding="utf-8")


def write_arrays(path: str | Path, arrays: "Mapping[str, NDArray[Any]]") -> None:
    """Write a safetensors file, in an unfinished folder; OSError if the disk is full."""
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    path = stated_path(path, "path")
    require_mapping(arrays, "arrays")
    found = {words(name, "a name in arrays"): as_numbers(array, name) for name, array in arrays.items()}
    try:
        path.touch()
        mode = path.stat().st_mode
        save_file({name: np.asarray(array, order="C") for name, array in found.items()}, path)
        path.chmod(mode)  # save_file lets only the owner read it
    except SafetensorError as error:
        if number := re.search(r"\(os error (\d+)\)", str(error)):
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from None
        raise OSError(f"{path} cannot be written: {error}") from None


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with stated_path(path, "path").open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: str | Path) -> None:
    """Write SHA256SUMS of all files in an unfinished folder and its subfolders."""
    folder = stated_path(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)
    lines = [f"{file_sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    (folder / MANIFEST).write_text("".join(lines), encoding="utf-8")
