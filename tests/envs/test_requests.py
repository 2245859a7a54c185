"""What is asked of an environment beside actions: users, the horizon, default rewards, masks in observations."""

import re

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

from recgym.envs import ENVIRONMENTS
from recgym.envs.wrappers import ActionMaskObservation
from recgym.sim.synthetic import synthetic

IDS = [row.id for row in ENVIRONMENTS]
SMALL = synthetic(5, domain="content", num_items=12)


def content(make=gym.make, **kwargs):
    return make("recgym/Content-v0", **{"world": SMALL, **kwargs})


def same(first, second):
    for name, value in first.items() if isinstance(first, dict) else [("", first)]:
        np.testing.assert_array_equal(value, second[name] if name else second)


@pytest.mark.parametrize("observation", ["features+history", "tabular"])
@pytest.mark.parametrize("env_id", IDS)
def test_a_visit_with_the_user_asked_for(env_id, observation):
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


def test_asking_for_the_user_who_comes_anyway_changes_nothing():
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


def test_a_partial_reset_leaves_the_other_rows_alone():
    vector = content(gym.make_vec, num_envs=3, autoreset_mode="Disabled", observation="history")
    before = vector.reset(seed=0)[1]["user"]
    vector.step(np.arange(3))
    mask = np.array([False, True, False])
    observation, info = vector.reset(options={"reset_mask": mask, "user": [9, 8, 7]})
    assert info["user"].tolist() == [before[0], 8, before[2]]
    assert (observation["shown"] != 12).sum(axis=1).tolist() == [1, 0, 1]


WRONG = [
    ({"user": 50}, "reset option user names user 50, users are numbered 0 to 49"),
    ({"user": -1}, "names user -1"),
    ({"user": 1.0}, r"reset option user is 1\.0, expected a user, or one for each environment"),
    ({"user": "3"}, "reset option user is '3'"),
    ({"user": True}, "reset option user is True"),
    ({"user": [1, 2]}, r"reset option user has shape \(2,\), expected one user or one for each of"),
    ({"user": [[1], [2, 3]]}, r"reset option user is \[\[1\], \[2, 3\]\]"),
    ({"user": [None]}, r"reset option user is \[None\]"),
    ({"users": []}, r"reset option users is \[\]"),
    ({"users": 3}, "reset option users is 3, expected a list of users, at least one"),
    ({"users": [1, 1]}, "reset option users has user 1 twice"),
    ({"users": [1, 60]}, "reset option users names user 60"),
    ({"users": {1, "a"}}, r"reset option users is .*, expected a list of users"),
    ({"users": [0.5]}, r"reset option users is \[0\.5\]"),
    ({"users": np.ones(50, bool)}, r"reset option users is array\(\[ True"),
    ({"users": [1], "user": 2}, "reset options user and users exclude each other"),
    ({"usr": 3}, "reset option usr is unknown; allowed: "),
    ({3: 4}, "reset option 3 is unknown; allowed: "),
    ([("user", 3)], r"options is \[\('user', 3\)\], expected a dict of"),
    ("user", "options is 'user', expected a dict"),
    ({"users": [49]}, "user 49 has weight 0 in synthetic-5"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_impossible_options_are_named_and_change_nothing(options, message):
    cdf = np.minimum(np.arange(1, 51) / 49, 1.0)
    for env in (
        content(world=SMALL.with_arrays(user_cdf=cdf)).unwrapped,
        content(gym.make_vec, num_envs=3, world=SMALL.with_arrays(user_cdf=cdf)),
    ):
        env.reset(seed=0)
        engine = env.unwrapped.privileged()
        before = engine.snapshot()
        with pytest.raises(ValueError, match=message) as caught:
            env.reset(seed=1, options=options)
        assert "\n" not in str(caught.value)
        for a, b in zip(before, engine.sessions, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("users", [[], [50], "all", 3, [1, 1], [0.5], [[1, 2]]])
def test_impossible_users_are_named(users):
    for make in (gym.make, gym.make_vec):
        with pytest.raises(ValueError, match=r"^users "):
            content(make, users=users)


VALUES = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=4),
    st.none(),
    st.booleans(),
    st.lists(st.one_of(st.integers(-3, 60), st.floats(), st.none()), max_size=4),
    st.integers(0, 2**64 - 1).map(np.uint64),
    st.lists(st.integers(0, 255), max_size=4).map(lambda values: np.array(values, np.uint8)),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)


def refusal(env, **call) -> str:
    try:
        env.reset(**call)
    except ValueError as error:
        return str(error)
    return ""


@settings(max_examples=150, deadline=None)
@given(seed=VALUES, user=VALUES, users=VALUES)
def test_any_seed_and_options_work_or_are_refused_in_one_line(seed, user, users):
    for env in (CHECKED[0], CHECKED[1]):
        for call in ({"seed": seed}, {"options": {"user": user}}, {"options": {"users": users}}):
            message = refusal(env, **call)
            assert "\n" not in message
            assert len(message) < 300
            env.reset(seed=0)


CHECKED = (content(), content(gym.make_vec, num_envs=3))


def test_the_horizon_is_where_clients_look_for_it():
    for row in ENVIRONMENTS:
        assert gym.spec(row.id).max_episode_steps is None  # a number there would wrap a TimeLimit round it
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


def click_only(*fitted):
    terms = [
        {"term": f"event:{event.name}", "status": "fitted" if event.name in fitted else "assumed"}
        for event in SMALL.events
    ]
    return SMALL.with_card(terms=terms)


@pytest.mark.parametrize("make", [gym.make, gym.make_vec])
def test_a_world_of_clicks_alone_pays_clicks_by_default(make):
    env = content(make, world=click_only("click")).unwrapped
    assert env.arguments.reward == "clicks"
    assert env.reward_weights["click"] == 1
    assert sum(env.reward_weights.values()) == 1
    assert np.all(env.reset(seed=0)[1]["reward_is_assumed"] == 0)
    asked = content(make, world=click_only("click"), reward="engagement").unwrapped
    assert asked.reward_weights["long_view"] == 1
    assert np.all(asked.reset(seed=0)[1]["reward_is_assumed"] == 1)
    for fitted in (("click", "long_view"), (), ("like",)):
        assert content(make, world=click_only(*fitted)).unwrapped.arguments.reward == "engagement"


@pytest.mark.parametrize("names", [("observation", "action_mask"), ("obs", "mask")])
@pytest.mark.parametrize("observation", ["features", "history", "tabular"])
@pytest.mark.parametrize("env_id", ["recgym/Content-v0", "recgym/ContentSlate-v0", "recgym/SocialFriends-v1"])
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


def test_a_video_of_a_vector_has_the_environments_frames_a_second():
    single, vector = content(), content(gym.make_vec, num_envs=2)
    assert vector.metadata["render_fps"] == single.metadata["render_fps"] == 2


def test_a_remote_worker_finds_an_id_by_its_package():
    assert gym.make("recgym:recgym/Content-v0").unwrapped.horizon == 50
    assert gym.make_vec("recgym:recgym/Content-v0", num_envs=2).num_envs == 2


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"world": ""}, "world is '', expected a name"),
        ({"reward": {}}, "reward is {}, expected a weight"),
        ({"num_envs": 2, "threads": True}, "threads is True"),
    ],
)
def test_empty_and_boolean_arguments_are_refused(arguments, line):
    make = gym.make_vec if "num_envs" in arguments else gym.make
    with pytest.raises(ValueError, match=re.escape(line)):
        make("recgym/Ecommerce-v0", **arguments)


@pytest.mark.parametrize("action", [True, np.True_])
def test_a_boolean_is_no_item(action):
    env = gym.make("recgym/Ecommerce-v0").unwrapped
    env.reset(seed=0)
    with pytest.raises(ValueError, match="not a whole number of the items"):
        env.step(action)
