"""The logging policy of a world: it imitates the policy that chose the items of the log, and gives propensities.

With probability `logged_stay` the next item is drawn within the category of the step before, else from the whole
catalogue. The drawn unit depends on the choice model of the world:

    one choice a page    a page (the items of a category with one page number) by the chain of pages, given the page of
                         the last response, or without a chain by its share of the log's clicks; the slate holds items
                         of this page, with equal probabilities
    independent          an item by its exposure. If the card says that exposure is assumed, the log has responses only:
                         then items are drawn by a power of their popularity, which fitting has subtracted from the item
                         biases, so that responses have the popularity of the log.

An item is shown again in a session only after all items of its page, or all with any exposure, have been shown. Where
units are items and `logged_again` is not 0, one that was shown may follow at once, with that share of its weight.
A slate is filled from the top. The propensity of a position is the probability of its item given the items above it and
the session so far; that of the slate is their product. If a page has too few items, the next of its category follows.

Axes: B sessions, N items, K slate positions, C categories, M units.
"""

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Bools, Doubles
from recgym.jit import njit
from recgym.rng import POLICY, uniform
from recgym.sim.engine import Engine
from recgym.sim.page_exposure import Exposure, exposure_of
from recgym.sim.schema import WorldArrays
from recgym.sim.shown_items import ShownItems, is_open, new_visits, update_visits, with_capacity
from recgym.sim.state import MEMORY, Sessions, Slates
from recgym.sim.unit_weights import (
    Position,
    draw_unit,
    is_fresh_unit,
    kept_weight,
    num_open,
    open_mass,
    unit_probability,
    unit_weight,
)  # fmt: skip
from recgym.sim.world import World

_MAX_TRIES = 100  # rejected draws of one position before all units are enumerated
_MIN_MASS = 1e-9  # probability of the units that can be drawn, below which all are enumerated


@njit()
def _draw_item(
    e: Exposure, v: ShownItems, slate: Slates, p: Position, low: int, high: int, is_fresh: bool, column: int
) -> int:
    """One of the items at [low, high) that are allowed at the position, uniformly; there must be one."""
    count = 0
    for attempt in range(_MAX_TRIES):
        item = e.items[low + int(uniform(p.key, p.step, POLICY, column + attempt) * (high - low))]
        if is_open(v, p.b, slate, p.k, item, is_fresh):
            return item
    for at in range(low, high):
        if is_open(v, p.b, slate, p.k, e.items[at], is_fresh):
            count += 1
    rank, item = int(uniform(p.key, p.step, POLICY, column + _MAX_TRIES) * count), -1
    for at in range(low, high):
        if rank >= 0 and is_open(v, p.b, slate, p.k, e.items[at], is_fresh):
            item = e.items[at]
            rank -= 1
    return item


@njit()
def _fill_by_rejection(w: WorldArrays, e: Exposure, v: ShownItems, slate: Slates, p: Position) -> float:
    """Fill the position by rejection sampling, without a mask; its propensity, 0 if no draw was accepted."""
    mass = open_mass(w, e, v, slate, p)
    if mass < _MIN_MASS:
        return 0.0
    for attempt in range(_MAX_TRIES):
        unit = draw_unit(e, p, p.column + 2 * attempt)
        kept = kept_weight(w, e, v, p.b, unit)
        if kept < 1.0 and uniform(p.key, p.step, POLICY, p.column + 5 * _MAX_TRIES + attempt) >= kept:
            continue
        is_fresh = is_fresh_unit(w, e, v, p.b, unit, True)
        count = num_open(e, v, slate, p, unit, is_fresh)
        if count > 0:
            low, high = e.first[unit], e.first[unit + 1]
            column = p.column + 2 * _MAX_TRIES
            slate[p.b, p.k] = _draw_item(e, v, slate, p, low, high, is_fresh, column)
            return kept * unit_probability(w, e, p, unit) / mass / count
    return 0.0


@njit()
def _fill_by_enumeration(w: WorldArrays, e: Exposure, v: ShownItems, slate: Slates, p: Position) -> float:
    """Fill the position by the weights of all units, with shown items only if no others are left; its propensity."""
    num, column = e.share.shape[0], p.column + 3 * _MAX_TRIES + 1
    for stage in range(2):
        total = 0.0
        for unit in range(num):
            total += unit_weight(w, e, v, slate, p, unit, is_fresh_unit(w, e, v, p.b, unit, stage == 0))
        if total <= 0.0:
            continue
        rest, chosen, chance = uniform(p.key, p.step, POLICY, column) * total, -1, 0.0
        for unit in range(num):
            weight = unit_weight(w, e, v, slate, p, unit, is_fresh_unit(w, e, v, p.b, unit, stage == 0))
            if rest >= 0.0 and weight > 0.0:
                chosen, chance = unit, weight
            rest -= weight
        is_fresh = is_fresh_unit(w, e, v, p.b, chosen, stage == 0)
        low, high = e.first[chosen], e.first[chosen + 1]
        slate[p.b, p.k] = _draw_item(e, v, slate, p, low, high, is_fresh, column + 1)
        return chance / total / num_open(e, v, slate, p, chosen, is_fresh)
    # every item with any exposure is above or masked
    count = 0
    for item in range(e.items.shape[0]):
        if is_open(v, p.b, slate, p.k, item, False):
            count += 1
    slate[p.b, p.k] = _draw_item(e, v, slate, p, 0, e.items.shape[0], False, column + 1)
    return 1.0 / count


@njit()
def _fill_from_page(w: WorldArrays, e: Exposure, v: ShownItems, slate: Slates, p: Position) -> float:
    """Fill the position from the page of the top item; its propensity.

    If all items of the page are used, those that earlier slates showed follow, then the next page of the category.
    """
    at, num = e.unit[slate[p.b, 0]], len(e.begin) - 1
    for move in range(num):
        category = (w.category[slate[p.b, 0]] + move) % num
        low, high = e.begin[category], e.begin[category + 1]
        for page in range(high - low):
            unit = low + (page + (at - low if move == 0 else 0)) % (high - low)
            for stage in range(2):
                count = num_open(e, v, slate, p, unit, stage == 0)
                if count > 0:
                    begin, end = e.first[unit], e.first[unit + 1]
                    slate[p.b, p.k] = _draw_item(e, v, slate, p, begin, end, stage == 0, p.column)
                    return 1.0 / count
    return 0.0


@njit()
def _chain_row(e: Exposure, s: Sessions, b: int) -> int:
    """Row of the chain of pages: the page of the last response, else the last row; -1 without a chain."""
    if e.chain.shape[0] == 1:
        return -1
    return e.unit[s.memory[b, (s.engaged[b] - 1) % MEMORY]] if s.engaged[b] > 0 else e.chain.shape[1]


@njit()
def logged_slates(
    w: WorldArrays, s: Sessions, e: Exposure, v: ShownItems, rows: Bools, slate: Slates, propensity: Doubles
) -> None:
    """Fill the rows (B,) of `slate` and `propensity`, both (B, K), for the current step of the sessions."""
    slots = slate.shape[1]
    for b in range(slate.shape[0]):
        if not rows[b]:
            continue
        category = w.category[s.lead[b]] if s.lead[b] >= 0 else -1
        stay = w.logged_stay[0] if category >= 0 and e.category_share[category] > 0.0 else 0.0
        row = _chain_row(e, s, b)
        for k in range(slots):
            p = Position(b, k, s.key[b], s.step[b], 8 * _MAX_TRIES * k, category, stay, row)
            if e.paged[0] and k > 0:
                propensity[b, k] = _fill_from_page(w, e, v, slate, p)
                continue
            drawn = 0.0
            if not v.is_masked[b]:
                drawn = _fill_by_rejection(w, e, v, slate, p)
            propensity[b, k] = drawn if drawn > 0.0 else _fill_by_enumeration(w, e, v, slate, p)


class LoggedPolicy:
    """Draws slates for an engine's sessions as the policy of the log would.

    It keeps the items that each session was shown: call it at every step, from the first on.
    """

    def __init__(self, world: World) -> None:
        self.exposure = exposure_of(world)
        self.visits = new_visits(0, 1, world.num_items)

    def __call__(
        self, engine: Engine, allowed: Bools | None = None, rows: Bools | None = None
    ) -> tuple[Slates, NDArray[np.float64]]:
        """Slates (B, K) and their propensities (B, K), in (0, 1]; a repeated call at the same step gives the same.

        Args:
            engine: the sessions.
            allowed: (B, N) mask of the allowed items, at least K in each row. The policy is then renormalised, position
                by position.
            rows: (B,) sessions that need a slate, all by default; the slates of others are not defined.
        """
        exposure, size = self.exposure, (engine.num, engine.slate_size)
        if self.visits.last.shape != size:
            self.visits = new_visits(*size, engine.world.num_items)
        self.visits = with_capacity(self.visits)
        paged = bool(exposure.paged[0])
        again = not paged and bool(engine.world.arrays.logged_again[0] > 0.0)
        update_visits(engine.sessions, self.visits, exposure.unit, paged, again)
        slate, propensity = self.visits.last, np.ones(size)
        visits = self.visits
        if allowed is not None:
            is_masked = np.asarray(~allowed.all(axis=1))
            visits = visits._replace(allowed=np.ascontiguousarray(allowed), is_masked=is_masked)
        logged_slates(
            engine.world.arrays,
            engine.sessions,
            exposure,
            visits,
            engine.all_rows if rows is None else rows,
            slate,
            propensity,
        )
        return slate.copy(), propensity
