"""The single environment: Gymnasium's and SB3's checkers, ends of episodes, users of a reset, specs."""

import json
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from env_helpers import IDS, SMALL, content, same, world_for
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as sb3_check_env

from recgym.envs import ENVIRONMENTS, row_of
from recgym.envs.arguments import OBSERVATIONS
from recgym.envs.environment import RecEnv


@pytest.mark.parametrize("observation", OBSERVATIONS)
@pytest.mark.parametrize("env_id", IDS)
def test_checkers_of_gymnasium_and_sb3(env_id, observation):
    env = gym.make(env_id, observation=observation).unwrapped
    check_env(env, skip_render_check=True)
    sb3_check_env(env)
    env.close()


@pytest.mark.parametrize("env_id", IDS)
def test_the_horizon_truncates_and_leaving_terminates(env_id):
    stay = world_for(env_id).with_params(leave_bias=-60.0, patience=0.0)
    env = gym.make(env_id, world=stay, horizon=7)
    env.reset(seed=0)
    ends = [env.step(env.action_space.sample())[2:4] for _ in range(7)]
    assert ends == [(False, False)] * 6 + [(False, True)]
    with pytest.raises(gym.error.ResetNeeded):
        env.step(env.action_space.sample())
    leave = world_for(env_id).with_params(leave_bias=60.0)
    env = gym.make(env_id, world=leave, horizon=7)
    env.reset(seed=0)
    assert env.step(env.action_space.sample())[2:4] == (True, False)
    for limit in ("horizon", "max_episode_steps"):
        env = gym.make(env_id, world=leave, **{limit: 1})
        env.reset(seed=0)
        assert env.step(env.action_space.sample())[2:4] == (True, True)


@pytest.mark.parametrize("env_id", IDS)
def test_the_last_observation_belongs_to_the_user_who_left(env_id):
    leave = world_for(env_id).with_params(leave_bias=60.0)
    env = gym.make(env_id, world=leave, observation="history")
    first, _ = env.reset(seed=0)
    last, *_ = env.step(env.action_space.sample())
    assert last["user"] == first["user"]
    assert (last["shown"] != env.unwrapped.privileged().world.num_items).any()
    vector = gym.make_vec(env_id, num_envs=8, world=leave, observation="history")
    first, _ = vector.reset(seed=0)
    last, *_ = vector.step(vector.action_space.sample())
    np.testing.assert_array_equal(last["user"], first["user"])


def test_max_episode_steps_is_a_second_horizon():
    for steps in (3, 90):
        vector = gym.make_vec(IDS[0], num_envs=2, max_episode_steps=steps, horizon=10)
        assert vector.unwrapped.privileged().horizon == min(steps, 10)
    stay = world_for(IDS[0]).with_params(leave_bias=-60.0, patience=0.0)
    single = gym.make(IDS[0], max_episode_steps=3, horizon=10, world=stay)
    single.reset(seed=0)
    assert [single.step(0)[3] for _ in range(3)] == [False, False, True]
    vector = gym.make_vec(IDS[0], num_envs=1, max_episode_steps=3, horizon=10, world=stay)
    vector.reset(seed=0)
    single.reset(seed=0)
    for _ in range(3):  # the clock of both is that of the horizon
        np.testing.assert_array_equal(vector.step(np.zeros(1, np.int64))[0][0], single.step(0)[0])


ROW, VECTOR = row_of(IDS[0])._asdict(), partial(gym.make_vec, IDS[0], num_envs=2)


@pytest.mark.parametrize("make", [partial(gym.make, IDS[0]), partial(RecEnv, row=ROW), VECTOR])
@pytest.mark.parametrize(("horizon", "most", "expected"), [(9, 4, 4), (4, 9, 4), (9, 9, 9), (9, None, 9)])
def test_an_episode_is_truncated_at_the_smaller_of_both(make, horizon, most, expected):
    stay = world_for(IDS[0]).with_params(leave_bias=-60.0, patience=0.0)
    env = make(world=stay, horizon=horizon, max_episode_steps=most)
    env.reset(seed=0)
    ends = [np.all(env.step(env.action_space.sample())[3]) for _ in range(expected)]
    assert ends == [False] * (expected - 1) + [True]


@pytest.mark.parametrize("make", [gym.make, partial(gym.make_vec, num_envs=2)])
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [({"horizon": 9}, 6), ({"horizon": 4}, 4), ({"horizon": 9, "max_episode_steps": 9}, 9), ({}, 6)],
)
def test_an_environment_made_from_a_spec_has_the_spec_s_limit(make, arguments, expected):
    stay = world_for(IDS[0]).with_params(leave_bias=-60.0, patience=0.0)
    for spec in (
        make(IDS[0], world=stay, horizon=6).spec,
        make(IDS[0], world=stay, max_episode_steps=6).spec,
    ):
        env = make(spec, **arguments)
        env.reset(seed=0)
        ends = [np.all(env.step(np.zeros(env.action_space.shape, int))[3]) for _ in range(expected)]
        assert ends == [False] * (expected - 1) + [True]


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_a_vector_that_is_cut_is_restored_at_every_step(mode):
    stay = world_for(IDS[0]).with_params(leave_bias=-60.0, patience=0.0)
    env = VECTOR(world=stay, max_episode_steps=5, autoreset_mode=mode)
    env.reset(seed=0)
    for _ in range(12):
        env.step(np.zeros(2, int))
        env.unwrapped.restore(env.unwrapped.snapshot())


def test_specs_survive_json():
    for row in ENVIRONMENTS:
        env = gym.make(row.id)
        again = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
        assert again.observation_space == env.observation_space
        json.loads(env.spec.to_json())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("algorithm", "policy", "env_id", "observation"),
    [
        ("DQN", "MlpPolicy", "recgym/Ecommerce-v1", "features"),
        ("PPO", "MlpPolicy", "recgym/ContentSlate-v1", "features"),
        ("DQN", "MultiInputPolicy", "recgym/Social-v2", "history"),
        ("DQN", "MlpPolicy", "recgym/Content-v1", "tabular"),
    ],
)
def test_unmodified_sb3_trains(algorithm, policy, env_id, observation):
    import stable_baselines3

    settings = {"n_steps": 64, "batch_size": 32} if algorithm == "PPO" else {"learning_starts": 50}
    env = gym.make(env_id, observation=observation)
    model = getattr(stable_baselines3, algorithm)(policy, env, seed=0, device="cpu", **settings).learn(200)
    action, _ = model.predict(env.reset(seed=0)[0])
    assert action in env.action_space


@pytest.mark.parametrize("observation", ["features+history", "tabular"])
@pytest.mark.parametrize("env_id", IDS)
def test_a_reset_with_a_given_user(env_id, observation):
    """A row of the vector is the single environment; seed and all other draws are those of the same reset."""
    arguments = {"observation": observation}
    single, vector = gym.make(env_id, **arguments), gym.make_vec(env_id, num_envs=3, **arguments)
    _, drawn = single.reset(seed=11)
    context, key = drawn["context_index"], single.unwrapped.privileged().sessions.key[0]
    for value, user in ((3, 3), (np.int32(7), 7), (np.array(5), 5)):
        one, info = single.reset(seed=11, options={"user": value})
        assert (info["user"], info["context_index"]) == (user, context)
        assert single.unwrapped.privileged().sessions.key[0] == key
        for options in ({"user": value}, {"user": [1, value, 2]}, {"user": np.array([1, user, 2])}):
            many, infos = vector.reset(seed=10, options=options)
            assert infos["user"][1] == user
            same(one, {k: v[1] for k, v in many.items()} if isinstance(many, dict) else many[1])
        action = np.zeros(vector.action_space.shape, int)
        a, b = single.step(action[1]), vector.step(action)
        same(a[0], {k: v[1] for k, v in b[0].items()} if isinstance(b[0], dict) else b[0][1])
        assert (a[1], a[2], a[3]) == (b[1][1], b[2][1], b[3][1])
    _, again = single.reset(seed=11, options={"user": int(drawn["user"])})
    assert again["user"] == drawn["user"]


def test_a_reset_with_the_drawn_user_changes_nothing():
    env, plain = content(observation="features+history"), content(observation="features+history")
    for seed in range(20):
        expected, info = plain.reset(seed=seed)
        observed, _ = env.reset(seed=seed, options={"user": info["user"]})
        same(observed, expected)
        for before, after in zip(
            plain.unwrapped.privileged().sessions, env.unwrapped.privileged().sessions, strict=True
        ):
            np.testing.assert_array_equal(before, after)


def test_users_are_drawn_by_their_weights():
    weights = np.arange(1, 51.0)
    world = SMALL.with_arrays(user_cdf=np.cumsum(weights) / weights.sum())
    vector = content(gym.make_vec, num_envs=4_000, world=world, users=[4, 49])
    share = (vector.reset(seed=1)[1]["user"] == 49).mean()
    assert share == pytest.approx(50 / 55, abs=4 * (50 / 55 * 5 / 55 / 4_000) ** 0.5)
    assert set(vector.reset(options={"users": {1, 2}})[1]["user"]) == {1, 2}
    assert set(vector.reset()[1]["user"]) == {4, 49}


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_the_argument_holds_at_restarts_and_an_option_for_one_episode(mode):
    vector = content(gym.make_vec, num_envs=8, users=(0, 7), horizon=1, autoreset_mode=mode)
    single = content(users=(0, 7), horizon=1)
    info, one = (
        vector.reset(seed=0, options={"users": [3]})[1],
        single.reset(seed=2, options={"users": [3]})[1],
    )
    seen = [info["user"]]
    assert one["user"] == 3
    for _ in range(12):
        seen.append(vector.step(np.zeros(8, int))[4]["user"])
    assert set(seen[0]) == {3}
    assert set(np.concatenate(seen[2:])) == {0, 7}
    restarted = seen[2 if mode == "NextStep" else 1]
    assert single.reset()[1]["user"] == restarted[2]


def test_the_spec_has_the_horizon():
    for row in ENVIRONMENTS:
        assert gym.spec(row.id).max_episode_steps is None  # with a number Gymnasium adds a TimeLimit wrapper
        for env in (gym.make(row.id), gym.make_vec(row.id, num_envs=2)):
            assert env.spec.max_episode_steps == env.unwrapped.horizon == row.horizon
    env = content(horizon=7)
    assert "TimeLimit" not in str(env)
    assert env.spec.max_episode_steps == 7
    assert content(gym.make_vec, num_envs=2, horizon=9, max_episode_steps=4).spec.max_episode_steps == 4


def test_an_environment_made_from_a_spec_is_the_same_environment():
    world = SMALL.with_params(leave_bias=-60.0, patience=0.0)
    env = content(world=world, horizon=3)
    again = gym.make(env.spec)
    vector = gym.make_vec(content(gym.make_vec, num_envs=2, world=world, horizon=3).spec)
    vector.reset(seed=4)
    for each in (env, again):
        each.reset(seed=4)
    for item in range(3):
        a, b, c = env.step(item), again.step(item), vector.step(np.full(2, item))
        np.testing.assert_array_equal(a[0], b[0])
        assert a[1:4] == b[1:4] == (c[1][0], c[2][0], c[3][0])
    assert a[3]
