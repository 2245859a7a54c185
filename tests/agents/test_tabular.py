"""Tabular agents: the optimum of a five-state world, and the differences of their targets."""

import numpy as np
import pytest
from learners import Toy, one
from worlds import STATES, chain_optimum, chain_world

from agents import Transition, make_agent

STAY, HORIZON = 0.9, 40
TABULAR = ("q-learning", "sarsa", "expected-sarsa")


class Chain(Toy):
    """The chain of `worlds.chain_world`, its state in sight: item s pays in state s, item 5 + s may lead to s + 1."""

    def __init__(self, num_envs):
        arrays = chain_world(STAY).arrays
        p = 1 / (1 + np.exp(-(arrays.factors.max(axis=1) + arrays.item_bias)))
        chance, state = np.zeros((STATES, 9)), np.concatenate([np.arange(5), np.arange(4)])
        chance[state, np.arange(9)] = p
        super().__init__(num_envs, None, chance, np.zeros((STATES, 9), bool), HORIZON)

    def _start(self, rows):
        self.state[rows], self.step_number[rows] = 0, 0

    def step(self, action):
        live = ~self.over
        paid = live & (self.rng.random(self.num_envs) < self.pay[self.state, action])
        self.state += paid & (action >= STATES)
        self.step_number += live
        terminated = live & (self.rng.random(self.num_envs) >= STAY)
        truncated = live & (self.step_number >= self.horizon)
        self._start(self.over)
        self.over = terminated | truncated
        return self.state.copy(), paid.astype(float), terminated, truncated, {}


def value_of(policy):
    """Value of a policy (S,) from state 0, exactly."""
    chance, value = Chain(1).pay, np.zeros(STATES + 1)
    for _ in range(HORIZON):
        p = chance[np.arange(STATES), policy]
        moved = np.where(policy >= STATES, value[1:], value[:-1])
        value = np.append(p * (1 + STAY * moved) + (1 - p) * STAY * value[:-1], 0.0)
    return value[0]


@pytest.mark.parametrize("name", TABULAR)
def test_tabular_agents_reach_the_known_optimum_of_five_states(name):
    best, myopic = chain_optimum(chain_world(STAY), STAY, HORIZON)
    env = Chain(64)
    agent = make_agent(
        name, env.problem(), 0, discount=1.0, epsilon_start=0.6, epsilon_steps=30_000, initial=3.0
    )
    agent.train(env, 60_000, 0)
    mine = value_of(agent.act(np.arange(STATES)))
    print(f"{name} {mine:.3f}, best {best:.3f}, myopic {myopic:.3f}")
    assert myopic < 0.9 * best
    assert mine > 0.999 * best


def agent_of(name, values, **params):
    env = Toy(1, None, np.zeros((4, 3)), np.zeros((4, 3), bool), horizon=5)
    agent = make_agent(name, env.problem(), 0, decay=False, step_size=0.5, discount=0.9, **params)
    agent.values[:] = values
    return agent


VALUES = np.array([[0, 0, 0], [0, 0, 0], [0, 0, 0], [3.0, 1.0, 2.0]])


def test_sarsa_bootstraps_on_the_next_shown_slate():
    agent = agent_of("sarsa", VALUES)
    agent.learn(one(0, 1, 1.0, 3))
    assert agent.values[0, 1] == 0.0
    agent.learn(one(3, 2, 0.0, 1))
    assert agent.values[0, 1] == pytest.approx(0.5 * (1 + 0.9 * 2))
    agent.learn(one(1, 0, 1.0, 3, terminated=True))
    assert agent.values[3, 2] == pytest.approx(2 + 0.5 * (0.9 * 0 - 2))
    assert agent.values[1, 0] == pytest.approx(0.5)  # it left: nothing follows


def test_sarsa_follows_each_row():
    agent = agent_of("sarsa", VALUES)

    def step(state, action, after, rows):
        arrays = [np.array(column) for column in (state, action, np.ones(len(rows)), after)]
        never = np.zeros(len(rows), bool)
        agent.learn(Transition(*arrays, never, never, row=np.array(rows)))

    step([0, 1], [0, 0], [3, 3], [0, 2])
    step([3, 0, 3], [1, 1, 2], [0, 0, 0], [0, 1, 2])  # row 1 had restarted
    assert agent.values[0, 0] == pytest.approx(0.5 * (1 + 0.9 * 1))
    assert agent.values[1, 0] == pytest.approx(0.5 * (1 + 0.9 * 2))


def test_sarsa_draws_a_slate_at_the_horizon():
    agent = agent_of("sarsa", VALUES, epsilon_start=0.0, epsilon_end=0.0)
    agent.learn(one(0, 1, 1.0, 3, truncated=True))
    assert agent.values[0, 1] == pytest.approx(0.5 * (1 + 0.9 * 3))


def test_pending_steps_of_sarsa_are_part_of_a_checkpoint():
    agents = [agent_of("sarsa", VALUES) for _ in range(2)]
    agents[0].learn(one(0, 1, 1.0, 3))
    agents[1].restore_training(agents[0].training_state(), num_envs=1)
    for agent in agents:
        agent.learn(one(3, 2, 0.0, 1))
    np.testing.assert_array_equal(agents[0].values, agents[1].values)


def test_expected_sarsa_expects_what_its_policy_may_show():
    agent = agent_of("expected-sarsa", VALUES, epsilon_start=0.3, epsilon_end=0.3)
    agent.learn(one(0, 1, 1.0, 3))
    assert agent.values[0, 1] == pytest.approx(0.5 * (1 + 0.9 * (0.7 * 3 + 0.3 * 2)))
    masked = one(1, 1, 0.0, 3)._replace(next_mask=np.array([[False, True, True]]))
    agent.learn(masked)
    assert agent.values[1, 1] == pytest.approx(0.5 * 0.9 * (0.7 * 2 + 0.3 * 1.5))
    sample = agent_of("sarsa", VALUES, epsilon_start=0.3, epsilon_end=0.3)
    draws = sample.next_value(np.full(100_000, 3), None)
    assert draws.mean() == pytest.approx(0.7 * 3 + 0.3 * 2, abs=4 * 0.003)  # the same policy's, in the mean


def test_q_learning_expects_the_best():
    agent = agent_of("q-learning", VALUES, epsilon_start=1.0)
    agent.learn(one(0, 1, 1.0, 3))
    assert agent.values[0, 1] == pytest.approx(0.5 * (1 + 0.9 * 3))
