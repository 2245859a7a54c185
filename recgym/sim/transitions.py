"""Transitions from item to item: a term of affinity for pairs of items that follow one another, and for the first.

Levels, where a world has them, are subtracted from all items after a response to an item. So a page is as attractive
after any item: how often an item was clicked does not say how often nothing was clicked after it.

Axes: N items, P pairs.
"""

import numpy as np

from recgym.arrays import Arrays, Ints
from recgym.jit import njit
from recgym.sim.scalar_math import first_not_below
from recgym.sim.schema import WorldArrays
from recgym.sim.state import MEMORY, Sessions


@njit()
def has_transitions(w: WorldArrays) -> bool:
    """Whether the world has the term."""
    return w.next_start.shape[0] > 1


@njit()
def transition(w: WorldArrays, s: Sessions, b: int, item: int) -> float:
    """Term of an item after the last response of the session, or of the first response."""
    last = w.next_start.shape[0] - 2
    if s.engaged[b] > 0:
        last = s.memory[b, (s.engaged[b] - 1) % MEMORY]
    level = float(w.next_level[last]) if w.next_level.shape[0] > 1 else 0.0
    end = w.next_start[last + 1]
    place = first_not_below(w.next_item, w.next_start[last], end, item)
    if place < end and w.next_item[place] == item:
        return float(w.next_logit[place]) - level
    return -level


def moved_pairs(arrays: WorldArrays, order: Ints) -> Arrays:
    """Arrays of this term and of returns where item `order[i]` gets the number i; pairs not in `order` are lost."""
    moved = {"return_logit": arrays.return_logit[order]} if len(arrays.return_logit) > 1 else {}
    if len(arrays.next_level) > 1:
        moved["next_level"] = arrays.next_level[np.append(order, len(arrays.next_level) - 1)]
    if len(arrays.next_start) == 1:
        return moved
    num = len(arrays.next_start) - 2
    number = np.full(num + 1, -1)
    number[order] = np.arange(len(order))
    number[num] = len(order)  # before the first response
    first, second = (
        number[np.repeat(np.arange(num + 1), np.diff(arrays.next_start))],
        number[arrays.next_item],
    )
    kept = np.flatnonzero((first >= 0) & (second >= 0))
    if not len(kept):
        return moved | {name: np.zeros(1) for name in ("next_start", "next_item", "next_logit")}
    kept = kept[np.lexsort((second[kept], first[kept]))]
    start = np.searchsorted(first[kept], np.arange(len(order) + 2))
    return moved | {"next_start": start, "next_item": second[kept], "next_logit": arrays.next_logit[kept]}


def check_transitions(arrays: WorldArrays) -> None:
    """ValueError unless the items that follow each item are ascending, and once each."""
    start, item, num = arrays.next_start, arrays.next_item, len(arrays.item_bias)
    if len(arrays.next_level) not in (1, num + 1):
        raise ValueError(f"world array next_level has {len(arrays.next_level)} items, expected {num + 1}")
    if len(start) == 1:
        return
    if len(start) != num + 2 or start[0] != 0 or start[-1] != len(item) or np.any(np.diff(start) < 0):
        raise ValueError(f"world array next_start must rise from 0 to {len(item)} over {num} items")
    code = np.repeat(np.arange(num + 1), np.diff(start)) * num + item
    if item.min() < 0 or item.max() >= num or np.any(np.diff(code) <= 0):
        raise ValueError(
            "world array next_item must list the items that follow each item, once and ascending"
        )
    if len(arrays.next_logit) != len(item):
        raise ValueError(f"world array next_logit has {len(arrays.next_logit)} pairs, expected {len(item)}")
