"""Pictures in both render modes."""

import gymnasium as gym
import pytest
from env_helpers import IDS, content
from gymnasium.utils.env_checker import check_env


@pytest.mark.parametrize("env_id", IDS)
def test_both_render_modes_pass_the_checker(env_id):
    for mode in ("ansi", "rgb_array"):
        env = gym.make(env_id, render_mode=mode, render_hidden=True).unwrapped
        check_env(env)
    env.reset(seed=0)
    first = env.render()
    env.step(env.action_space.sample())
    assert first.shape == (400, 640, 3)
    assert (env.render() != first).any()


def test_rendering_shows_the_hidden_intent_only_when_asked():
    for hidden in (False, True):
        env = gym.make(IDS[0], render_mode="ansi", render_hidden=hidden)
        env.reset(seed=0)
        assert ("hidden" in env.render()) is hidden


def test_a_video_of_a_vector_has_the_environments_frames_a_second():
    single, vector = content(), content(gym.make_vec, num_envs=2)
    assert vector.metadata["render_fps"] == single.metadata["render_fps"] == 2
