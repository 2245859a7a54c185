"""Arrays behind an address: the same as the arrays, also in copies; other types are refused."""

import copy
import itertools
import pickle

import gymnasium as gym
import numpy as np
import pytest
from env_helpers import IDS, content

from recgym.sim.step_kernels import STEP, empty_step, summary
from recgym.sim.struct_memory import StructMemory


def reward_behind(memory):
    return summary(memory.address, np.zeros(2, np.int64))[0]


def test_compiled_code_reads_the_arrays_and_those_that_are_set():
    step, other = empty_step(1, 2), empty_step(1, 2)
    step.f.reward[0], other.f.reward[0] = 3.0, 4.0
    memory = StructMemory(step, STEP)
    assert reward_behind(memory) == 3.0
    step.f.reward[0] = 5.0
    assert reward_behind(memory) == 5.0
    memory.set(other)
    assert reward_behind(memory) == 4.0


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda memory: pickle.loads(pickle.dumps(memory))])
def test_a_copy_has_arrays_of_its_own(copied):
    memory = StructMemory(empty_step(1, 1), STEP)
    again = copied(memory)
    memory.value.f.reward[0] = 7.0
    assert reward_behind(memory) == 7.0
    assert reward_behind(again) == 0.0
    again.value.f.reward[0] = 8.0
    assert reward_behind(again) == 8.0


def test_arrays_of_another_type_or_order_are_refused():
    step = empty_step(1, 2)
    for slate in (step.slate.astype(np.int32), np.zeros((2, 4), np.int64)[:, ::2]):
        with pytest.raises(TypeError, match="arrays are of other types"):
            StructMemory(step._replace(slate=slate), STEP)


def test_a_copied_environment_continues_alone():
    env = content().unwrapped
    env.reset(seed=3)
    other = copy.deepcopy(env)
    here = [env.step(item)[0] for item in (1, 2)]
    there = [other.step(item)[0] for item in (1, 2)]
    np.testing.assert_array_equal(here, there)
    assert env.privileged().sessions.step[0] == other.privileged().sessions.step[0]


@pytest.mark.parametrize("env_id", IDS)
def test_the_single_environment_hands_out_new_arrays(env_id):
    env = gym.make(env_id).unwrapped
    handed = [env.reset(seed=1)[0]]
    kept = [handed[0].copy()]
    for _ in range(4):
        observation, _, terminated, truncated, _ = env.step(env.action_space.sample())
        handed.append(observation)
        kept.append(observation.copy())
        if terminated or truncated:
            break
    np.testing.assert_array_equal(handed, kept)
    assert not any(np.shares_memory(a, b) for a, b in itertools.pairwise(handed))
