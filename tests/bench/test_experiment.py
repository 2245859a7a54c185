"""Experiments, presets and the random seeds of runs."""

import numpy as np
import pytest
from bench_runs import AGENTS, folders, small

from recgym.bench import experiment
from recgym.bench.experiment import Entry, Experiment, Run, runs_of
from recgym.bench.launch import launch
from recgym.bench.report import Results


def test_each_use_of_random_numbers_has_a_seed():
    of_agents = experiment.AGENT, experiment.PREPARE, experiment.TRAIN
    experiments = [Experiment(name=name, env_id="") for name in ("content", "social")]
    runs = [
        Run(experiment=experiment, entry=Entry(agent=agent), run=run)
        for experiment in experiments
        for agent in ("ucb1", "thompson")
        for run in range(20)
    ]
    shared = {
        (r.experiment.name, r.run, s): r.seed(s) for r in runs for s in (experiment.LOG, experiment.EVALUATE)
    }
    own = [r.seed(s) for r in runs for s in of_agents]
    seeds = [*shared.values(), *own]
    assert len(set(seeds)) == len(seeds) == 2 * 20 * 2 + 80 * 3
    assert min(seeds) > 1000
    assert all(
        r.seed(s) == shared[r.experiment.name, r.run, s]
        for r in runs
        for s in (experiment.LOG, experiment.EVALUATE)
    )
    far = np.sort(np.array([r.env_seed(experiment.EVALUATE) for r in runs[:20]], dtype=np.float64))
    assert np.diff(far).min() > 1e6


def test_a_preset_judges_a_slow_agent_on_the_first_sessions(worlds):
    runs = runs_of(small(worlds, eval_sessions={"oracle-plan": 7}))
    visits = {(run.entry.agent, run.experiment.eval_sessions) for run in runs}
    assert visits == {(agent, 7 if agent == "oracle-plan" else 40) for agent in AGENTS}


@pytest.mark.slow
def test_variants_of_an_agent_have_rows_and_parameters_of_their_own(worlds, tmp_path):
    """A second line under a label, an agent of slates alone: rows, pairs, order; no settings of another world."""
    preset = small(
        worlds,
        seeds=2,
        agents=("random", "ucb1", "thompson"),
        params={"ucb1": {"scale": 2.0}},
        variants=(Entry(agent="ucb1", params={"scale": 0.5}, label="ucb1, narrow"),),
        only_in={"thompson": "slate"},
    )
    runs = runs_of(preset)
    settings = {
        (run.experiment.name, run.entry.line): (run.entry.params.get("scale"), run.entry.params.get("fresh"))
        for run in runs
        if run.entry.agent == "ucb1"
    }
    assert settings[("content", "ucb1")] == (2.0, None)
    assert settings[("content", "ucb1, narrow")] == (0.5, None)
    assert settings[("ecommerce", "ucb1")] == (2.0, None)
    assert all(run.entry.agent != "thompson" for run in runs)
    launch(preset, tmp_path / "quick", workers=2)
    assert len(folders(tmp_path / "quick")) == len(runs)
    for table in Results(tmp_path).tables["quick"]:
        assert [row.agent for row in table.rows] == ["random", "ucb1", "ucb1, narrow"]
        assert all(row.gain is not None and row.reference_gain is None for row in table.rows[1:])
