"""Environments and observations for tests of Stable-Baselines3's agents."""

import gymnasium

from recgym.sim.synthetic import synthetic

WORLDS = {domain: synthetic(domain=domain, num_items=12) for domain in ("ecommerce", "content")}


def native(task="recgym/Ecommerce-v1", num_envs=4, **kwargs):
    world = WORLDS["content" if "Content" in task else "ecommerce"]
    return gymnasium.make_vec(task, num_envs=num_envs, world=world, **kwargs)


def with_history(num_envs=6, **kwargs):
    return native(num_envs=num_envs, observation="features+history", horizon=4, **kwargs)
