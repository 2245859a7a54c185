"""Observations: their columns, and that they hold no hidden variable."""

import gymnasium as gym
import numpy as np
import pytest
from env_helpers import IDS, flat, world_for

from recgym.envs.arguments import OBSERVATIONS
from recgym.envs.spaces import feature_blocks


@pytest.mark.parametrize("env_id", IDS)
def test_a_key_of_observation_and_info_has_one_value(env_id):
    """TorchRL writes both into one table, by name."""
    env = gym.make(env_id, observation="features+history", action_mask=True)
    observation, info = env.reset(seed=0)
    for name in observation.keys() & info.keys():
        np.testing.assert_array_equal(observation[name], info[name])


@pytest.mark.parametrize("env_id", IDS)
def test_nothing_hidden_is_observed(env_id):
    """Two worlds with different hidden numbers and the same responses give the same observations."""
    base = world_for(env_id).with_params(leave_bias=-60.0, sigma=0.0, patience=0.0)
    base = base.with_params(outside=60.0, connect_bias=-60.0)
    other = base.with_arrays(factors=base.arrays.factors * 1.5, profile=base.arrays.profile[::-1])
    other = other.with_arrays(kin=other.arrays.kin[::-1])
    for observation in OBSERVATIONS:
        seen = []
        for world in (base, other):
            env = gym.make(env_id, world=world, observation=observation, disable_env_checker=True)
            seen.append(
                [env.reset(seed=1)[0]]
                + [env.step(np.zeros(env.action_space.shape, int))[0] for _ in range(3)]
            )
        for a, b in zip(*seen, strict=True):
            for name, value in flat(a).items():
                np.testing.assert_array_equal(value, flat(b)[name])


def test_feature_blocks_have_the_columns_that_they_declare():
    env = gym.make(IDS[0], world=world_for(IDS[0])).unwrapped
    engine = env.privileged()
    blocks = feature_blocks(engine)
    assert sum(blocks.values()) == env.observation_space.shape[0]
    env.reset(seed=2)
    observation, *_, info = env.step(4)
    clicked = info["click"]
    begins = dict(zip(blocks, np.cumsum([0, *blocks.values()]), strict=False))
    world, category = engine.world, engine.world.arrays.category[4]
    user = engine.sessions.user[0]
    np.testing.assert_array_equal(observation[:2], world.user_features[user])
    shown = observation[2 : 2 + len(world.categories)]
    assert shown[category] == pytest.approx(0.2)
    assert shown.sum() == pytest.approx(0.2)
    last = begins["category of the last item, one-hot"]
    assert observation[last + category] == 1
    assert observation[begins["events of the last slate"]] == info["click"]
    assert observation[begins["responses in a row in one category / 10"]] == pytest.approx(0.1 * clicked)
    assert observation[begins["step / horizon"]] == pytest.approx(1 / 50)


def test_tabular_formula():
    env = gym.make(IDS[0], world=world_for(IDS[0]).with_params(outside=-60.0), observation="tabular")
    assert env.reset(seed=0)[0] == 0
    state = env.step(3)[0]
    category = env.unwrapped.privileged().world.arrays.category[3]
    assert state == (((category + 1) * 4 + 0) * 4 + 1) * 5 + 1
