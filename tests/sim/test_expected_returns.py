"""Expected returns have the mean of drawn returns, and far less noise."""

import numpy as np
import pytest
from worlds import chain_optimum, chain_world

from recgym.sim.engine import Engine
from recgym.sim.expected_returns import expected_returns
from recgym.sim.reward_arrays import make_reward
from recgym.sim.synthetic import synthetic


def engine_of(world, num, horizon=20):
    reward = make_reward(world, {world.events[0].name: 1.0})
    engine = Engine(world, num, slate_size=1, horizon=horizon, reward=reward)
    engine.seed(np.arange(num, dtype=np.uint64))
    engine.reset()
    return engine


def greedy(engine, rows):
    return engine.expected_reward().argmax(1)[:, None]


def drawn_returns(engine):
    total, running = np.zeros(engine.num), engine.all_rows.copy()
    while running.any():
        feedback = engine.step(greedy(engine, running), running)
        total += feedback.reward
        running = running & ~(feedback.left | feedback.horizon)
    return total


@pytest.mark.parametrize("domain", ["ecommerce", "content", "social"])
def test_expected_returns_have_the_mean_of_drawn_returns(domain):
    world = synthetic(3, domain=domain, num_users=5, num_items=8)
    world = world.with_params(leave_bias=-1.5, leave_idle=0.7, patience=0.4, sigma=0.3, rho=-1.0)
    drawn, num = drawn_returns(engine_of(world, 20_000)), 4_000
    found = expected_returns(engine_of(world, num), greedy)
    error = np.hypot(drawn.std() / 20_000**0.5, found.std() / num**0.5)
    assert abs(found.mean() - drawn.mean()) < 4 * error
    assert found.std() < 0.6 * drawn.std()


def test_expected_returns_have_the_value_that_is_known():
    world = chain_world(0.95)
    _, myopic = chain_optimum(world, 0.95, 50)
    found = expected_returns(engine_of(world, 400, 50), greedy)
    assert abs(found.mean() - myopic) < 4 * found.std() / 20
