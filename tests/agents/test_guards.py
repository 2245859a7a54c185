"""Agents refuse to act before they have learned, and logs that do not fit, in one line."""

import numpy as np
import pytest
from zoo_cases import CASES, SETTINGS, made, one_line

from agents import Problem, Transition, agent_class, load_agent
from agents.base import BaseAgent
from recgym.logs.sample import sample_log

FROM_LOG = [(name, params) for name, params in CASES if agent_class(name).requirements(params)[1]]


@pytest.mark.parametrize(("name", "params"), FROM_LOG)
def test_an_agent_that_saw_no_log_does_not_act(name, params, tmp_path):
    agent, env = made(name, params)
    observation, _ = env.reset(seed=1)
    with pytest.raises(
        ValueError, match=rf"agent {name} has learnt nothing: call prepare\(log, seed\)"
    ) as error:
        agent.act(observation)
    assert one_line(error)
    learns_online = type(agent).learn is not BaseAgent.learn
    if learns_online:
        agent.act(observation, explore=True)  # how training without a log begins
    else:
        for refusing in (lambda: agent.act(observation, explore=True), lambda: agent.train(env, 50, 0)):
            with pytest.raises(ValueError, match="has learnt nothing"):
                refusing()
    agent.save(tmp_path / "early")
    early = load_agent(tmp_path / "early", Problem.of(env))
    with pytest.raises(ValueError, match="has learnt nothing"):
        early.act(observation)
    agent.prepare(sample_log(env, sessions=60, seed=1), 0)
    action = agent.act(observation)
    agent.save(tmp_path / "late")
    np.testing.assert_array_equal(load_agent(tmp_path / "late", Problem.of(env)).act(observation), action)


@pytest.mark.parametrize("name", ["linucb", "lints", "neural-linear", "dcf-dqn", "slateq"])
def test_an_agent_that_also_learns_online_may_start_without_a_log(name):
    agent, env = made(name, SETTINGS[name])
    agent.train(env, 60, 0)
    observation, _ = env.reset(seed=1)
    assert agent.act(observation).shape == (4,)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("linucb", {"log_weight": 0}),
        ("lints", {"log_weight": 0.0}),
        ("neural-linear", {"epochs": 0}),
        ("dcf-dqn", {"epochs": 0}),
    ],
)
def test_without_an_offline_stage_no_log_is_needed(name, params):
    assert agent_class(name).requirements(params)[1] is False
    agent, env = made(name, {**SETTINGS[name], **params})
    observation, _ = env.reset(seed=1)
    agent.act(observation)
    assert agent.prepare(None, 0) == {}


@pytest.mark.parametrize(("name", "params"), FROM_LOG)
def test_a_log_that_was_not_mapped_is_refused(name, params):
    from dataclasses import replace

    agent, env = made(name, params)
    log = sample_log(env, sessions=30, seed=1)
    for strange, match in (
        (replace(log, indexed_by=None), "the log is on its own indices, not on the task's"),
        (replace(log, indexed_by="0" * 64), "the log is on another world's indices, not on the task's"),
        (replace(log, rows=log.rows.slice(0, 0)), "the log has no rows"),
    ):
        with pytest.raises(ValueError, match=match) as error:
            agent.prepare(strange, 0)
        assert one_line(error)
        assert not agent.is_learnt


def test_calls_of_learn_count_as_learning():
    agent, env = made("linucb", {})
    observation, _ = env.reset(seed=0)
    with pytest.raises(ValueError, match="agent linucb has learnt nothing"):
        agent.act(observation)
    action = agent.act(observation, explore=True)
    after, reward, left, cut, _ = env.step(action)
    assert not agent.is_learnt
    agent.learn(Transition(observation, action, reward, after, left, cut))
    assert agent.is_learnt
    assert np.shape(agent.act(after)) == np.shape(action)
