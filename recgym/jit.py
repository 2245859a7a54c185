"""A typed `njit`: it keeps the signature of the function that it compiles, and caches machine code on disk.

It works around three properties of numba. The cache notices an edit in the file of a function, but not in the file of a
function that is called; so the folder of the cache is named by a hash of all files with compiled code, and of the
versions of numba and numpy. The cache is filed by the path of the source, so that each virtual environment would
compile again; here it is filed by module, and the key of numba has the Python version and the CPU. A process that
forks after a threaded kernel hangs or dies (OpenMP); so kernels are serial unless they have `parallel=True`.

A process that compiles prints one line on stderr; its worker processes do not.

Environment variables: RECGYM_CACHE is the folder of the cache (default: the user's cache folder);
NUMBA_DISABLE_JIT=1 and NUMBA_ENABLE_CUDASIM=1 are numba's own: plain Python, and CUDA devices simulated on the CPU.
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

# Limit of NUMBA_NUM_THREADS or of the machine. numba.get_num_threads() would start the thread pool, which gives every
# library on OpenMP, PyTorch among them, as many threads, whatever OMP_NUM_THREADS is.
MAX_THREADS: int = _numba.config.NUMBA_NUM_THREADS

IS_COMPILED: bool = hasattr(_numba.njit(lambda: None), "enable_caching")  # else functions are plain Python

IS_SIMULATED: bool = bool(_numba.config.ENABLE_CUDASIM)  # CUDA devices


def _compiled_sources() -> list[Path]:
    package = Path(__file__).parent
    return [
        package / "jit.py",
        package / "observation.py",
        package / "rng.py",
        *sorted((package / "sim").glob("*.py")),
    ]


def _roots() -> Iterator[Path]:
    """Folders for the cache, best first: RECGYM_CACHE or that of the user, then a private temporary one."""
    with contextlib.suppress(RuntimeError):  # no home
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        yield Path(os.environ.get("RECGYM_CACHE") or Path(home) / "recgym").expanduser().absolute()
    yield Path(tempfile.gettempdir()) / f"recgym-{os.getuid() if hasattr(os, 'getuid') else 0}"


def _is_usable(folder: Path) -> bool:
    """Whether files can be written there; a temporary folder must also belong to this user."""
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
    """Folder of the machine code of this version, created if absent; None if none can be written."""
    digest = hashlib.sha256(f"{numba.__version__} {np.__version__}".encode())
    for source in _compiled_sources():
        digest.update(source.read_bytes())
    for root in _roots():
        if _is_usable(folder := root / f"numba-{digest.hexdigest()[:16]}"):
            return folder
    return None


_FOLDER = cache_folder()


def _say(line: str) -> None:
    """Print a line on stderr, unless this is a worker process."""
    if multiprocessing.parent_process() is None:
        with contextlib.suppress(OSError, ValueError):  # closed
            print(f"recgym: {line}", file=sys.stderr, flush=True)


class _Notice(event.Listener):
    """Prints a line when the first kernel is compiled."""

    is_said = False

    def on_start(self, event: Any) -> None:
        """Called before a kernel is compiled."""
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
        _say(f"compiling, kept for the next time (up to half a minute){where}")

    def on_end(self, event: Any) -> None:
        """Called after a kernel was compiled."""


event.register("numba:compile", _Notice())


class _Locator(caching.UserProvidedCacheLocator):
    """Folder of a function's machine code: by module, independent of the folder of the installation."""

    def __init__(self, py_func: Any, py_file: str) -> None:
        self._py_file = py_file
        self._lineno = py_func.__code__.co_firstlineno
        self._cache_path = str((_FOLDER or Path()) / py_func.__module__)

    def get_source_stamp(self) -> str:
        """Digest of the source, because copies of a file have different times."""
        return hashlib.sha256(Path(self._py_file).read_bytes()).hexdigest()

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Any:
        """The locator of a function."""
        found = cls(py_func, py_file)
        found.ensure_cache_path()
        return found


class _Files(caching.CompileResultCacheImpl):
    _locator_classes = [_Locator]  # noqa: RUF012  # numba declares it so


class _InnerLocator(_Locator):
    """Folder of the code that compiled functions call."""

    def __init__(self, py_func: Any, py_file: str) -> None:
        super().__init__(py_func, py_file)
        self._cache_path += ".inner"


class _InnerFiles(_Files):
    _locator_classes = [_InnerLocator]  # noqa: RUF012  # numba declares it so


class _Cache(caching.FunctionCache):
    """Cache of numba. A file that cannot be read is compiled again; one that cannot be written is left out."""

    _impl_class = _Files
    has_room = True  # of all kernels of this process

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The kernel of a signature, None if it is absent or damaged."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # whatever half a pickle raises
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write a kernel, unless the disk is full."""
        if not _Cache.has_room:
            return
        try:
            super().save_overload(sig, data)
        except OSError as error:
            _Cache.has_room = False
            _say(f"compiled code is not kept: {self.cache_path}: {error.strerror}")


class _InnerCache(_Cache):
    _impl_class = _InnerFiles


def njit(*, parallel: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Compile at the first call; without JIT the function is returned as it is.

    No fastmath, so that a row has the same result in every batch. Division is that of numpy (inf, no exception).
    Kernels allocate nothing, so reference counting is off: with it, passing tuples of arrays between functions took
    twenty times as long as the arithmetic. Threaded kernels need it. No kernel is a callback of C, so that no wrapper
    for that is compiled.

    Compiled functions call a twin that Python cannot call: to take seventy arrays out of Python's objects is 40 % of
    the time to compile, and most functions are never called so.
    """

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        options = {"error_model": "numpy", "parallel": parallel, "nogil": True, "_nrt": parallel}
        options |= {"forceinline": True, "no_cfunc_wrapper": True}
        compiled: Any = _numba.njit(**options)(function)
        if not hasattr(compiled, "enable_caching"):  # plain Python
            return function
        inner: Any = _numba.njit(**options, no_cpython_wrapper=True)(function)
        if _FOLDER is not None:
            compiled._cache, inner._cache = _Cache(function), _InnerCache(function)
        compiled.get_call_template, compiled.get_overload = inner.get_call_template, inner.get_overload
        kept: Callable[P, R] = compiled
        return kept

    return wrap
