"""Environments and worlds for the tests of recgym.envs."""

from contextlib import contextmanager

import gymnasium as gym
import numpy as np

from recgym import envs
from recgym.envs import ENVIRONMENTS, row_of
from recgym.sim.synthetic import synthetic
from recgym.sim.world import World

IDS = [row.id for row in ENVIRONMENTS]


def world_for(env_id, **sizes) -> World:
    """A synthetic world that the environment of an id can play."""
    row = row_of(env_id)
    world = synthetic(5, domain="social" if row.domain == "friends" else row.domain, **sizes)
    return world.with_arrays(page_items=[8]) if row.pages else world


def flat(observation):
    return observation if isinstance(observation, dict) else {"": observation}


SMALL = synthetic(5, domain="content", num_items=12)


def content(make=gym.make, **kwargs):
    return make("recgym/Content-v1", **{"world": SMALL, **kwargs})


def same(first, second):
    for name, value in first.items() if isinstance(first, dict) else [("", first)]:
        np.testing.assert_array_equal(value, second[name] if name else second)


@contextmanager
def registered(*rows):
    """Rows of the table of environments that are registered for a while."""
    before = envs.REGISTERED
    envs.REGISTERED = (*rows, *before)
    envs.register_environments(rows)
    try:
        yield
    finally:
        envs.REGISTERED = before
        for row in rows:
            gym.registry.pop(row.id)


def events_of_steps(env):
    """A list that grows by the events of each slate (B, K), bit by bit, that a vector environment shows."""
    happened, play = [], env._engine_step

    def step(slates, rows, resets):
        observation, feedback = play(slates, rows, resets)
        if rows is None:  # else sessions begin, and nothing is shown
            happened.append(feedback.events.copy())
        return observation, feedback

    env._engine_step = step
    return happened
