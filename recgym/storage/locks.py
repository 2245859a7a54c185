"""Hidden names of unfinished files and folders, and the locks by which their writers hold them.

The name of an unfinished file or folder is `.NAME.tmp-XXXXXXXX`, in the folder of NAME. Its writer holds a lock on it.
The lock ends with the process, so that the next writer of the same name recognises and removes what a dead process
left. On a system without file locks it is never removed.
"""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from recgym.checks import stated_path, words, words_or_none

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # typeshed: a module is never None

HIDDEN_NAME = re.compile(r"\..+\.(tmp|old)-[0-9a-f]{8}")


def hidden_path(path: Path, kind: str = "tmp") -> Path:
    """A new hidden name in the folder of `path`."""
    return path.parent / f".{path.name}.{kind}-{secrets.token_hex(4)}"


class LocksUnsupportedError(OSError):
    """The system, or the file system, has no file locks."""


def hold(path: Path, flags: int = os.O_RDONLY) -> int | None:
    """Descriptor that locks the file or folder at `path` until it is closed; None if another process holds it."""
    if fcntl is None:
        raise LocksUnsupportedError
    while True:
        handle = os.open(path, flags, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle), os.stat(path)):
                return handle
            os.close(handle)  # replaced in the meantime
        except FileNotFoundError:
            os.close(handle)  # removed before the lock was acquired
        except BlockingIOError:
            os.close(handle)
            return None
        except OSError as error:
            os.close(handle)
            raise LocksUnsupportedError from error


def new_folder(folder: Path) -> tuple[Path, int | None]:
    """New hidden folder beside `folder`, and the descriptor of its lock (None without file locks)."""
    while True:
        work = hidden_path(folder)
        work.mkdir()
        with suppress(FileNotFoundError):  # a sweep has removed it
            try:
                handle = hold(work)
            except LocksUnsupportedError:
                return work, None
            if handle is not None:
                return work, handle


def new_file(path: Path) -> tuple[Path, int]:
    """New hidden file beside `path`, and its descriptor, which holds its lock."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    while True:
        work = hidden_path(path)
        try:
            handle = hold(work, flags)
        except LocksUnsupportedError:
            work.unlink(missing_ok=True)
            return work, os.open(work, flags, 0o666)
        if handle is not None:
            return work, handle


def delete(path: Path) -> None:
    """Delete a file or a folder; errors are ignored."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def sweep(parent: str | Path, name: str | None = None) -> int:
    """Remove what dead writers of `name` (None: of any name) left in `parent`; returns the number of entries."""
    parent, removed = stated_path(parent, "parent"), 0
    words_or_none(name, "name")
    entries = list(parent.iterdir()) if parent.is_dir() else []
    for left in entries:
        if not HIDDEN_NAME.fullmatch(left.name) or (name is not None and left.name[1:-13] != name):
            continue
        place = parent / left.name[1:-13]
        if left.name[-13:].startswith(".old") and not place.exists():
            left.rename(place)  # the writer died between two renames
            continue
        handle = None
        with suppress(OSError):
            handle = hold(left)
        if handle is not None:
            delete(left)
            os.close(handle)
            removed += 1
    return removed


def is_vacant(folder: str | Path) -> bool:
    """Whether `folder` does not exist, or is empty except for unfinished files."""
    folder = stated_path(folder)
    return not os.path.lexists(folder) or (
        folder.is_dir() and all(HIDDEN_NAME.fullmatch(entry.name) for entry in folder.iterdir())
    )


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Puts the system's reason and `path`, or a file below it, into an OSError; hidden names are replaced."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        hidden = rf"\.{re.escape(path.name)}\.(lock|(tmp|old)-[0-9a-f]{{8}})"
        place = re.sub(hidden, lambda _: path.name, os.fsdecode(error.filename or path))
        raise OSError(error.errno, os.strerror(error.errno), place) from error


@contextmanager
def parents_made(path: str | Path) -> Iterator[None]:
    """Makes the parents of `path`; if the block fails, those that it made and that are empty are removed."""
    path = stated_path(path, "path")
    absent = [parent for parent in path.parents if not parent.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for parent in absent:
            with suppress(OSError):
                parent.rmdir()
        raise


@contextmanager
def locked(folder: str | Path, message: str) -> Iterator[None]:
    """Hold the name `folder`, which need not exist, until the block or the process ends.

    Raises ValueError with `message` if another process holds it. Without file locks nothing is held.
    """
    folder = stated_path(folder).resolve()
    words(message, "message")
    path = folder.parent / f".{folder.name}.lock"
    with parents_made(folder):
        try:
            with named(folder):
                handle = hold(path, os.O_RDWR | os.O_CREAT)
        except LocksUnsupportedError:
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
