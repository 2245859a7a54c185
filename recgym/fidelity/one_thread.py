"""One OpenMP thread for boosted trees.

The tables are small: on a busy machine the threads of scikit-learn wait for one another much longer than one works.
"""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Limits the threads of scikit-learn to one inside the context, or in a function that it decorates."""
    import sklearn.ensemble  # noqa: F401 - only libraries that are loaded are limited
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield
