"""The vector environment: each row equals the single environment, in all autoreset modes."""

import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
from env_helpers import IDS, content, flat, world_for
from gymnasium.vector import AutoresetMode

from recgym.envs.arguments import OBSERVATIONS


def assert_row(info, row, single):
    """Row of a vector's info against the single environment's: keys, dtypes, shapes, bits."""
    assert info.keys() == single.keys()
    for name, value in single.items():
        theirs = info[name][row]
        assert isinstance(value, np.ndarray | np.generic), name
        assert (theirs.dtype, theirs.shape) == (value.dtype, value.shape), name
        assert theirs.tobytes() == value.tobytes(), name


@pytest.mark.parametrize("num", [1, 3, 64])
@pytest.mark.parametrize("observation", OBSERVATIONS)
@pytest.mark.parametrize("env_id", IDS)
def test_a_vector_row_is_the_single_environment(env_id, observation, num):
    """Observations, rewards, ends and every entry of info, at reset, at steps, at restarts."""
    arguments = {"observation": observation, "action_mask": num < 64}
    vector = gym.make_vec(env_id, num_envs=num, **arguments)
    row = num // 2
    single = gym.make(env_id, disable_env_checker=True, **arguments)
    many, info = vector.reset(seed=100)
    one, single_info = single.reset(seed=100 + row)
    keys = set(info)
    rng = np.random.default_rng(0)
    over, episodes = False, 0
    for _ in range(1_000):
        assert set(info) == keys
        assert_row(info, row, single_info)
        for name, value in flat(one).items():
            np.testing.assert_array_equal(flat(many)[name][row], value)
        actions = rng.integers(
            0, vector.single_action_space.nvec.max() if many_slots(vector) else items(vector), shape(vector)
        )
        many, reward, terminated, truncated, info = vector.step(actions)
        if over:
            one, single_info = single.reset()
            expected = (0.0, False, False)
            over = False
            episodes += 1
        else:
            one, r, te, tr, single_info = single.step(actions[row])
            expected, over = (r, te, tr), te or tr
        assert (reward[row], terminated[row], truncated[row]) == expected
        if episodes > 3:
            return
    raise AssertionError("too few episodes")


@pytest.mark.parametrize("mode", ["SameStep", "Disabled"])
@pytest.mark.parametrize("env_id", IDS)
def test_a_row_is_the_single_environment_in_the_other_autoreset_modes(env_id, mode):
    arguments = {"observation": "features+history", "action_mask": True, "horizon": 9}
    vector = gym.make_vec(env_id, num_envs=5, autoreset_mode=mode, **arguments)
    single = gym.make(env_id, disable_env_checker=True, **arguments)
    info, mine = vector.reset(seed=40)[1], single.reset(seed=43)[1]
    keys, ends, rng = set(info), 0, np.random.default_rng(1)
    assert_row(info, 3, mine)
    for _ in range(60):
        actions = rng.integers(0, 40, shape(vector))
        many, _, terminated, truncated, info = vector.step(actions)
        one, _, *end, mine = single.step(actions[3])
        over = terminated | truncated
        assert any(end) == over[3]
        is_final = mode == "SameStep" and over.any()
        final = {
            name: info.pop(name)
            for name in ("final_obs", "_final_obs", "final_info", "_final_info")
            if is_final
        }
        assert info.keys() == keys
        if over[3]:
            ends += 1
            if mode == "SameStep":
                assert final["_final_obs"][3]
                assert final["_final_info"][3]
                assert_row(final["final_info"], 3, mine)
                assert_row(final["final_obs"], 3, one)
            else:
                assert_row(info, 3, mine)
                assert_row(many, 3, one)
            one, mine = single.reset()
        if mode == "Disabled" and over.any():
            many, reset_info = vector.reset(options={"reset_mask": over})
            assert reset_info.keys() == keys
            info = reset_info if over[3] else info
        assert_row(info, 3, mine)
        assert_row(many, 3, one)
    assert ends > 2


def many_slots(vector):
    return hasattr(vector.single_action_space, "nvec")


def items(vector):
    return int(vector.single_action_space.n)


def shape(vector):
    return (
        (vector.num_envs, len(vector.single_action_space.nvec)) if many_slots(vector) else (vector.num_envs,)
    )


@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_same_step_returns_the_last_observation_separately(observation):
    env_id = IDS[0]
    kwargs = {"world": world_for(env_id), "observation": observation, "horizon": 4}
    same = gym.make_vec(env_id, num_envs=16, vector_kwargs=None, autoreset_mode="SameStep", **kwargs)
    following = gym.make_vec(env_id, num_envs=16, **kwargs)
    assert same.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    same.reset(seed=3)
    following.reset(seed=3)
    actions = np.arange(16)
    for _ in range(4):
        a, b = same.step(actions), following.step(actions)
        over = a[2] | a[3]
        np.testing.assert_array_equal(a[2], b[2])
        if not over.any():
            assert "final_obs" not in a[4]
            continue
        np.testing.assert_array_equal(a[4]["_final_obs"], over)
        for name, value in flat(a[4]["final_obs"]).items():
            np.testing.assert_array_equal(value[over], flat(b[0])[name][over])
            assert not np.shares_memory(value, flat(a[0])[name])
        np.testing.assert_array_equal(a[4]["final_info"]["click"][over], b[4]["click"][over])
        break
    assert over.any()
    step = same.unwrapped.privileged().sessions.step
    assert (step[over] == 0).all()


def test_disabled_needs_a_reset_mask():
    vector = gym.make_vec(IDS[0], num_envs=4, autoreset_mode=AutoresetMode.DISABLED, horizon=1)
    vector.reset(seed=0)
    vector.step(np.zeros(4, np.int64))
    with pytest.raises(gym.error.ResetNeeded, match=r"rows \[0, 1, 2, 3\]"):
        vector.step(np.zeros(4, np.int64))
    vector.reset(options={"reset_mask": np.array([True, True, True, False])})
    engine = vector.unwrapped.privileged()
    assert engine.sessions.step.tolist() == [0, 0, 0, 1]
    with pytest.raises(gym.error.ResetNeeded, match=r"rows \[3\]"):
        vector.step(np.zeros(4, np.int64))
    with pytest.raises(ValueError, match=r"reset_mask must be a boolean array of shape \(4,\)"):
        vector.reset(options={"reset_mask": np.ones(3, np.bool_)})


def test_info_of_a_restarted_row_equals_that_of_a_reset():
    for mode in ("NextStep", "SameStep"):
        vector = gym.make_vec("recgym/Content-v1", num_envs=6, horizon=1, autoreset_mode=mode)
        first = vector.reset(seed=0)[1]["user"]
        info = vector.step(np.arange(6))[4]
        ended = info["final_info"] if mode == "SameStep" else info
        assert (ended["user"] == first).all()
        assert ended["watch_minutes"].all()
        if mode == "NextStep":
            info = vector.step(np.zeros(6, int))[4]
        np.testing.assert_array_equal(info["user"], vector.unwrapped.privileged().sessions.user)
        assert (info["user"] != first).any()
        assert not any(
            info[name].any() for name in (*vector.unwrapped.event_names, "watch_minutes", "repeats")
        )


def test_an_autoreset_mode_is_a_member_its_name_or_its_value():
    for mode in AutoresetMode:
        for given in (mode, mode.name, mode.value):
            vector = content(gym.make_vec, num_envs=2, autoreset_mode=given)
            assert vector.unwrapped.autoreset_mode is vector.metadata["autoreset_mode"] is mode


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"threads": 0}, "threads is 0"),
        ({"threads": "2"}, "threads is '2'"),
        ({"threads": 1.5}, "threads is 1.5"),
        (
            {"autoreset_mode": "Sometimes"},
            "autoreset_mode is 'Sometimes', allowed: 'NextStep', 'SameStep', 'Disabled'",
        ),
        ({"autoreset_mode": ["SAME_STEP"]}, "autoreset_mode is "),
        ({"num_envs": 0}, "num_envs is 0"),
    ],
)
def test_impossible_vector_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        gym.make_vec("recgym/Ecommerce-v1", **{"num_envs": 2, **arguments})


def test_episode_statistics_are_correct():
    vector = gym.wrappers.vector.RecordEpisodeStatistics(gym.make_vec(IDS[0], num_envs=8))
    vector.reset(seed=4)
    total, length, checked = np.zeros(8), np.zeros(8, int), 0
    over = np.zeros(8, bool)
    for i in range(150):
        _, reward, terminated, truncated, info = vector.step(np.full(8, i % 5))
        total, length = np.where(over, 0, total + reward), np.where(over, 0, length + 1)
        over = terminated | truncated
        for row in np.flatnonzero(over):
            assert info["episode"]["r"][row] == total[row]
            assert info["episode"]["l"][row] == length[row]
            checked += 1
    assert checked > 20


_ASYNC = """
import gymnasium as gym, numpy as np, recgym
def main():
    native = gym.make_vec("recgym/Ecommerce-v1", num_envs=64, threads=2)
    native.reset(seed=0); native.step(np.zeros(64, int))
    vector = gym.make_vec("recgym/Ecommerce-v1", num_envs=2, vectorization_mode="async")
    observation, _ = vector.reset(seed=0)
    vector.step(np.zeros(2, int))
    vector.close()
    print((observation == native.reset(seed=0)[0][:2]).all())
if __name__ == "__main__":
    main()
"""


@pytest.mark.slow
def test_async_works_after_a_native_vector_ran(tmp_path):
    script = tmp_path / "run_async.py"
    script.write_text(_ASYNC)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip().endswith("True"), done.stderr


def test_a_partial_reset_does_not_change_the_other_rows():
    vector = content(gym.make_vec, num_envs=3, autoreset_mode="Disabled", observation="history")
    before = vector.reset(seed=0)[1]["user"]
    vector.step(np.arange(3))
    mask = np.array([False, True, False])
    observation, info = vector.reset(options={"reset_mask": mask, "user": [9, 8, 7]})
    assert info["user"].tolist() == [before[0], 8, before[2]]
    assert (observation["shown"] != 12).sum(axis=1).tolist() == [1, 0, 1]
