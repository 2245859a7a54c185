"""Rendering modes of environments that are made by their id."""

import gymnasium as gym
import numpy as np
import pytest

ID = "recgym/Ecommerce-v1"


@pytest.mark.parametrize("mode", ["human", "RGB_ARRAY", "", 3, True, 1.5, ["ansi"], np.zeros(2)], ids=repr)
def test_unknown_modes_are_refused_when_the_environment_is_made(mode):
    with pytest.raises(ValueError, match=r"^render_mode is .*, allowed: None, 'ansi', 'rgb_array'") as error:
        gym.make(ID, render_mode=mode)
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match=r"^render_mode is .*, allowed: None, 'ansi', 'rgb_array'"):
        gym.make_vec(ID, num_envs=2, vectorization_mode="vector_entry_point", render_mode=mode)


def test_lists_of_frames_hold_one_frame_a_step():
    env = gym.make(ID, render_mode="ansi_list")
    env.reset(seed=1)
    env.step(3)
    frames = env.render()
    single = gym.make(ID, render_mode="ansi")
    single.reset(seed=1)
    first = single.render()
    single.step(3)
    assert frames == [first, single.render()]
    assert env.render() == []
    assert gym.make(env.spec).render_mode == "ansi_list"
