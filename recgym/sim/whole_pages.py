"""Environments that show a shop's whole pages: an action is an item, and the slate is the page that it is on.

A page is all items of one category and page number, or all items in a world of `one_page`. In a world with
`whole_pages` a slate has one item, which names the page; the session model chooses among all items of the page, in the
order of their numbers, and the step's item is the clicked one.

Axes: N items.
"""

from typing import TYPE_CHECKING

import numpy as np

from recgym.jit import njit
from recgym.sim.schema import WorldArrays
from recgym.sim.slate_facts import num_distinct
from recgym.sim.state import Slates

if TYPE_CHECKING:
    from recgym.sim.world import World


@njit()
def shows_pages(w: WorldArrays) -> bool:
    """Whether an item of a slate stands for its page."""
    return w.whole_pages[0] == 1


@njit()
def on_page(w: WorldArrays, named: int, item: int) -> bool:
    """Whether two items are on one page."""
    same = w.category[named] == w.category[item] and w.page[named] == w.page[item]
    return w.one_page[0] == 1 or same


@njit()
def page_size(w: WorldArrays, named: int) -> int:
    """Number of items of a page."""
    count = 0
    for item in range(w.page.shape[0]):
        if on_page(w, named, item):
            count += 1
    return count


@njit()
def first_on_page(w: WorldArrays, named: int) -> int:
    """The item of the smallest number on a page."""
    for item in range(named):
        if on_page(w, named, item):
            return item
    return named


@njit()
def num_shown(w: WorldArrays, slate: Slates, b: int) -> int:
    """Number of items that slate b shows."""
    return page_size(w, slate[b, 0]) if shows_pages(w) else num_distinct(slate, b)


def with_whole_pages(world: "World") -> "World":
    """The world in which an item of a slate stands for its page.

    Raises:
        ValueError: the world is not fitted to clicks on pages, or a page has more items than a slate may have.
    """
    return world.with_arrays(whole_pages=np.ones(1))
