"""Small networks of DCF-DQN on known worlds."""

import gymnasium
import numpy as np
import torch

from agents import Problem
from agents.deep.towers import Towers
from agents.torch_utils import seeded

SMALL = {"width": 8, "hidden": 16}


def history_env(world, num_envs=16, task="recgym/Social-v2", **kwargs):
    return gymnasium.make_vec(task, num_envs=num_envs, world=world, observation="history", **kwargs)


def visited(env, steps, seed=0):
    """A problem and observations with some history, with repeats."""
    problem = Problem.of(env)
    observation, _ = env.reset(seed=seed)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        observation, *_ = env.step(rng.integers(0, 4, env.action_space.shape))
    return problem, observation


def random_towers(problem, encoder="recurrent", rank=0):
    with seeded(1):
        towers = Towers(problem, width=8, hidden=16, encoder=encoder, rank=rank)
        for weight in towers.parameters():
            torch.nn.init.normal_(weight, std=0.4)
    return towers
