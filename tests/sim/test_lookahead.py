"""The planner reaches a known optimum, and does not use the session's future random numbers."""

import numpy as np
import pytest
from worlds import chain_optimum, chain_world

from recgym.bench.planning import (
    _with_session_length,
    num_terms,
    planning_terms,
    planning_worth,
    session_length,
)
from recgym.sim.engine import Engine
from recgym.sim.expectations import slate_expectation
from recgym.sim.lookahead import plan
from recgym.sim.reward_arrays import make_reward
from recgym.sim.synthetic import synthetic

STAY, HORIZON = 0.95, 50


def returns(world, policy, num, seed=0, horizon=HORIZON):
    reward = make_reward(world, {world.events[0].name: 1.0})
    engine = Engine(world, num, slate_size=1, horizon=horizon, reward=reward)
    engine.seed(np.arange(num, dtype=np.uint64) + np.uint64(seed))
    engine.reset()
    total, running = np.zeros(num), np.ones(num, np.bool_)
    while running.any():
        feedback = engine.step(policy(engine, running), running)
        total += feedback.reward
        running = running & ~(feedback.left | feedback.horizon)
    return total


def greedy(engine, running):
    return engine.expected_reward().argmax(1)[:, None]


@pytest.mark.slow
def test_planning_reaches_the_optimum_that_value_iteration_finds():
    """Four stepping stones, each paying less than the present state: a myopic policy does not take them."""
    world = chain_world(STAY)
    best, myopic = chain_optimum(world, STAY, HORIZON)
    assert best > 1.5 * myopic
    num = 400
    baseline = returns(world, greedy, num)
    assert abs(baseline.mean() - myopic) < 4 * baseline.std() / np.sqrt(num)
    planned = returns(world, lambda e, rows: plan(e, rows, simulations=60), num)
    # control variate: the myopic policy, whose value is known, on the same random numbers
    slope = np.cov(planned, baseline)[0, 1] / baseline.var()
    estimate = planned.mean() - slope * (baseline.mean() - myopic)
    error = (planned - slope * baseline).std() / np.sqrt(num)
    print(f"planner {estimate:.2f} +- {error:.2f}, optimum {best:.2f}, myopic {myopic:.2f}")
    assert estimate > 0.95 * best
    assert estimate < best + 4 * error


def test_planning_does_not_change_the_sessions_and_is_deterministic():
    world = synthetic(2)
    engine = Engine(world, 5, slate_size=3, horizon=9, reward=make_reward(world, {"click": 1.0}))
    engine.seed(np.arange(5, dtype=np.uint64))
    engine.reset()
    before = engine.snapshot()
    first = plan(engine, simulations=20)
    for a, b in zip(before, engine.sessions, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(plan(engine, simulations=20), first)
    assert all(len(set(row)) == 3 for row in first.tolist())
    rows = np.array([False, True, False, False, True])
    np.testing.assert_array_equal(plan(engine, rows, simulations=20)[rows], first[rows])


def test_the_plan_does_not_use_the_sessions_random_numbers():
    """One response that depends on the session's key: the plan must not be better than its expectation."""
    world = synthetic(2, num_items=2).with_params(sigma=0.0, leave_bias=-2.0)
    reward = make_reward(world, {"click": 1.0})
    engine = Engine(world, 400, slate_size=1, horizon=1, reward=reward)
    engine.seed(np.arange(400, dtype=np.uint64))
    engine.reset()
    expected = engine.expected_reward()
    choice = plan(engine, simulations=30)
    got = engine.step(choice).reward
    assert abs(got.mean() - expected[np.arange(400), choice[:, 0]].mean()) < 4 * 0.5 / 20


@pytest.mark.parametrize("domain", ["ecommerce", "social"])
def test_the_expectation_of_a_slate_is_the_mean_of_simulations(domain):
    world = synthetic(3, domain=domain, num_users=1).with_arrays(examine=np.ones(50))
    world = world.with_params(sigma=0.0, patience=0.0)
    reward = make_reward(world, {event.name: 1.0 for event in world.events})
    engine = Engine(world, 40_000, slate_size=3, horizon=9, reward=reward)
    engine.seed(np.arange(40_000, dtype=np.uint64))
    engine.reset()
    slate = np.array([[4, 9, 2]])
    expected = [
        slate_expectation(world.arrays, reward, engine.sessions, b, slate) for b in range(0, 40_000, 100)
    ]
    feedback = engine.step(np.tile(slate, (40_000, 1)))
    expected_reward, stay = np.mean(expected, 0)
    assert abs(feedback.reward.mean() - expected_reward) < 5 * feedback.reward.std() / 200
    assert abs((~feedback.left).mean() - stay) < 0.01


def test_a_negative_number_of_simulations_is_an_error():
    world = synthetic(2)
    engine = Engine(world, 1, slate_size=1, horizon=9, reward=make_reward(world, {}))
    with pytest.raises(ValueError, match="simulations is -1"):
        plan(engine, simulations=-1)


@pytest.mark.slow
def test_the_table_of_terms_names_the_one_that_planning_needs():
    world = chain_world()  # stepping stones: planning is worth something by the push only
    whole = planning_worth(world, 60).entry()
    rows = planning_terms(world, 60, full=whole)
    assert [row["term"] for row in rows] == ["push (eta)"]  # the chain has no other term
    assert num_terms(world) == 1
    gain = whole["difference"] / whole["oracle"]
    assert gain > 0.3
    assert rows[0]["gain"] == pytest.approx(0.0, abs=0.02)
    assert rows[0]["adds"] == pytest.approx(gain - rows[0]["gain"])


def test_session_length_is_kept_without_a_term():
    world = synthetic(4).with_params(leave_repeat=1.5)
    without = _with_session_length(world.with_params(leave_repeat=0.0), session_length(world), 0)
    assert without.params["leave_bias"] > world.params["leave_bias"]
    assert session_length(without) == pytest.approx(session_length(world), rel=0.01)
