"""Runs of a preset: common random numbers, resuming, failures."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
from bench_runs import AGENTS, folders, small

from recgym.bench import run_folder
from recgym.bench.experiment import Experiment
from recgym.bench.launch import _ProgressBar, launch
from recgym.bench.report import write_report
from recgym.bench.worker_pool import Outcome


@pytest.mark.slow
def test_agents_of_a_seed_meet_the_same_users(results):
    tables = {}
    for folder in folders(results / "quick"):
        experiment, _, run = folder.name.rsplit("-", 1)[0].partition("-")
        table = pq.read_table(folder / "sessions.parquet")
        tables.setdefault((experiment, run[-3:]), []).append(table)
    assert len(tables) == 4
    users = []
    for group in tables.values():
        assert len(group) == len(AGENTS)
        assert all(table["user"] == group[0]["user"] and table["seed"] == group[0]["seed"] for table in group)
        assert any(table["return"] != group[0]["return"] for table in group)
        users.append(group[0]["user"].to_pylist())
    assert len({tuple(row) for row in users}) == 4


def test_lines_without_a_terminal_say_how_long_it_takes(capsys, monkeypatch):
    clock = iter([0.0, 90.0, 180.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    jobs = [SimpleNamespace(run_id=f"run-{i}", also=()) for i in range(2)]
    bar = _ProgressBar(
        SimpleNamespace(disable=True, add_task=lambda *_, **__: 0, update=lambda *_, **__: None), 4, 2, jobs
    )
    for job in range(2):
        bar.started(job)
        bar.ended(job, is_failed=False)
    assert capsys.readouterr().err.splitlines() == [
        "3/4 run-0 done; 1.5 min so far, 2 min left at this pace",
        "4/4 run-1 done",
    ]


@pytest.mark.slow
def test_a_second_call_makes_incomplete_runs_only(worlds, results, tmp_path):
    out = tmp_path / "quick"
    shutil.copytree(results / "quick", out)
    whole = launch(small(worlds), out, workers=1)
    assert (whole.done, whole.skipped) == (0, 20)
    broken, lost, *rest = folders(out)
    (broken / "sessions.parquet").write_bytes(b"half")
    (lost / "run.json").unlink()
    (out / ".run.tmp-0123abcd").mkdir()
    before = {path: path.stat().st_mtime_ns for folder in rest for path in folder.iterdir()}
    again = launch(small(worlds), out, workers=1)
    assert (again.done, again.skipped) == (2, 18)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert not list(out.glob(".*"))
    assert pq.read_table(broken / "sessions.parquet") == pq.read_table(
        results / "quick" / broken.name / "sessions.parquet"
    )


SCRIPT = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is started deaf to it
from recgym.bench import suite
from recgym.bench.experiment import Experiment, Preset
if __name__ == "__main__":
    world, out = sys.argv[1:]
    row = Experiment(name="ecommerce", env_id="recgym/Ecommerce-v1", kwargs={"world": world},
                     env_steps=100_000_000, eval_sessions=30)
    agents = ("random", "q-learning")  # the second would learn for an hour
    suite.PRESETS["quick"] = Preset(name="quick", about="", experiments=(row,), seeds=3, agents=agents)
    from recgym.cli.main import main
    main(["bench", "--workers", "1", "--out", out])
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.slow
def test_a_stopped_benchmark_resumes(worlds, tmp_path, how):
    script, out = tmp_path / "bench.py", tmp_path / "results"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(worlds["ecommerce"]), str(out)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, start_new_session=True, **pipes) as process:
        deadline = time.monotonic() + 120  # a cold cache compiles first
        while not list(out.glob("quick/.*q-learning*.tmp-*")) and time.monotonic() < deadline:
            time.sleep(0.02)
        workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        if how == signal.SIGINT:
            os.killpg(process.pid, how)  # as a terminal does: the workers get it too
        else:
            process.send_signal(how)
        _, errors = process.communicate(timeout=20)
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert errors.splitlines()[-1].startswith("recgym: stopped; complete runs are kept")
        assert "Traceback" not in errors
    deadline = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert workers
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert bool(list(out.glob("quick/.*.tmp-*"))) == (
        how == signal.SIGKILL
    )  # which leaves no time to clear up
    whole = {path: (path / "run.json").stat().st_mtime_ns for path in folders(out / "quick")}
    row = Experiment(
        name="ecommerce",
        env_id="recgym/Ecommerce-v1",
        kwargs={"world": str(worlds["ecommerce"])},
        env_steps=100_000_000,
        eval_sessions=30,
    )
    quicker = small(worlds, experiments=(row,), seeds=3, agents=("random",), params={})
    summary = launch(quicker, out / "quick", workers=1)
    assert (summary.done, summary.skipped) == (2, 1)
    assert {path: (path / "run.json").stat().st_mtime_ns for path in whole} == whole
    assert not list(out.glob("quick/.*.tmp-*"))


@pytest.mark.slow
def test_a_failed_run_is_recorded_and_does_not_stop_others(worlds, tmp_path):
    preset = small(worlds, seeds=1, agents=("random", "slateq"))
    pairs = [replace(row, kwargs={**row.kwargs, "slate_size": 21}) for row in preset.experiments]
    preset = replace(preset, experiments=tuple(pairs))  # slateq sees 20 items back
    summary = launch(preset, tmp_path / "quick", workers=2)
    assert (summary.done, len(summary.failed)) == (2, 2)
    assert "not of 21" in summary.failed[0]
    folder = next(path for path in folders(tmp_path / "quick") if "slateq" in path.name)
    record = run_folder.read_record(folder)
    assert record["status"] == "error"
    assert "not of 21" in record["error"]
    assert "Traceback" in (folder / "error.txt").read_text()
    assert launch(preset, tmp_path / "quick", workers=1).skipped == 2  # the failed ones are tried again
    write_report(tmp_path)
    assert "2 runs failed:" in (tmp_path / "README.md").read_text()


FULL_DISK = """
import resource, sys
from recgym.bench import suite
from recgym.bench.experiment import Experiment, Preset
from recgym.cli.main import main
row = Experiment(name="ecommerce", env_id="recgym/Ecommerce-v1", kwargs={"world": sys.argv[1]},
                 env_steps=200, offline_sessions=20, eval_sessions=int(sys.argv[3]))
suite.PRESETS["quick"] = Preset(name="quick", about="", experiments=(row,), seeds=2, agents=("random", "popularity"))
limit = int(sys.argv[4])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
main(["bench", "--workers", "1", "--out", sys.argv[2]])
"""


def bench_with_room(worlds, out, sessions, room):
    words = [sys.executable, "-c", FULL_DISK, str(worlds["ecommerce"]), str(out), str(sessions), str(room)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_full_disk_is_not_a_failure_of_a_run(worlds, tmp_path):
    """The disk is a limit on the size of files: the tables of a run do not fit, its run.json does."""
    assert (
        bench_with_room(worlds, tmp_path / "first", 20, 1 << 30).returncode == 0
    )  # what it compiles has room
    done = bench_with_room(worlds, tmp_path / "full", 2_000, 9_000)
    place = f"{tmp_path / 'full' / 'quick'}{os.sep}ecommerce-random-000-"
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    *before, said = done.stderr.splitlines()
    assert re.fullmatch(rf"recgym: {re.escape(place)}[0-9a-f]{{8}}: File too large", said), done.stderr
    assert [line.split()[0] for line in before] == ["0", "making"]
    assert not (tmp_path / "full").exists()


def test_an_unfinished_run_is_removed_where_a_full_disk_ends_the_call(worlds, tmp_path, monkeypatch):
    """Another worker may be in the middle of its run when the first finds the disk full."""
    out = tmp_path / "quick"

    def outcomes(*_):
        (out / ".ecommerce-popularity-000-01234567.tmp-89abcdef").mkdir(parents=True)
        yield Outcome(0, None, OSError(errno.ENOSPC, "No space left on device", "x"))

    monkeypatch.setattr("recgym.bench.launch.run_jobs", outcomes)
    with pytest.raises(OSError, match="No space left"):
        launch(small(worlds), out, workers=2)
    assert not out.exists()


def test_wrong_parameters_are_an_error_before_the_first_run(worlds, tmp_path):
    preset = small(worlds, agents=("random", "ucb1"), params={"ucb1": {"nonsense": 1}})
    with pytest.raises(ValueError, match="agent ucb1 has no parameter 'nonsense'"):
        launch(preset, tmp_path / "quick", workers=2)
    assert not list(tmp_path.glob("quick/*/run.json"))
