"""The world's logging policy: who chose what the log shows, in a form that can be drawn from and gives propensities.

With probability `logged_stay` the next item comes from the category of the step before, else from the whole
catalogue; both by exposure. A slate is filled from the top without repeats: each position's propensity is the
probability of its item given the items above it (the whole slate's is their product).

Axes: B sessions, N items, K slate positions, C categories.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recgym.jit import njit
from recgym.rng import POLICY, uniform
from recgym.sim.engine import Engine
from recgym.sim.schema import Doubles, Ints, WorldArrays
from recgym.sim.session import draw
from recgym.sim.state import Sessions, Slates
from recgym.sim.world import World

_TRIES = 10_000  # draws of one position before the rest of the slate is filled from the top of the catalogue


class Shelves(NamedTuple):
    """The catalogue's exposure, whole and by category."""

    share: Doubles  # (N,) exposure
    cdf: Doubles  # (N,) cumulative
    order: Ints  # (N,) items sorted by category
    begin: Ints  # (C + 1,) where a category begins in `order`
    category_cdf: Doubles  # (N,) cumulative within a category, along `order`
    category_share: Doubles  # (C,)


def shelves(world: World) -> Shelves:
    """Prepare a world's exposure for drawing."""
    share, category = world.arrays.exposure, world.arrays.category
    order = np.argsort(category, kind="stable")
    begin = np.searchsorted(category[order], np.arange(len(world.categories) + 1))
    totals: Doubles = np.bincount(category, share, len(world.categories)).astype(np.float64)
    within = np.cumsum(share[order])
    for c, (low, high) in enumerate(pairwise(begin)):
        if totals[c] > 0.0:
            within[low:high] = np.cumsum(share[order[low:high]]) / totals[c]
            within[high - 1] = 1.0
    cdf = np.cumsum(share) / share.sum()
    cdf[-1] = 1.0
    return Shelves(share / share.sum(), cdf, order.astype(np.int32), begin.astype(np.int32), within, totals)


@njit()
def logged_slates(w: WorldArrays, s: Sessions, shelf: Shelves, slate: Slates, propensity: Doubles) -> None:
    """Fill `slate` and `propensity`, both (B, K), for the sessions as they stand."""
    slots = slate.shape[1]
    for b in range(slate.shape[0]):
        category = w.category[s.lead[b]] if s.lead[b] >= 0 else -1
        stay = w.logged_stay[0] if category >= 0 and shelf.category_share[category] > 0.0 else 0.0
        above, column = 0.0, 0
        for k in range(slots):
            item, tries = -1, 0
            while item < 0:
                u = uniform(s.key[b], s.step[b], POLICY, column + 1)
                if tries > _TRIES:
                    item = tries - _TRIES - 1
                elif uniform(s.key[b], s.step[b], POLICY, column) < stay:
                    item = shelf.order[
                        draw(shelf.category_cdf, shelf.begin[category], shelf.begin[category + 1], u)
                    ]
                else:
                    item = draw(shelf.cdf, 0, shelf.cdf.shape[0], u)
                tries, column = tries + 1, column + 2
                for higher in range(k):
                    if slate[b, higher] == item:
                        item = -1
                        break
            slate[b, k] = item
            p = (1.0 - stay) * shelf.share[item]
            if stay > 0.0 and w.category[item] == category:
                p += stay * shelf.share[item] / shelf.category_share[category]
            # where all that is ever shown stands above, nothing is left
            propensity[b, k] = p / max(1.0 - above, 1e-12)
            above += p


class LoggedPolicy:
    """Draws slates for an engine's sessions as the log's own policy would."""

    def __init__(self, world: World) -> None:
        self.shelves = shelves(world)

    def __call__(self, engine: Engine) -> tuple[Slates, NDArray[np.float64]]:
        """Slates (B, K) and their propensities (B, K); the same sessions at the same step draw the same."""
        slate = np.zeros((engine.num, engine.slate_size), np.int64)
        propensity = np.ones((engine.num, engine.slate_size))
        logged_slates(engine.world.arrays, engine.sessions, self.shelves, slate, propensity)
        return slate, propensity


def random_policy(engine: Engine) -> tuple[Slates, NDArray[np.float64]]:
    """Uniform slates without repeats, drawn from the sessions' own keys; propensities as above."""
    num_items, slots = engine.world.num_items, engine.slate_size
    slate = np.zeros((engine.num, slots), np.int64)
    _uniform_slates(engine.sessions, num_items, slate)
    return slate, np.tile(1.0 / (num_items - np.arange(slots)), (engine.num, 1))


@njit()
def _uniform_slates(s: Sessions, num_items: int, slate: Slates) -> None:
    for b in range(slate.shape[0]):
        for k in range(slate.shape[1]):
            # the rank of the item among those not yet shown, then its number
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
