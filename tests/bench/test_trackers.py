"""Trackers of runs, each read back by its own library; mlflow and wandb where they are installed."""

import json
import shutil
import sys

import pyarrow.parquet as pq
import pytest
from bench_runs import small
from refusals import refused

from recgym.bench.launch import launch
from recgym.bench.run import execute
from recgym.bench.trackers import TRACKERS, TrackedRun, track, tracker_of
from recgym.bench.worker_pool import Outcome

CHANGES = {"agents": ("ucb1", "random"), "seeds": 1}


@pytest.fixture
def out(results, tmp_path):
    shutil.copytree(results / "quick", tmp_path / "quick")
    return tmp_path / "quick"


@pytest.fixture
def runs(out):
    """The four runs that are tracked, by id, and what they hold."""
    found = {}
    for folder in (place for name in ("ucb1", "random") for place in out.glob(f"*-{name}-000-*")):
        record = json.loads((folder / "run.json").read_text())
        curve = pq.read_table(folder / "curve.parquet").to_pylist()
        points = [(f"{row['stage']}/{row['figure']}", row["env_steps"], row["value"]) for row in curve]
        found[folder.name] = record, points
    assert len(found) == 4
    assert any(points for _, points in found.values())
    return found


def tracked(worlds, out, name):
    """Tracks the runs, twice, by two calls of the benchmark."""
    for _ in range(2):
        summary = launch(small(worlds, **CHANGES), out, workers=1, tracker=tracker_of(name, out))
        assert (summary.done, summary.skipped) == (0, 4)


def test_tensorboard_has_the_curve_and_the_figures(worlds, out, runs):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tracked(worlds, out, "tensorboard")
    assert {path.name for path in (out / "tensorboard").iterdir()} == runs.keys()
    for run_id, (record, points) in runs.items():
        folder = out / "tensorboard" / run_id
        assert len(list(folder.glob("events.*"))) == 1
        events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
        events.Reload()
        for name in {name for name, *_ in points}:
            expected = [(steps, pytest.approx(value)) for each, steps, value in points if each == name]
            assert [(event.step, event.value) for event in events.Scalars(name)] == expected
        (final,) = events.Scalars("final/return")
        assert (final.step, final.value) == (600, pytest.approx(record["final"]["return"]["mean"]))
        assert record["agent"]["name"] in str(events.Tensors("params/text_summary")[0])


def test_a_run_is_tracked_when_it_ends_and_a_failed_one_is_not(worlds, tmp_path):
    seen = []

    class Listed:
        def has(self, run_id):
            return run_id in seen

        def add(self, run):
            assert (tmp_path / "quick" / run.run_id / "run.json").exists()
            seen.append(run.run_id)

    def engine(jobs, workers, started):
        for number, job in enumerate(jobs):
            started(number)
            yield Outcome(number, execute(job) if number else None, "" if number else "it died")

    preset = small(worlds, agents=("random",), seeds=1)
    summary = launch(preset, tmp_path / "quick", tracker=Listed(), engine=engine)
    assert (len(seen), summary.done, len(summary.failed)) == (1, 1, 1)


def test_a_tracker_that_fails_is_one_line_and_the_run_is_kept(out, runs):
    class Broken:
        def has(self, run_id):
            return False

        def add(self, run):
            raise RuntimeError("no disk")

    with pytest.raises(ValueError, match=r"--track: .*: RuntimeError: no disk"):
        track(Broken(), out / next(iter(runs)))
    assert TrackedRun.of(out / next(iter(runs))).params["env_steps"] == 600


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mlflow_has_params_curve_and_figures(worlds, out, runs):
    pytest.importorskip("mlflow")
    tracked(worlds, out, "mlflow")
    tracker = tracker_of("mlflow", out)
    found = {run.data.tags["recgym.run_id"]: run for run in tracker.client.search_runs([tracker.experiment])}
    assert found.keys() == runs.keys()
    for run_id, (record, points) in runs.items():
        run = found[run_id]
        assert run.info.status == "FINISHED"
        assert run.data.params["agent"] == record["agent"]["name"]
        assert run.data.metrics["final/return"] == record["final"]["return"]["mean"]
        for name in {name for name, *_ in points}:
            history = tracker.client.get_metric_history(run.info.run_id, name)
            expected = sorted((steps, value) for each, steps, value in points if each == name)
            assert sorted((metric.step, metric.value) for metric in history) == expected


def wandb_records(data, block=1 << 15):
    """Records of a file of wandb: a header of 7 bytes, then the log format of LevelDB."""
    place, parts = 7, []
    while place + 7 <= len(data):
        if block - place % block < 7:
            place += block - place % block
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        parts.append(data[place + 7 : place + 7 + length])
        place += 7 + length
        if kind in (1, 4):  # full, last
            yield b"".join(parts)
            parts = []


@pytest.mark.slow
def test_wandb_has_params_curve_and_figures_offline(worlds, out, runs):
    pytest.importorskip("wandb")
    from wandb.proto.wandb_internal_pb2 import Record

    tracked(worlds, out, "wandb")
    assert {path.name for path in (out / "wandb").iterdir()} == runs.keys()
    for run_id, (record, points) in runs.items():
        (file,) = (out / "wandb" / run_id).glob("wandb/offline-run-*/run-*.wandb")
        config, logged, final = {}, [], {}
        for data in wandb_records(file.read_bytes()):
            entry = Record()
            entry.ParseFromString(data)
            config |= {item.key: json.loads(item.value_json) for item in entry.run.config.update}
            final |= {item.key or item.nested_key[0]: item.value_json for item in entry.summary.update}
            row = {(item.key or "/".join(item.nested_key)): item.value_json for item in entry.history.item}
            logged += [(name, row["env_steps"], row[name]) for name, *_ in points if name in row][:1]
        assert config["agent"] == record["agent"]["name"]
        assert float(final["final/return"]) == record["final"]["return"]["mean"]
        assert [(name, int(steps), float(value)) for name, steps, value in logged] == points


def test_a_missing_library_and_another_name_are_one_line(run, tmp_path, monkeypatch):
    words = "bench", "--agents", "random", "--out", tmp_path / "out", "--track"
    refused(run(*words, "csv"), "--track is 'csv', expected tensorboard, mlflow, wandb")
    for name in ("mlflow", "wandb"):
        monkeypatch.setitem(sys.modules, name, None)
        refused(run(*words, name), f"this needs {name}: pip install 'recgym[{name}]'")
    assert not (tmp_path / "out").exists()
    assert list(TRACKERS) == ["tensorboard", "mlflow", "wandb"]
