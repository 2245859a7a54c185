"""Rewards as arrays: what the feedback to a slate pays.

Axes: B sessions, K slate positions, N items, E events.
"""

import numpy as np

from recgym.jit import njit
from recgym.sim.scalar_math import minimum
from recgym.sim.schema import WorldArrays
from recgym.sim.state import WATCH_CAP_MINUTES, Feedback, Reward, Slates
from recgym.sim.watch_time import CLICKED, LONG_VIEW, SKIPPED, watch_time
from recgym.sim.world import World

MS_PER_MINUTE = 60_000.0
NUM_QUANTILES = 64  # of watch time, whose mean is its expectation


@njit()
def score(w: WorldArrays, r: Reward, slate: Slates, b: int, f: Feedback) -> float:
    """Reward of row b of the feedback."""
    total = 0.0
    for k in range(slate.shape[1]):
        item = slate[b, k]
        for e in range(w.event_bias.shape[0]):  # without a branch
            total += ((f.events[b, k] >> e) & 1) * (r.weight[e] + r.price_weight[e] * w.price_ratio[item])
        if r.watch_weight[0] != 0.0:
            total += r.watch_weight[0] * minimum(float(f.watch[b, k]) / MS_PER_MINUTE, WATCH_CAP_MINUTES)
    return total


def make_reward(
    world: World, weights: dict[str, float], *, price: bool = False, watch: float = 0.0
) -> Reward:
    """Arrays of a reward.

    Args:
        world: with its events and prices.
        weights: by event; events that are not named have weight 0.
        price: whether the weights are multiplied by the item's price ratio.
        watch: reward per minute watched, up to WATCH_CAP_MINUTES an item.
    """
    vector = np.array([float(weights.get(event.name, 0.0)) for event in world.events])
    mean = np.zeros((world.num_items, 3))
    if world.arrays.watch[0] and watch:
        grid = (np.arange(NUM_QUANTILES) + 0.5) / NUM_QUANTILES
        for item in range(world.num_items):
            for outcome in (SKIPPED, CLICKED, LONG_VIEW):
                minutes = [watch_time(world.arrays, item, outcome, u) / MS_PER_MINUTE for u in grid]
                mean[item, outcome] = np.minimum(minutes, WATCH_CAP_MINUTES).mean()
    zero = np.zeros_like(vector)
    return Reward(zero if price else vector, vector if price else zero, np.array([float(watch)]), mean)
