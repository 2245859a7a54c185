"""The preset robustness."""

from pathlib import Path

import numpy as np
import pytest
from bench_runs import small

from recgym.bench.experiment import Entry, Run, runs_of
from recgym.bench.launch import by_trained_agent
from recgym.bench.perturbations import PERTURBATIONS, perturbed_task, perturbed_vector
from recgym.bench.repeated_run import stored_run
from recgym.bench.robustness import perturbed
from recgym.bench.run import agent_and_env, execute, job_of
from recgym.bench.run_folder import load_record
from recgym.bench.suite import PRESETS, choose
from recgym.rollout.play import make_vector, play


def test_the_preset_has_every_perturbation_at_three_severities():
    names = [row.name for row in PRESETS["robustness"].experiments]
    assert len(set(names)) == len(names) == 4 + 3 * (7 * 4 + 1)
    for name, each in PERTURBATIONS.items():
        assert 0 < each.severities[0] < each.severities[1] < each.severities[2] <= 1
        assert f"content-slate@{name}=high" + ",retrained" * each.in_training in names
    assert not [name for name in names if "position_bias" in name and "slate" not in name]


class First:
    def act(self, observation, explore=False):
        return np.zeros(len(observation), np.int64)


def test_worlds_are_changed_with_the_numbers_of_the_task():
    """Item i is item i of the task where nothing is moved, and users are the same persons."""
    kwargs = {"observation": "tabular"}
    base, _ = play("recgym/Content-v1", kwargs, lambda env: First(), 3, 60)
    for name, severity in (("user_mix", 1.0), ("preference_drift", 1.0), ("position_bias", 0.5)):
        changed, wrap = perturbed_task("recgym/Content-v1", {**kwargs, "perturb": {name: severity}})
        found, facts = play("recgym/Content-v1", changed, lambda env: First(), 3, 60, wrap=wrap)
        assert (
            facts["num_items"] == make_vector("recgym/Content-v1", 1).unwrapped.privileged().world.num_items
        )
        assert np.array_equal(found["user"], base["user"]) == (name != "user_mix")
        assert np.array_equal(found["return"], base["return"]) == (
            name == "position_bias"
        )  # one item a slate


def test_unknown_perturbations_and_severities_are_refused():
    for given, message in (
        ({"noise": 0.1}, "perturbation 'noise' is unknown; there are preference_drift"),
        ({"click_noise": 1.5}, "severity of click_noise is 1.5"),
        (3, "perturb is 3, expected severities by name"),
    ):
        with pytest.raises(ValueError, match=message):
            perturbed_vector("recgym/Content-v1", 1, perturb=given)


@pytest.mark.parametrize("name", ["unseen_items", "click_bots", "missing_features"])
def test_a_perturbed_run_is_made(worlds, tmp_path, name):
    (base,) = small({"content": worlds["content"]}).experiments
    experiment = next(row for row in perturbed(base) if f"@{name}=high" in row.name)
    run = Run(experiment=experiment, entry=Entry(agent="linucb"), run=0)
    env = agent_and_env(run, "cpu")[1]
    assert (env.unwrapped is not env) == (name != "unseen_items")
    job = job_of(run, tmp_path)
    assert execute(job) == "ok"
    assert load_record(tmp_path / job.run_id)["final"]["return"]["n"] == 40


def test_runs_of_one_job_are_of_one_training(tmp_path):
    jobs = [job_of(run, tmp_path) for run in runs_of(choose("robustness", agents=["mf"], seeds=1))]
    groups = [[each.run.experiment for each in (job, *job.also)] for job in by_trained_agent(jobs)]
    assert sum(map(len, groups)) == len(jobs)
    assert len(groups) == 4 * (1 + 4 * 3)  # the base, and each setting of the four perturbations in training
    for first, *others in groups:
        assert all(
            (each.base, each.training_kwargs) == (first.base, first.training_kwargs) for each in others
        )


def returns(jobs):
    assert all(execute(job) == "ok" for job in jobs)
    each = [one for job in jobs for one in (job, *job.also)]
    return {one.run_id: stored_run(Path(one.out) / one.run_id).returns.tolist() for one in each}


def test_a_run_does_not_depend_on_which_runs_are_made_with_it(worlds, tmp_path):
    """As where a run is missing when a benchmark is resumed, and in `recgym verify`."""
    (base,) = small({"content": worlds["content"]}).experiments
    endings = ("content", "preference_drift=high", "click_noise=high,retrained", "click_bots=high,retrained")
    rows = tuple(row for row in perturbed(base) if row.name.endswith(endings))
    runs = runs_of(small(worlds, experiments=rows, agents=("popularity",), seeds=1))
    assert len(runs) == 4
    together = returns(by_trained_agent([job_of(run, tmp_path / "a") for run in runs]))
    assert together == returns([job_of(run, tmp_path / "b") for run in runs])
    assert len(set(map(tuple, together.values()))) == 4
