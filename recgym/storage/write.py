"""Writing folders and files whole or not at all, also where the process is killed or the machine stops.

What is not whole yet is hidden beside its place, `.NAME.tmp-XXXXXXXX`, and locked by its writer; a lock dies with
its process, so that the next writer of the same name knows what a dead one left, and removes it. (Where the system
has no file locks, left-overs stay.)
"""

import ctypes
import hashlib
import json
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recgym.storage.read import MANIFEST, Stored

if TYPE_CHECKING:
    from numpy.typing import NDArray

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # typeshed: a module is never None

_HIDDEN = re.compile(r"\..+\.(tmp|old)-[0-9a-f]{8}")
_FOLDER = getattr(os, "O_DIRECTORY", 0)


def _hidden(path: Path, kind: str = "tmp") -> Path:
    return path.parent / f".{path.name}.{kind}-{secrets.token_hex(4)}"


class _NoLocks(OSError):
    """The system, or the file system, knows no file locks."""


def _hold(path: Path, flags: int = os.O_RDONLY) -> int | None:
    """A descriptor that locks what is at `path` until it is closed; None where a living process holds it."""
    if fcntl is None:
        raise _NoLocks
    while True:
        handle = os.open(path, flags, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle), os.stat(path)):
                return handle
            os.close(handle)  # another stands there by now
        except FileNotFoundError:
            os.close(handle)  # it was removed before we had the lock
        except BlockingIOError:
            os.close(handle)
            return None
        except OSError as error:
            os.close(handle)
            raise _NoLocks from error


def _new_folder(folder: Path) -> tuple[Path, int | None]:
    """A hidden folder beside `folder`, and what holds it."""
    while True:
        work = _hidden(folder)
        work.mkdir()
        with suppress(FileNotFoundError):  # a sweep was quicker
            try:
                handle = _hold(work)
            except _NoLocks:
                return work, None
            if handle is not None:
                return work, handle


def _new_file(path: Path) -> tuple[Path, int]:
    """A hidden file beside `path`, and its descriptor, which holds it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    while True:
        work = _hidden(path)
        try:
            handle = _hold(work, flags)
        except _NoLocks:
            work.unlink(missing_ok=True)
            return work, os.open(work, flags, 0o666)
        if handle is not None:
            return work, handle


def _sync(path: Path) -> None:
    """Bring a file or the names in a folder to the disk."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names at once; False where the system cannot."""
    libc = ctypes.CDLL(None, use_errno=True) if os.name != "nt" else None
    first, second = os.fsencode(one), os.fsencode(other)
    if sys.platform == "darwin" and hasattr(libc, "renamex_np"):
        return bool(libc.renamex_np(first, second, 2) == 0)  # type: ignore[union-attr]  # RENAME_SWAP
    if hasattr(libc, "renameat2"):
        here = -100  # AT_FDCWD
        return bool(libc.renameat2(here, first, here, second, 2) == 0)  # type: ignore[union-attr]  # RENAME_EXCHANGE
    return False


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def sweep(parent: Path, name: str | None = None) -> int:
    """Remove what dead writers of `name` (None: of any name) left half-written in `parent`; how many."""
    removed = 0
    entries = list(parent.iterdir()) if parent.is_dir() else []
    for left in entries:
        if not _HIDDEN.fullmatch(left.name) or (name is not None and left.name[1:-13] != name):
            continue
        place = parent / left.name[1:-13]
        if left.name[-13:].startswith(".old") and not place.exists():
            left.rename(place)  # the writer died between two renames
            continue
        handle = None
        with suppress(OSError):
            handle = _hold(left)
        if handle is not None:
            _delete(left)
            os.close(handle)
            removed += 1
    return removed


def is_vacant(folder: Path) -> bool:
    """Whether nothing is at `folder`, or a folder that is empty but for what dead writers left."""
    return not os.path.lexists(folder) or (
        folder.is_dir() and all(_HIDDEN.fullmatch(entry.name) for entry in folder.iterdir())
    )


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """An error of the system in its own words; it names `path`, or a file within, and never what is hidden beside."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        hidden = rf"\.{re.escape(path.name)}\.(tmp|old)-[0-9a-f]{{8}}"
        place = re.sub(hidden, lambda _: path.name, os.fsdecode(error.filename or path))
        raise OSError(error.errno, os.strerror(error.errno), place) from error


@contextmanager
def whole_folder(folder: str | Path, *, drop: tuple[str, ...] = ()) -> Iterator[Path]:
    """A hidden folder to fill; as the block ends it is at `folder`, checksums and all, or, where it fails, nowhere.

    Of a folder that is there, all that its own SHA256SUMS lists goes, and the names in `drop`; other entries (a
    licence) are kept. At every moment either the old folder or the new one is there, whole.
    """
    folder = Path(folder).resolve()
    if os.path.lexists(folder) and not folder.is_dir():
        raise ValueError(f"{folder} is a file, not a folder")
    if Path.cwd().is_relative_to(folder):
        raise ValueError(f"{folder} is, or holds, the working folder: name a folder inside it")
    with _named(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        sweep(folder.parent, folder.name)
        work, handle = _new_folder(folder)
    try:
        with _named(folder):
            yield work
            _finish(work, folder, drop)
    finally:
        _delete(work)  # after an exchange: the old folder
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
    """Where names cannot be exchanged: a kill between the renames leaves it to `sweep` to put the old one back."""
    old = _hidden(folder, "old")
    folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    _delete(old)


def _take_along(old: Path, new: Path, drop: tuple[str, ...]) -> None:
    """Link into `new` what others put into `old`."""
    try:
        listed = Stored(old, "folder").digests or {}
    except ValueError:
        listed = {}
    ours = {name.split("/")[0] for name in listed} | {MANIFEST, *drop}
    for entry in old.iterdir():
        target = new / entry.name
        if entry.name in ours or os.path.lexists(target) or _HIDDEN.fullmatch(entry.name):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.copytree(entry, target, symlinks=True, copy_function=_link)
        else:
            _link(str(entry), str(target))


def _link(source: str, target: str) -> None:
    """A second name of the same file, a copy where the file system has no such thing."""
    try:
        os.link(source, target, follow_symlinks=False)
    except (OSError, NotImplementedError):
        shutil.copy2(source, target, follow_symlinks=False)


def write_file(path: str | Path, data: bytes | str) -> Path:
    """Write one file (text as UTF-8) whole or not at all, in place of one that is there."""
    path = Path(path).resolve()
    write_files({path: data})
    return path


def write_files(files: Mapping[Path, bytes | str]) -> None:
    """The same of several files: where one fails (a full disk) all stay as they were."""
    with ExitStack() as stack:
        ready = [stack.enter_context(_beside(path.resolve(), data)) for path, data in files.items()]
        for work, path in ready:
            os.replace(work, path)
            _sync(path.parent)


@contextmanager
def _beside(path: Path, data: bytes | str) -> Iterator[tuple[Path, Path]]:
    """A hidden file that holds the data, on the disk, and the path that it is for; it goes unless it is renamed."""
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is no regular file")
    sweep(path.parent, path.name)
    with _named(path):
        work, handle = _new_file(path)
    try:
        with _named(path), os.fdopen(handle, "wb") as file:
            if path.exists():
                work.chmod(path.stat().st_mode)
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
            yield work, path
    finally:
        with suppress(FileNotFoundError):
            work.unlink()


def remove(folder: Path) -> None:
    """Remove a folder at once: killed, it leaves the whole folder or none under its name."""
    hidden = _hidden(folder)
    with suppress(FileNotFoundError):
        folder.rename(hidden)
        _delete(hidden)


@contextmanager
def locked(folder: str | Path, message: str) -> Iterator[None]:
    """Hold the name `folder`, which need not exist, until the block or the process ends.

    ValueError with `message` where another process holds it. Where the system has no file locks, nothing is held.
    """
    folder = Path(folder).resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    path = folder.parent / f".{folder.name}.lock"
    try:
        handle = _hold(path, os.O_RDWR | os.O_CREAT)
    except _NoLocks:
        yield
        return
    if handle is None:
        raise ValueError(message)
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()
        os.close(handle)


def write_json(path: Path, value: Any, *, indent: int | None = 1) -> None:
    """JSON and an end of line, for a folder that is not whole yet."""
    path.write_text(json.dumps(value, indent=indent) + "\n", encoding="utf-8")


def write_arrays(path: Path, arrays: "Mapping[str, NDArray[Any]]") -> None:
    """A safetensors file, for a folder that is not whole yet; OSError where the disk is full."""
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    try:
        path.touch()
        mode = path.stat().st_mode
        save_file({name: np.asarray(array, order="C") for name, array in arrays.items()}, path)
        path.chmod(mode)  # save_file gives it to its owner alone
    except SafetensorError as error:
        if number := re.search(r"\(os error (\d+)\)", str(error)):
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from None
        raise OSError(f"{path} cannot be written: {error}") from None


def file_sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path) -> None:
    """SHA256SUMS of all files in a folder and below, for one that is not whole yet."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)
    lines = [f"{file_sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    (folder / MANIFEST).write_text("".join(lines), encoding="utf-8")
