"""One typed door to numba: `njit` keeps the signature of what it wraps, and caches machine code on disk.

Two facts of numba stand behind it. Its cache notices an edit in the file of a function but not in a file that the
function calls into, so the cache's folder is named by a hash of every file with compiled code. And a process that
forks after a threaded kernel hangs or dies (OpenMP), so kernels are serial unless they say `parallel=True`.

Environment variables: RECGYM_CACHE is the folder of the cache (default: the user's cache folder);
NUMBA_DISABLE_JIT=1 and NUMBA_ENABLE_CUDASIM=1 are numba's own and leave plain Python.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numba

P = ParamSpec("P")
R = TypeVar("R")

_numba: Any = numba  # its published types know neither `config`'s settings nor `_nrt`

# What NUMBA_NUM_THREADS or the machine allows. numba.get_num_threads() would start numba's pool to tell, and that gives
# every library on OpenMP as many threads, PyTorch among them, whatever OMP_NUM_THREADS says.
MAX_THREADS: int = _numba.config.NUMBA_NUM_THREADS


def _compiled_sources() -> list[Path]:
    package = Path(__file__).parent
    return [package / "jit.py", package / "rng.py", *sorted((package / "sim").glob("*.py"))]


def cache_folder() -> Path:
    """Folder of this version's machine code, made if absent; a temporary one where the user's is not writable."""
    digest = hashlib.sha256(numba.__version__.encode())
    for source in _compiled_sources():
        digest.update(source.read_bytes())
    name = f"numba-{digest.hexdigest()[:16]}"
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    root = Path(os.environ.get("RECGYM_CACHE") or Path(home) / "recgym")
    try:
        (root / name).mkdir(parents=True, exist_ok=True)
        if os.access(root / name, os.W_OK):
            return root / name
    except OSError:
        pass
    fallback = Path(tempfile.gettempdir()) / f"recgym-{os.getuid() if hasattr(os, 'getuid') else 0}" / name
    fallback.mkdir(parents=True, exist_ok=True)
    return fallback


_FOLDER = str(cache_folder())


def njit(*, parallel: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Compile at the first call; without JIT the function comes back as it is.

    No fastmath: a row must come out the same in every batch. Division follows numpy (inf, no exception). Kernels
    allocate nothing, so reference counting is off: with it, handing tuples of arrays from function to function cost
    twenty times what the arithmetic does. A threaded kernel needs it for its own book-keeping.
    """

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        before = _numba.config.CACHE_DIR
        _numba.config.CACHE_DIR = _FOLDER
        try:
            compiled: Callable[P, R] = _numba.njit(
                cache=True,
                error_model="numpy",
                parallel=parallel,
                nogil=True,
                forceinline=True,
                _nrt=parallel,
            )(function)
        finally:
            _numba.config.CACHE_DIR = before
        return compiled

    return wrap
