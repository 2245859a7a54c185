"""Entries of info."""

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from env_helpers import IDS

from recgym.envs import ENVIRONMENTS


@pytest.mark.parametrize("env_id", IDS)
def test_info_has_new_arrays_and_numpy_scalars(env_id):
    env = gym.make(env_id, action_mask=True)
    _, info = env.reset(seed=0)
    infos = [info, env.step(env.action_space.sample())[4]]
    for info in infos:
        for name, value in info.items():
            assert isinstance(value, np.ndarray | np.generic), name
            assert value.dtype.kind in "biuf", name
        mask = info["action_mask"]
        assert (mask.shape, mask.dtype) == (env.unwrapped.action_masks().shape, bool)
        assert info.keys() == infos[0].keys()
        accepted = info.get("connect", 0)  # only accepted friends are masked
        assert (~info["action_mask"]).sum() == accepted
    vector = gym.make_vec(env_id, num_envs=3)
    vector.reset(seed=0)
    first = vector.step(vector.action_space.sample())
    copies = {name: np.array(value) for name, value in first[4].items()}
    vector.step(vector.action_space.sample())
    for name, value in first[4].items():
        np.testing.assert_array_equal(value, copies[name])


@pytest.mark.parametrize("env_id", IDS)
def test_a_space_samples_by_the_mask_as_the_page_says(env_id):
    env = gym.make(env_id, action_mask=True)
    mask = env.reset(seed=0)[1]["action_mask"].copy()
    slots = mask.size // env.unwrapped.privileged().world.num_items
    mask.reshape(slots, -1)[:, 1:] = False
    parts = tuple(mask.reshape(slots, -1).astype(np.int8))
    assert not np.any(env.action_space.sample(parts if slots > 1 else mask.astype(np.int8)))
    text = (Path(__file__).parents[2] / "docs/interface.md").read_text(encoding="utf-8")
    assert 'env.action_space.sample(info["action_mask"].astype(np.int8))' in text
    assert 'tuple(info["action_mask"].reshape(slate_size, -1).astype(np.int8))' in text


def test_info_says_whether_the_reward_is_assumed():
    for reward, assumed in (("clicks", 0), ("conversion", 1), ("revenue", 1)):
        _, info = gym.make("recgym/Ecommerce-v1", reward=reward).reset(seed=0)
        assert info["reward_is_assumed"] == assumed
    for row in ENVIRONMENTS:  # defaults use fitted signals only
        assert gym.make(row.id).reset(seed=0)[1]["reward_is_assumed"] == 0
