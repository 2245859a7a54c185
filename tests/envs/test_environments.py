"""One conformance suite over the registry; what Gymnasium promises, and what its own environments break."""

import json
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.env_checker import check_env as sb3_check_env

from recgym import envs
from recgym.envs import ENVIRONMENTS, REGISTERED, EnvRow, row_of
from recgym.envs.rewards import parse_reward
from recgym.envs.tasks import OBSERVATIONS, WORLDS, feature_blocks
from recgym.sim.friend_requests import suggesting
from recgym.sim.synthetic import synthetic
from recgym.sim.world import World

IDS = [row.id for row in ENVIRONMENTS]


def world_for(env_id, **sizes) -> World:
    domain = row_of(env_id).domain
    return synthetic(5, domain="social" if domain == "friends" else domain, **sizes)


def flat(observation):
    return observation if isinstance(observation, dict) else {"": observation}


@pytest.mark.parametrize("observation", OBSERVATIONS)
@pytest.mark.parametrize("env_id", IDS)
def test_checkers_of_gymnasium_and_sb3(env_id, observation):
    env = gym.make(env_id, observation=observation).unwrapped
    check_env(env, skip_render_check=True)
    sb3_check_env(env)
    env.close()


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


def assert_row(info, row, single):
    """Row of a vector's info against the single environment's: keys, dtypes, shapes, bits."""
    assert info.keys() == single.keys()
    for name, value in single.items():
        theirs = info[name][row]
        assert isinstance(value, np.ndarray | np.generic), name
        assert (theirs.dtype, theirs.shape) == (value.dtype, value.shape), name
        assert theirs.tobytes() == value.tobytes(), name


@pytest.mark.parametrize("env_id", IDS)
def test_a_key_of_observation_and_info_has_one_value(env_id):
    """TorchRL writes both into one table, by name."""
    env = gym.make(env_id, observation="features+history", action_mask=True)
    observation, info = env.reset(seed=0)
    for name in observation.keys() & info.keys():
        np.testing.assert_array_equal(observation[name], info[name])


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
def test_same_step_returns_the_last_observation_apart(observation):
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


def test_disabled_waits_for_the_mask():
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


def test_a_restarted_row_holds_what_a_reset_gives():
    for mode in ("NextStep", "SameStep"):
        vector = gym.make_vec("recgym/Content-v0", num_envs=6, horizon=1, autoreset_mode=mode)
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


def test_a_shipped_name_is_the_shipped_world(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    world_for(IDS[0]).save(tmp_path / "ecommerce-1")
    assert gym.make(IDS[0]).unwrapped.privileged().world.name == "ecommerce-1"  # nobody named the folder
    with pytest.raises(ValueError, match=r"world 'ecommerce-1' is shipped, and a folder here has that name"):
        gym.make(IDS[0], world="ecommerce-1")
    assert gym.make(IDS[0], world="./ecommerce-1").unwrapped.privileged().world.name == "synthetic-5"
    with pytest.raises(ValueError, match="member is 1, world 'ecommerce-1' has none"):
        gym.make(IDS[0], member=1)
    world_for(IDS[4]).save(tmp_path / "social-1")
    with pytest.warns(DeprecationWarning, match="out of date"):
        earlier = gym.make("recgym/Social-v0")
    assert earlier.unwrapped.privileged().world.name == "social-1"
    assert earlier.unwrapped.num_users != world_for(IDS[4]).num_users


def declared(row: EnvRow, make) -> None:
    """What the environment plays is what its row says."""
    engine = make(row.id).unwrapped.privileged()
    world = World.load(WORLDS / row.world)
    assert (engine.world.name, engine.slate_size, engine.horizon) == (row.world, row.slate_size, row.horizon)
    assert engine.num == 1
    assert engine.world.domain == row.domain
    assert engine.world.num_items == (row.n_items or world.num_items)
    paid = parse_reward(world_for_row(row), row.reward).arrays(engine.world)
    np.testing.assert_array_equal(engine.reward.weight, paid.weight)
    np.testing.assert_array_equal(engine.reward.price_weight, paid.price_weight)
    assert engine.reward.watch_weight == paid.watch_weight


def world_for_row(row: EnvRow) -> World:
    world = World.load(WORLDS / row.world)
    return suggesting(world, row.n_items) if row.domain == "friends" else world


@pytest.mark.filterwarnings("ignore:.*is out of date")
@pytest.mark.parametrize("make", [gym.make, gym.make_vec])
@pytest.mark.parametrize("row", REGISTERED, ids=lambda row: row.id)
def test_a_row_plays_what_it_declares(row, make):
    declared(row, make)


ADDED = (
    EnvRow("recgym/Added-v0", "ecommerce", "ecommerce-1", 50, 2, 7, "conversion", "few products"),
    EnvRow("recgym/Added-v1", "social", "social-1", 30, 3, 9, "clicks", "few artists"),
    EnvRow("recgym/Added-v2", "content", "content-1", 12, 1, 5, "watch_time", "few videos"),
    EnvRow("recgym/Added-v3", "friends", "social-1", 20, 1, 4, "connections", "few friends"),
)


@pytest.mark.filterwarnings("ignore:.*is out of date")
def test_rows_put_first_play_what_they_declare_and_change_no_other(monkeypatch):
    rows = (*ADDED, *REGISTERED)
    monkeypatch.setattr(envs, "ENVIRONMENTS", (*ADDED, *ENVIRONMENTS))
    monkeypatch.setattr(envs, "REGISTERED", rows)
    envs.register_environments(rows)
    try:
        for row in rows:
            for make in (gym.make, gym.make_vec):
                declared(row, make)
    finally:
        for row in ADDED:
            gym.registry.pop(row.id)


def test_an_own_world_overrides_the_row():
    small = world_for(IDS[2], num_items=30)
    env = gym.make("recgym/Content-v0", world=small).unwrapped
    assert (env.privileged().world.num_items, env.privileged().horizon) == (30, 50)
    for make in (gym.make, gym.make_vec):
        with pytest.raises(ValueError, match="n_items is 500, world synthetic-5 allows 1 to 30"):
            make("recgym/Content-v0", world=small, n_items=500)
    assert (
        gym.make("recgym/Content-v0", world=None, n_items=None, reward=None).unwrapped.action_space.n == 500
    )


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


@pytest.mark.parametrize("env_id", IDS)
def test_info_holds_fresh_numbers_only(env_id):
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
        won = info.get("connect", 0)  # a friend who was won is barred, nothing else ever is
        assert (~info["action_mask"]).sum() == won
    vector = gym.make_vec(env_id, num_envs=3)
    vector.reset(seed=0)
    first = vector.step(vector.action_space.sample())
    copies = {name: np.array(value) for name, value in first[4].items()}
    vector.step(vector.action_space.sample())
    for name, value in first[4].items():
        np.testing.assert_array_equal(value, copies[name])


@pytest.mark.parametrize("env_id", IDS)
def test_nothing_hidden_is_observed(env_id):
    """Two worlds whose hidden numbers differ, yet whose answers were the same, look the same."""
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


def test_feature_blocks_add_up_and_stand_where_they_say():
    env = gym.make(IDS[0], world=world_for(IDS[0])).unwrapped
    engine = env.privileged()
    blocks = feature_blocks(engine)
    assert sum(blocks.values()) == env.observation_space.shape[0]
    env.reset(seed=2)
    observation, *_, info = env.step(4)
    answered = info["click"]
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
    assert observation[begins["positive answers in a row in one category / 10"]] == pytest.approx(
        0.1 * answered
    )
    assert observation[begins["step / horizon"]] == pytest.approx(1 / 50)


def test_tabular_formula():
    env = gym.make(IDS[0], world=world_for(IDS[0]).with_params(outside=-60.0), observation="tabular")
    assert env.reset(seed=0)[0] == 0
    state = env.step(3)[0]
    category = env.unwrapped.privileged().world.arrays.category[3]
    assert state == (((category + 1) * 4 + 0) * 4 + 1) * 5 + 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_item": 5}, "argument 'n_item' is unknown; allowed: domain, world, member, n_items"),
        ({"frameskip": 1}, "got an unexpected keyword argument 'frameskip'"),
        ({"frameskip": 1, "repeat": 2}, "argument 'frameskip', 'repeat' is unknown"),
        ({"row": {"id": "x"}}, "row is {'id': 'x'}, expected the fields id, domain, world"),
        ({"n_items": "All"}, "n_items is 'All', expected a whole number"),
        ({"observation": np.zeros(2)}, r"observation is array\(\[0., 0.\]\), allowed: 'features'"),
        ({"world": "ecommerce-9"}, "world 'ecommerce-9' is unknown: neither shipped"),
        ({"world": "content-1"}, "world content-1 is of domain content, this environment needs ecommerce"),
        ({"n_items": 0}, "n_items is 0, expected a whole number of at least 1"),
        ({"n_items": 99_999}, "n_items is 99999, world ecommerce-1 allows 1 to 217"),
        ({"slate_size": 2.5}, "slate_size is 2.5, expected a whole number"),
        ({"slate_size": 51}, "slate_size is 51, world ecommerce-1 allows 1 to 50"),
        ({"horizon": 0}, "horizon is 0"),
        ({"reward": "click"}, "reward is 'click', allowed: 'clicks', 'engagement'"),
        ({"reward": "watch_time"}, "reward 'watch_time' needs a world with watch time"),
        ({"reward": {"tap": 1.0}}, "event 'tap' is unknown; this domain has click, cart, purchase"),
        ({"reward": {"click": float("nan")}}, "reward weight of 'click' is nan"),
        ({"observation": "pixels"}, "observation is 'pixels', allowed: 'features', 'history', 'tabular'"),
        ({"render_hidden": 1}, "render_hidden is 1, expected True or False"),
        ({"reward": 5}, "reward is 5, expected a name or a dict of event weights"),
        ({"reward": {"click": "a"}}, "reward weight of 'click' is 'a'"),
        ({"world": 3}, "world is 3, expected a name, a folder or a World"),
        ({"domain": "shop"}, "domain is 'shop', allowed: 'ecommerce'|domain is 'shop', allowed: ecommerce"),
        ({"output": "torch"}, "output='torch' comes in a later version; allowed now: 'numpy'"),
        ({"device": "cuda"}, "device='cuda' comes in a later version; allowed now: 'cpu'"),
    ],
)
def test_impossible_arguments_are_named(arguments, message):
    for make in (gym.make, gym.make_vec):
        with pytest.raises(ValueError, match=message) as caught:
            make("recgym/Ecommerce-v0", **arguments)
        assert "\n" not in str(caught.value)


def test_an_unknown_keyword_is_a_type_error_too():
    """TorchRL's GymEnv passes frameskip=1, and tries again without it at a TypeError that says so."""
    for make in (gym.make, gym.make_vec):
        for kwargs in ({}, {"world": world_for(IDS[0])}):
            with pytest.raises(TypeError, match="unexpected keyword argument 'frameskip'") as caught:
                make("recgym/Ecommerce-v0", frameskip=1, **kwargs)
            assert isinstance(caught.value, ValueError)
            assert "\n" not in str(caught.value)
            assert len(str(caught.value)) < 700


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
        ({"num_envs": 0}, "num_envs is 0"),
    ],
)
def test_impossible_vector_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        gym.make_vec("recgym/Ecommerce-v0", **{"num_envs": 2, **arguments})


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (217, "action 217 is out of range: items are numbered 0 to 216"),
        (-1, "action -1 is out of range"),
        (1.5, "action 1.5 is not a whole number"),
        (np.nan, "action nan is not a whole number"),
        ([1, 2], r"action has shape \(2,\), expected one item"),
        ("a", "is not a whole number"),
    ],
)
def test_impossible_actions_change_nothing(action, message):
    env = gym.make("recgym/Ecommerce-v0").unwrapped
    env.reset(seed=0)
    before = env.privileged().snapshot()
    with pytest.raises(ValueError, match=message):
        env.step(action)
    for a, b in zip(before, env.privileged().sessions, strict=True):
        np.testing.assert_array_equal(a, b)


def test_slates_of_the_wrong_length():
    env = gym.make("recgym/EcommerceSlate-v0", disable_env_checker=True)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"action has shape \(5,\), expected a slate of 6 items"):
        env.step(np.zeros(5, int))
    vector = gym.make_vec("recgym/EcommerceSlate-v0", num_envs=2)
    vector.reset(seed=0)
    with pytest.raises(ValueError, match="expected a slate of 6 items for each of 2 environments"):
        vector.step(np.zeros((2, 5), int))


@pytest.mark.parametrize("name", ["n_items", "slate_size", "reward", "observation", "horizon", "world"])
def test_each_argument_changes_behaviour(name, tmp_path):
    value = {
        "n_items": 20,
        "slate_size": 3,
        "reward": {"click": 2.0},
        "observation": "history",
        "horizon": 2,
        "world": str(world_for(IDS[0]).save(tmp_path / "w")),
    }[name]

    def record(**arguments):
        env = gym.make(IDS[0], disable_env_checker=True, **arguments)
        out = [repr(env.observation_space), repr(env.action_space)]
        env.reset(seed=11)
        for i in range(8):
            action = (np.arange(3) + i) if arguments.get("slate_size") else i
            _, reward, terminated, truncated, info = env.step(action)
            out.append((reward, terminated, truncated, sorted(info)))
            if terminated or truncated:
                env.reset()
        return out

    assert record() == record()
    assert record() != record(**{name: value})


def test_assumed_rewards_say_so():
    for reward, assumed in (("clicks", 0), ("conversion", 1), ("revenue", 1)):
        _, info = gym.make("recgym/Ecommerce-v0", reward=reward).reset(seed=0)
        assert info["reward_is_assumed"] == assumed
    for row in ENVIRONMENTS:  # defaults use fitted signals only
        assert gym.make(row.id).reset(seed=0)[1]["reward_is_assumed"] == 0


def test_specs_survive_json():
    for row in ENVIRONMENTS:
        env = gym.make(row.id)
        again = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
        assert again.observation_space == env.observation_space
        json.loads(env.spec.to_json())


def test_episode_statistics_are_correct():
    vector = gym.wrappers.vector.RecordEpisodeStatistics(gym.make_vec(IDS[0], num_envs=8))
    vector.reset(seed=4)
    total, length, checked = np.zeros(8), np.zeros(8, int), 0
    over = np.zeros(8, bool)
    for i in range(60):
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
    native = gym.make_vec("recgym/Ecommerce-v0", num_envs=64, threads=2)
    native.reset(seed=0); native.step(np.zeros(64, int))
    vector = gym.make_vec("recgym/Ecommerce-v0", num_envs=2, vectorization_mode="async")
    observation, _ = vector.reset(seed=0)
    vector.step(np.zeros(2, int))
    vector.close()
    print((observation == native.reset(seed=0)[0][:2]).all())
if __name__ == "__main__":
    main()
"""


def test_async_works_after_a_native_vector_ran(tmp_path):
    script = tmp_path / "run_async.py"
    script.write_text(_ASYNC)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip().endswith("True"), done.stderr


def test_importing_recgym_is_light():
    code = (
        "import sys, recgym, recgym.logs; "
        "print([m for m in ('torch', 'pandas', 'matplotlib', 'numba', 'stable_baselines3') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("stranger", "package"), [("scope-rl", "recgym"), ("openai-agents", "agents")])
def test_a_clash_of_top_level_packages_is_named(monkeypatch, stranger, package):
    from importlib.metadata import PackageNotFoundError

    from recgym import clash

    def distribution(name):
        if name != stranger:
            raise PackageNotFoundError(name)

    monkeypatch.setattr(clash, "distribution", distribution)
    with pytest.raises(
        ImportError, match=f"{stranger} is installed and brings its own top-level package '{package}'"
    ):
        clash.refuse_clash()


@pytest.mark.parametrize(
    ("algorithm", "policy", "env_id", "observation"),
    [
        ("DQN", "MlpPolicy", "recgym/Ecommerce-v0", "features"),
        ("PPO", "MlpPolicy", "recgym/ContentSlate-v0", "features"),
        ("DQN", "MultiInputPolicy", "recgym/Social-v1", "history"),
        ("DQN", "MlpPolicy", "recgym/Content-v0", "tabular"),
    ],
)
def test_unmodified_sb3_trains(algorithm, policy, env_id, observation):
    import stable_baselines3

    settings = {"n_steps": 64, "batch_size": 32} if algorithm == "PPO" else {"learning_starts": 50}
    env = gym.make(env_id, observation=observation)
    model = getattr(stable_baselines3, algorithm)(policy, env, seed=0, device="cpu", **settings).learn(200)
    action, _ = model.predict(env.reset(seed=0)[0])
    assert action in env.action_space
