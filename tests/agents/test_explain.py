"""Explanations sum to the score."""

import gymnasium as gym
import numpy as np
import pytest
from zoo import LIGHT, TASKS, WORLDS, log_for, make_env

from agents import AGENTS, Problem, agent_class, make_agent
from agents.explain import Explains
from agents.observation_checks import as_batch
from recgym.logs.sample import sample_log

EXPLAINERS = [row.name for row in AGENTS if issubclass(agent_class(row.name), Explains)]


@pytest.mark.parametrize("task", sorted(TASKS))
@pytest.mark.parametrize(
    ("name", "params"),
    [
        *((name, {}) for name in EXPLAINERS),
        ("linucb", {"mode": "shared"}),
        ("logistic", {"user_features": True}),
    ],
)
def test_an_explanation_sums_to_the_score(name, params, task):
    env = make_env(task, name, 8)
    agent = make_agent(name, Problem.of(env), 1, **LIGHT.get(name, {}), **params)
    agent.prepare(log_for(task), 1)
    observation, _ = env.reset(seed=0)
    for _ in range(4):
        observation, *_ = env.step(agent.act(observation))
    action = agent.act(observation)
    explanations, scores = agent.explain(observation, action), agent.scores(observation)
    total = np.take_along_axis(scores, action.reshape(8, -1), axis=1).sum(axis=1)
    np.testing.assert_allclose([sum(each.values()) for each in explanations], total, atol=1e-5)
    assert all(isinstance(key, str) for each in explanations for key in each)
    assert all(len(each) >= 2 for each in explanations)


@pytest.mark.parametrize("name", EXPLAINERS)
def test_one_observation_has_one_explanation(name):
    env = gym.make("recgym/EcommerceSlate-v1", world=WORLDS["ecommerce"], slate_size=2)
    agent = make_agent(name, env, **LIGHT.get(name, {}))
    with pytest.raises(ValueError, match=rf"^agent {name} has learnt nothing: "):
        agent.explain(agent.env.reset(seed=1)[0], [0, 1])
    agent.prepare(sample_log(env, sessions=50, seed=1), 1)
    observation, _ = agent.env.reset(seed=1)
    action = agent.act(observation)
    found = agent.explain(observation, action)
    assert isinstance(found, dict)
    assert sum(found.values()) == pytest.approx(
        agent.scores(as_batch(agent, observation)[0])[0, action].sum()
    )
    for wrong in (3, [[0, 1, 2]], [0.0, 1.0], [0, 10_000], [-1, 0]):
        with pytest.raises(ValueError, match=rf"^agent {name}: action "):
            agent.explain(observation, wrong)


def test_who_explains():
    assert {
        "linucb",
        "lints",
        "user-knn",
        "item-knn",
        "content-based",
        "hybrid",
        "mf",
        "markov",
        "deep-cf",
    } <= set(EXPLAINERS)


def test_an_agent_without_explanations_says_so():
    agent = make_agent("ucb1", make_env("recgym/Ecommerce-v1", "ucb1", 2))
    assert not hasattr(agent, "explain")
    with pytest.raises(AttributeError, match=r"^agent ucb1 has no explanations: "):
        agent.explain(None, [0])
    with pytest.raises(AttributeError, match="'Ucb1' object has no attribute 'explains'"):
        agent.explains()
