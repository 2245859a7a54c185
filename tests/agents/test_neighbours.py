"""Neighbourhood methods against brute force and in a world of ten items; the policy of the log."""

from dataclasses import replace
from functools import cache, partial

import gymnasium
import numpy as np
import pytest
from learners import score as played
from scipy import sparse
from sklearn.linear_model import Ridge
from sklearn.metrics.pairwise import cosine_similarity
from worlds import LIKED, OWN, lopsided_log, two_tastes
from zoo import TASKS, WORLDS, log_for, make_env

from agents import Problem, agent_class, make_agent
from agents.neighbours.similarity import ItemSimilarity, UserSimilarity, cosine, nearest
from recgym.logs.sample import sample_log

play = partial(played, num=400)


def ratings(seed, people=40, items=6, share=0.6):
    rng = np.random.default_rng(seed)
    return np.where(rng.random((people, items)) < share, rng.normal(size=(people, items)), 0.0)


def test_cosine_is_scikit_learns_over_the_users_who_were_shown_both():
    dense = ratings(0, share=1.0)
    mine = cosine(sparse.csr_array(dense), 0.0).toarray()
    np.testing.assert_allclose(mine, cosine_similarity(dense.T), atol=1e-12)
    holes = ratings(1)
    mine = cosine(sparse.csr_array(holes), 3.0).toarray()
    for i in range(6):
        for j in range(6):
            both = (holes[:, i] != 0) & (holes[:, j] != 0)
            expected = cosine_similarity(holes[both, i][None], holes[both, j][None])[0, 0]
            assert mine[i, j] == pytest.approx(expected * both.sum() / (both.sum() + 3.0))


def test_nearest_takes_equal_entries_in_the_order_of_ties():
    equal, ties = (
        sparse.csr_array(np.array([[0.5, 0.5, 0.5, 0.9], [0.2, -0.2, 0.2, 0.2]])),
        np.array([2, 3, 0, 1]),
    )
    np.testing.assert_array_equal(nearest(equal, 2).toarray(), [[0.5, 0, 0, 0.9], [0.2, -0.2, 0, 0]])
    np.testing.assert_array_equal(nearest(equal, 2, ties).toarray(), [[0, 0, 0.5, 0.9], [0, 0, 0.2, 0.2]])


def test_nearest_keeps_the_largest():
    dense = np.array([[0.1, -0.9, 0.5, 0.0], [0.2, 0.2, 0.0, 0.2]])
    kept = nearest(sparse.csr_array(dense), 2).toarray()
    np.testing.assert_array_equal(kept, [[0, -0.9, 0.5, 0], [0.2, 0.2, 0, 0]])


def test_the_items_term_is_its_sum_written_out():
    rng = np.random.default_rng(2)
    like, profile = rng.normal(size=(6, 6)), ratings(3, people=4, share=0.5)
    term = ItemSimilarity(sparse.csr_array(like), 0.7).term(sparse.csr_array(profile))
    for b in range(4):
        met = profile[b] != 0
        for a in range(6):
            expected = profile[b] @ like[:, a] / (np.abs(like[met, a]).sum() + 0.7)
            assert term[b, a] == pytest.approx(expected)


def test_the_users_term_is_its_sum_written_out():
    people, profile, shrink, count = ratings(4), ratings(5, people=3), 2.0, 7
    term = UserSimilarity(sparse.csr_array(people), count, shrink, 0.3).term(sparse.csr_array(profile))
    for b in range(3):
        like = np.zeros(40)
        for v in range(40):
            both = ((people[v] != 0) & (profile[b] != 0)).sum()
            if both:
                cos = people[v] @ profile[b] / np.linalg.norm(people[v]) / np.linalg.norm(profile[b])
                like[v] = cos * both / (both + shrink)
        near = np.argsort(-np.abs(like), kind="stable")[:count]
        for a in range(6):
            total_weight = np.abs(like[near]) @ (people[near, a] != 0) + 0.3
            assert term[b, a] == pytest.approx(like[near] @ people[near, a] / total_weight)


def test_the_expected_reward_of_an_item_is_its_shrunk_mean():
    log, env = log_for("recgym/Ecommerce-v1"), make_env("recgym/Ecommerce-v1", "item-knn", 1)
    agent = make_agent("item-knn", Problem.of(env), 0, smoothing=7.0)
    agent.prepare(log, 0)
    item, click = log.column("item"), log.column("click").astype(float)
    shown = np.bincount(item, minlength=30)
    expected = (np.bincount(item, click, 30) + 7.0 * click.mean()) / (shown + 7.0)
    np.testing.assert_allclose(agent.expected, expected)


def test_content_based_rewards_are_shrunk_to_a_regression_on_features():
    """Scikit-learn's ridge regression, then the mean of each item; an item that was never shown has no mean."""
    log, env = log_for("recgym/Ecommerce-v1"), make_env("recgym/Ecommerce-v1", "content-based", 1)
    hidden = int(np.bincount(log.column("item"), minlength=30).argmax())
    log = replace(log, rows=log.rows.filter(log.column("item") != hidden))
    agent = make_agent("content-based", Problem.of(env), 0, smoothing=7.0)
    agent.prepare(log, 0)
    item, click = log.column("item"), log.column("click").astype(float)
    ridge = Ridge(alpha=7.0, fit_intercept=False).fit(agent.features[item], click - click.mean())
    prior = click.mean() + ridge.predict(agent.features)
    shown = np.bincount(item, minlength=30)
    expected = (np.bincount(item, click, 30) + 7.0 * prior) / (shown + 7.0)
    np.testing.assert_allclose(agent.expected, expected)
    assert shown[hidden] == 0
    assert agent.expected[hidden] == pytest.approx(prior[hidden])


def test_the_mix_finds_the_term_that_matters():
    """Preferences by item, and items without common features: user and item similarity find them, features do not."""
    world = two_tastes()
    env = gymnasium.make_vec("recgym/Social-v2", 1, world=world, observation="history")
    agent = make_agent("hybrid", Problem.of(env), 0)
    figures = agent.prepare(lopsided_log(world, 2_000), 0)
    assert figures["weight of items"] + figures["weight of people"] > 0.3
    assert figures["weight"] > 0.7


def learnt(name, **params):
    """An agent after both stages in the world of two tastes."""
    world, kind = two_tastes(), agent_class(name)
    num_envs = min(kind.num_envs, 64)
    kwargs = {"world": world, "observation": kind.observation, "horizon": 20}
    env = gymnasium.make_vec("recgym/Social-v2", num_envs=num_envs, **kwargs)
    agent = make_agent(name, Problem.of(env), 3, **params)
    agent.bind(env)
    agent.prepare(lopsided_log(world), 3)
    agent.train(env, 30_000 if kind.observation == "tabular" else 6_000, 3)
    return agent


@cache
def yardsticks():
    names = {
        "random": {},
        "popularity": {"by": "count", "fresh": False},
        "thompson": {"fresh": False},
        "oracle": {},
    }
    returns = {name: play(learnt(name, **params), two_tastes()) for name, params in names.items()}
    low, high = returns["random"], returns["oracle"]
    return low, high, {name: (value - low) / (high - low) for name, value in returns.items()}


FRESH = {"fresh": False}  # the best of ten items may be shown again and again
LEARNERS = {
    "user-knn": FRESH,
    "item-knn": FRESH,
    "content-based": FRESH,
    "hybrid": FRESH,
    "mf": FRESH,
    "markov": FRESH,
    "deep-cf": {**FRESH, "width": 8, "hidden": 16, "batch": 128, "rate": 0.01},
    "epsilon-greedy": FRESH,
    "ucb1": FRESH,
    "linucb": FRESH,
    "lints": FRESH,
    "logistic": FRESH,
    "neural-linear": {**FRESH, "updates": 30},
    "q-learning": {},
    "sarsa": {},
    "expected-sarsa": {},
}


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_a_learner_beats_popularity_on_ten_items(name):
    """0 is random, 1 the oracle. Popularity counts responses, as in textbooks: the log shows one item most."""
    low, high, known = yardsticks()
    score = (play(learnt(name, **LEARNERS[name]), two_tastes()) - low) / (high - low)
    line = f"{name} {score:.2f}; popularity {known['popularity']:.2f}, thompson {known['thompson']:.2f}"
    print(line)
    assert known["popularity"] < 0.5, line
    assert known["thompson"] > 0.8, line
    assert score > known["popularity"] + 0.2, line


@pytest.mark.slow
def test_deep_cf_separates_preferences_and_embeds_users():
    world = two_tastes()
    env = gymnasium.make_vec("recgym/Social-v2", 20, world=world, observation="history")
    agent = make_agent("deep-cf", Problem.of(env), 0, **LEARNERS["deep-cf"])
    agent.prepare(lopsided_log(world, 2_000), 0)
    observation, _ = env.reset(seed=0)
    observation["user"] = np.arange(20)
    np.testing.assert_array_equal(agent.act(observation), np.repeat([LIKED, OWN], [17, 3]))
    f, scores = agent.embed(observation), agent.scores(observation)
    vectors, bias = (tensor.detach().numpy() for tensor in agent.towers.items())
    assert f.shape == (20, 8)
    affinity = float(agent.towers.scale) * (f @ vectors.T + bias)  # a visit's first slate: nothing to repeat
    np.testing.assert_allclose(affinity - affinity[:, :1], scores - scores[:, :1], atol=1e-5)


@pytest.mark.parametrize("task", sorted(TASKS))
def test_logged_shows_what_the_log_shows(task):
    env = make_env(task, "logged", 40, horizon=6)
    agent = make_agent("logged", Problem.of(env))
    agent.bind(env)
    slots = agent.problem.slate_size
    log = sample_log(WORLDS[TASKS[task]], "logged", 40, 8, slate_size=slots, horizon=6)
    observation, _ = env.reset(seed=8)
    session, step, item = (log.column(name) for name in ("session", "step", "item"))
    live = np.ones(40, bool)
    for t in range(6):
        action = agent.act(observation).reshape(40, slots)
        rows = np.flatnonzero(step == t)
        np.testing.assert_array_equal(np.unique(session[rows]), np.flatnonzero(live))
        np.testing.assert_array_equal(action[live].ravel(), item[rows])
        observation, _, terminated, truncated, _ = env.step(action[:, 0] if slots == 1 else action)
        live &= ~(terminated | truncated)
    assert t == 5


def test_bad_parameters_are_refused():
    problem = Problem.of(make_env("recgym/Ecommerce-v1", "item-knn", 1))
    for name, params, message in (
        ("item-knn", {"people": "friend"}, "people is 'friend', allowed: 'session', 'user'"),
        ("user-knn", {"neighbours": 0}, "neighbours is 0, expected a number from 1"),
        ("hybrid", {"damping": 0.0}, r"damping is 0\.0"),
        ("deep-cf", {"encoder": "rnn"}, "encoder is 'rnn', allowed: "),
    ):
        with pytest.raises(ValueError, match=message):
            make_agent(name, problem, **params)
