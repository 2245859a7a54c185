"""Sessions of logs, runs and agents are played again from their seeds and slates: the same returns to the bit."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pyarrow.parquet as pq
import pytest
from bench_runs import env_of, folders

from agents import make_agent
from recgym.bench.judged_runs import session_columns
from recgym.bench.played_sessions import _of_columns, of_agent, of_log, of_run, replay, sampled
from recgym.bench.run import sessions_table
from recgym.logs import Log, sample_log
from recgym.rollout.play import play

SHOP, COUNT, SEED = env_of("ecommerce"), 12, 5


@pytest.fixture(scope="module")
def kwargs(worlds):
    return {"world": str(worlds["ecommerce"]), "horizon": 8}


def returns_of(played):
    return [sum(episode.rewards) for episode in replay(played)]


@pytest.mark.parametrize("slots", [1, 3])
def test_a_log_has_the_returns_of_its_seeds_played(kwargs, slots, tmp_path):
    own = kwargs | {"slate_size": slots}
    env = gym.make(SHOP, **own)
    sample_log(env, "random", COUNT, SEED).write(tmp_path / "log")
    played = of_log(Log.read(tmp_path / "log"), SHOP, own, SEED)
    expected = []
    for session, slates in enumerate(played.slates):
        env.reset(seed=SEED + session)
        ends = [env.step(slate if slots > 1 else int(slate[0]))[1:4] for slate in slates]
        expected.append(sum(reward for reward, *_ in ends))
        assert [left or cut for _, left, cut in ends] == [False] * (len(ends) - 1) + [True]
    assert len(expected) == COUNT
    assert sum(expected) > 0
    np.testing.assert_array_equal(returns_of(played), expected)
    later = of_log(Log.read(tmp_path / "log").split([0.5, 0.5])[1], SHOP, own, SEED)
    np.testing.assert_array_equal(returns_of(later), expected[COUNT // 2 :])


def test_a_log_of_pages_is_played_by_the_items_that_were_named():
    env_id = "recgym/EcommercePage-v1"
    log = sample_log(gym.make(env_id), "random", COUNT, SEED)
    played = of_log(log, env_id, {}, SEED)
    np.testing.assert_array_equal(np.concatenate(played.slates)[:, 0], log.column("named"))
    clicks = np.add.reduceat(log.column("click").astype(int), log.session_starts())
    assert (log.column("named") != log.column("item")).any()
    np.testing.assert_array_equal(returns_of(played), clicks)


def test_judged_sessions_of_pages_are_played_again_from_their_table():
    env_id = "recgym/EcommercePage-v1"
    columns, facts = play(env_id, {}, lambda env: make_agent("random", env), SEED, COUNT)
    stored = session_columns(sessions_table(columns, facts))
    assert stored.keys() == columns.keys()
    assert all(np.array_equal(stored[name], columns[name]) for name in columns)
    np.testing.assert_array_equal(returns_of(_of_columns(stored, env_id, {}, "random")), columns["return"])


def test_sessions_with_late_items_are_played_again():
    own = {"arrival": (0.5, 3), "n_items": 20, "horizon": 5}
    columns, _ = play("recgym/Content-v1", own, lambda env: make_agent("random", env), SEED, 10)
    played = _of_columns(columns, "recgym/Content-v1", own, "random")
    late = np.flatnonzero(gym.make("recgym/Content-v1", **own).unwrapped.arrival)
    assert np.isin(np.concatenate(played.slates), late).any()
    assert len(returns_of(played)) == 10


def test_the_policies_of_an_environment_are_those_of_sample_log(kwargs):
    random, logged = (sampled(SHOP, kwargs, policy, COUNT, SEED) for policy in ("random", "logged"))
    assert (random.policy, logged.policy) == ("random", "logged")
    log = sample_log(gym.make(SHOP, **kwargs), "random", COUNT, SEED)
    np.testing.assert_array_equal(np.concatenate(random.slates)[:, 0], log.column("item"))
    assert any(len(a) != len(b) or (a != b).any() for a, b in zip(random.slates, logged.slates, strict=True))


def test_every_run_of_a_benchmark_has_its_stored_returns(results):
    for folder in folders(results / "quick")[::3]:
        played = of_run(folder)
        stored = pq.read_table(folder / "sessions.parquet")["return"].to_numpy()
        np.testing.assert_array_equal(returns_of(played), stored)


def test_a_trained_agent_plays_without_exploration(kwargs, run, tmp_path):
    words = "train", "ucb1", SHOP, "--world", kwargs["world"], "--steps", 300, "--sessions", 5
    assert run(*words, "--out", tmp_path / "agent")[0] == 0
    played = of_agent(tmp_path / "agent", COUNT, SEED)
    from agents import load_agent

    own = {"world": kwargs["world"], "observation": "history"}
    columns, _ = play(SHOP, own, lambda env: load_agent(tmp_path / "agent", env), SEED, COUNT)
    assert played.policy == "ucb1"
    np.testing.assert_array_equal(returns_of(played), columns["return"])


def test_a_log_of_something_else_is_refused(kwargs, worlds):
    log = sample_log(gym.make(SHOP, **kwargs), "random", COUNT, SEED)
    other_seed = of_log(log, SHOP, kwargs, SEED + 1)
    with pytest.raises(
        ValueError, match=f"session 0, played again in {SHOP} with the seed 6, has other resp"
    ):
        returns_of(other_seed)
    longer = of_log(log, SHOP, kwargs | {"horizon": 20}, SEED)
    with pytest.raises(ValueError, match="another end"):
        returns_of(longer)
    with pytest.raises(ValueError, match="its items are not numbered as there"):
        of_log(log, env_of("content"), {"world": str(worlds["content"])}, SEED)
    with pytest.raises(ValueError, match=r"session \d+ has \d+ items, no whole slates of 7"):
        of_log(log, SHOP, kwargs | {"slate_size": 7}, SEED)
    turned = replace(log, items=log.items.take(np.arange(len(log.items))[::-1].copy()))
    with pytest.raises(ValueError, match="items of another numbering: "):
        of_log(turned, SHOP, kwargs, SEED)
