"""Errors for actions and reset options; the state does not change."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from env_helpers import SMALL, content
from hypothesis import given, settings
from hypothesis import strategies as st


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
    env = gym.make("recgym/Ecommerce-v1").unwrapped
    env.reset(seed=0)
    before = env.privileged().snapshot()
    with pytest.raises(ValueError, match=message):
        env.step(action)
    for a, b in zip(before, env.privileged().sessions, strict=True):
        np.testing.assert_array_equal(a, b)


def test_slates_of_the_wrong_length():
    env = gym.make("recgym/EcommerceSlate-v1", disable_env_checker=True)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"action has shape \(5,\), expected a slate of 6 items"):
        env.step(np.zeros(5, int))
    vector = gym.make_vec("recgym/EcommerceSlate-v1", num_envs=2)
    vector.reset(seed=0)
    with pytest.raises(ValueError, match="expected a slate of 6 items for each of 2 environments"):
        vector.step(np.zeros((2, 5), int))


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
    ({"usr": 3}, "reset option 'usr' is unknown; there are "),
    ({3: 4}, "reset option '3' is unknown; there are "),
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
def test_any_seed_and_options_are_valid_or_an_error_of_one_line(seed, user, users):
    for env in (CHECKED[0], CHECKED[1]):
        for call in ({"seed": seed}, {"options": {"user": user}}, {"options": {"users": users}}):
            message = refusal(env, **call)
            assert "\n" not in message
            assert len(message) < 300
            env.reset(seed=0)


CHECKED = (content(), content(gym.make_vec, num_envs=3))


@pytest.mark.parametrize("action", [True, np.True_])
def test_a_boolean_is_not_an_item(action):
    env = gym.make("recgym/Ecommerce-v1").unwrapped
    env.reset(seed=0)
    with pytest.raises(ValueError, match="not a whole number of the items"):
        env.step(action)


@pytest.mark.parametrize("output", ["numpy", "torch", None])
def test_tensors_that_require_gradients_are_actions(output):
    one, many = torch.tensor(3.0, requires_grad=True), torch.arange(3.0, requires_grad=True)
    env = content() if output is None else content(gym.make_vec, num_envs=3, output=output)
    steps = []
    for action in (one, 3) if output is None else (many, np.arange(3)):
        env.reset(seed=1)
        steps.append(env.step(action)[0])
    np.testing.assert_array_equal(*steps)


@pytest.mark.parametrize(
    "action",
    [
        [torch.tensor(1.0, requires_grad=True)] * 3,
        torch.arange(3).to_sparse(),
        torch.arange(3, device="meta"),
        torch.arange(3, dtype=torch.bfloat16),
        [[1, 2], [3]],
    ],
)
def test_what_is_no_array_is_refused_in_one_line(action):
    for env in (content(slate_size=3), content(gym.make_vec, num_envs=3)):
        env.reset(seed=1)
        with pytest.raises(ValueError, match=r"^action is .*, which is no array: ") as error:
            env.step(action)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["Ecommerce-v1", "EcommerceSlate-v1"])
def test_sampled_actions_take_the_short_way(name, monkeypatch):
    env = gym.make(f"recgym/{name}").unwrapped
    env.reset(seed=0)
    env.action_space.seed(0)
    monkeypatch.setattr("recgym.envs.input_checks.check_slates", None)
    action = env.action_space.sample()
    env.step(action)
    np.testing.assert_array_equal(env.last_slate, np.atleast_1d(action))
    if env.last_slate.size > 1:
        action[:] = 0  # the environment has a copy
        assert env.last_slate.any()
