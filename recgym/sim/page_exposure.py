"""Exposure of pages and items: the distribution of a world's logging policy.

Axes: N items, C categories, M units.
"""

from typing import NamedTuple

import numpy as np

from recgym.arrays import Bools, Doubles, Indices
from recgym.sim.page_order import world_pages
from recgym.sim.schema import ONE_CHOICE
from recgym.sim.world import World


class Exposure(NamedTuple):
    """Distribution over units, in order of their categories. A unit is a page, or a single item."""

    paged: Bools  # (1,) whether units are pages
    share: Doubles  # (M,) of a unit
    cdf: Doubles  # (M,) cumulative over the catalogue
    category_cdf: Doubles  # (M,) cumulative within a category
    begin: Indices  # (C + 1,) first unit of each category, and M
    category_share: Doubles  # (C,)
    unit: Indices  # (N,) an item's unit
    items: Indices  # (N,) items in order of their units
    first: Indices  # (M + 1,) first item of each unit, and N
    chain: Doubles  # (M + 1, M) the world's `page_chain`; 1 x 1: the shares hold
    chain_cdf: Doubles  # (M + 1, M) cumulative rows


def shown_share(world: World) -> Doubles:
    """(N,) probability that an item is shown, if units are items.

    If the card says that exposure is assumed, it is popularity to the power that the card gives for `item_bias`.
    """
    terms = {row["term"]: row for row in world.card.get("terms", ())}
    exposure, bias = terms.get("exposure", {}), terms.get("item_bias", {})
    power = 1.0
    if exposure.get("status") == "assumed" and bias.get("status") == "assumed":
        power = float(bias["value"])
    share: Doubles = np.where(world.arrays.exposure > 0.0, world.arrays.exposure, np.inf) ** power
    share[world.arrays.exposure <= 0.0] = 0.0
    return share / share.sum()


def exposure_of(world: World) -> Exposure:
    """The distribution of a world's logging policy."""
    arrays, num = world.arrays, world.num_items
    paged = bool(arrays.choice[0] == ONE_CHOICE)
    share = arrays.exposure / arrays.exposure.sum() if paged else shown_share(world)
    code = world_pages(arrays) if paged else None
    chain = arrays.page_chain if paged else np.ones((1, 1))
    order = np.argsort(arrays.category if code is None else code, kind="stable")
    unit = np.empty(num, np.int32)
    starts = np.ones(num, np.bool_) if code is None else np.r_[True, np.diff(code[order]) > 0]
    unit[order] = np.cumsum(starts) - 1
    first = np.r_[np.flatnonzero(starts), num]
    units: Doubles = np.bincount(unit, share).astype(np.float64)
    category = arrays.category[order[first[:-1]]]
    begin = np.searchsorted(category, np.arange(len(world.categories) + 1))
    totals = np.bincount(category, units, len(world.categories))
    within: Doubles = np.cumsum(units)
    for c in np.flatnonzero(totals > 0.0):
        within[begin[c] : begin[c + 1]] = _cumulative(units[begin[c] : begin[c + 1]])
    return Exposure(
        np.array([paged]),
        units,
        _cumulative(units),
        within,
        begin.astype(np.int32),
        totals.astype(np.float64),
        unit,
        order.astype(np.int32),
        first.astype(np.int32),
        chain,
        np.stack([_cumulative(row) for row in chain]),
    )


def _cumulative(share: Doubles) -> Doubles:
    """Cumulative distribution, exactly 1 from the last positive share on, so that later items are never drawn."""
    cdf: Doubles = np.cumsum(share) / share.sum()
    cdf[np.flatnonzero(share)[-1] :] = 1.0
    return cdf
