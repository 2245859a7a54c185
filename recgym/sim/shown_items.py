"""State of a logging policy: the items that each session (visit) was shown, and those that are allowed.

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
    """Row b is session b. Each item is in `shown` once; a unit is removed after all its items were shown."""

    key: NDArray[np.uint64]  # (B,) of the episode
    step: Indices  # (B,) steps at the last update of the row
    shown: Indices  # (B, T)
    num: Indices  # (B,) items in `shown`
    last: Slates  # (B, K) drawn at `step`
    allowed: Bools  # (B, N), or (1, N) if no row has a mask
    is_masked: Bools  # (B,) whether the row has a mask


def new_visits(num: int, slots: int, num_items: int) -> ShownItems:
    """State before the first step."""
    return ShownItems(
        np.zeros(num, np.uint64),
        np.full(num, -1, np.int32),
        np.full((num, 2 * max(slots, HISTORY_LENGTH)), -1, np.int32),
        np.zeros(num, np.int32),
        np.zeros((num, slots), np.int64),
        np.ones((1, num_items), np.bool_),
        np.zeros(num, np.bool_),
    )


def with_capacity(v: ShownItems) -> ShownItems:
    """The same, with columns for another slate in every row."""
    more = max(v.last.shape[1], HISTORY_LENGTH)
    if int(v.num.max(initial=0)) + more <= v.shown.shape[1]:
        return v
    return v._replace(shown=np.pad(v.shown, ((0, 0), (0, v.shown.shape[1])), constant_values=-1))


@njit()
def is_shown(v: ShownItems, b: int, item: int) -> bool:
    """Whether session b was shown the item."""
    for t in range(v.num[b]):  # noqa: SIM110 - a generator does not compile
        if v.shown[b, t] == item:
            return True
    return False


@njit()
def is_open(v: ShownItems, b: int, slate: Slates, k: int, item: int, is_fresh: bool) -> bool:
    """Whether an item is possible at position k: allowed, not above, and if `is_fresh` not shown in this session."""
    if v.is_masked[b] and not v.allowed[b, item]:
        return False
    for above in range(k):
        if slate[b, above] == item:
            return False
    return not (is_fresh and is_shown(v, b, item))


@njit()
def _forget(v: ShownItems, b: int, unit_of: Indices, unit: int) -> None:
    """Remove the items of a unit from `shown`; -1 removes all items."""
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
def update_visits(s: Sessions, v: ShownItems, unit_of: Indices, is_paged: bool, again: bool) -> None:
    """Add the items of the sessions' last slates; `again`: items may be shown again before all others were.

    A session that is updated at every step from its first on is known completely. Of one that is joined later, or was
    restored to an earlier step, the last H items are known.
    """
    slots = v.last.shape[1]
    for b in range(v.key.shape[0]):
        if s.key[b] == v.key[b] and s.step[b] == v.step[b]:
            continue
        if s.key[b] == v.key[b] and s.step[b] == v.step[b] + 1:
            for k in range(slots):
                # of a slate longer than the history only the drawn one is known
                item = s.items[b, HISTORY_LENGTH - 1 - k] if slots <= HISTORY_LENGTH else v.last[b, k]
                if item >= 0 and not again and is_shown(v, b, item):
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
