"""A stored run is played again and compared."""

import shutil

import numpy as np
from bench_runs import env_of, small
from fake_runs import write_run
from refusals import refused

from recgym.bench import repeated_run
from recgym.bench.experiment import Entry, Run
from recgym.bench.judged_runs import judged_run
from recgym.bench.raw_rows import FILE, rows_bytes
from recgym.bench.repeated_run import compare, stored_run
from recgym.bench.run import execute, job_of
from recgym.bench.worker_pool import Outcome
from recgym.sim.synthetic import synthetic


def test_a_run_is_verified_from_its_row_and_a_changed_row_is_not(run, tmp_path, monkeypatch):
    world = synthetic(3, domain="ecommerce").save(tmp_path / "worlds" / "shop")
    (experiment,) = small({"ecommerce": world}).experiments
    job = job_of(Run(experiment=experiment, entry=Entry(agent="popularity"), run=0, entropy=7), tmp_path)
    assert execute(job) == "ok"
    place = tmp_path / job.run_id
    stored = stored_run(place)
    shutil.rmtree(place)
    (tmp_path / FILE).write_bytes(rows_bytes("quick", [stored], []))
    code, text, _ = run("verify", place)
    assert code == 0
    assert text.splitlines()[1].startswith(f"{place.name}: the same returns in all 40 sessions, mean ")

    changed = stored._replace(returns=stored.returns + (np.arange(40) == 3))
    (tmp_path / FILE).write_bytes(rows_bytes("quick", [changed], []))
    refused(run("verify", place), "its return is", "when the run ended")
    mean = {"mean": float(changed.returns.mean())}
    final = stored.record["final"] | {"return": stored.record["final"]["return"] | mean}
    changed = changed._replace(record=stored.record | {"final": final})  # it agrees with itself
    (tmp_path / FILE).write_bytes(rows_bytes("quick", [changed], []))
    monkeypatch.setattr(repeated_run, "run_jobs", lambda do, jobs, *_: [Outcome(0, do(jobs[0]), "")])
    code, text, _ = run("verify", place)
    assert code == 1
    assert text.splitlines()[1].startswith(f"{place.name}: 1 of 40 returns differ: mean ")


def test_runs_that_cannot_be_played_again_are_one_line(run, tmp_path):
    record = write_run(tmp_path, "content", "random", 0)  # a world of another digest
    failed = write_run(tmp_path, "content", "ucb1", 0, error="ValueError: no")
    for name, message in (
        (record["run_id"], f"is of world content-1 wwwwwwwwww, and {env_of('content')} has"),
        (failed["run_id"], "the run failed: ValueError: no"),
        ("nothing", "no folder of a run, and no complete row"),
    ):
        code, out, err = run("verify", tmp_path / name)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert message in err


def test_a_run_in_a_world_of_a_path_says_where_it_is_verified(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    world = synthetic(3, domain="ecommerce").save("my_world")
    (experiment,) = small({"ecommerce": world}).experiments
    job = job_of(Run(experiment=experiment, entry=Entry(agent="popularity"), run=0, entropy=7), tmp_path)
    assert execute(job) == "ok"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    where = "the run names it by a path: run from the folder where the benchmark was made"
    refused(run("verify", tmp_path / job.run_id), "world 'my_world' is unknown", where)


def test_every_return_and_figure_counts(tmp_path):
    record = write_run(tmp_path, "content", "random", 0)
    stored = judged_run(record, tmp_path / record["run_id"])
    assert compare(stored, stored_run(tmp_path / record["run_id"])).is_same
    assert compare(stored, stored._replace(returns=stored.returns[:-1])).differing == 1
    found = compare(stored, stored._replace(gini=stored.gini + 1e-12))
    assert (found.is_same, found.other_figures) == (False, ("gini",))
