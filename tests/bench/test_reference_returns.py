"""What references earn in the sessions of a trained agent."""

import numpy as np
import pytest

from agents import make_agent
from agents.problem import Problem
from recgym.bench import reference_returns as module
from recgym.bench.experiment import EVALUATE, Entry, Experiment, Run
from recgym.bench.reference_returns import reference_returns
from recgym.rollout.play import bound, make_vector, play

ID = "recgym/Content-v1"


@pytest.fixture(scope="module")
def judged(worlds):
    """A run, its agent, the returns of its 24 sessions, and the number of items."""
    kwargs = {"world": str(worlds["content"]), "n_items": 20, "horizon": 6, "observation": "history"}
    run = Run(
        experiment=Experiment(name="one", env_id=ID, kwargs=kwargs, eval_sessions=24),
        entry=Entry(agent="ucb1"),
        run=0,
    )
    agent = make_agent("ucb1", Problem.of(make_vector(ID, 1, **kwargs)), seed=0)
    columns, facts = play(ID, kwargs, bound(agent), run.env_seed(EVALUATE), 24)
    return run, agent, columns["return"], facts["num_items"]


def test_references_meet_the_same_users(judged):
    run, agent, returns, num_items = judged
    rows = {row["agent"]: row for row in reference_returns(run, agent, returns, num_items)}
    assert list(rows) == ["random", "ucb1", "oracle"]
    assert {row["sessions"] for row in rows.values()} == {24}
    assert rows["ucb1"]["return"] == pytest.approx(returns.mean())
    kwargs = run.experiment.kwargs
    oracle = make_agent("oracle", Problem.of(make_vector(ID, 1, **kwargs)), seed=5)
    columns, _ = play(ID, kwargs, bound(oracle), run.env_seed(EVALUATE), 24)
    assert rows["oracle"]["return"] == pytest.approx(columns["return"].mean())
    for row in (rows["ucb1"], rows["oracle"]):
        assert row["over_random"] == pytest.approx(row["return"] - rows["random"]["return"])
        assert row["low"] < row["over_random"] < row["high"]
    assert rows["random"]["over_random"] is None


@pytest.mark.parametrize(
    ("rewards", "sessions", "agents"),
    [(24 * 20, 24, ("random", "ucb1", "oracle")), (10 * 20, 24, ("random", "ucb1"))],
)
def test_a_large_catalogue_has_fewer_sessions_and_then_no_oracle(
    judged, monkeypatch, rewards, sessions, agents
):
    run, agent, returns, num_items = judged
    monkeypatch.setattr(module, "MOST_REWARDS", rewards)
    rows = reference_returns(run, agent, returns, num_items)
    assert tuple(row["agent"] for row in rows) == agents
    assert {row["sessions"] for row in rows} == {sessions}
    monkeypatch.setattr(module, "FEWEST_SESSIONS", 5)
    rows = reference_returns(run, agent, returns, num_items)
    assert rows[-1]["agent"] == "oracle"
    assert {row["sessions"] for row in rows} == {rewards // 20}
    (shown,) = [row["return"] for row in rows if row["agent"] == "ucb1"]
    assert shown == pytest.approx(np.mean(returns[: rewards // 20]))


def test_an_agent_that_is_a_reference_is_in_one_row(judged):
    run, agent, returns, num_items = judged
    own = Run(experiment=run.experiment, entry=Entry(agent="random"), run=0)
    rows = reference_returns(own, agent, returns, num_items)
    assert [row["agent"] for row in rows] == ["random", "oracle"]
