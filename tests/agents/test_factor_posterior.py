"""The factors of DCF-DQN are those of the matrix factorisation, on the device as on the host, and saved."""

import numpy as np
import pytest
import torch
from dcf_networks import SMALL, history_env, visited

from agents import Problem, load_agent, make_agent
from agents.deep.states import to_states
from agents.factors.session_factors import SessionFactors
from agents.log_histories import read_histories
from agents.torch_utils import pick_device
from agents.user_table import user_features
from recgym.logs.sample import sample_log
from recgym.sim.synthetic import synthetic

TASKS = [
    ("recgym/Social-v2", "social", {}),
    ("recgym/Content-v1", "content", {"reward": "watch_time"}),
    ("recgym/EcommerceSlate-v1", "ecommerce", {"reward": "revenue", "slate_size": 3}),
]


def prepared(task, domain, offline_rate=3e-3, warmup=10**6, **kwargs):
    env = history_env(synthetic(domain=domain, num_items=30, num_users=40), 16, task, **kwargs)
    rates = {"offline_rate": offline_rate, "warmup": warmup}
    agent = make_agent("dcf-dqn", Problem.of(env), 0, rank=3, epochs=1, **rates, **SMALL)
    agent.prepare(sample_log(env, sessions=60, seed=1), 2)
    return env, agent


def same_as_factors(agent, observation):
    """Means and items of both networks against `SessionFactors`, in logits."""
    beliefs, model = agent.factors.beliefs(observation), agent.factors.model
    mean = model.mean_reward()
    slope = mean * (1 - mean)
    for network in (agent.online, agent.target):
        found = network.factors(to_states(observation, pick_device("cpu")))
        np.testing.assert_allclose(found.numpy(), beliefs.mean, atol=2e-4)
        np.testing.assert_allclose(
            network.items.factors.numpy(), model.items[:, 1:] / slope, rtol=1e-4, atol=1e-5
        )
        np.testing.assert_allclose(
            network.items.factor_bias.numpy(), (model.items[:, 0] - mean) / slope, atol=1e-4
        )
    assert np.abs(beliefs.mean).max() > 0.05


@pytest.mark.parametrize(("task", "domain", "kwargs"), TASKS)
def test_the_layer_is_the_posterior_of_the_factorisation(task, domain, kwargs, tmp_path):
    """After a log, after own sessions, and after saving; the same minutes, prices and users."""
    env, agent = prepared(task, domain, **kwargs)
    _, observation = visited(env, 4)
    same_as_factors(agent, observation)
    before = agent.factors.beliefs(observation).mean
    agent.train(env, 400, 3)
    same_as_factors(agent, observation)
    assert np.abs(agent.factors.beliefs(observation).mean - before).max() > 1e-4
    agent.save(tmp_path / "agent")
    again = load_agent(tmp_path / "agent", env)
    same_as_factors(again, observation)
    np.testing.assert_array_equal(again.scores(observation), agent.scores(observation))


def test_before_training_it_ranks_as_the_factorisation_does():
    """x is the linearised logit of the expected reward, but for a level of the session."""
    env, agent = prepared("recgym/Social-v2", "social", offline_rate=1e-9)
    _, observation = visited(env, 4)
    scores, mf = agent.scores(observation), agent.factors.model.items
    expected = mf[:, 0] + agent.factors.beliefs(observation).mean @ mf[:, 1:].T
    for row, own in zip(scores, expected, strict=True):
        assert np.corrcoef(row, own)[0, 1] > 0.99999


def test_items_and_users_have_no_reward_parameters_beside_the_factorisation():
    env, agent = prepared("recgym/Social-v2", "social", warmup=0)
    agent.train(env, 200, 3)
    assert agent.counts[1] > 0
    for network in (agent.online, agent.target):
        for own in (network.items.ids.weight, network.items.bias, network.users.weight):
            assert not own.any()
        assert network.items.deep[-1].weight.any()  # what items share is learnt


def test_parts_of_the_mean_sum_to_it():
    env, agent = prepared("recgym/Social-v2", "social")
    _, observation = visited(env, 4)
    states = to_states(observation, pick_device("cpu"))
    parts = agent.online.factors.shares(states)
    torch.testing.assert_close(parts.sum(dim=1), agent.online.factors(states), atol=1e-5, rtol=1e-4)
    is_empty = states.items == agent.problem.num_items
    assert not parts[:, 1:][is_empty].any()


def test_a_second_log_replaces_the_first():
    """All that the first has taught is dropped, its variances and centres too."""
    env, agent = prepared("recgym/Social-v2", "social")
    other = sample_log(env, sessions=80, seed=5)
    histories, users = read_histories(agent.problem, other), user_features(other, agent.problem.num_users)
    twice, once = (SessionFactors(agent.problem, 3, np.random.default_rng(0)) for _ in range(2))
    twice.fit(histories, np.arange(100), users, 5, np.random.default_rng(7))
    for factors in (twice, once):
        factors.fit(histories, np.arange(len(other)), users, 5, np.random.default_rng(1))
    for name, value in once.model.state().items():
        np.testing.assert_array_equal(twice.model.state()[name], value, err_msg=name)


def test_a_damaged_variance_is_refused(tmp_path):
    _, agent = prepared("recgym/Social-v2", "social")
    state = {name: np.array(value) for name, value in agent.state().items()}
    state["factors.noise"][:] = -1.0
    with pytest.raises(ValueError, match="factors: noise"):
        agent.check_state(state)
