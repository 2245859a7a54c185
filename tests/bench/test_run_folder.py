"""The folder of a run: schema, checks, replacement, lock."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from bench_runs import folders, small

from recgym.bench import experiment, run_folder
from recgym.bench.launch import launch
from recgym.sim.synthetic import synthetic


def test_run_json_has_the_keys_of_the_contract(results, worlds):
    folder = next(
        path for path in folders(results / "quick") if path.name.startswith("content-popularity-001")
    )
    record = json.loads((folder / "run.json").read_text())
    assert list(record) == [
        *("schema", "run_id", "experiment", "env", "agent", "budget", "seed", "status", "error", "final"),
        *("timing", "versions", "host", "git", "files"),
    ]
    assert (record["schema"], record["run_id"], record["status"]) == ("recgym.run/1", folder.name, "ok")
    assert record["env"]["id"] == "recgym/Content-v1"
    assert record["env"]["world_sha256"] == synthetic(3, domain="content").sha256
    assert record["seed"] == {"entropy": experiment.ENTROPY, "run": 1}
    assert record["budget"]["env_steps"] == 600
    assert record["budget"]["offline_rows"] > 60
    assert set(record["files"]) == {"curve.parquet", "sessions.parquet"}
    assert record["final"]["return"]["n"] == 40
    sessions = pq.read_table(folder / "sessions.parquet")
    assert record["final"]["return"]["mean"] == pytest.approx(np.mean(sessions["return"].to_numpy()))
    assert record["versions"]["recgym"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extra": 1}, "keys extra"),
        ({"status": "fine"}, "status 'fine'"),
        ({"error": "x"}, "error is 'x' with status 'ok'"),
        ({"budget": {"env_steps": 1}}, "budget has"),
        ({"host": {"cpu": "x"}}, "host has"),
        ({"host": {"system": "", "machine": "", "cpu": "x", "cores": "2"}}, "cores is '2', expected int"),
        ({"files": {}}, "files has"),
        ({"final": {"return": 1.0}}, "final return is 1.0, expected mean, se, n"),
    ],
)
def test_a_record_off_the_schema_is_an_error(results, change, message):
    record = json.loads((folders(results / "quick")[0] / "run.json").read_text())
    run_folder.check_record(record)
    with pytest.raises(ValueError, match=message):
        run_folder.check_record(record | change)


@pytest.mark.slow
def test_another_setting_replaces_runs_of_the_same_agent_and_seed(worlds, results, tmp_path):
    out = tmp_path / "quick"
    shutil.copytree(results / "quick", out)
    preset = small(worlds, agents=("oracle-plan",), params={"oracle-plan": {"simulations": 4}})
    assert launch(preset, out, workers=1).done == 4
    assert len(folders(out)) == 20
    assert all(
        f in folders(out) for f in [out / g.name for g in folders(results / "quick")] if "plan" not in f.name
    )


def test_a_folder_is_locked_by_one_benchmark(worlds, tmp_path):
    with run_folder.only_one(tmp_path), pytest.raises(ValueError, match="another bench is writing there"):
        launch(small(worlds), tmp_path, workers=1)
