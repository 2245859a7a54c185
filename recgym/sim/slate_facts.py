"""Facts of one slate: empty positions, its number of items, and the item of the step.

Axes: B sessions, K slate positions.
"""

import numpy as np

from recgym.arrays import Bools, Ints
from recgym.jit import njit
from recgym.sim.state import Feedback, Slates


@njit()
def is_repeat(slate: Slates, b: int, k: int) -> bool:
    """Whether the item of position k is also at a position above."""
    for above in range(k):  # noqa: SIM110 - a generator does not compile
        if slate[b, above] == slate[b, k]:
            return True
    return False


def repeats(slates: Ints) -> Bools:
    """`is_repeat` of every position, (B, K)."""
    return np.asarray(np.tril(slates[:, :, None] == slates[:, None, :], -1).any(axis=2))


@njit()
def num_distinct(slate: Slates, b: int) -> int:
    """Number of items of a slate."""
    count = 0
    for k in range(slate.shape[1]):
        if not is_repeat(slate, b, k):
            count += 1
    return count


@njit()
def lead_position(slate: Slates, b: int, f: Feedback) -> int:
    """Position of the step's item: the first one with a response, else the top one."""
    for k in range(slate.shape[1]):
        if f.events[b, k] & 1:
            return k
    return 0
