"""Off-policy values of agents: the truth in a simulated world, the target policy's probabilities, refusals."""

from dataclasses import replace
from importlib import import_module

import gymnasium as gym
import numpy as np
import pyarrow as pa
import pytest
from sklearn.tree import DecisionTreeRegressor

import recgym  # noqa: F401 - registers the environments
from agents import judge, make_agent
from recgym.bench.off_policy import off_policy_values, read_slates
from recgym.logs import sample_log


def shop(**kwargs):
    return gym.make("recgym/Ecommerce-v1", n_items=8, observation="history", **kwargs)


def with_columns(log, **columns):
    rows = log.rows
    for name, values in columns.items():
        place = rows.column_names.index(name)
        rows = rows.set_column(place, name, pa.array(values).cast(rows.schema.field(name).type))
    return replace(log, rows=rows)


@pytest.fixture(scope="module")
def one_step():
    """An agent, a uniform log of sessions of one slate, and the agent's value by playing it."""
    env = shop(horizon=1)
    agent = make_agent("popularity", env)
    agent.prepare(sample_log(env, "random", 3_000, seed=7), seed=0)
    truth = judge(agent, agent.env, 8_000, seed=90_000)["return"]
    return agent, sample_log(env, "random", 6_000, seed=50), truth


def test_estimates_hold_the_value_of_the_agent_in_the_world(one_step):
    agent, log, truth = one_step
    values = off_policy_values(agent, log)
    assert {"logged", "IPS", "SNIPS", "DM", "DR", "SNDR"} < values.keys()
    slack = 3 * truth["se"]
    for name in ("IPS", "SNIPS", "DR", "SNDR"):
        one = values[name]
        assert one.is_reliable, one.warning
        assert one.low - slack < truth["mean"] < one.high + slack, name
    assert values["DR"].high - values["DR"].low < 1.02 * (values["IPS"].high - values["IPS"].low)
    assert values["logged"].high < values["SNIPS"].low


def test_the_actions_of_a_log_of_pages_are_the_items_that_were_named():
    env = gym.make("recgym/EcommercePage-v1", observation="history")
    agent, log = make_agent("random", env), sample_log(env, "random", 200, seed=1)
    slates = read_slates(agent, log, 1.0)
    np.testing.assert_array_equal(slates.items[:, 0], log.column("named"))
    assert (log.column("named") != log.column("item")).any()
    np.testing.assert_allclose(slates.target, slates.propensity)


def test_full_exploration_of_a_uniform_log_is_the_log(one_step):
    agent, log, _ = one_step
    values = off_policy_values(agent, log, epsilon=1.0)
    for name in ("IPS", "SNIPS"):
        assert values[name].value == pytest.approx(values["logged"].value)
    assert values["DR"].value == pytest.approx(values["logged"].value, abs=0.01)
    sessions = off_policy_values(agent, log, epsilon=1.0, unit="session")
    assert sessions["per-decision IS"].value == pytest.approx(sessions["logged"].value)


def test_the_reward_model_tells_items_apart_that_are_alike_in_their_features(one_step):
    agent, log, _ = one_step
    problem = agent.problem
    alike = {name: np.full_like(column, column[0]) for name, column in problem.items.items()}
    agent = make_agent("popularity", replace(problem, items=alike))
    rate = np.linspace(0.05, 0.4, 8)[[3, 0, 6, 2, 7, 1, 5, 4]]
    item = log.column("item")
    clicks = np.random.default_rng(0).random(len(log)) < rate[item]
    items = log.items
    for place, name in enumerate(items.column_names):
        if name != "id":
            items = items.set_column(place, name, pa.array(items[name].to_pylist()[:1] * len(items)))
    log = replace(with_columns(log, click=clicks), items=items)
    agent.prepare(log, seed=0)
    values = off_policy_values(agent, log)
    assert values["SNIPS"].value == pytest.approx(clicks[item == 4].mean())
    assert values["DM"].value == pytest.approx(clicks[item == 4].mean(), abs=0.02)
    assert values["logged"].value == pytest.approx(rate.mean(), abs=0.02)


def test_fitted_q_has_the_value_of_sessions_and_its_doubly_robust_interval_holds_it():
    env = gym.make("recgym/Ecommerce-v1", n_items=4, observation="history", horizon=2)
    agent = make_agent("popularity", env)
    agent.prepare(sample_log(env, "random", 2_000, seed=7), seed=0)
    truth = judge(agent, agent.env, 4_000, seed=90_000)["return"]
    values = off_policy_values(agent, sample_log(env, "random", 2_000, seed=50), unit="session", fits_q=True)
    assert values["FQE"].value == pytest.approx(truth["mean"], rel=0.1)
    assert not values["FQE"].is_reliable
    for name in ("DR, FQE", "DR, FQE, self-normalised"):
        assert values[name].low - 3 * truth["se"] < truth["mean"] < values[name].high + 3 * truth["se"]
    width = {name: one.high - one.low for name, one in values.items()}
    assert width["DR, FQE"] < width["trajectory-wise IS"]


def test_fitted_q_values_every_slate_of_long_sessions(monkeypatch):
    """12 sessions of 40 slates, each with a reward of 1: the value of a session is 40 under every policy."""
    module = import_module("recgym.evaluate.fitted_q")  # the package's name of it is the function
    monkeypatch.setattr(module, "own_model", lambda *_, **__: DecisionTreeRegressor())
    env = gym.make("recgym/Ecommerce-v1", n_items=4, observation="history", horizon=40)
    log, place = sample_log(env, "random", 100, seed=1), np.arange(480)
    log = replace(log, rows=log.rows.slice(0, 480))
    log = with_columns(log, session=place // 40, step=place % 40, slate=place, user=place // 40)
    log = with_columns(log, click=np.ones(480), cart=np.zeros(480), purchase=np.zeros(480))
    agent = make_agent("popularity", env)
    agent.prepare(log, seed=0)
    values = off_policy_values(agent, log, epsilon=1.0, unit="session", fits_q=True)
    assert values["logged"].value == 40.0
    assert values["FQE"].value == pytest.approx(40.0)


@pytest.mark.parametrize("epsilon", [0.0, 0.3])
def test_probabilities_of_a_slate_are_those_of_showing_the_agents_next_item(epsilon):
    """Over all ordered slates they sum to 1, and they are those of a simulation of the policy."""
    env = shop(slate_size=2)
    agent = make_agent("ucb1", env)
    slates = read_slates(agent, sample_log(env, "random", 60, seed=1), epsilon)
    rng = np.random.default_rng(0)
    for items, chosen, target in zip(slates.items[:5], slates.chosen[:5], slates.target[:5], strict=True):
        first = np.where(rng.random(40_000) < epsilon, rng.integers(0, 8, 40_000), chosen[0])
        planned = np.where(first == chosen[0], chosen[1], chosen[0])
        drawn = rng.integers(0, 7, 40_000)
        second = np.where(rng.random(40_000) < epsilon, drawn + (drawn >= first), planned)
        assert (first == items[0]).mean() == pytest.approx(target[0], abs=0.01)
        same = first == items[0]
        if same.sum() > 1_000:
            assert (second[same] == items[1]).mean() == pytest.approx(target[1], abs=0.04)


def test_slates_have_their_estimators():
    env = shop(slate_size=3, horizon=4)
    agent = make_agent("ucb1", env)
    values = off_policy_values(agent, sample_log(env, "random", 300, seed=1), epsilon=1.0)
    assert len(values) == 5
    for name in ("standard IPS", "reward-interaction IPS"):
        assert values[name].value == pytest.approx(values["logged"].value)


@pytest.mark.parametrize("epsilon", [0.0, 0.2])
def test_estimates_of_slates_without_repeats_hold_the_truth(epsilon):
    """Responses depend on the own item alone: rate .9 of the agent's first item, .1 of the others."""
    env = shop(slate_size=2, horizon=1)
    agent = make_agent("popularity", env)
    agent.prepare(sample_log(env, "random", 500, seed=7), seed=0)
    log = sample_log(env, "random", 12_000, seed=1)
    (first, second), *_ = read_slates(agent, log, epsilon).chosen
    rate = np.where(np.arange(8) == first, 0.9, 0.1)
    response = np.random.default_rng(0).random(len(log)) < rate[log.column("item")]
    empty = np.zeros(len(log))
    values = off_policy_values(
        agent, with_columns(log, click=response, cart=empty, purchase=empty), epsilon=epsilon
    )
    slates = [(a, b) for a in range(8) for b in range(8) if a != b]
    truth = 0.0
    for a, b in slates:
        next_item = second if a == first else first
        chance = ((1 - epsilon) * (a == first) + epsilon / 8) * (
            (1 - epsilon) * (b == next_item) + epsilon / 7
        )
        truth += chance * (rate[a] + rate[b])
    assert values["logged"].low < 2 * rate.mean() < values["logged"].high
    assert len(values) > 1
    for name, one in values.items():
        if name != "logged":
            assert one.low < truth < one.high, name
            assert "no slate has two responses" not in one.warning


def test_an_item_chosen_of_its_slate_depends_on_the_items_below():
    """Conditional logit: the weight of the first position alone takes the mean over second items for the agent's."""
    env = shop(slate_size=2, horizon=1)
    agent = make_agent("popularity", env)
    agent.prepare(sample_log(env, "random", 500, seed=7), seed=0)
    log = sample_log(env, "random", 12_000, seed=1)
    first, second = read_slates(agent, log, 0.0).chosen[0]
    odds = np.full(8, 0.1)
    odds[[first, second]] = 1.0, 5.0
    items = log.column("item").reshape(-1, 2)
    total = 1.0 + odds[items].sum(axis=1)
    u = np.random.default_rng(0).random(len(items)) * total
    chosen = np.stack([u < odds[items[:, 0]], (u >= odds[items[:, 0]]) & (u < total - 1.0)], axis=1)
    empty = np.zeros(len(log))
    values = off_policy_values(agent, with_columns(log, click=chosen.ravel(), cart=empty, purchase=empty))
    truth, biased = 6 / 7, (1 / 7 + 6 / 2.1) / 7 + 5 / 7
    for name, one in values.items():
        if name != "logged":
            is_biased = name.startswith("reward-interaction")
            assert one.low < (biased if is_biased else truth) < one.high, name
            assert (one.low < truth < one.high) is not is_biased
            assert any("no slate has two responses" in reason for reason in one.reasons) is is_biased


def test_what_cannot_be_estimated_is_refused(one_step):
    agent, log, _ = one_step
    with pytest.raises(ValueError, match="slates of the log have 2 items, those of the agent's task 1"):
        off_policy_values(agent, sample_log(shop(slate_size=2), "random", 20))
    with pytest.raises(ValueError, match="epsilon is 2, expected a number of at most 1"):
        off_policy_values(agent, log, epsilon=2)
    with pytest.raises(ValueError, match="fitted Q evaluates sessions"):
        off_policy_values(agent, log, fits_q=True)
    with pytest.raises(ValueError, match="unit is 'day', allowed: 'slate', 'session'"):
        off_policy_values(agent, log, unit="day")
    tabular = make_agent("q-learning", shop())
    with pytest.raises(ValueError, match="agent q-learning observes 'tabular', a log gives 'history' alone"):
        off_policy_values(tabular, log)
