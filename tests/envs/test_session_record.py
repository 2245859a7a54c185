"""The record of the sessions that pictures show, in each autoreset mode."""

import gymnasium as gym
import numpy as np
import pytest
from env_helpers import content

from recgym.envs.session_record import amount, counted


def record_of(env):
    return env.unwrapped._record


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
def test_the_record_of_a_row_holds_the_steps_of_its_session(mode):
    env = content(gym.make_vec, num_envs=5, render_mode="ansi", autoreset_mode=mode, horizon=6)
    env.reset(seed=3)
    env.action_space.seed(3)
    record, rewards, endings = record_of(env), [[] for _ in range(5)], [None] * 5
    over = np.zeros(5, bool)
    ends = 0
    for _ in range(40):
        if mode == "Disabled" and over.any():
            for b in np.flatnonzero(over):
                rewards[b] = []
            env.reset(options={"reset_mask": over})
            over[:] = False
        before = over if mode == "NextStep" else np.zeros(5, bool)
        _, reward, left, horizon, _ = env.step(env.action_space.sample())
        over = left | horizon
        for b in range(5):
            rewards[b] = [] if before[b] else [*rewards[b], reward[b]]
            if over[b]:
                endings[b] = (len(rewards[b]), sum(rewards[b]), left[b])
            if over[b] and mode == "SameStep":
                rewards[b] = []
            steps = record.steps(b)
            assert [step.feedback.reward[b] for step in steps] == rewards[b]
            assert env.unwrapped.privileged().sessions.step[b] == len(steps)
            if not steps and endings[b] is not None:
                assert record.ending(b) == pytest.approx(endings[b])
                ends += 1
    assert ends > 3 or mode == "Disabled"
    assert len(record._steps) <= 7


def test_a_restored_environment_has_no_steps_of_another_session():
    env = content(gym.make_vec, num_envs=2, render_mode="ansi")
    env.reset(seed=1)
    state = env.unwrapped.snapshot()
    env.step(np.array([1, 2]))
    env.unwrapped.restore(state)
    assert record_of(env).steps(0) == []
    assert "begins" in env.render()[0]


def test_nothing_is_recorded_without_a_render_mode():
    assert record_of(content()) is None


def test_numbers_in_words():
    assert [amount(value) for value in (0.0, -0.001, 2.0, -2.5, 1 / 3, 10.0)] == [
        "0",
        "0",
        "2",
        "-2.5",
        "0.33",
        "10",
    ]
    assert [counted(n, "step") for n in (0, 1, 2)] == ["0 steps", "1 step", "2 steps"]
