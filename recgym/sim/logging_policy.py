"""The world's logging policy: who chose what the log shows, in a form that can be drawn from and gives propensities.

With probability `logged_stay` the next item comes from the category of the step before, else from the whole
catalogue. What is drawn there depends on what the log is of:

    one choice a page    a page (the items of one category and page number) by its share of the log's clicks; the slate
                         holds items of this page, each as likely as the others. The choice among them makes the
                         popularity: a page's items were shown together.
    independent          items by exposure. Where no exposure is logged (the card: assumed), responses stand for it,
                         and fitting has taken popularity to a power out of the item biases: items are shown as
                         popularity to this power, so that responses have the popularity of the log.

No item is shown twice in a visit before all there is, of its page or with any exposure, has been shown. The slate is
filled from the top: each position's propensity is the probability of its item given the items above it and the visit so
far (the whole slate's is their product). A page too small for a slate is continued by the next one of its category.

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
from recgym.sim.session import draw
from recgym.sim.shown_items import ShownItems, follow, is_open, is_shown, new_visits, with_room
from recgym.sim.state import Sessions, Slates
from recgym.sim.world import World

_TRIES = 100  # draws of one position before the rest is looked through
_LEAST_MASS = 1e-9  # of what is left to draw, below which it is summed up item by item


@njit()
def _chance(w: WorldArrays, e: Exposure, unit: int, category: int, stay: float) -> float:
    """How likely a unit is drawn, after a step in `category`."""
    chance = (1.0 - stay) * e.share[unit]
    if stay > 0.0 and w.category[e.items[e.first[unit]]] == category:
        chance += stay * e.share[unit] / e.category_share[category]
    return chance


@njit()
def _draw_unit(e: Exposure, key: np.uint64, step: int, column: int, category: int, stay: float) -> int:
    """A unit by its chance, from a column and the next."""
    u = uniform(key, step, POLICY, column + 1)
    if uniform(key, step, POLICY, column) < stay:
        return draw(e.category_cdf, e.begin[category], e.begin[category + 1], u)
    return draw(e.cdf, 0, e.cdf.shape[0], u)


@njit()
def _num_shown(e: Exposure, v: ShownItems, b: int, unit: int) -> int:
    """Items of a unit that the visit was shown."""
    count = 0
    for t in range(v.num[b]):
        if e.unit[v.shown[b, t]] == unit:
            count += 1
    return count


@njit()
def _num_open(e: Exposure, v: ShownItems, b: int, slate: Slates, k: int, unit: int, is_fresh: bool) -> int:
    """Items of a unit that position k may hold."""
    low, high = e.first[unit], e.first[unit + 1]
    if v.is_masked[b]:
        count = 0
        for at in range(low, high):
            if is_open(v, b, slate, k, e.items[at], is_fresh):
                count += 1
        return count
    count = high - low
    if is_fresh:
        count -= _num_shown(e, v, b, unit)
    for above in range(k):
        if e.unit[slate[b, above]] == unit and not (is_fresh and is_shown(v, b, slate[b, above])):
            count -= 1
    return count


@njit()
def _draw_item(
    s: Sessions,
    e: Exposure,
    v: ShownItems,
    b: int,
    slate: Slates,
    k: int,
    low: int,
    high: int,
    is_fresh: bool,
    column: int,
) -> int:
    """One of the items at [low, high) that position k may hold, each as likely; there must be one."""
    count = 0
    for attempt in range(_TRIES):
        item = e.items[low + int(uniform(s.key[b], s.step[b], POLICY, column + attempt) * (high - low))]
        if is_open(v, b, slate, k, item, is_fresh):
            return item
    for at in range(low, high):
        if is_open(v, b, slate, k, e.items[at], is_fresh):
            count += 1
    rank, item = int(uniform(s.key[b], s.step[b], POLICY, column + _TRIES) * count), -1
    for at in range(low, high):
        if rank >= 0 and is_open(v, b, slate, k, e.items[at], is_fresh):
            item = e.items[at]
            rank -= 1
    return item


@njit()
def _weight(
    w: WorldArrays, e: Exposure, v: ShownItems, b: int, slate: Slates, k: int, unit: int, category: int, stay: float,
    is_fresh: bool,
) -> float:  # fmt: skip
    """Chance that a unit is drawn and gives an item that position k may hold."""
    allowed = _num_open(e, v, b, slate, k, unit, is_fresh)
    if allowed == 0:
        return 0.0
    size = e.first[unit + 1] - e.first[unit]
    return (
        _chance(w, e, unit, category, stay)
        * allowed
        / (size - _num_shown(e, v, b, unit) if is_fresh else size)
    )


@njit()
def _fresh(e: Exposure, v: ShownItems, b: int, unit: int, is_fresh: bool) -> bool:
    """Whether only what was not shown counts: a page that was shown whole begins anew."""
    size = e.first[unit + 1] - e.first[unit]
    return is_fresh and not (e.paged[0] and _num_shown(e, v, b, unit) == size)


@njit()
def _left(
    w: WorldArrays, e: Exposure, v: ShownItems, b: int, slate: Slates, k: int, category: int, stay: float
) -> float:
    """Chance of all that position k may hold, where no item is barred; pages are never used up."""
    left = 1.0
    if not e.paged[0]:
        for t in range(v.num[b]):
            left -= _chance(w, e, e.unit[v.shown[b, t]], category, stay)
        for above in range(k):
            if not is_shown(v, b, slate[b, above]):
                left -= _chance(w, e, e.unit[slate[b, above]], category, stay)
    return left


@njit()
def _quick(
    w: WorldArrays, s: Sessions, e: Exposure, v: ShownItems, b: int, slate: Slates, k: int, category: int, stay: float,
    column: int,
) -> float:  # fmt: skip
    """Draw position k where no item is barred; its propensity, 0 where too little is left to draw so."""
    left = _left(w, e, v, b, slate, k, category, stay)
    if left < _LEAST_MASS:
        return 0.0
    for attempt in range(_TRIES):
        unit = _draw_unit(e, s.key[b], s.step[b], column + 2 * attempt, category, stay)
        is_fresh = _fresh(e, v, b, unit, True)
        count = _num_open(e, v, b, slate, k, unit, is_fresh)
        if count > 0:
            low, high = e.first[unit], e.first[unit + 1]
            slate[b, k] = _draw_item(s, e, v, b, slate, k, low, high, is_fresh, column + 2 * _TRIES)
            return _chance(w, e, unit, category, stay) / left / count
    return 0.0


@njit()
def _search(
    w: WorldArrays, s: Sessions, e: Exposure, v: ShownItems, b: int, slate: Slates, k: int, category: int, stay: float,
    column: int,
) -> float:  # fmt: skip
    """Draw position k from the chances of all units, what was shown only if nothing else is left; its propensity."""
    num, column = e.share.shape[0], column + 3 * _TRIES + 1
    for stage in range(2):
        total = 0.0
        for unit in range(num):
            total += _weight(w, e, v, b, slate, k, unit, category, stay, _fresh(e, v, b, unit, stage == 0))
        if total <= 0.0:
            continue
        rest, chosen, chance = uniform(s.key[b], s.step[b], POLICY, column) * total, -1, 0.0
        for unit in range(num):
            weight = _weight(w, e, v, b, slate, k, unit, category, stay, _fresh(e, v, b, unit, stage == 0))
            if rest >= 0.0 and weight > 0.0:
                chosen, chance = unit, weight
            rest -= weight
        is_fresh = _fresh(e, v, b, chosen, stage == 0)
        low, high = e.first[chosen], e.first[chosen + 1]
        slate[b, k] = _draw_item(s, e, v, b, slate, k, low, high, is_fresh, column + 1)
        return chance / total / _num_open(e, v, b, slate, k, chosen, is_fresh)
    # all that has any exposure stands above or is barred
    count = 0
    for item in range(e.items.shape[0]):
        if is_open(v, b, slate, k, item, False):
            count += 1
    slate[b, k] = _draw_item(s, e, v, b, slate, k, 0, e.items.shape[0], False, column + 1)
    return 1.0 / count


@njit()
def _on_page(
    w: WorldArrays, s: Sessions, e: Exposure, v: ShownItems, b: int, slate: Slates, k: int, column: int
) -> float:
    """Draw position k from the page of the top item; its propensity.

    Where the page is used up, from what the visit was shown of it, then from the next page of the category.
    """
    at, num = e.unit[slate[b, 0]], len(e.begin) - 1
    for move in range(num):
        category = (w.category[slate[b, 0]] + move) % num
        low, high = e.begin[category], e.begin[category + 1]
        for page in range(high - low):
            unit = low + (page + (at - low if move == 0 else 0)) % (high - low)
            for stage in range(2):
                count = _num_open(e, v, b, slate, k, unit, stage == 0)
                if count > 0:
                    begin, end = e.first[unit], e.first[unit + 1]
                    slate[b, k] = _draw_item(s, e, v, b, slate, k, begin, end, stage == 0, column)
                    return 1.0 / count
    return 0.0


@njit()
def logged_slates(
    w: WorldArrays, s: Sessions, e: Exposure, v: ShownItems, slate: Slates, propensity: Doubles
) -> None:
    """Fill `slate` and `propensity`, both (B, K), for the sessions as they stand."""
    slots = slate.shape[1]
    for b in range(slate.shape[0]):
        category = w.category[s.lead[b]] if s.lead[b] >= 0 else -1
        stay = w.logged_stay[0] if category >= 0 and e.category_share[category] > 0.0 else 0.0
        for k in range(slots):
            column = 8 * _TRIES * k
            if e.paged[0] and k > 0:
                propensity[b, k] = _on_page(w, s, e, v, b, slate, k, column)
                continue
            p = 0.0
            if not v.is_masked[b]:
                p = _quick(w, s, e, v, b, slate, k, category, stay, column)
            propensity[b, k] = p if p > 0.0 else _search(w, s, e, v, b, slate, k, category, stay, column)


class LoggedPolicy:
    """Draws slates for an engine's sessions as the log's own policy would.

    It remembers what each visit was shown: call it at every step of the visits, from the first on.
    """

    def __init__(self, world: World) -> None:
        self.exposure = exposure_of(world)
        self.visits = new_visits(0, 1, world.num_items)

    def __call__(self, engine: Engine, allowed: Bools | None = None) -> tuple[Slates, NDArray[np.float64]]:
        """Slates (B, K) and their propensities (B, K); the same visits at the same step draw the same.

        `allowed` (B, N) bars items, at least K a row must be left: the policy is then renormalised, one position
        after the other.
        """
        exposure, size = self.exposure, (engine.num, engine.slate_size)
        if self.visits.last.shape != size:
            self.visits = new_visits(*size, engine.world.num_items)
        self.visits = with_room(self.visits)
        follow(engine.sessions, self.visits, exposure.unit, bool(exposure.paged[0]))
        slate, propensity = self.visits.last, np.ones(size)
        visits = self.visits
        if allowed is not None:
            is_masked = np.asarray(~allowed.all(axis=1))
            visits = visits._replace(allowed=np.ascontiguousarray(allowed), is_masked=is_masked)
        logged_slates(engine.world.arrays, engine.sessions, exposure, visits, slate, propensity)
        return slate.copy(), propensity


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
