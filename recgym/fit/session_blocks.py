"""Blocks of whole sessions, for passes over the rows of a large log."""

from collections.abc import Iterator

import numpy as np

from recgym.arrays import Ints


def session_blocks(first: Ints, rows: int, size: int) -> Iterator[tuple[slice, slice]]:
    """Sessions, by number of their first rows, and their rows: `size` of `rows`, or as many as the last has more."""
    begin = 0
    while begin < len(first):
        end = int(np.searchsorted(first, first[begin] + size))
        yield slice(begin, end), slice(int(first[begin]), int(first[end]) if end < len(first) else rows)
        begin = end
