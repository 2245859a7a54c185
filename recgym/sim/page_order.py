"""Pages of a catalogue: their numbers, and the arrays of a part of the catalogue.

Axes: N items, M pages, L = M + 1.
"""

import numpy as np

from recgym.arrays import Array, Arrays, Doubles, Ints
from recgym.sim.numbering import item_arrays
from recgym.sim.schema import WorldArrays
from recgym.sim.transitions import moved_pairs


def pages_of(category: Array, page: Array) -> Ints:
    """(N,) number of each item's page; pages are numbered in the order of category and page number."""
    code = category.astype(np.int64) * (int(page.max()) + 1) + page
    return np.unique(code, return_inverse=True)[1].astype(np.int64)


def world_pages(arrays: WorldArrays) -> Ints:
    """(N,) number of each item's page in a world; all are 0 in one of `one_page`."""
    if arrays.one_page[0]:
        return np.zeros(len(arrays.page), np.int64)
    return pages_of(arrays.category, arrays.page)


def kept_chain(chain: Doubles, unit: Ints, num_items: int) -> Doubles:
    """The chain (L, M) over the pages of the first `num_items` items; `unit` (N,) is each item's page.

    A row without mass on these pages becomes that of the first step, or uniform.
    """
    if chain.shape == (1, 1):
        return chain
    kept = np.unique(unit[:num_items])
    if len(kept) == 1:
        return np.ones((1, 1))
    cut = chain[np.append(kept, len(chain) - 1)][:, kept]
    cut[-1] = cut[-1] if cut[-1].any() else 1.0
    empty = ~cut.any(axis=1)
    cut[empty] = cut[-1]
    return np.asarray(cut / cut.sum(1, keepdims=True), np.float64)


def first_items(arrays: WorldArrays, num_items: int) -> Arrays:
    """The arrays that change where the first `num_items` items are kept alone."""
    cut = item_arrays(arrays, np.arange(num_items))
    cut["exposure"] = cut["exposure"] / cut["exposure"].sum()
    cut |= moved_pairs(arrays, np.arange(num_items))
    cut["page_chain"] = kept_chain(arrays.page_chain, world_pages(arrays), num_items)
    return cut
