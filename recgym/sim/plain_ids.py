"""Ids that any log may have: 0, 1, 2 ... or 1, 2, 3 ... They show of no log that it is from the source of a world."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from recgym.arrays import Array, Ints

if TYPE_CHECKING:
    from recgym.sim.world import World

WHOLE = re.compile("0|[1-9][0-9]{0,17}").fullmatch  # Python converts no number of thousands of digits
MAX_GAP = 10  # mean distance of ids that are running numbers; a world may lack the rare items of its log

MIN_CORRELATION = 0.3  # of the log of the fit with the exposure of the world, which is fitted to it


def are_running_numbers(ids: Iterable[str]) -> bool:
    """Whether all ids are whole numbers, and the largest is at most MAX_GAP times as large as there are ids."""
    texts = list(ids)
    if not all(map(WHOLE, texts)):
        return False
    return bool(texts) and max(map(int, texts)) <= MAX_GAP * len(texts)


def another_source(
    world: "World", log: Any, users: Ints, items: Ints, *, is_of_fit: bool = False
) -> tuple[str, ...]:
    """A remark on a log that was mapped by ids which are all running numbers, so that it may be of another data set.

    A log with the tables of the log of the fit gets it only where the rank correlation is below MIN_CORRELATION.

    It has the rank correlation of how often log and world show items. That refuses no log: items may have been shown
    at random, or on days when others were popular.

    Args:
        world: with a table of ids, or of the log's ids.
        log: any log.
        users: index in the world of each row of the users table, below 0 for none.
        items: the same of the items table.
        is_of_fit: users and items have the fingerprints of the log of the fit.
    """
    both = ((world.user_ids, log.users, users), (world.item_ids, log.items, items))
    found = ((ids or table["id"].to_pylist()) for ids, table, index in both if (index >= 0).any())
    if not all(map(are_running_numbers, found)):
        return ()
    shown = items[log.column("item")]
    count = np.bincount(shown[shown >= 0], minlength=world.num_items)
    correlation = _rank_correlation(count, np.asarray(world.arrays.exposure))
    if is_of_fit and (correlation is None or correlation >= MIN_CORRELATION):
        return ()
    said = f"the log may be of another data set than world {world.name}: "
    said += "" if is_of_fit else "it is not the log of the fit, and "
    said += "their ids are running numbers, which any log may have"
    if correlation is not None:
        said += f"; the rank correlation of how often both show items is {correlation:.2f}"
    return (said,)


def _rank_correlation(one: Array, other: Array) -> float | None:
    """Spearman's; None where all values of one are equal."""
    if min(np.ptp(one), np.ptp(other)) <= 0:
        return None
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def _ranks(values: Array) -> Array:
    """(N,) ranks; equal values have their mean rank."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - (count - 1) / 2)[place])
