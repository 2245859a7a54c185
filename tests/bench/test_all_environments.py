"""Comparisons over all environments of a preset, from rows of runs."""

from dataclasses import replace

import numpy as np
import pytest
from normal_runs import MEANS, runs

from recgym.bench.all_environments import (
    aggregate_of,
    aggregate_table,
    corrected_lines,
    decisions,
    describe_left_out,
)
from recgym.bench.judged_runs import agent_score, runs_by_agent, seed_scores
from recgym.bench.leaderboard import tables_of
from recgym.evaluate.aggregate import iqm
from recgym.evaluate.stats import Interval


def test_scores_of_all_seeds_have_an_interquartile_mean():
    found = aggregate_of(runs(), "dcf-dqn")
    assert found.environments == ("recgym/content-v0", "recgym/social-v0")
    assert [row.agent for row in found.rows][-1] == "ucb1"
    by_agent = {row.agent: row for row in found.rows}
    assert set(by_agent) == {"dcf-dqn", "linucb", "ucb1"}  # random is 0 and oracle-plan 1
    scores = []
    for experiment in ("content", "social"):
        means = {
            agent: np.array([each.returns.mean() for each in runs() if each.record["experiment"] == experiment
                             and each.record["agent"]["name"] == agent]) for agent in MEANS
        }  # fmt: skip
        scale = (means["oracle-plan"] - means["random"]).mean()
        scores.append((means["ucb1"] - means["random"]) / scale)
    assert by_agent["ucb1"].iqm.mean == pytest.approx(iqm(np.concatenate(scores)))
    assert by_agent["ucb1"].improvement.mean == 1.0
    assert by_agent["dcf-dqn"].improvement is None
    names, rows = aggregate_table(found)
    assert (names[2], rows[-1][2][:6]) == ("probability that dcf-dqn improves on it", "1.00 [")
    names, rows = aggregate_table(aggregate_of(runs(), "gru4rec"))
    assert {len(row) for row in (names, *rows)} == {2}  # it has no runs


def test_one_environment_or_one_seed_has_no_aggregate():
    assert aggregate_of(runs(("content",)), "dcf-dqn") is None
    assert aggregate_of(runs(seeds=1), "dcf-dqn") is None
    assert aggregate_of([], "dcf-dqn") is None
    without_scale = {name: mean for name, mean in MEANS.items() if name != "random"}
    assert aggregate_of(runs(means=without_scale), "dcf-dqn") is None


def with_seeds(rows, agent, num):
    """The rows with the first seeds of one agent alone."""
    return [
        each for each in rows if each.record["agent"]["name"] != agent or each.record["seed"]["run"] < num
    ]


@pytest.mark.parametrize("scale", ["random", "oracle-plan"])
def test_sessions_of_one_shared_seed_are_no_seeds(scale):
    """Agents have ten seeds, an end of the scale has fewer: units are the seeds that are shared."""
    assert aggregate_of(with_seeds(runs(), scale, 1), "dcf-dqn") is None
    two = aggregate_of(with_seeds(runs(), scale, 2), "dcf-dqn")
    assert {row.iqm.n for row in two.rows} == {2 * 2}  # environments, seeds
    agents = runs_by_agent(with_seeds(runs(("content",)), scale, 1))
    assert seed_scores(agents, "ucb1") is None
    ours, random, plan = (agents[name][0].returns for name in ("ucb1", "random", "oracle-plan"))
    score = agent_score(agents, "ucb1")
    assert score.value == pytest.approx((ours - random).mean() / (plan - random).mean())
    assert score.low < score.value < score.high  # over the sessions


def test_an_agent_that_lacks_an_environment_is_left_out():
    rows = [
        each
        for each in runs()
        if each.record["agent"]["name"] != "ucb1" or each.record["experiment"] == "content"
    ]
    found = aggregate_of(rows, "dcf-dqn")
    assert {row.agent for row in found.rows} == {"dcf-dqn", "linucb"}
    assert found.left_out == ("ucb1",)
    assert describe_left_out(found).endswith("in every one of these environments: ucb1.")
    assert describe_left_out(aggregate_of(runs(), "dcf-dqn")) == ""


def test_corrected_comparisons_name_every_agent_once():
    tables = tables_of("ladder", runs())
    lines = corrected_lines(tables)
    assert lines[0] == "With Holm's correction over 8 comparisons (level 0.05), dcf-dqn is"
    assert len(lines) == 3  # the interval of linucb holds 0
    for line in lines[1:]:
        assert "above ucb1, random;" in line
        assert "below oracle-plan" in line
        assert line.endswith("undecided against linucb")
    gain = Interval(0.1, 0.01, 0.19, 0.0398, 10)  # p is .033, and .066 beside another one
    rows = [row._replace(reference_gain=gain) if row.agent == "linucb" else row for row in tables[0].rows]
    remarked = corrected_lines([replace(tables[0], rows=tuple(rows)), tables[1]])
    assert remarked[:3] == lines
    assert remarked[3].startswith(
        "* undecided although its 95 % interval excludes 0: the interval is of one comparison"
    )
    decided = tables_of("ladder", runs(means={"random": 1.0, "dcf-dqn": 3.0}))
    assert len(corrected_lines(decided)) == 3  # nothing is undecided
    assert corrected_lines(tables_of("standard", runs(means={"random": 1.0}))) == []


@pytest.mark.parametrize("seeds", [1, 2, 9])
def test_tables_that_are_not_ranked_have_no_verdicts(seeds):
    tables = tables_of("ladder", runs(seeds=seeds))
    assert tables[0].mark.endswith("not ranked")
    assert corrected_lines(tables) == []


def test_one_training_decides_nothing():
    """An agent with one seed in a table of ten; references that learn nothing are compared by their sessions."""
    tables = tables_of("ladder", with_seeds(runs(), "ucb1", 1))
    lines = corrected_lines(tables)
    assert lines[0] == "With Holm's correction over 6 comparisons (level 0.05), dcf-dqn is"
    assert all("above random;" in line for line in lines[1:3])
    (row,) = [row for row in tables[0].rows if row.agent == "ucb1"]
    assert (row.reference_seeds, row.reference_gain.n) == (1, 50)
    unlearned = replace(tables[0], reference="oracle", rows=(row._replace(agent="random"), row))
    assert set(decisions([unlearned])) == {("content", "random")}
