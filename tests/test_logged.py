"""Logs drawn from a world: propensities are frequencies, rows keep the contract, the source says it was sampled."""

import numpy as np
import pytest

from recgym.logs import sample_log, validate
from recgym.sim.synthetic import synthetic


@pytest.mark.parametrize("policy", ["logged", "random"])
def test_propensities_are_frequencies(policy):
    """The first step of many sessions, and the second, where the policy keeps to a category."""
    world = synthetic(1, num_items=10).with_params(leave_bias=-60.0)
    log = sample_log(world, policy, 40_000, seed=5, horizon=2)
    item, step, p = log.column("item"), log.column("step"), log.column("propensity")
    for now in (0, 1):
        rows = step == now
        weight = 1.0 / p[rows]  # each item's inverse propensities add up to the number of sessions
        for i in range(10):
            share = weight[item[rows] == i]
            assert abs(share.sum() / 40_000 - 1) < 5 * np.sqrt((share**2).sum()) / 40_000


def test_slate_propensities_are_conditional_on_what_stands_above():
    log = sample_log(synthetic(1, num_items=6), "logged", 30_000, seed=5, slate_size=2, horizon=1)
    item = log.column("item").reshape(-1, 2)
    p = log.column("propensity").reshape(-1, 2)
    assert (item[:, 0] != item[:, 1]).all()
    whole = 1.0 / p.prod(1)  # 30 ordered pairs
    assert abs(whole.mean() - 30) < 5 * whole.std() / np.sqrt(len(whole))


@pytest.mark.parametrize("name", ["exposure", "logged_stay"])
def test_the_logging_policy_reads_its_numbers(name):
    world = synthetic(1)
    changed = {
        "exposure": world.with_arrays(exposure=np.full(30, 1 / 30)),
        "logged_stay": world.with_arrays(logged_stay=np.array([0.95])),
    }[name]
    first, second = (sample_log(w, "logged", 200, seed=1).column("item") for w in (world, changed))
    assert len(first) != len(second) or (first != second).any()


@pytest.mark.parametrize("domain", ["ecommerce", "content", "social"])
def test_a_sampled_log_is_a_valid_log_that_says_what_it_is(domain):
    world = synthetic(2, domain=domain)
    log = sample_log(world, "logged", 300, seed=1, slate_size=3, horizon=7)
    assert validate(log) == []
    assert log.num_sessions == 300
    assert log.column("step").max() == 6
    assert log.events == tuple(event.name for event in world.events)
    assert "sampled" in log.source.name
    assert "simulated, not logged" in log.source.note
    assert (log.column("context_index") < 24).all()


def test_a_session_is_the_environments_own():
    """Row i of a sampled log is episode 0 of an environment that was reset with seed + i and shown the same items."""
    import gymnasium as gym

    world = synthetic(3, domain="social")
    log = sample_log(world, "random", 5, seed=70)
    for session in range(5):
        rows = log.column("session") == session
        env = gym.make("recgym/Social-v1", world=world)
        _, info = env.reset(seed=70 + session)
        assert info["user"] == log.column("user")[rows][0]
        over = False
        for item, listen in zip(log.column("item")[rows], log.column("listen")[rows], strict=True):
            assert not over
            *_, terminated, truncated, info = env.step(int(item))
            assert info["listen"] == listen
            over = terminated or truncated
        assert over


def test_impossible_samples_are_refused():
    with pytest.raises(ValueError, match="policy is 'best', allowed: 'logged', 'random' or a function"):
        sample_log(synthetic(), "best")
    with pytest.raises(ValueError, match="sessions is 0"):
        sample_log(synthetic(), sessions=0)


def test_the_log_that_ships_says_that_it_was_sampled():
    from recgym.logs import read_log

    log = read_log("sample")
    assert "sampled from the world ecommerce-1" in log.source.name
    assert validate(log) == []
    assert log.num_sessions == 2_000
