"""What agents share: slates and their credit, logs in a task's reward, the training loop."""

import gymnasium
import numpy as np
import pytest
from zoo import WORLDS, log_for, make_env

from agents import Problem, Transition
from agents.base import BaseAgent
from agents.loop import Statistics
from agents.slates import check_log, credit, item_rewards, logged_rewards, top_k
from recgym.logs.sample import sample_log


def test_top_k_is_the_best_in_order():
    scores = np.array([[3.0, 9.0, 5.0, 9.0], [1.0, 2.0, 3.0, 4.0]])
    np.testing.assert_array_equal(top_k(scores, 1), [1, 3])
    np.testing.assert_array_equal(top_k(scores, 3), [[1, 3, 2], [3, 2, 1]])
    mask = np.array([[True, False, True, True], [True, True, False, False]])
    np.testing.assert_array_equal(top_k(scores, 2, mask), [[3, 2], [1, 0]])
    with pytest.raises(ValueError, match="cannot be filled"):
        top_k(scores, 5)


def test_a_slate_is_credited_item_by_item():
    env = make_env("recgym/ContentSlate-v0", "ucb1", 64)
    problem = Problem.of(env)
    observation, _ = env.reset(seed=3)
    rng = np.random.default_rng(0)
    for _ in range(3):
        action = rng.permuted(np.tile(np.arange(30), (64, 1)), axis=1)[:, :6]
        after, reward, terminated, truncated, _ = env.step(action)
        shares = credit(problem, Transition(observation, action, reward, after, terminated, truncated))
        np.testing.assert_allclose(shares.sum(axis=1), reward, atol=1e-9)
        feedback = env.unwrapped._last[1].events  # the truth, position by position
        bits = (feedback[:, :, None] >> np.arange(len(problem.event_names))) & 1
        np.testing.assert_allclose(shares, item_rewards(problem, action, bits), atol=1e-6)
        observation = after
        if (terminated | truncated).any():
            break
    assert np.abs(shares).sum() > 0
    blind = Transition(np.zeros(64), action, reward, np.zeros(64), terminated, truncated)
    np.testing.assert_allclose(credit(problem, blind), np.tile(reward[:, None] / 6, 6))


@pytest.mark.parametrize(
    ("domain", "reward"), [("ecommerce", "revenue"), ("content", "watch_time"), ("content", "engagement")]
)
def test_a_log_is_paid_as_the_environment_pays(domain, reward):
    env_id = {"ecommerce": "recgym/Ecommerce-v0", "content": "recgym/Content-v0"}[domain]
    env = gymnasium.make_vec(env_id, num_envs=200, world=WORLDS[domain], reward=reward)
    problem, total = Problem.of(env), []
    env.reset(seed=5)

    def policy(engine):
        return np.full((engine.num, 1), 2, np.int64), np.ones((engine.num, 1))

    log = sample_log(WORLDS[domain], policy, 200, 5)
    _, paid, *_ = env.step(np.full(200, 2))
    first = log.column("step") == 0
    total = logged_rewards(problem, log)[first]
    np.testing.assert_allclose(total, paid, atol=1e-3)  # a log's watch time is in whole milliseconds
    assert total.sum() > 0


def test_a_log_of_another_catalogue_is_refused():
    problem = Problem.of(make_env("recgym/Ecommerce-v0", "popularity", 1, n_items=5))
    with pytest.raises(ValueError, match="item indices reach 29, this task has 5"):
        check_log(problem, log_for("recgym/Ecommerce-v0"))


def test_the_loop_counts_slates_and_drops_restarts():
    class Spy(BaseAgent):
        name = "spy"
        observation = "history"

        def __init__(self, problem):
            super().__init__(problem)
            self.seen = []

        def act(self, observation, mask=None, explore=False):
            assert explore
            return np.zeros(len(observation["user"]), np.int64)

        def learn(self, transition):
            rows = np.arange(8) if transition.row is None else transition.row
            assert len(rows) == len(transition.reward) == len(transition.observation["user"])
            assert (transition.observation["user"] == transition.next_observation["user"]).all()
            self.seen.append((rows, transition.terminated | transition.truncated, transition.reward))
            return {}

    env = gymnasium.make_vec(
        "recgym/Ecommerce-v0", num_envs=8, world=WORLDS["ecommerce"], observation="history", horizon=5
    )
    agent = Spy(Problem.of(env))
    figures = agent.train(env, 400, 3)
    assert figures["env_steps"] == sum(len(rows) for rows, _, _ in agent.seen)
    assert 400 <= figures["env_steps"] < 408
    assert figures["episodes"] == sum(over.sum() for _, over, _ in agent.seen)
    for (rows, over, _), (following, _, _) in zip(agent.seen, agent.seen[1:], strict=False):
        assert set(range(8)) - set(rows[over]) == set(following)  # an ended row sits out one step
    same = gymnasium.make_vec(
        "recgym/Ecommerce-v0", num_envs=2, world=WORLDS["ecommerce"], autoreset_mode="SameStep"
    )
    with pytest.raises(ValueError, match="NextStep"):
        agent.train(same, 10, 0)


def test_statistics_of_episodes_are_exact():
    statistics = Statistics(2)
    live, none = np.array([True, True]), np.array([False, False])
    statistics.add(live, np.array([1.0, 2.0]), none, {"loss": 1.0})
    statistics.add(live, np.array([1.0, 4.0]), np.array([True, False]), {"loss": 3.0})
    statistics.add(np.array([False, True]), np.array([7.0, 1.0]), np.array([False, True]), {})
    assert statistics.flush() == {"loss": 2.0, "return": (2.0 + 7.0) / 2, "length": 2.5}
    assert (statistics.steps, statistics.episodes, statistics.total) == (5, 2, 9.0)
    statistics.add(
        live, np.array([5.0, 1.0]), np.array([True, False]), {}
    )  # the 7 of the restart counts nowhere
    assert statistics.flush() == {"return": 5.0, "length": 1.0}
