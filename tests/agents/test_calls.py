"""Wrong arguments of an agent's methods: one line that names the argument."""

import re

import gymnasium as gym
import numpy as np
import pytest

from agents import agent_class, judge, load_agent, make_agent
from agents.fast_checks import fast_batch
from agents.observation_checks import _as_batch, as_batch
from recgym.evaluate import bootstrap_interval
from recgym.logs.sample import sample_log
from recgym.sim.synthetic import synthetic

WORLD = synthetic(3, num_items=30, num_users=40)
ENV = "recgym/Ecommerce-v1"
NAMES = ("random", "popularity", "ucb1", "q-learning", "linucb", "sb3-dqn", "sb3-ppo", "dcf-dqn", "oracle")
NO_COUNTS = (0, -1, 1.5, 2.0, True, "a", None, np.nan, np.inf, [5])
NO_SEEDS = (-1, 1.5, True, "a", None, np.nan, [1, 2], np.array([1]))


@pytest.fixture
def env():
    return gym.make(ENV, world=WORLD)


def refused(name, value, call):
    with pytest.raises(
        ValueError, match=rf"^{name} is {re.escape(repr(value))}, expected a whole number"
    ) as error:
        call()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", NAMES)
def test_budgets_and_seeds_of_a_training(name, env):
    agent = make_agent(name, env)
    agent.is_learnt = True
    for value in NO_COUNTS:
        refused("budget", value, lambda value=value: agent.train(agent.env, value, 0))
    for value in NO_SEEDS:
        refused("seed", value, lambda value=value: agent.train(agent.env, 20, value))
        refused("seed", value, lambda value=value: agent.prepare(None, value))
        refused("seed", value, lambda value=value: make_agent(name, env, value))
    agent = make_agent(name, env, np.int64(3))
    if name in ("ucb1", "sb3-dqn"):
        assert agent.train(agent.env, np.int64(20), np.int64(3))["env_steps"] >= 20
    make_agent(name, env, 2**70)


def test_sessions_and_seeds_of_judging_and_sampling(env):
    agent = make_agent("random", env)
    for value in (*NO_COUNTS, 1):
        refused("sessions", value, lambda value=value: judge(agent, env, value))
    for value in NO_COUNTS:
        refused("sessions", value, lambda value=value: sample_log(env, sessions=value))
    for value in NO_SEEDS:
        refused("seed", value, lambda value=value: judge(agent, env, 5, value))
        refused("seed", value, lambda value=value: sample_log(env, sessions=5, seed=value))
        refused("seed", value, lambda value=value: bootstrap_interval([[1.0, 2.0]], seed=value))
    for value in NO_COUNTS:
        refused(
            "resamples", value, lambda value=value: bootstrap_interval([[1.0, 2.0]], seed=1, resamples=value)
        )
    agent = make_agent("oracle", env)
    assert judge(agent, env, np.int32(5), np.int32(2)) == judge(agent, env, 5, 2)


@pytest.mark.parametrize("name", ["popularity", "deep-cf", "linucb", "ucb1", "random"])
def test_an_object_that_is_no_log_is_refused(name, env):
    agent = make_agent(name, env)
    for value in ("events.csv", 3, {}, [1], np.zeros(3), *((None,) if agent.learns_from_log else ())):
        with pytest.raises(
            ValueError, match=r"^the log is .*, expected a Log: env.unwrapped.index_log"
        ) as error:
            agent.prepare(value, 0)
        assert "\n" not in str(error.value)
        assert not agent.is_learnt


@pytest.mark.parametrize("value", [None, "ucb1", 3, object, agent_class("ucb1")])
def test_an_object_that_is_no_agent_is_refused(value, env):
    with pytest.raises(ValueError, match=r"^agent is .*, expected an agent, such as make_agent"):
        judge(value, env, 5)


def test_a_place_that_cannot_be_written_is_named(env, tmp_path):
    (tmp_path / "file").write_text("")
    agent = make_agent("ucb1", env)
    for place, words in (
        ("/proc/x", "'/proc/x'"),
        (tmp_path / "file" / "x", "file'"),
        (tmp_path / "file", "is a file"),
    ):
        with pytest.raises((OSError, ValueError), match=words) as error:
            agent.save(place)
        assert "\n" not in str(error.value)
        assert ".tmp-" not in str(error.value)


def test_an_agent_of_another_task_is_loaded_with_transfer(env, tmp_path):
    make_agent("ucb1", env).save(tmp_path / "a")
    other = gym.make(ENV, world=synthetic(4, num_items=30, num_users=40))
    with pytest.raises(ValueError, match=r"was saved for another task.*transfer=True takes it over"):
        load_agent(tmp_path / "a", other)
    assert load_agent(tmp_path / "a", other, transfer=True).name == "ucb1"


def test_the_long_check_is_for_other_observations_alone(env, monkeypatch):
    agent = make_agent("ucb1", env)
    observation, _ = agent.env.reset(seed=1)
    asked = []
    monkeypatch.setattr(
        "agents.observation_checks._as_batch", lambda *given: asked.append(given) or _as_batch(*given)
    )
    assert as_batch(agent, observation)
    assert asked == []
    as_batch(agent, {name: np.asarray(value).tolist() for name, value in observation.items()})
    assert len(asked) == 1


@pytest.mark.parametrize("shown", ["features", "history", "tabular", "features+history"])
def test_observations_of_environments_are_batches_unchanged(shown):
    name = {"features": "sb3-dqn", "tabular": "q-learning"}.get(shown, "ucb1")
    kwargs = {"world": WORLD, "observation": shown}
    one = gym.make(ENV, **kwargs)
    several = gym.make_vec(ENV, 3, vectorization_mode="vector_entry_point", **kwargs)
    agent = make_agent(name, one)
    first, observation = one.reset(seed=5)[0], several.reset(seed=5)[0]
    for given, is_single in ((first, True), (observation, False)):
        quick, slow = fast_batch(agent.parts, given), _as_batch(agent, given)
        assert quick[1] == slow[1] == is_single
        for each, other in zip(arrays(quick[0]), arrays(slow[0]), strict=True):
            np.testing.assert_array_equal(each, other)
            assert each.dtype == other.dtype
    as_lists = (
        {key: value.tolist() for key, value in first.items()} if isinstance(first, dict) else first.tolist()
    )
    assert fast_batch(agent.parts, as_lists) is None
    assert as_batch(agent, as_lists)[1]


def arrays(batch):
    return [batch[key] for key in sorted(batch)] if isinstance(batch, dict) else [batch]
