"""Histories of a log equal the observations of the environment."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from dcf_networks import history_env

from agents import Problem, make_agent
from agents.log_histories import read_histories, return_to_go
from agents.slates import logged_rewards
from recgym.logs.sample import sample_log
from recgym.sim.synthetic import synthetic


@pytest.mark.parametrize(("task", "slots"), [("recgym/Content-v1", 1), ("recgym/ContentSlate-v1", 3)])
def test_histories_of_a_log_are_the_observations_of_the_environment(task, slots):
    world = synthetic(domain="content", num_items=9)
    env = history_env(world, 6, task, horizon=50, autoreset_mode="Disabled", slate_size=slots)
    problem = Problem.of(env)
    log = sample_log(world, "random", 400, 21, slate_size=slots)
    histories = read_histories(problem, log)
    observation, _ = env.reset(seed=21)  # visit i of the log is row i of this environment
    session, step = log.column("session"), log.column("step")
    compared = 0
    for t in range(30):
        first = [np.flatnonzero((session == i) & (step == t)) for i in range(6)]
        if any(len(rows) == 0 for rows in first):
            break
        rows = np.concatenate([rows[-1:] for rows in first])  # the slate's last row sees what its first did
        mine = histories.observation(rows, 9)
        for name, value in observation.items():
            np.testing.assert_allclose(mine[name], value, atol=1e-6, err_msg=name)
        slates = np.stack([log.column("item")[rows] for rows in first])
        observation, *_ = env.step(slates[:, 0] if slots == 1 else slates)
        compared += 1
    assert compared >= 3


def test_a_log_of_pages_has_the_histories_and_rewards_of_the_environment():
    world = gymnasium.make("recgym/EcommercePage-v1").unwrapped.privileged().world
    often = {"world": world.with_arrays(event_bias=np.full(3, 3.0)), "reward": "revenue"}  # purchases
    env = gymnasium.make("recgym/EcommercePage-v1", observation="history", **often)
    problem, log = Problem.of(env), sample_log(env, "random", 60, 3)
    rows, bought = read_histories(problem, log), 0
    mine = rows.observation(np.arange(len(log)), problem.num_items)
    for session, first in enumerate(rows.start[log.session_starts()]):
        observation, _ = env.reset(seed=3 + session)
        for row in range(first, first + int((rows.start == first).sum())):
            for name, value in observation.items():
                np.testing.assert_allclose(mine[name][row], value, atol=1e-6, err_msg=name)
            observation, reward, *_ = env.step(int(rows.named[row]))
            assert observation["shown"][-1] == rows.item[row]
            assert rows.reward[row] == pytest.approx(reward, rel=1e-6)
            bought += reward > 0
    assert bought > 10
    assert (rows.item != rows.named).mean() > 0.1


def test_return_to_go_by_hand():
    world = synthetic(domain="social", num_items=5)
    problem = Problem.of(history_env(world, 1))
    histories = read_histories(problem, sample_log(world, "random", 5, 0, slate_size=2))
    total, expected = return_to_go(histories, 0.5), []
    for row in range(len(total)):
        same = histories.session == histories.session[row]
        slates = sorted({s for s in histories.slate[same] if s >= histories.slate[row]})
        means = [histories.reward[histories.slate == s].mean() for s in slates]
        expected.append(sum(0.5**i * mean for i, mean in enumerate(means)))
    np.testing.assert_allclose(total, expected)


def test_contexts_of_a_log_without_some_hours_are_the_environments():
    world = synthetic(domain="content", num_items=8)
    early = world.with_arrays(context_cdf=np.minimum(np.arange(1, 25) / 6, 1.0))  # hours 0 to 5 alone
    problem = Problem.of(gymnasium.make("recgym/Content-v1", world=world, observation="history"))
    log = sample_log(early, "random", 40, 1)
    hour = log.column("context_index")
    assert hour.max() < 6
    np.testing.assert_allclose(
        read_histories(problem, log).context[:, 0], np.sin(2 * np.pi * hour / 24), atol=1e-6
    )


def test_every_row_of_a_log_without_events_is_a_response():
    world = synthetic(domain="ecommerce", num_items=6)
    problem = Problem.of(gymnasium.make("recgym/Ecommerce-v1", world=world, observation="history"))
    log = sample_log(world, "random", 30, 1)
    clicks = replace(log, rows=log.rows.filter(log.rows["click"]))
    bare = replace(clicks, rows=clicks.rows.drop_columns(["click", "cart", "purchase"]))
    assert bare.events == ()
    assert read_histories(problem, bare).events.tolist() == [[1.0, 0.0, 0.0]] * len(bare)
    assert logged_rewards(problem, bare).tolist() == [problem.reward_weights["click"]] * len(bare)
    agents = [make_agent("popularity", problem) for _ in range(2)]
    for agent, known in zip(agents, (bare, clicks), strict=True):
        agent.prepare(known, 0)
    assert agents[0].score.tolist() == agents[1].score.tolist() != [0.0] * 6
