"""Worlds whose users or items are not those that an agent was trained for. Severity 0 is the world itself.

Axes: U users, N items, K slate positions, d factors.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from recgym.arrays import Doubles
from recgym.sim.numbering import permuted
from recgym.sim.world import World

TILT = 2.0  # of the log weights of users at severity 1, in standard deviations of their mainstreamness


def drifted(world: World, severity: float, rng: np.random.Generator) -> World:
    """Preference drift: a user's own taste is sqrt(1 - s) of it plus sqrt(s) of another user's.

    Own taste is the profile less the mean profile, which all users keep.
    """
    profile = np.asarray(world.arrays.profile, np.float64)
    mean = np.diff(np.r_[0.0, world.arrays.user_cdf]) @ profile
    own = profile - mean
    other = own[rng.permutation(len(own))]
    return world.with_arrays(profile=mean + (1.0 - severity) ** 0.5 * own + severity**0.5 * other)


def mixed(world: World, severity: float, rng: np.random.Generator) -> World:
    """User mix: weights of users are tilted to those whose taste is least like the mean taste."""
    arrays = world.arrays
    weight = np.diff(np.r_[0.0, arrays.user_cdf])
    profile = np.asarray(arrays.profile, np.float64)
    like = profile @ (weight @ profile)
    scale = float(like.std())
    tilted = weight * np.exp(-TILT * severity * (like - like.mean()) / scale) if scale else weight
    cdf: Doubles = np.cumsum(tilted)
    return world.with_arrays(user_cdf=cdf / cdf[-1])


def less_examined(world: World, severity: float, rng: np.random.Generator) -> World:
    """Position bias: position k (from 0) is examined with (1 - s)^k of its probability."""
    examine = np.asarray(world.arrays.examine, np.float64)
    return world.with_arrays(examine=examine * (1.0 - severity) ** np.arange(len(examine)))


def with_unseen_items(world: World, severity: float, rng: np.random.Generator) -> World:
    """Unseen items: a share s of the numbers stand for other items, with their public features; the rest are as before.

    The items exchange their numbers in a circle, so that what an agent learnt of these numbers is of other items. All
    that a world knows of an item moves with it: friends' libraries, transitions and returns, too.
    """
    count = round(severity * world.num_items)
    if count < 2:
        return world
    chosen = rng.choice(world.num_items, count, replace=False)
    order = np.arange(world.num_items)
    order[chosen] = np.roll(chosen, 1)
    vectors = world.item_vectors
    return replace(
        world.with_arrays(**permuted(world.arrays, order)),
        item_vectors=None if vectors is None else vectors[order],
    )


WORLD_CHANGES: dict[str, Callable[[World, float, np.random.Generator], World]] = {
    "preference_drift": drifted,
    "user_mix": mixed,
    "position_bias": less_examined,
    "unseen_items": with_unseen_items,
}


def changed_world(world: World, name: str, severity: float, seed: int) -> World:
    """The world, its users drawn, with one change of `WORLD_CHANGES`; the world itself at severity 0."""
    if severity == 0.0:
        return world
    return WORLD_CHANGES[name](world.drawn(), severity, np.random.default_rng(seed))
