"""Slates at random.

Axes: B sessions, K slate positions.
"""

import numpy as np
from numpy.typing import NDArray

from recgym.jit import njit
from recgym.rng import POLICY, uniform
from recgym.sim.engine import Engine
from recgym.sim.state import Sessions, Slates


def random_policy(
    engine: Engine, items: NDArray[np.int64] | None = None
) -> tuple[Slates, NDArray[np.float64]]:
    """Slates (B, K) uniform over all items, or over `items` (n,), without repeats, and their propensities (B, K)."""
    num_items, slots = engine.world.num_items if items is None else len(items), engine.slate_size
    slate = np.zeros((engine.num, slots), np.int64)
    _uniform_slates(engine.sessions, num_items, slate)
    slate = slate if items is None else items[slate]
    return slate, np.tile(1.0 / (num_items - np.arange(slots)), (engine.num, 1))


@njit()
def _uniform_slates(s: Sessions, num_items: int, slate: Slates) -> None:
    for b in range(slate.shape[0]):
        for k in range(slate.shape[1]):
            # draw the rank of the item among those that are not above, then find it
            rank = int(uniform(s.key[b], s.step[b], POLICY, k) * (num_items - k))
            item = -1
            while rank >= 0:
                item += 1
                free = True
                for above in range(k):
                    if slate[b, above] == item:
                        free = False
                        break
                if free:
                    rank -= 1
            slate[b, k] = item
