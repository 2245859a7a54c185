"""One thread for small matrices, so that results do not depend on the number of cores or on other processes.

Two threads gain nothing there; on a busy machine each waits for the other, and work takes many times as long.
"""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numba


@contextmanager
def one_thread(*modules: str) -> Iterator[None]:
    """Limits BLAS, OpenMP, and torch where it is loaded, to one thread; a context, or a decorator of a function.

    Args:
        modules: are loaded first, since only libraries that are loaded are limited.
    """
    from threadpoolctl import threadpool_limits

    for name in modules:
        importlib.import_module(name)
    torch: Any = sys.modules.get("torch")
    before = 1 if torch is None else torch.get_num_threads()
    try:
        if torch is not None:
            torch.set_num_threads(1)
        with threadpool_limits(limits=1):
            yield
    finally:
        if torch is not None:
            torch.set_num_threads(before)


def start_numba_threads() -> None:
    """Starts numba's threads, and leaves other libraries as many threads as they had.

    numba (0.68) sets the one number that OpenMP has for all its users in a thread, PyTorch among them, to that of its
    own threads: a process with OMP_NUM_THREADS=1 would then train on all cores.
    """
    with suppress(ImportError):  # another threading layer
        importlib.import_module("numba.np.ufunc.omppool")  # loads OpenMP, so that its number is known
    with one_thread():
        numba.get_num_threads()
