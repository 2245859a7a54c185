"""What visits use up of a catalogue: an item of the slate has no weight for the rest of it, then a lesser one.

Axes: R rows of whole sessions, N items, C categories, S sessions.
"""

from typing import NamedTuple

import numpy as np

from recgym.arrays import Bools, Codes, Doubles, Ints
from recgym.jit import njit


class Visits(NamedTuple):
    """What the rows of whole sessions showed."""

    starts: Ints  # (S + 1,) first rows, then R
    begins: Bools  # (R,) whether the row is the first of its step
    item: Codes  # (R,)
    kept: Codes  # (R,) category of the step before, which the policy may keep; -1 for none
    category: Codes  # (N,)


class _Items(NamedTuple):
    """State of the items while a session is read."""

    weight: Doubles  # (N,) 1, but 0 above in the slate, and `again` after the step
    since: Doubles  # (N,) what rows added when the weight changed
    lost: Doubles  # (N,) what rows did not add, because the weight was less than 1


@njit()
def _take(
    visits: Visits, exposure: Doubles, again: float, weight: Doubles, of_category: Doubles, gone: Doubles
) -> None:
    """Sets `gone` (2, R). `weight` (N,) is 1 and `of_category` (2, C) exposure and 0, and both are so again."""
    for s in range(visits.starts.shape[0] - 1):
        begin, end = visits.starts[s], visits.starts[s + 1]
        first, total = begin, 0.0
        for r in range(begin, end):
            if visits.begins[r]:
                for q in range(first, r):
                    i = visits.item[q]
                    weight[i] = again
                    total -= again * exposure[i]
                    of_category[1, visits.category[i]] -= again * exposure[i]
                first = r
            c = visits.kept[r]
            gone[0, r] = total
            gone[1, r] = of_category[1, c] / of_category[0, c] if c >= 0 and of_category[0, c] > 0.0 else 0.0
            i = visits.item[r]
            total += weight[i] * exposure[i]
            of_category[1, visits.category[i]] += weight[i] * exposure[i]
            weight[i] = 0.0
        for r in range(begin, end):
            weight[visits.item[r]] = 1.0
            of_category[1, visits.category[visits.item[r]]] = 0.0


@njit()
def _weigh(
    visits: Visits, first: int, last: int, weight: float, total: float, of_kept: Doubles, k: _Items
) -> None:
    """Items of the rows from `first` to before `last` have another weight from now on."""
    for r in range(first, last):
        i = visits.item[r]
        now = total + of_kept[visits.category[i]]
        k.lost[i] += (1.0 - k.weight[i]) * (now - k.since[i])
        k.weight[i], k.since[i] = weight, now


@njit()
def _add(
    visits: Visits, again: float, everywhere: Doubles, within: Doubles, of_kept: Doubles, k: _Items
) -> float:
    """Sum of `everywhere`; sets the sums of `within` by category in `of_kept` (C,), which is 0, and `k.lost`."""
    total = 0.0
    for s in range(visits.starts.shape[0] - 1):
        begin, end = visits.starts[s], visits.starts[s + 1]
        first = begin
        for r in range(begin, end):
            if visits.begins[r]:
                _weigh(visits, first, r, again, total, of_kept, k)
                first = r
            total += everywhere[r]
            if visits.kept[r] >= 0:
                of_kept[visits.kept[r]] += within[r]
            _weigh(visits, r, r + 1, 0.0, total, of_kept, k)
        _weigh(visits, begin, end, 1.0, total, of_kept, k)
    return total


def used_up(visits: Visits, exposure: Doubles, again: float) -> Doubles:
    """(2, R) exposure that a row cannot show: in all, and as a share of the category that may be kept.

    Items above in the slate are used up; of those of earlier steps the share `again` is left.
    """
    of_category: Doubles = np.bincount(visits.category, exposure).astype(np.float64)
    gone = np.zeros((2, len(visits.item)))
    _take(visits, exposure, again, np.ones(len(exposure)), np.stack([of_category, 0.0 * of_category]), gone)
    return gone


def chances(visits: Visits, again: float, everywhere: Doubles, within: Doubles) -> Doubles:
    """(N,) sums over the rows of what they add to an item.

    A row adds `everywhere` (R,) to each item and `within` (R,) to those of the category that may be kept, but nothing
    to items above in the slate, and `again` times as much to those of earlier steps.
    """
    num, of_kept = len(visits.category), np.zeros(int(visits.category.max()) + 1)
    items = _Items(np.ones(num), np.zeros(num), np.zeros(num))
    total = _add(visits, again, everywhere, within, of_kept, items)
    return np.asarray(total + of_kept[visits.category] - items.lost)
