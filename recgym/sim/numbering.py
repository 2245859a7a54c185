"""Numbers of items that carry nothing: a fixed permutation of a world's items.

A fit numbers items by exposure, most shown first, so that showing 0, 1, 2, ... is a good policy. An environment with a
numbering gives its items other numbers, by a seed; the world remembers which were the first ones.

Axes: N items, S items of a library.
"""

from typing import NamedTuple

import numpy as np

from recgym.arrays import Arrays, Doubles, Ints
from recgym.checks import as_numbers, quoted
from recgym.jit import njit
from recgym.rng import NUMBER, uniform
from recgym.sim.schema import FRIENDS, LAYOUT, WorldArrays
from recgym.sim.transitions import moved_pairs


class Numbering(NamedTuple):
    """Other numbers than those of the fit for the items of a world."""

    index_digest: str  # of the world with the numbers of the fit
    items: Ints  # (N,) number of each item there


@njit()
def _fill_uniform(key: np.uint64, out: Doubles) -> None:
    for i in range(out.shape[0]):
        out[i] = uniform(key, i, NUMBER, 0)


def random_order(num: int, seed: int) -> Ints:
    """A permutation of `num` items that is a function of `num` and `seed`, in [0, 2^64), alone."""
    drawn = np.empty(num)
    _fill_uniform(np.uint64(seed), drawn)
    return np.argsort(drawn, kind="stable")


def item_arrays(arrays: WorldArrays, order: Ints) -> Arrays:
    """The arrays with a row for each item, in the order `order` of items."""
    return {name: getattr(arrays, name)[order] for name, layout in LAYOUT.items() if layout.axes[0] == "N"}


def permuted(arrays: WorldArrays, order: Ints) -> Arrays:
    """The arrays that change where item `order[i]` gets the number i: all rows of items, and libraries.

    Items of a library beyond the N items of the world, which was cut, keep their numbers. Libraries of a world of
    friend requests hold items of its social world, not candidates, and stay.
    """
    check_order(order, len(arrays.factors))
    moved = item_arrays(arrays, order) | moved_pairs(arrays, order)
    if arrays.choice[0] != FRIENDS:
        number = np.arange(max(len(order), int(arrays.library.max()) + 1) + 1)
        number[order] = np.arange(len(order))
        number[-1] = -1  # of the places of a library where there is nothing
        moved["library"] = np.sort(number[arrays.library], axis=1)
    return moved


def check_order(order: Ints, num: int) -> None:
    """ValueError unless each of `num` items is once in the order."""
    found = as_numbers(order, "order")
    if (
        found.shape != (num,)
        or found.dtype.kind not in "iu"
        or not np.array_equal(np.sort(found), np.arange(num))
    ):
        raise ValueError(f"order is {quoted(order)}, expected each of 0 to {num - 1} once")


def most_exposed_first(exposure: Doubles, num: int) -> Ints:
    """The items in the order of their numbers, but the `num` with the largest exposure first; ties by number."""
    kept = np.zeros(len(exposure), np.bool_)
    kept[np.argsort(-exposure, kind="stable")[:num]] = True
    return np.r_[np.flatnonzero(kept), np.flatnonzero(~kept)]


def check_numbering(numbering: Numbering | None, num_items: int) -> None:
    """ValueError unless there is one number of the fit for each item, and none twice."""
    if numbering is None:
        return
    items = numbering.items
    if items.shape != (num_items,) or items.dtype.kind not in "iu" or items.min() < 0:
        raise ValueError(f"world numbering must be {num_items} whole numbers of at least 0")
    if len(np.unique(items)) < num_items:
        raise ValueError("world numbering holds a number twice")
