"""The action mask in the observation."""

import gymnasium as gym
import numpy as np
import pytest
from env_helpers import content, same
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import NormalizeReward

from recgym.envs.wrappers import ActionMaskObservation


@pytest.mark.parametrize("names", [("observation", "action_mask"), ("obs", "mask")])
@pytest.mark.parametrize("observation", ["features", "history", "tabular"])
@pytest.mark.parametrize("env_id", ["recgym/Content-v1", "recgym/ContentSlate-v1", "recgym/SocialFriends-v3"])
def test_the_mask_in_the_observation(env_id, observation, names):
    inner = gym.make(env_id, observation=observation)
    env = ActionMaskObservation(inner, *names)
    check_env(env.unwrapped, skip_render_check=True)
    plain = gym.make(env_id, observation=observation, action_mask=True)
    seen, (expected, info) = env.reset(seed=3)[0], plain.reset(seed=3)
    rng, barred = np.random.default_rng(0), 0
    for _ in range(40):
        assert env.observation_space.contains(seen)
        same(seen[names[0]], expected)
        np.testing.assert_array_equal(seen[names[1]], info["action_mask"])
        assert seen[names[1]].dtype == np.int8
        barred += (seen[names[1]] == 0).sum()
        action = np.asarray(rng.choice(np.flatnonzero(seen[names[1]]))) % 12
        action = int(action) if env.action_space.shape == () else np.full(6, action)
        seen, _, *end, _ = env.step(action)
        expected, *_, info = plain.step(action)
        if any(end):
            seen, (expected, info) = env.reset()[0], plain.reset()
    assert (barred > 0) == ("Friends" in env_id)
    assert gym.make(env.spec).observation_space == env.observation_space


def test_a_mask_needs_an_environment_that_has_one():
    with pytest.raises(ValueError, match=r"expected a single environment with action_masks\(\)"):
        ActionMaskObservation(gym.make("CartPole-v1"))
    with pytest.raises(ValueError, match="observation_key and mask_key are both 'mask'"):
        ActionMaskObservation(content(), "mask", "mask")


def test_rewards_are_normalised_by_the_returns_of_single_sessions_in_mode_same_step():
    vector = gym.make_vec("recgym/ContentSlate-v1", 8, autoreset_mode=AutoresetMode.SAME_STEP, horizon=3)
    normalised = NormalizeReward(vector, gamma=1.0)
    normalised.reset(seed=1)
    vector.action_space.seed(1)
    own, most = np.zeros(8), 0.0
    for _ in range(40):
        _, reward, terminated, truncated, _ = normalised.step(vector.action_space.sample())
        own += reward * np.sqrt(normalised.return_rms.var + normalised.epsilon)
        most = max(most, own.max())
        own[terminated | truncated] = 0.0
        np.testing.assert_allclose(normalised.accumulated_reward, own, atol=1e-4)
    assert most > 0.0
