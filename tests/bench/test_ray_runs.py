"""Runs on a Ray cluster that the test starts and stops: the rows of processes, also where a worker is killed."""

import json
import os
import signal
import time
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from bench_runs import folders, small
from refusals import refused

from recgym.bench import ray_runs
from recgym.bench.launch import launch
from recgym.bench.ray_pool import run_jobs_on_ray
from recgym.bench.report import write_report

pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*:ResourceWarning")]


@pytest.fixture(autouse=True)
def as_nice_as_processes(monkeypatch):
    monkeypatch.setenv(
        "RAY_worker_niceness", "0"
    )  # 15 by default: on a busy machine workers start after minutes


def parents():
    """Parent of each process of this machine."""
    found = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            found[int(place.parent.name)] = int(place.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    return found


def busy_workers():
    """Process ids of this process's Ray workers that are at work."""
    above, found = parents(), []
    for process in above:
        line, who = [process], process
        while who := above.get(who, 0):
            line.append(who)
        try:
            title = Path(f"/proc/{process}/cmdline").read_bytes()
        except OSError:
            continue
        if os.getpid() in line and title.startswith(b"ray::attempt"):
            found.append(process)
    return found


def kill_one(seconds=60):
    deadline = time.monotonic() + seconds
    while not (workers := busy_workers()):
        assert time.monotonic() < deadline, "no worker of Ray is at work"
        time.sleep(0.01)
    os.kill(workers[0], signal.SIGKILL)


def rows(out):
    """All that a run holds but seconds and digests of them."""
    found = {}
    for folder in folders(out):
        record = json.loads((folder / "run.json").read_text())
        del record["timing"], record["files"]["curve.parquet"]
        curve = pq.read_table(folder / "curve.parquet").drop_columns("seconds")
        found[folder.name] = record, (folder / "sessions.parquet").read_bytes(), curve.to_pydict()
    return found


def test_rows_are_those_of_processes_and_a_killed_worker_loses_and_repeats_nothing(worlds, results, tmp_path):
    calls = []

    def engine(jobs, workers, started):
        def seen(job):
            started(job)
            calls.append(job)
            if len(calls) in (2, 5):
                kill_one()

        return ray_runs.runs_on_ray(jobs, workers, seen, "local")

    summary = launch(small(worlds), tmp_path / "quick", workers=2, engine=engine)
    assert (summary.done, summary.skipped, summary.failed) == (20, 0, [])
    assert sorted(calls) == list(range(20))
    assert rows(tmp_path / "quick") == rows(results / "quick")
    assert not list((tmp_path / "quick").glob(".*"))
    again = launch(small(worlds), tmp_path / "quick", engine=partial(ray_runs.runs_on_ray, address="local"))
    assert (again.done, again.skipped) == (0, 20)
    write_report(tmp_path)


def test_a_job_that_kills_every_worker_is_an_error_of_its_own():
    def outcome_of(number):
        if number == 1:
            os._exit(3)
        if number == 2:
            raise KeyError("two")
        if number == 3:
            raise OSError(28, "No space left on device", "x")
        return number

    started = []
    outcomes = sorted(
        run_jobs_on_ray(outcome_of, [0, 1, 2, 3, 4], 2, started.append), key=lambda each: each.job
    )
    assert [each.value for each in outcomes] == [0, None, None, None, 4]
    assert outcomes[1].error.startswith("worker of Ray died 4 times: ")
    assert outcomes[2].error == "KeyError: 'two'"
    assert isinstance(outcomes[3].error, OSError)
    assert sorted(started) == [0, 1, 2, 3, 4]


def test_an_address_without_a_cluster_is_one_line(run, tmp_path):
    words = "bench", "--agents", "random", "--envs", "content", "--out", tmp_path / "out"
    refused(run(*words, "--engine", "ray", "--address", "auto"), "--address auto: no Ray cluster")
    assert not (tmp_path / "out").exists()
