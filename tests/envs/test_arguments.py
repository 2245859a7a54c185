"""Arguments of environments: their effect, and errors that name them."""

import re

import gymnasium as gym
import numpy as np
import pytest
from env_helpers import IDS, content, world_for


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
        ({"n_items": 99_999}, "n_items is 99999, world ecommerce-2 allows 1 to 217"),
        ({"slate_size": 2.5}, "slate_size is 2.5, expected a whole number"),
        ({"slate_size": 51}, "slate_size is 51, world ecommerce-2 allows 1 to 50"),
        ({"horizon": 0}, "horizon is 0"),
        (
            {"horizon": 10**20},
            "horizon is 100000000000000000000, expected a whole number from 1 to 2147483647",
        ),
        ({"horizon": 10**400}, r"horizon is 1000.*, expected a whole number from 1 to 2147483647"),
        ({"horizon": np.inf}, "horizon is inf, expected a whole number"),
        ({"horizon": np.True_}, r"horizon is .*True.*, expected a whole number"),
        (
            {"reward": {"click": 10**400}},
            r"reward weight of 'click' is 1000.*, expected a number of at most 1e\+30$",
        ),
        (
            {"reward": {"click": 1e308}},
            r"reward weight of 'click' is 1e\+308, expected a number of at most 1e\+30$",
        ),
        ({"n_items": "ALL"}, "n_items is 'ALL', expected a whole number of at least 1, or 'all'$"),
        ({"n_items": 2.5}, r"n_items is 2\.5, expected a whole number of at least 1, or 'all'$"),
        ({"reward": {"click": True}}, "reward weight of 'click' is True, expected a finite number"),
        (
            {"reward": {"click": 1e31}},
            r"reward weight of 'click' is 1e\+31, expected a number of at most 1e\+30",
        ),
        ({"reward": "click"}, "reward is 'click', allowed: 'clicks', 'engagement'"),
        ({"reward": "watch_time"}, "reward 'watch_time' needs a world with watch time"),
        ({"reward": {"tap": 1.0}}, "^reward: event 'tap' is unknown; there are click, cart, purchase"),
        ({"reward": {"click": float("nan")}}, "reward weight of 'click' is nan"),
        ({"observation": "pixels"}, "observation is 'pixels', allowed: 'features', 'history', 'tabular'"),
        ({"render_hidden": 1}, "render_hidden is 1, expected True or False"),
        ({"reward": 5}, "reward is 5, expected a name or a dict of event weights"),
        ({"reward": {"click": "a"}}, "reward weight of 'click' is 'a'"),
        ({"world": 3}, "world is 3, expected a name, a folder or a World"),
        ({"domain": "shop"}, "domain is 'shop', allowed: 'ecommerce'|domain is 'shop', allowed: ecommerce"),
    ],
)
def test_impossible_arguments_are_named(arguments, message):
    for make in (gym.make, gym.make_vec):
        with pytest.raises(ValueError, match=message) as caught:
            make("recgym/Ecommerce-v1", **arguments)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"output": "jax"}, "output is 'jax', allowed: "), ({"device": "tpu"}, "device is 'tpu'")],
)
def test_only_a_vector_has_a_device(arguments, message):
    (name,) = arguments
    with pytest.raises(ValueError, match=message):
        gym.make_vec("recgym/Ecommerce-v1", **arguments)
    with pytest.raises(ValueError, match=f"argument {name!r} is unknown"):
        gym.make("recgym/Ecommerce-v1", **arguments)


def test_an_unknown_keyword_is_a_type_error_too():
    """TorchRL's GymEnv passes frameskip=1, and tries again without it after a TypeError that names it."""
    for make in (gym.make, gym.make_vec):
        for kwargs in ({}, {"world": world_for(IDS[0])}):
            with pytest.raises(TypeError, match="unexpected keyword argument 'frameskip'") as caught:
                make("recgym/Ecommerce-v1", frameskip=1, **kwargs)
            assert isinstance(caught.value, ValueError)
            assert "\n" not in str(caught.value)
            assert len(str(caught.value)) < 700


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


@pytest.mark.parametrize("users", [[], [50], "all", 3, [1, 1], [0.5], [[1, 2]]])
def test_impossible_users_are_named(users):
    for make in (gym.make, gym.make_vec):
        with pytest.raises(ValueError, match=r"^users "):
            content(make, users=users)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"world": ""}, "world is '', expected a name"),
        ({"reward": {}}, "reward is {}, expected a weight"),
        ({"num_envs": 2, "threads": True}, "threads is True"),
    ],
)
def test_empty_and_boolean_arguments_are_errors(arguments, line):
    make = gym.make_vec if "num_envs" in arguments else gym.make
    with pytest.raises(ValueError, match=re.escape(line)):
        make("recgym/Ecommerce-v1", **arguments)


def test_an_unknown_reward_lists_those_that_the_world_can_pay():
    wanted = (
        r"allowed: 'clicks', 'engagement', 'watch_time', 'a dict of event weights'; did you mean 'clicks'\?$"
    )
    with pytest.raises(ValueError, match=wanted):
        gym.make("recgym/Content-v1", reward="click")
