"""Shared helpers of agents: slates and their credit, logs in the reward of a task, the training loop."""

import json

import gymnasium
import numpy as np
import pytest
from env_helpers import events_of_steps
from scipy.stats import chi2
from zoo import WORLDS, log_for, make_env

from agents import Problem, Transition, load_agent, make_agent
from agents.base import BaseAgent
from agents.loop import Loop, Statistics
from agents.slates import check_log, credit, item_rewards, logged_rewards, top_k
from recgym.logs.sample import sample_log

TIES = np.array([2, 3, 0, 1])


def test_top_k_is_the_best_in_order():
    scores = np.array([[3.0, 9.0, 5.0, 8.0], [1.0, 2.0, 3.0, 4.0]])
    np.testing.assert_array_equal(top_k(scores, 1, ties=TIES), [1, 3])
    np.testing.assert_array_equal(top_k(scores, 3, ties=TIES), [[1, 3, 2], [3, 2, 1]])
    mask = np.array([[True, False, True, True], [True, True, False, False]])
    np.testing.assert_array_equal(top_k(scores, 2, mask, ties=TIES), [[3, 2], [1, 0]])
    with pytest.raises(ValueError, match="cannot be filled"):
        top_k(scores, 5, ties=TIES)


@pytest.mark.parametrize("slate_size", [1, 2, 3])
def test_equal_scores_are_taken_in_the_order_of_ties(slate_size):
    rng = np.random.default_rng(3)
    for _ in range(50):
        scores, ties = rng.integers(0, 3, (20, 7)).astype(float), rng.permutation(7)
        mask = rng.random((20, 7)) < 0.7
        mask[:, :3] = True
        place = np.argsort(ties)
        slates = top_k(scores, slate_size, mask, ties=ties).reshape(20, slate_size)
        for row, allowed, slate in zip(scores, mask, slates, strict=True):
            items = sorted(np.flatnonzero(allowed), key=lambda item: (-row[item], place[item]))
            assert slate.tolist() == items[:slate_size]


@pytest.mark.parametrize("task", ["recgym/Ecommerce-v1", "recgym/ContentSlate-v1"])
@pytest.mark.parametrize(
    "name", ["popularity", "ucb1", "epsilon-greedy", "q-learning", "thompson", "item-knn"]
)
def test_untrained_agents_prefer_no_item_by_its_number(name, task):
    """Over random seeds each item is first equally often (chi-square, .1 %)."""
    env = make_env(task, name)
    observation, _ = env.reset(seed=0)
    problem, num_seeds, first = Problem.of(env), 600, []
    for seed in range(num_seeds):
        agent = make_agent(name, problem, seed=seed)
        agent.is_learnt = True
        first.append(int(np.ravel(agent.act(observation))[0]))
        assert np.ravel(agent.act(observation))[0] == first[-1]
    expected = num_seeds / problem.num_items
    counts = np.bincount(first, minlength=problem.num_items)
    assert ((counts - expected) ** 2 / expected).sum() < chi2.isf(1e-3, problem.num_items - 1)


def test_a_saved_agent_keeps_its_order_of_ties(tmp_path):
    env = make_env("recgym/Ecommerce-v1", "ucb1")
    agent = make_agent("ucb1", Problem.of(env), seed=7)
    agent.save(tmp_path / "agent")
    loaded = load_agent(tmp_path / "agent", env)
    np.testing.assert_array_equal(loaded.tie_order, agent.tie_order)
    assert sorted(agent.tie_order.tolist()) == list(range(agent.problem.num_items))
    about = json.loads((tmp_path / "agent" / "agent.json").read_text())
    for seed, order in ((None, np.arange(agent.problem.num_items)), (7, agent.tie_order)):
        rewrite(tmp_path / "agent", about | {"tie_seed": seed})
        np.testing.assert_array_equal(load_agent(tmp_path / "agent", env).tie_order, order)
    for seed in (-1, "7", 1.5, True):
        rewrite(tmp_path / "agent", about | {"tie_seed": seed})
        with pytest.raises(ValueError, match=r"agent\.json: tie_seed is .*, expected a whole number"):
            load_agent(tmp_path / "agent", env)


def rewrite(folder, about):
    """Replace agent.json, and the checksums with it."""
    (folder / "agent.json").write_text(json.dumps(about))
    (folder / "SHA256SUMS").unlink(missing_ok=True)


def test_a_slate_is_credited_item_by_item():
    env = make_env("recgym/ContentSlate-v1", "ucb1", 64)
    happened = events_of_steps(env.unwrapped)  # the truth, position by position
    problem = Problem.of(env)
    observation, _ = env.reset(seed=3)
    rng = np.random.default_rng(0)
    for _ in range(3):
        action = rng.permuted(np.tile(np.arange(30), (64, 1)), axis=1)[:, :6]
        after, reward, terminated, truncated, _ = env.step(action)
        shares = credit(problem, Transition(observation, action, reward, after, terminated, truncated))
        np.testing.assert_allclose(shares.sum(axis=1), reward, atol=1e-9)
        bits = (happened[-1][:, :, None] >> np.arange(len(problem.event_names))) & 1
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
def test_rewards_of_a_log_are_those_of_the_environment(domain, reward):
    env_id = {"ecommerce": "recgym/Ecommerce-v1", "content": "recgym/Content-v1"}[domain]
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
    problem = Problem.of(make_env("recgym/Ecommerce-v1", "popularity", 1, n_items=5))
    with pytest.raises(ValueError, match="item indices reach 29, this task has 5"):
        check_log(problem, log_for("recgym/Ecommerce-v1"))


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
        "recgym/Ecommerce-v1", num_envs=8, world=WORLDS["ecommerce"], observation="history", horizon=5
    )
    agent = Spy(Problem.of(env))
    figures = agent.train(env, 400, 3)
    assert figures["env_steps"] == sum(len(rows) for rows, _, _ in agent.seen)
    assert 400 <= figures["env_steps"] < 408
    assert figures["episodes"] == sum(over.sum() for _, over, _ in agent.seen)
    for (rows, over, _), (following, _, _) in zip(agent.seen, agent.seen[1:], strict=False):
        assert set(range(8)) - set(rows[over]) == set(following)  # an ended row sits out one step
    same = gymnasium.make_vec(
        "recgym/Ecommerce-v1", num_envs=2, world=WORLDS["ecommerce"], autoreset_mode="SameStep"
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


def test_a_loop_goes_on_from_observations_of_its_own_types_alone():
    """A space takes what can be cast to its type: flags as items, which then select instead of index."""
    env = make_env("recgym/Ecommerce-v1", "linucb", 4)
    loop = Loop(env, 100)
    loop.begin(1)
    arrays, facts = loop.loop_state()
    Loop(env, 100).restore((arrays, facts))
    arrays = {**arrays, "observation.shown": arrays["observation.shown"].astype(bool)}
    with pytest.raises(ValueError, match="the observation is not of this environment"):
        Loop(env, 100).restore((arrays, facts))
