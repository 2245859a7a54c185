"""One thread for small matrices, so that results do not depend on the number of cores or on other processes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import threadpool_limits


@contextmanager
def one_thread() -> Iterator[None]:
    """Limits BLAS, and torch where it is loaded, to one thread.

    Two threads gain nothing on small networks; on a busy machine each waits for the other, and a training takes many
    times as long.
    """
    torch: Any = sys.modules.get("torch")
    before = 1 if torch is None else torch.get_num_threads()
    try:
        if torch is not None:
            torch.set_num_threads(1)
        with threadpool_limits(limits=1, user_api="blas"):
            yield
    finally:
        if torch is not None:
            torch.set_num_threads(before)
