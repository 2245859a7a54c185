"""The decision transformer: asked for a large return, it shows what large returns followed."""

import gymnasium
import numpy as np
import pytest
from zoo import make_env

from agents import Problem, make_agent
from agents.log_histories import read_histories, return_to_go
from recgym.bench.training_speed import ten_items
from recgym.logs.sample import sample_log

pytestmark = pytest.mark.filterwarnings("ignore:.*is out of date")  # earlier ids observe no features of users


@pytest.fixture(scope="module")
def prepared():
    """An agent fitted to a log in which ten items are shown at random, and item 7 pays."""
    env = gymnasium.make_vec("recgym/Social-v1", 64, world=ten_items(), observation="history", horizon=20)
    agent = make_agent(
        "decision-transformer", Problem.of(env), 0, width=16, layers=1, discount=0.0, fresh=False, rate=5e-3
    )
    log = sample_log(ten_items(), "random", 200, 1)
    agent.prepare(log, 0)
    return agent, env, log


def test_it_draws_what_returns_followed(prepared):
    """With discount 0 the return is the response: items are drawn as the log shows them given it, by Bayes' rule."""
    agent, env, log = prepared
    observation, _ = env.reset(seed=5)
    assert (agent.act(observation) == 7).all()
    histories = read_histories(agent.problem, log)
    mean, spread, largest = agent.returns
    for reward in (0.0, 1.0):
        agent.returns[2] = (reward - mean) / spread
        drawn = np.array([agent.act(observation, explore=True) for _ in range(10)])
        expected = (histories.item[histories.reward == reward] == 7).mean()
        assert (drawn == 7).mean() == pytest.approx(expected, abs=0.08)
    assert agent.returns[2] == pytest.approx(largest)  # nine tenths of the log's returns are not larger


def test_decisions_hold_standardised_returns_to_go(prepared):
    agent, _, log = prepared
    histories = read_histories(agent.problem, log)
    every = agent.decisions_of(histories, np.arange(len(log)))
    returns = return_to_go(histories, 0.0)
    expected = (returns - returns.mean()) / returns.std()
    np.testing.assert_allclose(every.context[:, 3], expected, rtol=1e-5)
    assert agent.returns[2] == pytest.approx((np.quantile(returns, 0.9) - returns.mean()) / returns.std())


def test_bad_parameters_are_refused():
    problem = Problem.of(make_env("recgym/Ecommerce-v1", "genrec", 1))
    with pytest.raises(ValueError, match=r"quantile is 1\.5, expected a number from 0 to 1"):
        make_agent("decision-transformer", problem, quantile=1.5)
    with pytest.raises(ValueError, match="agent decision-transformer has no parameter 'group'"):
        make_agent("decision-transformer", problem, group=2)
