"""Linear bandits against scikit-learn and closed forms; regret on a linear world; contexts against the features."""

import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from learners import sklearn_ridge
from zoo import TASKS, WORLDS, make_env, trained

from agents import Problem, Transition, agent_class, make_agent
from agents.base import BaseAgent
from agents.features import Contexts

LINEAR = ("linucb", "lints")


def problem_of(num_items, width, slate_size=1):
    """A problem whose observation is a Box of numbers."""
    zeros = np.zeros(num_items)
    return Problem(
        env_id="toy",
        num_items=num_items,
        num_users=1,
        slate_size=slate_size,
        horizon=10,
        event_names=("click",),
        items={**dict.fromkeys(("price", "price_ratio", "seconds"), zeros),
               **dict.fromkeys(("category", "page"), zeros.astype(int))},
        observation_space=spaces.Box(-1, 1, (width,), np.float32),
        reward_range=(0.0, 1.0),
        reward_weights={"click": 1.0},
    )  # fmt: skip


def shown(observation, action, reward):
    never = np.zeros(len(reward), bool)
    return Transition(observation, action, np.asarray(reward, float), observation, never, never)


@pytest.mark.parametrize("name", LINEAR)
def test_a_linear_agent_learns_what_ridge_regression_learns(name):
    agent = make_agent(name, problem_of(3, 4), 0, mode="disjoint", ridge=1.5)
    rng = np.random.default_rng(4)
    x, arms, y = rng.uniform(-1, 1, (400, 4)).astype(np.float32), rng.integers(3, size=400), rng.random(400)
    for rows in np.array_split(np.arange(400), 7):
        agent.learn(shown(x[rows], arms[rows], y[rows]))
    with_one = np.column_stack([np.ones(400), x])
    for a in range(3):
        w = sklearn_ridge(with_one[arms == a], y[arms == a], 1.5)
        np.testing.assert_allclose(agent.scores(x)[:, a], with_one @ w, atol=1e-6)
    np.testing.assert_array_equal(agent.act(x), agent.scores(x).argmax(axis=1))


def test_linucb_is_its_bound():
    agent = make_agent("linucb", problem_of(3, 2), 0, mode="disjoint", alpha=0.7)
    rng = np.random.default_rng(5)
    x, arms, y = rng.uniform(-1, 1, (50, 2)).astype(np.float32), rng.integers(3, size=50), rng.random(50)
    agent.learn(shown(x, arms, y))
    z, bounds, misfit = np.column_stack([np.ones(50), x]), np.zeros((50, 3)), 0.25
    for a in range(3):
        mine = arms == a
        precision = np.eye(3) + z[mine].T @ z[mine]
        w = np.linalg.solve(precision, z[mine].T @ y[mine])
        misfit += y[mine] @ y[mine] - w @ precision @ w
        bounds[:, a] = np.sqrt(np.einsum("bi,ij,bj->b", z, np.linalg.inv(precision), z))
    noise = np.sqrt(misfit / 51)
    expected = agent.scores(x) + 0.7 * noise * bounds
    np.testing.assert_allclose(agent.optimistic(agent.design(x)), expected, atol=1e-9)
    np.testing.assert_array_equal(agent.act(x, explore=True), expected.argmax(axis=1))


def test_lints_draws_from_the_posterior():
    agent = make_agent("lints", problem_of(2, 1), 0, mode="disjoint", scale=2.0)
    rng = np.random.default_rng(6)
    x = rng.uniform(-1, 1, (40, 1)).astype(np.float32)
    agent.learn(shown(x, rng.integers(2, size=40), rng.random(40)))
    many = np.full((200_000, 1), 0.5, np.float32)
    draws = agent.optimistic(agent.design(many))
    deviation = 2.0 * agent.noise * np.sqrt(agent.model.variance(agent.design(many[:1]))[0])
    np.testing.assert_allclose(draws.mean(axis=0), agent.scores(many[:1])[0], atol=4 * deviation.max() / 447)
    np.testing.assert_allclose(draws.std(axis=0), deviation, rtol=0.01)
    assert abs(np.corrcoef(draws.T)[0, 1]) < 0.01  # arms of their own


def test_neural_linear_regresses_on_its_last_layer_and_draws_students_t():
    params = {"width": 3, "hidden": 8, "refresh": 500, "updates": 20, "memory": 800, "scale": 1.0}
    agent = make_agent("neural-linear", problem_of(2, 3), 0, **params)
    rng = np.random.default_rng(8)
    x, arms, y = (
        rng.uniform(-1, 1, (1_000, 3)).astype(np.float32),
        rng.integers(2, size=1_000),
        rng.random(1_000),
    )
    for rows in np.array_split(np.arange(1_000), 10):
        agent.learn(shown(x[rows], arms[rows], y[rows]))
    late = np.arange(200, 1_000)  # the memory holds the latest 800
    z = agent.latent(agent.contexts(x))
    for a in range(2):
        mine = late[arms[late] == a]
        np.testing.assert_allclose(agent.model.weights[a], sklearn_ridge(z[mine], y[mine], 1.0), atol=1e-6)
    one = agent.latent(agent.contexts(np.repeat(x[:1], 200_000, axis=0)))
    draws, p, model = agent.draw(one), agent.params, agent.model
    a = p.strength + model.rows / 2
    b = p.strength * (0.25 + model.misfit.sum()) / (1 + model.rows.sum()) + model.misfit / 2
    variance = b / (a - 1) * model.variance(one[:1])[0]
    np.testing.assert_allclose(
        draws.mean(axis=0), model.mean(one[:1])[0], atol=4 * np.sqrt(variance.max()) / 447
    )
    np.testing.assert_allclose(draws.var(axis=0), variance, rtol=0.02)


def regret(agent, steps=300, batch=50):
    """Regret after every batch on a linear world: reward Bernoulli of a clipped linear function of the context."""
    rng = np.random.default_rng(9)
    weights = rng.normal(size=(10, 5))
    total, curve = 0.0, []
    for _ in range(steps):
        x = rng.uniform(-1, 1, (batch, 5)).astype(np.float32)
        mean = np.clip(0.5 + 0.2 * x @ weights.T, 0, 1)
        action = rng.integers(10, size=batch) if agent is None else agent.act(x, explore=True)
        chosen = mean[np.arange(batch), action]
        if agent is not None:
            agent.learn(shown(x, action, rng.random(batch) < chosen))
        total += (mean.max(axis=1) - chosen).sum()
        curve.append(total)
    return np.array(curve), batch * np.arange(1, steps + 1)


@pytest.mark.parametrize("name", LINEAR)
def test_regret_grows_as_the_root_of_time_and_not_as_time(name):
    curve, time = regret(make_agent(name, problem_of(10, 5), 0, mode="disjoint", **{
        "linucb": {"alpha": 1.0}, "lints": {"scale": 1.0}}[name]))  # fmt: skip
    uniform, _ = regret(None)
    bound = np.sqrt(time) * np.log(time)
    print(f"{name} {curve[-1]:.0f}, uniform {uniform[-1]:.0f}, bound {bound[-1]:.0f} after {time[-1]}")
    assert (curve < bound).all()
    assert uniform[-1] > 4 * bound[-1]
    late, early = curve[-1] - curve[-100], curve[100] - curve[1]
    assert late < 0.5 * early  # it goes on falling


def test_epsilon_greedy_explores_at_its_stated_rate():
    agent = make_agent("epsilon-greedy", problem_of(4, 1), 0, epsilon=0.2, decay=5.0, fresh=False)
    assert agent.epsilon == 1.0
    x = np.zeros((100_000, 1), np.float32)
    agent.learn(shown(x[:40], np.repeat(np.arange(4), 10), np.repeat([0.0, 0.0, 1.0, 0.0], 10)))
    assert agent.epsilon == 0.5  # 5 * 4 / 40
    shares = np.bincount(agent.act(x, explore=True), minlength=4) / 100_000
    np.testing.assert_allclose(shares, [0.125, 0.125, 0.625, 0.125], atol=4 * 0.0016)
    agent.learn(shown(x[:1000], np.zeros(1000, int), np.zeros(1000)))
    assert agent.epsilon == 0.2
    assert (agent.act(x[:5]) == 2).all()


@pytest.mark.parametrize("task", sorted(TASKS))
def test_contexts_are_the_observation_features_as_far_as_the_history_goes(task):
    pair = [make_env(task, "ucb1", 30), gymnasium.make_vec(task, num_envs=30, world=WORLDS[TASKS[task]])]
    problem = Problem.of(pair[0])
    contexts, rng = Contexts(problem), np.random.default_rng(0)
    history, features = (env.reset(seed=4)[0] for env in pair)
    categories, events = problem.num_categories, len(problem.event_names)
    for _ in range(20 // problem.slate_size):
        users = problem.user_features.shape[1]
        mine, theirs = contexts(history), features[:, users:]  # public features of the user come first
        np.testing.assert_array_equal(mine[:, -users:], features[:, :users])
        mine = mine[:, :-users]
        at = 1 + 2 * categories
        np.testing.assert_allclose(mine[:, 1:at], theirs[:, : 2 * categories], atol=1e-6)
        np.testing.assert_array_equal(mine[:, at : at + events], theirs[:, 3 * categories + 1 :][:, :events])
        rest = theirs[:, 3 * categories + 2 + events :]
        np.testing.assert_allclose(mine[:, at + events :], rest[:, [1, 2, 0]], atol=1e-6)
        assert len(contexts.names) == mine.shape[1] + users
        orders = rng.permuted(np.tile(np.arange(30), (30, 1)), axis=1)[:, : problem.slate_size]
        action = orders[:, 0] if problem.slate_size == 1 else orders
        (history, *_), (features, *_) = (env.step(action) for env in pair)


PROCESS = """
import sys, warnings
sys.path.insert(0, "tests")
from zoo import trained
for name in sys.argv[1:]:
    print(name, repr(trained(name, "recgym/Ecommerce-v1")[2]))
"""


QUICK = ("epsilon-greedy", "ucb1", "thompson", "linucb", "lints", "neural-linear", "sarsa", "expected-sarsa")


@pytest.mark.slow
def test_a_seed_fixes_the_curve_in_another_process():
    done = subprocess.run([sys.executable, "-c", PROCESS, *QUICK], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == len(QUICK)
    for name, line in zip(QUICK, lines, strict=True):
        assert agent_class(name).learn is not BaseAgent.learn
        assert line == f"{name} {trained(name, 'recgym/Ecommerce-v1')[2]!r}"


def test_bad_parameters_are_refused():
    problem = problem_of(3, 2)
    for name, params, message in (
        ("linucb", {"mode": "both"}, "mode is 'both', allowed: 'shared', 'disjoint'"),
        ("lints", {"scale": -1.0}, r"scale is -1\.0"),
        ("linucb", {"mode": "shared"}, "needs the observation 'history'"),
        ("epsilon-greedy", {"epsilon": 1.5}, r"epsilon is 1\.5, expected a number from 0 to 1"),
        ("neural-linear", {"memory": 0}, "memory is 0"),
    ):
        with pytest.raises(ValueError, match=message):
            make_agent(name, problem, **params)
