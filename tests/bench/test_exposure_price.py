"""The price of bounds of exposure against its closed form."""

import numpy as np
import pytest

from agents import make_agent
from recgym.bench.exposure_price import exposure_price
from recgym.envs.exposure_bounds import ExposureBounds
from recgym.rollout.play import make_vector, play

KWARGS = {"n_items": 12, "observation": "tabular", "horizon": 1, "reward": "clicks"}
GROUP = np.repeat(["a", "b"], 6)


class First:
    """Shows item 0 to everybody, and keeps the mean expected reward of each item."""

    def __init__(self, env):
        self.engine, self.expected = env.unwrapped.privileged(), []

    def act(self, observation, explore=False):
        self.expected.append(self.engine.expected_reward().mean(axis=0))
        return np.zeros(len(observation), np.int64)


def test_the_price_is_that_of_the_items_shown_instead():
    agents = []

    def make(env):
        agents.append(First(env))
        return agents[-1]

    found = exposure_price("recgym/Content-v1", KWARGS, make, (GROUP, {"a": 0.25}), seed=3, sessions=3_000)
    expected = np.mean(agents[0].expected, axis=0)
    price = 0.75 * (expected[0] - expected[6:].mean())
    assert found.replaced == pytest.approx(0.75, abs=0.01)
    assert found.shares["a"] == pytest.approx(0.25, abs=0.01)
    assert found.price.mean == pytest.approx(found.free - found.bounded)
    assert found.price.mean == pytest.approx(price, abs=3 * found.price.se)


def test_bounds_without_effect_cost_nothing():
    found = exposure_price("recgym/Content-v1", KWARGS, First, (GROUP, {"b": 0.5}), seed=3, sessions=40)
    assert found.price.mean == found.replaced == 0.0
    assert found.free == found.bounded
    assert make_vector("recgym/Content-v1", 1, **KWARGS).unwrapped.privileged().world.num_items == len(GROUP)


def test_an_agent_of_another_reward_is_refused():
    def make(env):
        return make_agent(
            "random", make_vector("recgym/Content-v1", 2, **{**KWARGS, "reward": {"like": 1.0}})
        )

    with pytest.raises(ValueError, match="random was made for another reward than the environment has"):
        exposure_price("recgym/Content-v1", KWARGS, make, (GROUP, {"b": 0.5}), seed=3, sessions=4)


def test_the_bounded_share_is_that_of_the_judged_sessions():
    """Rows without a session are stepped while the last ones end, and count for nothing."""
    kwargs = {"n_items": 12, "observation": "tabular"}
    wrappers = []

    def bound(env):
        wrappers.append(ExposureBounds(env, GROUP, {"a": 0.3}))
        return wrappers[0]

    columns, _ = play("recgym/Content-v1", kwargs, First, 3, 33, wrap=bound, with_regret=False)
    share = (columns["items"] < 6).mean()
    assert wrappers[0].shares["a"] == pytest.approx(share)
    assert share == pytest.approx(0.3, abs=1.5 / len(columns["items"]))


def test_an_empty_place_is_no_impression():
    class Repeats:
        def __init__(self, env):
            pass

        def act(self, observation, explore=False):
            return np.tile([0, 0, 0], (len(observation), 1))

    kwargs = {**KWARGS, "slate_size": 3}
    found = exposure_price("recgym/Content-v1", kwargs, Repeats, (GROUP, {"a": 0.25}), seed=3, sessions=400)
    assert found.replaced == pytest.approx(0.75, abs=0.01)
