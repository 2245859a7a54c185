"""Whole visits of a world under its logging policy: the steps of many sessions, each played to its end.

Axes: B sessions, K slate positions, N items, V visits, R running sessions.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from recgym.arrays import Floats, Indices, Ints
from recgym.sim.engine import Engine
from recgym.sim.logging_policy import LoggedPolicy
from recgym.sim.page_exposure import exposure_of
from recgym.sim.reward_arrays import make_reward
from recgym.sim.state import Slates
from recgym.sim.whole_pages import with_whole_pages
from recgym.sim.world import World

SESSIONS_AT_ONCE = 500  # B of the engine; each row plays its share of the visits, one after the other
MAX_HORIZON = 1_000  # [steps]
MAX_PAGE = 10_000  # [items] of a page among all of which users choose; of a larger one a slate is drawn


class VisitStep(NamedTuple):
    """One step of the running sessions."""

    visit: Ints  # (R,)
    step: Ints  # (R,) from 1
    context: Indices  # (R,)
    slate: Slates  # (R, K)
    events: Indices  # (R, K) bit e for event e
    watch: Floats  # (R, K) [ms]


def free_visits(
    world: World, count: int, seed: int, *, slate_size: int, horizon: int, pages: bool, cut: int = 0
) -> Iterator[VisitStep]:
    """Steps of `count` visits of the world under its logging policy; with `pages`, slates are whole pages of the shop.

    With `cut`, a visit ends with the step that has its `cut`-th click, if it does not end before.
    Every row of the engine plays the same number of visits to their end, so that long visits are not missed. Pages of
    more items than a slate are not listed: a step has the clicked item of the page, or the one that names it.
    """
    unlisted = pages and world.arrays.page_items[0] > 0 and slate_size < largest_page(world) <= MAX_PAGE
    if unlisted:
        world, slate_size = with_large_pages(world), 1
    num = min(SESSIONS_AT_ONCE, count)
    quota = np.full(num, count // num)
    quota[: count % num] += 1
    engine = Engine(world, num, slate_size=slate_size, horizon=horizon, reward=make_reward(world, {}))
    engine.seed(np.arange(num, dtype=np.uint64) + (np.uint64(seed) << np.uint64(32)))
    engine.reset()
    policy, (done, clicks) = LoggedPolicy(engine.world), np.zeros((2, engine.num), np.int64)
    offset = np.cumsum(quota) - quota
    size = page_sizes(engine.world) if pages and not unlisted else None
    fresh = engine.no_rows
    while (running := done < quota).any():
        if (fresh & running).any():
            engine.reset(fresh & running)
        slates = policy(engine, rows=running)[0]
        if size is not None:
            slates = whole_pages(slates, size)
        rows = np.flatnonzero(running)
        step, context = engine.sessions.step[rows].astype(np.int64) + 1, engine.sessions.context[rows]
        feedback = engine.step(slates, running)
        if unlisted:
            slates = engine.sessions.items[:, -1:].astype(np.int64)
        visit = offset[rows] + done[rows]
        yield VisitStep(visit, step, context, slates[rows], feedback.events[rows], feedback.watch[rows])
        clicks[rows] += (feedback.events[rows] & 1).sum(1)
        fresh = running & (feedback.left | feedback.horizon | (cut > 0) & (clicks >= cut))
        done = done + fresh
        clicks[fresh] = 0


def with_large_pages(world: World) -> World:
    """The world in which an item stands for its page, of any size.

    A page with more items than a page of the shop is several pages, which share its weight: it has the same probability
    of a click, and the same hazard without one.
    """
    size, items = page_sizes(world), float(world.arrays.page_items[0])
    less = np.log(np.maximum(size / items, 1.0))
    returns = world.arrays.return_logit
    return with_whole_pages(
        world.with_arrays(
            return_logit=returns - less if len(returns) > 1 else returns,
            examine=np.ones(int(size.max())),
            item_bias=world.arrays.item_bias - less,
            page_items=np.round([world.arrays.exposure @ np.maximum(size, items)]),
        )
    )


def page_sizes(world: World) -> Ints:
    """(N,) number of items on an item's page."""
    exposure = exposure_of(world)
    return np.asarray(np.diff(exposure.first)[exposure.unit], np.int64)


def largest_page(world: World) -> int:
    """Number of items of the largest page."""
    return int(page_sizes(world).max())


def page_slots(world: World) -> int:
    """Slate size that holds the largest page, within what the world allows."""
    return min(largest_page(world), len(world.arrays.examine), world.num_items)


def whole_pages(slates: Slates, size: Ints) -> Slates:
    """Slates cut to the page of their top item; the positions behind it repeat the top item, so they are empty."""
    behind = np.arange(slates.shape[1])[None, :] >= size[slates[:, 0]][:, None]
    return np.where(behind, slates[:, :1], slates)
