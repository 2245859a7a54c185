"""Weights of the units from which a logging policy fills a position; see `recgym.sim.logging_policy`.

Axes: B sessions, K slate positions, M units.
"""

from typing import NamedTuple

import numpy as np

from recgym.jit import njit
from recgym.rng import POLICY, uniform
from recgym.sim.page_exposure import Exposure
from recgym.sim.scalar_math import draw
from recgym.sim.schema import WorldArrays
from recgym.sim.shown_items import ShownItems, is_open, is_shown
from recgym.sim.state import Slates


class Position(NamedTuple):
    """The position that is filled."""

    b: int  # row
    k: int  # position in the slate
    key: np.uint64  # of the episode
    step: int
    column: int  # its first random number
    category: int  # of the step before, -1 for none
    stay: float  # probability that the category is kept
    row: int  # of the chain of pages; -1 without one


@njit()
def unit_probability(w: WorldArrays, e: Exposure, p: Position, unit: int) -> float:
    """Probability that a unit is drawn."""
    if p.row >= 0:
        return float(e.chain[p.row, unit])
    share = (1.0 - p.stay) * e.share[unit]
    if p.stay > 0.0 and w.category[e.items[e.first[unit]]] == p.category:
        share += p.stay * e.share[unit] / e.category_share[p.category]
    return share


@njit()
def draw_unit(e: Exposure, p: Position, column: int) -> int:
    """A unit by its probability, from the random numbers of a column and the next."""
    u = uniform(p.key, p.step, POLICY, column + 1)
    if p.row >= 0:
        return draw(e.chain_cdf[p.row], 0, e.chain_cdf.shape[1], u)
    if uniform(p.key, p.step, POLICY, column) < p.stay:
        return draw(e.category_cdf, e.begin[p.category], e.begin[p.category + 1], u)
    return draw(e.cdf, 0, e.cdf.shape[0], u)


@njit()
def num_shown(e: Exposure, v: ShownItems, b: int, unit: int) -> int:
    """Items of a unit that the session was shown."""
    count = 0
    for t in range(v.num[b]):
        if e.unit[v.shown[b, t]] == unit:
            count += 1
    return count


@njit()
def num_open(e: Exposure, v: ShownItems, slate: Slates, p: Position, unit: int, is_fresh: bool) -> int:
    """Items of a unit that are allowed at the position."""
    low, high = e.first[unit], e.first[unit + 1]
    if v.is_masked[p.b]:
        count = 0
        for at in range(low, high):
            if is_open(v, p.b, slate, p.k, e.items[at], is_fresh):
                count += 1
        return count
    count = high - low
    if is_fresh:
        count -= num_shown(e, v, p.b, unit)
    for above in range(p.k):
        if e.unit[slate[p.b, above]] == unit and not (is_fresh and is_shown(v, p.b, slate[p.b, above])):
            count -= 1
    return count


@njit()
def weight_again(w: WorldArrays, e: Exposure) -> float:
    """Weight of an item that the session was shown, relative to that of another; 0 where units are pages."""
    return 0.0 if e.paged[0] else float(w.logged_again[0])


@njit()
def kept_weight(w: WorldArrays, e: Exposure, v: ShownItems, b: int, unit: int) -> float:
    """Share of its weight that a unit still has: less than 1 for an item that was shown and may be shown again."""
    again = weight_again(w, e)
    return again if again > 0.0 and num_shown(e, v, b, unit) > 0 else 1.0


@njit()
def unit_weight(
    w: WorldArrays, e: Exposure, v: ShownItems, slate: Slates, p: Position, unit: int, is_fresh: bool
) -> float:
    """Probability that a unit is drawn, and an item of it that is allowed at the position."""
    allowed = num_open(e, v, slate, p, unit, is_fresh)
    if allowed == 0:
        return 0.0
    size = e.first[unit + 1] - e.first[unit]
    return (
        kept_weight(w, e, v, p.b, unit)
        * unit_probability(w, e, p, unit)
        * allowed
        / (size - num_shown(e, v, p.b, unit) if is_fresh else size)
    )


@njit()
def is_fresh_unit(w: WorldArrays, e: Exposure, v: ShownItems, b: int, unit: int, is_fresh: bool) -> bool:
    """Whether items that were shown are excluded: a page all of whose items were shown starts again."""
    size = e.first[unit + 1] - e.first[unit]
    starts_again = e.paged[0] or weight_again(w, e) > 0.0
    return is_fresh and not (starts_again and num_shown(e, v, b, unit) == size)


@njit()
def open_mass(w: WorldArrays, e: Exposure, v: ShownItems, slate: Slates, p: Position) -> float:
    """Probability of all items that are allowed at the position, without a mask; pages are never used up."""
    mass, again = 1.0, weight_again(w, e)
    if not e.paged[0]:
        for t in range(v.num[p.b]):
            mass -= (1.0 - again) * unit_probability(w, e, p, e.unit[v.shown[p.b, t]])
        for above in range(p.k):
            kept = again if is_shown(v, p.b, slate[p.b, above]) else 1.0
            mass -= kept * unit_probability(w, e, p, e.unit[slate[p.b, above]])
    return mass
