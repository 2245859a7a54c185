"""Each learner against a known solution: a closed form, a textbook example, a world with one good item."""

import gymnasium
import numpy as np
import pytest
from learners import Toy, bandit_problem, one, pulls, score

from agents import Problem, Transition, agent_class, make_agent
from recgym.bench.training_speed import stale_log, ten_items
from recgym.logs.sample import sample_log
from recgym.sim.synthetic import synthetic


def test_q_learning_finds_the_action_that_pays():
    pay = np.zeros((10, 10))
    pay[:, 2] = 1.0
    env = Toy(16, None, pay, np.zeros((10, 10), bool), horizon=10)
    agent = make_agent("q-learning", env.problem(), 0, epsilon_steps=5_000, discount=0.5)
    agent.train(env, 10_000, 0)
    np.testing.assert_array_equal(agent.act(np.arange(10)), np.full(10, 2))
    np.testing.assert_allclose(agent.values[:, 2], 2.0, atol=0.1)  # 1 / (1 - 0.5): the horizon is not an end


def test_q_learning_solves_a_chain_of_three():
    """Action 0 pays 0.1 and stays, 1 moves on, and moving on from the last state pays 1 and ends the session."""
    move = np.array([[0, 1], [1, 2], [2, 2]])
    pay, ends = (
        np.array([[0.1, 0.0], [0.1, 0.0], [0.1, 1.0]]),
        np.array([[False, False], [False, False], [False, True]]),
    )
    discount, value = 0.8, np.zeros((3, 2))
    for _ in range(200):
        value = pay + np.where(ends, 0.0, discount * value.max(axis=1)[move])
    np.testing.assert_allclose(value.max(axis=1), [0.64, 0.8, 1.0], atol=1e-6)
    env = Toy(8, move, pay, ends, horizon=20)
    agent = make_agent(
        "q-learning", env.problem(), 1, discount=discount, epsilon_end=0.3, epsilon_steps=4_000
    )
    agent.train(env, 12_000, 1)
    np.testing.assert_array_equal(agent.act(np.arange(3)), [1, 1, 1])
    np.testing.assert_allclose(agent.values, value, atol=0.03)


def test_q_learning_bootstraps_at_the_horizon_and_not_where_the_user_left():
    env = Toy(1, None, np.zeros((4, 3)), np.zeros((4, 3), bool), horizon=5)
    agent = make_agent("q-learning", env.problem(), 0, decay=False, step_size=0.5, discount=0.9, initial=2.0)
    agent.learn(one(0, 1, 1.0, 3))
    agent.learn(one(1, 1, 1.0, 3, truncated=True))
    agent.learn(one(2, 1, 1.0, 3, terminated=True))
    agent.learn(one(3, 1, 1.0, 3, terminated=True, truncated=True))
    np.testing.assert_allclose(
        agent.values[:, 1], [2.4, 2.4, 1.5, 1.5]
    )  # 2 + .5 (1 + .9 * 2 - 2); 2 + .5 (1 - 2)
    pair = zip(one(0, 2, 0.0, 3, True)[:6], one(0, 2, 1.0, 3, True)[:6], strict=True)
    twice = Transition(*(np.concatenate(both) for both in pair))
    agent.learn(twice)
    np.testing.assert_allclose(agent.values[0, 2], 2 + 0.75 * (0.5 - 2))  # two steps of 0.5 at once


def test_ucb1_is_its_closed_form():
    agent = make_agent("ucb1", bandit_problem(3, reward_range=(-1.0, 3.0)), 0, fresh=False)
    first = agent.act(np.zeros(3), explore=True)
    assert sorted(first) == [0, 1, 2]  # untried arms are spread over the batch
    agent.learn(pulls([0, 0, 0, 0, 1, 1, 2], [3, 3, -1, 3, 1, 1, -1]))
    mean, count = np.array([0.75, 0.5, 0.0]), np.array([4, 2, 1])
    expected = mean + np.sqrt(2 * np.log(7) / count)
    np.testing.assert_allclose(agent.bounds(np.arange(3), agent.pulls), expected, atol=1e-12)
    assert agent.act(np.zeros(1), explore=True)[0] == expected.argmax() == 2
    batch = agent.act(np.zeros(6), explore=True)
    by_hand, count = [], count.copy()
    for _ in range(6):
        by_hand.append((mean + np.sqrt(2 * np.log(7) / count)).argmax())
        count[by_hand[-1]] += 1
    np.testing.assert_array_equal(batch, by_hand)
    assert len(set(batch)) > 1
    np.testing.assert_array_equal(agent.act(np.zeros(2)), [0, 0])


def test_greedy_bandits_leave_the_unvisited_last():
    for name in ("ucb1", "thompson"):
        agent = make_agent(name, bandit_problem(4, slate_size=4), 0, fresh=False)
        flat = pulls([0] * 4, [0] * 4)._replace(action=np.array([[2, 1, 2, 1]] * 4))
        agent.learn(flat)
        assert set(agent.act(np.zeros(1))[0][:2]) == {1, 2}


def test_thompson_is_its_closed_form():
    agent = make_agent("thompson", bandit_problem(3), 0, successes=2.0, failures=3.0, fresh=False)
    agent.learn(pulls([0, 0, 0, 1, 1], [1, 1, 0, 0, 0]))
    a, b = agent.posterior()
    np.testing.assert_array_equal(a, [4, 2, 2])  # prior + successes
    np.testing.assert_array_equal(b, [4, 5, 3])  # prior + failures
    draws = agent.act(np.zeros(40_000), explore=True)
    shares = np.bincount(draws, minlength=3) / 40_000
    other = np.random.default_rng(1).beta(a, b, (200_000, 3)).argmax(axis=1)
    np.testing.assert_allclose(shares, np.bincount(other, minlength=3) / 200_000, atol=4 * 0.0025)
    assert agent.act(np.zeros(1))[0] == 0


def test_thompson_draws_a_bernoulli_trial_for_rewards_between_0_and_1():
    agent = make_agent("thompson", bandit_problem(2, reward_range=(-2.0, 2.0)), 0, fresh=False)
    agent.learn(pulls([0] * 40_000, [0.8] * 40_000))  # scaled 0.7
    assert agent.wins[0] / 40_000 == pytest.approx(0.7, abs=4 * 0.0023)


LEARNERS = {
    "thompson": {"fresh": False},  # the best of ten items may be shown again and again
    "ucb1": {"fresh": False},
    "q-learning": {},
    "sb3-dqn": {"learning_starts": 200, "learning_rate": 1e-3},
    "dcf-dqn": {"warmup": 200, "epsilon_steps": 3_000, "batch_size": 64, "steps_per_update": 32, "width": 16,
                "online_rate": 2e-3, "hidden": 32, "fresh": False},
}  # fmt: skip


@pytest.fixture(scope="module")
def yardsticks():
    world, scores = ten_items(), {}
    for name in ("random", "popularity", "oracle"):
        kind = agent_class(name)
        problem = Problem.of(
            gymnasium.make_vec("recgym/Social-v2", 1, world=world, observation=kind.observation)
        )
        agent = make_agent(name, problem, **({"fresh": False} if name == "popularity" else {}))
        agent.prepare(stale_log(), 0)
        scores[name] = score(agent, world)
    return world, scores


@pytest.mark.parametrize("name", sorted(LEARNERS))
@pytest.mark.slow
def test_a_learner_beats_a_popularity_that_has_changed(name, yardsticks):
    """Ten items; the log is of a period in which another item was popular; some learners start from it, too."""
    world, known = yardsticks
    kind = agent_class(name)
    num_envs = min(kind.num_envs, 64)
    kwargs = {"world": world, "observation": kind.observation, "horizon": 20}
    env = gymnasium.make_vec("recgym/Social-v2", num_envs=num_envs, **kwargs)
    agent = make_agent(name, Problem.of(env), 3, **LEARNERS[name])
    agent.prepare(stale_log(), 3)
    agent.train(env, 30_000 if name == "q-learning" else 5_000, 3)  # its table has 400 states
    mine = score(agent, world)
    print(f"{name} {mine:.2f}, " + ", ".join(f"{key} {value:.2f}" for key, value in known.items()))
    assert known["popularity"] < 0.5 * known["oracle"]
    assert mine > 0.9 * known["oracle"]


def test_popularity_is_its_closed_form():
    world = synthetic(domain="content", num_items=6)
    log = sample_log(world, "logged", 100, 2)
    problem = Problem.of(gymnasium.make("recgym/Content-v1", world=world, observation="history"))
    item, click = log.column("item"), log.column("click")
    shown = np.bincount(item, minlength=6)
    for by, smoothing, expected in (
        ("count", 20.0, np.bincount(item, click, 6)),
        ("response", 0.0, np.bincount(item, click, 6) / shown),
        ("response", 5.0, (np.bincount(item, click, 6) + 5 * click.mean()) / (shown + 5)),
    ):
        agent = make_agent("popularity", problem, by=by, smoothing=smoothing)
        agent.prepare(log, 0)
        np.testing.assert_allclose(agent.score, expected)
    paid = sum(problem.reward_weights[name] * log.column(name) for name in problem.event_names)
    agent = make_agent("popularity", problem, smoothing=0.0, fresh=False)
    agent.prepare(log, 0)
    np.testing.assert_allclose(agent.score, np.bincount(item, paid, 6) / shown)
    assert agent.act(np.zeros(3)).tolist() == [agent.score.argmax()] * 3
    with pytest.raises(ValueError, match="by is 'views', allowed: 'reward'"):
        make_agent("popularity", problem, by="views")


@pytest.mark.parametrize("name", ["popularity", "ucb1", "thompson"])
@pytest.mark.parametrize("explore", [False, True])
def test_fresh_agents_show_an_item_once_a_visit(name, explore):
    world = synthetic(domain="social", num_items=24).with_params(leave_bias=-60.0, patience=0.0)
    env = gymnasium.make_vec("recgym/Social-v2", 6, world=world, observation="history", slate_size=2)
    agent = make_agent(name, Problem.of(env), 1)
    agent.prepare(sample_log(env, sessions=20), 0)
    observation, _ = env.reset(seed=0)
    shown = np.stack([agent.act(observation, explore=explore)], axis=1)
    for _ in range(10):
        observation, *_ = env.step(shown[:, -1])
        shown = np.concatenate([shown, agent.act(observation, explore=explore)[:, None]], axis=1)
    for visit in shown.reshape(6, -1):
        assert len(set(visit)) == 22
    env = gymnasium.make_vec("recgym/Social-v2", 1, world=world.subset(3), observation="history")
    short = make_agent(name, Problem.of(env))
    short.prepare(sample_log(env, sessions=20), 0)
    used_up = env.reset(seed=0)[0] | {"shown": np.array([[0, 1, 2] * 6 + [3, 3]])}
    assert short.act(used_up)[0] in (0, 1, 2)
    barred = np.array([[False, True, False]])
    assert short.act(used_up, mask=barred)[0] == 1
