"""Trajectories of every id on a device, as arrays by name.

As a script (`python device_trajectories.py OUT.npz`) it plays them on the device that numba simulates, in plain Python.
"""

import sys

import gymnasium as gym
import numpy as np

from recgym.envs import ENVIRONMENTS, row_of

IDS = [row.id for row in ENVIRONMENTS]
NUM, STEPS = 2, 4


def leaves(value, name):
    if isinstance(value, dict):
        for key in sorted(value):
            yield from leaves(value[key], f"{name}/{key}")
    else:
        yield name, np.asarray(value.cpu() if hasattr(value, "cpu") else value)


def trajectory(env_id, device, output="torch", mode="NextStep"):
    """Observations, rewards, ends and infos of a reset and of STEPS steps, with episodes that end and begin."""
    items = None if row_of(env_id).pages else 7
    vector = gym.make_vec(
        env_id, num_envs=NUM, n_items=items, horizon=9, max_episode_steps=2, observation="features+history",
        action_mask=True, autoreset_mode=mode, device=device, output=output,
    )  # fmt: skip
    rng = np.random.default_rng(4)
    found = dict(leaves(dict(enumerate(vector.reset(seed=11))), "reset"))
    for step in range(STEPS):
        actions = rng.integers(0, items or 100, vector.action_space.shape)
        result = vector.step(actions)
        found |= leaves(dict(zip(("seen", "reward", "left", "cut", "info"), result, strict=True)), str(step))
    return found


if __name__ == "__main__":
    np.seterr(over="ignore")
    played = {
        f"{env_id} {name}": value for env_id in IDS for name, value in trajectory(env_id, "cuda").items()
    }
    np.savez(sys.argv[1], **played)
