"""Random seeds of the single environment and of the vector."""

import gymnasium as gym
import numpy as np
import pytest
from env_helpers import IDS


def test_seeds():
    env, other = gym.make(IDS[0]), gym.make(IDS[0])
    first, _ = env.reset(seed=7)
    np.testing.assert_array_equal(other.reset(seed=7)[0], first)
    engine = env.unwrapped.privileged()
    keys = [int(engine.sessions.key[0])]
    env.reset()
    keys.append(int(engine.sessions.key[0]))
    env.reset(seed=7)
    keys.append(int(engine.sessions.key[0]))
    assert keys[0] == keys[2] != keys[1]
    fresh = [gym.make(IDS[0]) for _ in range(2)]
    for each in fresh:
        each.reset()
    a, b = (each.unwrapped.privileged().sessions.key[0] for each in fresh)
    assert a != b
    vector = gym.make_vec(IDS[0], num_envs=3)
    vector.reset(seed=[5, 7, None])
    assert vector.unwrapped.privileged().sessions.key[1] == keys[0]


SEEDS = [5, 2**63 - 1, 2**63, 2**64 - 1, 2**64 + 5]


@pytest.mark.parametrize("kind", [int, np.uint64, np.int64, np.int32, np.uint8, np.array])
def test_a_seed_is_any_kind_of_whole_number(kind):
    env, vector = gym.make(IDS[0]), gym.make_vec(IDS[0], num_envs=2)
    for seed in SEEDS:
        if kind not in (int, np.array) and seed > np.iinfo(kind).max:
            continue
        value = kind(seed)
        env.reset(seed=value)
        key = env.unwrapped.privileged().sessions.key[0]
        for seeds in (value, [value, 3], (value, None), np.array([value, 3], object)):
            vector.reset(seed=seeds)
            assert vector.unwrapped.privileged().sessions.key[0] == key
    env.reset(seed=5)
    modulo = env.unwrapped.privileged().sessions.key[0]
    env.reset(seed=2**64 + 5)
    assert env.unwrapped.privileged().sessions.key[0] == modulo


def test_seeds_of_a_vector_come_in_any_sequence():
    vector = gym.make_vec(IDS[0], num_envs=3)
    for seeds in (
        np.arange(3),
        list(np.arange(3)),
        np.arange(3, dtype=np.uint64),
        (0, 1, 2),
        range(3),
        list(np.arange(3, dtype=np.uint8)),
    ):
        vector.reset(seed=seeds)
        assert vector.unwrapped.privileged().sessions.seed.tolist() == [0, 1, 2]
    vector.reset(seed=np.array([2**64 - 1, 0, 2**63], np.uint64))
    assert vector.unwrapped.privileged().sessions.seed.tolist() == [2**64 - 1, 0, 2**63]


@pytest.mark.parametrize(
    ("seed", "message"),
    [
        ([1, 2], "seed lists 2 numbers, expected one for each of 3 environments"),
        ([1.7, 2, 3], r"seed 0 is 1\.7, expected a whole number of at least 0"),
        ([1, 2, -3], "seed 2 is -3"),
        ([1, True, 3], "seed 1 is True"),
        (np.array([1.0, 2.0, 3.0]), r"seed 0 is 1\.0"),
        (np.zeros((3, 1), int), r"seed is array\(\[\[0\],"),
        ("123", "seed is '123', expected a whole number"),
        ({1, 2, 3}, r"seed is {1, 2, 3}"),
        ([], "seed lists 0 numbers"),
        (-1, "seed is -1, expected a whole number of at least 0"),
        (1.0, r"seed is 1\.0"),
        (True, "seed is True"),
        (np.float32(2), r"seed is np\.float32"),
        (np.array(2.0), r"seed is array\(2\.\)"),
        (float("nan"), "seed is nan"),
    ],
)
def test_impossible_seeds_are_named_and_change_nothing(seed, message):
    vector, single = gym.make_vec(IDS[0], num_envs=3), gym.make(IDS[0]).unwrapped
    vector.reset(seed=0)
    before = vector.unwrapped.privileged().snapshot()
    with pytest.raises(ValueError, match=message):
        vector.reset(seed=seed)
    for a, b in zip(before, vector.unwrapped.privileged().sessions, strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match=r"seed is .*expected a whole number of at least 0"):
        single.reset(seed=seed)


def test_global_randomness_is_neither_read_nor_moved():
    def returns():
        env = gym.make_vec(IDS[1], num_envs=50)
        env.reset(seed=3)
        return [env.step(np.tile(np.arange(6) + i, (50, 1)))[1].tolist() for i in range(3)]

    np.random.seed(0)  # noqa: NPY002 - the global state is the subject
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first = returns()
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    assert returns() == first
