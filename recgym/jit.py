"""One typed door to numba: `njit` keeps the signature of what it wraps, and caches machine code on disk.

Three facts of numba are behind it. Its cache notices an edit in the file of a function but not in a file that the
function calls into, so the cache's folder is named by a hash of every file with compiled code, and of the versions of
numba and numpy. It files a function under the path of its source, so that each virtual environment would compile anew;
here it is filed under its module, and numba's own key adds the Python version and the CPU. And a process that forks
after a threaded kernel hangs or dies (OpenMP), so kernels are serial unless they say `parallel=True`.

A process that compiles says so once on stderr; workers that it started do not.

Environment variables: RECGYM_CACHE is the folder of the cache (default: the user's cache folder);
NUMBA_DISABLE_JIT=1 and NUMBA_ENABLE_CUDASIM=1 are numba's own and leave plain Python.
"""

import contextlib
import hashlib
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numba
import numpy as np
from numba.core import caching, event

P = ParamSpec("P")
R = TypeVar("R")

_numba: Any = numba  # its published types know neither `config`'s settings nor `_nrt`

# What NUMBA_NUM_THREADS or the machine allows. numba.get_num_threads() would start numba's pool to tell, and that gives
# every library on OpenMP as many threads, PyTorch among them, whatever OMP_NUM_THREADS says.
MAX_THREADS: int = _numba.config.NUMBA_NUM_THREADS


def _compiled_sources() -> list[Path]:
    package = Path(__file__).parent
    return [
        package / "jit.py",
        package / "observation.py",
        package / "rng.py",
        *sorted((package / "sim").glob("*.py")),
    ]


def _roots() -> Iterator[Path]:
    """Folders for the cache, best first: the named or the user's own, then a private temporary one."""
    with contextlib.suppress(RuntimeError):  # no home
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        yield Path(os.environ.get("RECGYM_CACHE") or Path(home) / "recgym").expanduser().absolute()
    yield Path(tempfile.gettempdir()) / f"recgym-{os.getuid() if hasattr(os, 'getuid') else 0}"


def _is_usable(folder: Path) -> bool:
    """Whether files can be written there; of a folder that anybody may have made, that it is this user's own."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.mkdir(exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
        about = folder.parent.stat()
    except OSError:
        return False
    is_shared = folder.parent.parent == Path(tempfile.gettempdir())
    return not is_shared or not hasattr(os, "getuid") or about.st_uid == os.getuid()


def cache_folder() -> Path | None:
    """Folder of this version's machine code, made if absent; None where none can be written."""
    digest = hashlib.sha256(f"{numba.__version__} {np.__version__}".encode())
    for source in _compiled_sources():
        digest.update(source.read_bytes())
    for root in _roots():
        if _is_usable(folder := root / f"numba-{digest.hexdigest()[:16]}"):
            return folder
    return None


_FOLDER = cache_folder()


def _say(line: str) -> None:
    """One line on stderr, unless this is a worker process."""
    if multiprocessing.parent_process() is None:
        with contextlib.suppress(OSError, ValueError):  # closed
            print(f"recgym: {line}", file=sys.stderr, flush=True)


class _Notice(event.Listener):
    """Says that kernels are compiled, when the first of them is."""

    is_said = False

    def on_start(self, event: Any) -> None:
        """One kernel's compilation begins."""
        package = event.data["dispatcher"].py_func.__module__.partition(".")[0]
        if self.is_said or package not in ("recgym", "agents"):
            return
        self.is_said = True
        best = next(_roots())
        where = ""
        if _FOLDER is None:
            where = f"; again at the next start, because {best} is not writable"
        elif best not in _FOLDER.parents:
            where = f"; kept in {_FOLDER.parent}, because {best} is not writable"
        _say(f"compiling, once on this machine (about half a minute){where}")

    def on_end(self, event: Any) -> None:
        """One kernel is compiled."""


event.register("numba:compile", _Notice())


class _Locator(caching.UserProvidedCacheLocator):
    """Where a function's machine code lies: under its module's name, whatever folder that was installed in."""

    def __init__(self, py_func: Any, py_file: str) -> None:
        self._py_file = py_file
        self._lineno = py_func.__code__.co_firstlineno
        self._cache_path = str((_FOLDER or Path()) / py_func.__module__)

    def get_source_stamp(self) -> str:
        """Digest of the source: an installed copy of the same file has another time."""
        return hashlib.sha256(Path(self._py_file).read_bytes()).hexdigest()

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Any:
        """The locator of a function."""
        found = cls(py_func, py_file)
        found.ensure_cache_path()
        return found


class _Files(caching.CompileResultCacheImpl):
    _locator_classes = [_Locator]  # noqa: RUF012  # numba declares it so


class _Cache(caching.FunctionCache):
    """Numba's cache; a file that cannot be read is compiled anew, one that cannot be written is done without."""

    _impl_class = _Files
    has_room = True  # of all kernels of this process

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The kernel for a signature, None where it is absent or damaged."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # whatever half a pickle raises
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a kernel, where the disk has room."""
        if not _Cache.has_room:
            return
        try:
            super().save_overload(sig, data)
        except OSError as error:
            _Cache.has_room = False
            _say(f"compiled code is not kept: {self.cache_path}: {error.strerror}")


def njit(*, parallel: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Compile at the first call; without JIT the function comes back as it is.

    No fastmath: a row must come out the same in every batch. Division follows numpy (inf, no exception). Kernels
    allocate nothing, so reference counting is off: with it, handing tuples of arrays from function to function cost
    twenty times what the arithmetic does. A threaded kernel needs it for its own book-keeping.
    """

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        compiled: Any = _numba.njit(
            error_model="numpy", parallel=parallel, nogil=True, forceinline=True, _nrt=parallel
        )(function)
        if _FOLDER is not None and hasattr(compiled, "enable_caching"):  # else plain Python
            compiled._cache = _Cache(function)
        kept: Callable[P, R] = compiled
        return kept

    return wrap
