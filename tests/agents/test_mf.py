"""Matrix factorisation as an agent: what it knows of a session, its draws, and that each impression counts once."""

from dataclasses import replace

import gymnasium
import numpy as np
import pyarrow as pa
import pytest
from worlds import LIKED, OWN, lopsided_log, two_tastes
from zoo import WORLDS, log_for, make_env

from agents import Problem, Transition, load_agent, make_agent
from agents.loop import take
from agents.user_table import user_features


def agent_of(task="recgym/Ecommerce-v1", num_envs=8, log=True, **params):
    """A prepared agent and its environment."""
    env = make_env(task, "mf", num_envs)
    agent = make_agent("mf", Problem.of(env), 0, **params)
    if log:
        agent.prepare(log_for(task), 0)
    return agent, env


def test_responses_of_the_visit_turn_it_to_what_the_visitor_likes():
    """A user whom the log does not have: first what most like, then by two responses what the minority likes."""
    world = two_tastes()
    log = lopsided_log(world, 2_000)
    log = replace(log, rows=log.rows.filter(log.column("user") > 0))
    env = gymnasium.make_vec("recgym/Social-v2", 1, world=world, observation="history")
    agent = make_agent("mf", Problem.of(env), 0, fresh=False)
    agent.prepare(log, 0)
    observation, _ = env.reset(seed=0, options={"user": 0})
    assert agent.act(observation)[0] == LIKED
    seen = {**observation, "shown": observation["shown"].copy(), "events": observation["events"].copy()}
    seen["shown"][0, -4:] = [LIKED, OWN, LIKED, OWN]
    seen["events"].reshape(1, 20, -1)[0, -4:, 0] = [0, 1, 0, 1]
    assert agent.act(seen)[0] == OWN
    known = {**observation, "user": np.arange(20)}
    known = {key: value if key == "user" else np.repeat(value, 20, axis=0) for key, value in known.items()}
    np.testing.assert_array_equal(agent.act(known), np.repeat([LIKED, OWN], [17, 3]))


@pytest.mark.parametrize("task", ["recgym/Ecommerce-v1", "recgym/ContentSlate-v1"])
def test_every_impression_counts_once(task):
    """Of sessions that ended, and of those that go on; sessions are longer than the history."""
    agent, env = agent_of(task, 16, log=False)
    slots, shown = agent.problem.slate_size, 0
    observation, _ = env.reset(seed=1)
    over = np.zeros(16, bool)
    longest = 0
    for _ in range(60):
        action = agent.act(observation, explore=True)
        after, reward, terminated, truncated, _ = env.step(action)
        rows = np.flatnonzero(~over)
        before, behind = take(observation, rows), take(after, rows)
        agent.learn(Transition(before, action[rows], reward[rows], behind, terminated[rows], truncated[rows]))
        shown += slots * len(rows)
        over, observation = terminated | truncated, after
        sums = agent.model.sums.plus(agent.model.open)
        assert sums.inner[:, 0, 0].sum() == pytest.approx(shown)
        longest = max(longest, int((after["shown"] < 30).all(axis=1).sum()))
    assert longest
    assert shown > 500
    before = sums.cross.copy()
    agent.part_from_sessions()
    np.testing.assert_allclose(agent.model.sums.cross, before)
    assert not agent.model.open.inner.any()


def test_draws_scatter_as_the_posteriors_of_visitor_and_items():
    agent, env = agent_of(num_envs=1)
    observation, _ = env.reset(seed=0)
    for _ in range(3):
        observation, *_ = env.step(agent.act(observation))
    session, model = agent.beliefs(observation), agent.model
    draws = np.concatenate([agent.draw(session) for _ in range(20_000)])
    full = np.r_[1.0, session.mean[0]]
    second = np.outer(full, full)
    second[1:, 1:] += session.covariance[0]
    w = model.items[:, 1:]
    variance = np.einsum("ni,ij,nj->n", w, session.covariance[0], w) + (model.item_covariance * second).sum(
        (1, 2)
    )
    np.testing.assert_allclose(
        draws.mean(axis=0), agent.scores(observation)[0], atol=5 * np.sqrt(variance.max() / 2e4)
    )
    np.testing.assert_allclose(draws.var(axis=0), variance, rtol=0.1)
    certain, env = agent_of(scale=0.0)
    observation, _ = env.reset(seed=0)
    np.testing.assert_array_equal(certain.act(observation, explore=True), certain.act(observation))


def test_a_new_user_has_the_prior_of_its_features():
    """Two groups by a public feature: half of the log's users; the others are known by it alone."""
    world = two_tastes()
    feature = np.where(np.arange(20) < 17, 1.0, -1.0)[:, None]
    world = replace(world, user_features=feature.astype(np.float32), user_feature_names=("group",))
    log = lopsided_log(world, 2_000)
    np.testing.assert_array_equal(user_features(log, 20), feature)
    known = np.isin(np.arange(20), [0, 1, 2, 3, 4, 5, 18])
    log = replace(log, rows=log.rows.filter(known[log.column("user")]))
    env = gymnasium.make_vec("recgym/Social-v2", 20, world=world, observation="history")
    observation, _ = env.reset(seed=0)
    observation["user"] = np.arange(20)
    agent = make_agent("mf", Problem.of(env), 0)
    agent.prepare(log, 0)
    np.testing.assert_array_equal(agent.act(observation), np.repeat([LIKED, OWN], [17, 3]))
    blind = make_agent("mf", Problem.of(env), 0, user_features=False)
    blind.prepare(log, 0)
    assert (blind.act(observation)[~known] == LIKED).all()


def test_unknown_features_are_zero():
    log = log_for("recgym/Ecommerce-v1")
    users = pa.table(
        {"id": ["a", "b"], "age": pa.array([3.0, None]), "name": ["x", "y"], "n": pa.array([1, 2])}
    )
    changed = replace(log, users=users, rows=log.rows.slice(0, 0))
    np.testing.assert_array_equal(user_features(changed, 3), [[3, 1], [0, 2], [0, 0]])


@pytest.mark.parametrize("task", ["recgym/Content-v1", "recgym/ContentSlate-v1"])
def test_minutes_watched_are_learnt_without_a_log(task):
    env = gymnasium.make_vec(task, 32, world=WORLDS["content"], observation="history", reward="watch_time")
    agent = make_agent("mf", Problem.of(env), 0)
    agent.train(env, 2_000, 0)
    many = gymnasium.make_vec(
        task, 1_000, world=WORLDS["content"], observation="history", reward="watch_time"
    )
    many.reset(seed=5)
    slates = np.random.default_rng(1).permuted(np.tile(np.arange(30), (1_000, 1)), axis=1)
    slots = agent.problem.slate_size
    observation, reward, *_ = many.step(slates[:, 0] if slots == 1 else slates[:, :slots])
    estimated = agent.past(observation).rewards.sum() * agent.problem.item_reward_range[1]
    assert estimated == pytest.approx(reward.sum(), rel=0.15)


def test_bad_parameters_are_refused():
    problem = Problem.of(make_env("recgym/Ecommerce-v1", "mf", 1))
    for params, message in (
        ({"rank": 0}, "rank is 0, expected a number from 1 to 64"),
        ({"passes": 0}, "passes is 0, expected a number from 1"),
        ({"scale": -0.5}, r"scale is -0\.5, expected a number from 0"),
        ({"rank": 2.0}, r"agent mf: rank is 2\.0, expected a whole number"),
    ):
        with pytest.raises(ValueError, match=message):
            make_agent("mf", problem, **params)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("noise", 0.0, "noise leaves"),
        ("spread", -1.0, "spread leaves"),
        ("share", 1.0, "share leaves"),
    ],
)
def test_a_damaged_agent_is_refused(name, value, message, tmp_path):
    agent, env = agent_of()
    getattr(agent.model, name)[:] = value
    agent.save(tmp_path / "agent")
    with pytest.raises(ValueError, match=message) as found:
        load_agent(tmp_path / "agent", Problem.of(env))
    assert "\n" not in str(found.value)
