"""Leaving of a world that is fitted to clicks, calibrated on clicks a visit.

The hazard after a click is fitted to a log that has the clicks alone. There, who left after a page without a click has
the last click as the end of the visit, so the fitted hazard contains leaving after such pages. The world leaves after
these, too, and so must leave less after clicks. Two numbers are set on the visits that the fit knows:

    leave_idle   the assumed share of visits ends before its first click
    leave_bias   visits with a click have as many clicks as the log's, cut where these are

Both by simulation of visits under the logging policy, on the log's pages, under common random numbers.
"""

from typing import NamedTuple

import numpy as np

from recgym.fit.config import assumed
from recgym.fit.dataset import Dataset
from recgym.fit.provenance import Provenance
from recgym.sim.free_visits import MAX_HORIZON, free_visits, largest_page, page_slots
from recgym.sim.world import World

NUM_VISITS = 20_000
MIN_VISITS = 1_000
MAX_CHOICES = 200_000_000  # [items] among which the users of all visits choose
ROUNDS = 12
TOLERANCE = 0.003  # relative


class _Found(NamedTuple):
    clicks: float  # a visit with a click
    idle: float  # share of visits without a click


def calibrated_leaving(world: World, dataset: Dataset, provenance: Provenance, seed: int) -> dict[str, float]:
    """`leave_bias` and `leave_idle`, and their provenance; the world has the fitted hazard, and `page_items`."""
    clicks = float(dataset.lengths[np.logical_or.reduceat(dataset.known, dataset.starts)].mean())
    target = _Found(clicks, assumed(dataset.domain, "idle_rate"))
    bias, idle = world.params["leave_bias"], world.params["leave_idle"]
    cut, visits = dataset.cut, num_visits(world, clicks)
    for _ in range(ROUNDS):
        found = _simulated(world.with_params(leave_bias=bias, leave_idle=idle), visits, seed, cut)
        apart = np.log(found.clicks / target.clicks), np.log(_odds(found.idle) / _odds(target.idle))
        if max(abs(apart[0]), abs(apart[1]) / 10) < TOLERANCE:
            break
        bias += apart[0]
        idle -= apart[0] + apart[1]
    fitted = world.params["leave_bias"]
    provenance.fitted(
        "leave_bias",
        bias,
        f"ends of visits, which count as leaving ({fitted:.3f}); calibrated on clicks a visit, {clicks:.3f} in the log"
        + (f", whose visits are cut at {cut}: later rates are extrapolated" if cut else ""),
    )
    provenance.assumed(
        "leave_idle",
        idle,
        f"set so that {target.idle:.1%} of visits end before their first click; no log of clicks has such visits, nor "
        f"slates without a click: the hazard is that of a page of {world.arrays.page_items[0]} items, and of fewer "
        "items in proportion",
    )
    return {"leave_bias": bias, "leave_idle": idle}


def num_visits(world: World, clicks: float) -> int:
    """Visits to simulate: fewer where users choose among the many items of a page, by `clicks` a visit."""
    return int(np.clip(MAX_CHOICES / (clicks * largest_page(world)), MIN_VISITS, NUM_VISITS))


def _odds(share: float) -> float:
    share = float(np.clip(share, 1e-4, 1.0 - 1e-4))
    return share / (1.0 - share)


def _simulated(world: World, visits: int, seed: int, cut: int) -> _Found:
    """Of visits that are censored after `cut` clicks; 0: never."""
    responses = np.zeros(visits, np.int64)
    for step in free_visits(
        world, visits, seed, slate_size=page_slots(world), horizon=MAX_HORIZON, pages=True, cut=cut
    ):
        responses[step.visit] += (step.events & 1).sum(1)
    if cut:
        responses = np.minimum(responses, cut)
    return _Found(float(responses[responses > 0].mean()), float((responses == 0).mean()))
