"""What a logging policy knows of each visit: the items it has shown, and those that it may show now.

Axes: B sessions, N items, K slate positions, H history, T shown items.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Bools, Indices
from recgym.jit import njit
from recgym.observation import HISTORY_LENGTH
from recgym.sim.state import Sessions, Slates


class ShownItems(NamedTuple):
    """Row b is session b. An item stands in `shown` once; a unit that was shown whole begins anew."""

    key: NDArray[np.uint64]  # (B,) of the visit
    step: Indices  # (B,) slates shown when the row was last brought up to date
    shown: Indices  # (B, T)
    num: Indices  # (B,) how many of `shown` hold an item
    last: Slates  # (B, K) drawn at `step`
    allowed: Bools  # (B, N), or (1, N) where no item is barred
    is_masked: Bools  # (B,) whether the row bars an item


def new_visits(num: int, slots: int, num_items: int) -> ShownItems:
    """Visits that have not begun."""
    return ShownItems(
        np.zeros(num, np.uint64),
        np.full(num, -1, np.int32),
        np.full((num, 2 * max(slots, HISTORY_LENGTH)), -1, np.int32),
        np.zeros(num, np.int32),
        np.zeros((num, slots), np.int64),
        np.ones((1, num_items), np.bool_),
        np.zeros(num, np.bool_),
    )


def with_room(v: ShownItems) -> ShownItems:
    """The same with room for another slate in every row."""
    more = max(v.last.shape[1], HISTORY_LENGTH)
    if int(v.num.max(initial=0)) + more <= v.shown.shape[1]:
        return v
    return v._replace(shown=np.pad(v.shown, ((0, 0), (0, v.shown.shape[1])), constant_values=-1))


@njit()
def is_shown(v: ShownItems, b: int, item: int) -> bool:
    """Whether the visit was shown the item."""
    for t in range(v.num[b]):  # noqa: SIM110 - a generator does not compile
        if v.shown[b, t] == item:
            return True
    return False


@njit()
def is_open(v: ShownItems, b: int, slate: Slates, k: int, item: int, is_fresh: bool) -> bool:
    """Whether position k may hold an item: allowed, not above, and where `is_fresh` not shown in this visit."""
    if v.is_masked[b] and not v.allowed[b, item]:
        return False
    for above in range(k):
        if slate[b, above] == item:
            return False
    return not (is_fresh and is_shown(v, b, item))


@njit()
def _forget(v: ShownItems, b: int, unit_of: Indices, unit: int) -> None:
    """Begin a unit anew; -1 means all of them."""
    kept = 0
    for t in range(v.num[b]):
        if unit >= 0 and unit_of[v.shown[b, t]] != unit:
            v.shown[b, kept] = v.shown[b, t]
            kept += 1
    v.num[b] = kept


@njit()
def _add(v: ShownItems, b: int, item: int) -> None:
    if item >= 0 and not is_shown(v, b, item):
        v.shown[b, v.num[b]] = item
        v.num[b] += 1


@njit()
def follow(s: Sessions, v: ShownItems, unit_of: Indices, is_paged: bool) -> None:
    """Bring the visits up to date with the sessions.

    A visit that is followed from its first step on is known whole; one that is joined later, or was put back to an
    earlier step, by the last H items.
    """
    slots = v.last.shape[1]
    for b in range(v.key.shape[0]):
        if s.key[b] == v.key[b] and s.step[b] == v.step[b]:
            continue
        if s.key[b] == v.key[b] and s.step[b] == v.step[b] + 1:
            for k in range(slots):
                # a slate longer than the history can only be known by what was drawn
                item = s.items[b, HISTORY_LENGTH - 1 - k] if slots <= HISTORY_LENGTH else v.last[b, k]
                if item >= 0 and is_shown(v, b, item):
                    _forget(v, b, unit_of, unit_of[item] if is_paged else -1)
            for k in range(slots):
                _add(v, b, s.items[b, HISTORY_LENGTH - 1 - k] if slots <= HISTORY_LENGTH else v.last[b, k])
        else:
            if s.key[b] != v.key[b] or s.step[b] < v.step[b]:
                v.num[b] = 0
            for j in range(HISTORY_LENGTH):
                _add(v, b, s.items[b, j])
        v.key[b] = s.key[b]
        v.step[b] = s.step[b]
