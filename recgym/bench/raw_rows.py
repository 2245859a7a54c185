"""The raw rows of a table in one file, rows.parquet: one row a run, with the returns of its judged sessions.

A table's folder holds the folders of runs, this file, or both. The file replaces the folders: reports made from either
are the same, byte for byte, and `recgym bench` makes no run again whose row is complete. Where both hold a run of an
experiment, agent and seed, the folder is read.
"""

import io
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recgym.bench.judged_runs import JudgedRun, check_first_seed, check_judged, judged_run
from recgym.bench.run_folder import SCHEMA as RUN_SCHEMA
from recgym.bench.run_folder import check_record, load_record, read_record, run_folders
from recgym.storage import parse_json, read_file, read_parquet, refusing

FILE, SCHEMA = "rows.parquet", "recgym.rows/1"
MAX_BYTES = 1 << 30
Record = dict[str, Any]

FIGURES = ("length", "response_rate", "coverage", "gini")  # of the judged sessions
_FINAL = {**{name: name for name in FIGURES}, "gini": "exposure_gini"}  # their names in `final`
_ROUNDING = 1e-9  # means of the same numbers may differ between machines by less
_JSON = ("env_kwargs", "params", "final", "versions", "host", "files")  # columns that hold JSON objects
_COLUMNS: dict[str, Any] = {
    "run_id": pa.string(),
    "experiment": pa.string(),
    "env_id": pa.string(),
    "env_kwargs": pa.string(),
    "world": pa.string(),
    "world_sha256": pa.string(),
    "agent": pa.string(),
    "params": pa.string(),
    "env_steps": pa.int64(),
    "offline_rows": pa.int64(),
    "entropy": pa.int64(),
    "seed": pa.int64(),
    "commit": pa.string(),
    "has_changes": pa.bool_(),
    "version": pa.string(),
    "versions": pa.string(),
    "host": pa.string(),
    "prepare_s": pa.float64(),
    "train_s": pa.float64(),
    "evaluate_s": pa.float64(),
    "act_1_ms": pa.float64(),
    "act_256_ms": pa.float64(),
    "status": pa.string(),
    "error": pa.string(),
    "final": pa.string(),
    "files": pa.string(),
    "facts": pa.string(),
    "first_seed": pa.uint64(),
    "length": pa.float64(),
    "response_rate": pa.float64(),
    "coverage": pa.float64(),
    "gini": pa.float64(),
    "returns": pa.list_(pa.float64()),
    "curve_steps": pa.list_(pa.int64()),
    "curve_returns": pa.list_(pa.float64()),
}
_ADDED = ("act_1_ms", "act_256_ms")  # may be missing from files of earlier versions, and from rows
_OF_RECORD = list(_COLUMNS)[: list(_COLUMNS).index("facts")]


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _record_cells(record: Record) -> Record:
    """The columns of a run.json."""
    env, agent, versions = record["env"], record["agent"], dict(record["versions"])
    cells = {
        **{name: record[name] for name in ("run_id", "experiment", "status", "error")},
        **{"env_id": env["id"], "env_kwargs": env["kwargs"]},
        **{name: env[name] for name in ("world", "world_sha256")},
        **{"agent": agent["name"], "params": agent["params"]},
        **record["budget"],
        **{"entropy": record["seed"]["entropy"], "seed": record["seed"]["run"]},
        **{"commit": record["git"]["sha"], "has_changes": record["git"]["dirty"]},
        **{"version": versions.get("recgym"), "versions": versions},
        **record["timing"],
        **{name: record[name] for name in ("host", "final", "files")},
    }
    return {name: _text(cells[name]) if name in _JSON else cells.get(name) for name in _OF_RECORD}


def _record_of(cells: Mapping[str, Any]) -> Record:
    """The run.json of a row; ValueError where it breaks the schema of runs."""
    c = {
        name: parse_json(cells[name].encode(), name) if name in _JSON else cells.get(name)
        for name in _OF_RECORD
    }
    record = {
        "schema": RUN_SCHEMA,
        "run_id": c["run_id"],
        "experiment": c["experiment"],
        "env": {
            "id": c["env_id"],
            "kwargs": c["env_kwargs"],
            "world": c["world"],
            "world_sha256": c["world_sha256"],
        },
        "agent": {"name": c["agent"], "params": c["params"]},
        "budget": {name: c[name] for name in ("env_steps", "offline_rows")},
        "seed": {"entropy": c["entropy"], "run": c["seed"]},
        **{name: c[name] for name in ("status", "error", "final")},
        "timing": {name: c[name] for name in ("prepare_s", "train_s", "evaluate_s")}
        | {name: c[name] for name in _ADDED if c[name] is not None},
        "versions": c["versions"],
        "host": c["host"],
        "git": {"sha": c["commit"], "dirty": c["has_changes"]},
        "files": c["files"],
    }
    check_record(record)
    return record


def _row_of(run: JudgedRun) -> Record:
    return _record_cells(run.record) | {
        "facts": _text(run.facts),
        "first_seed": run.first_seed,
        **{name: getattr(run, name) for name in FIGURES},
        "returns": run.returns,
        "curve_steps": [steps for steps, _ in run.curve],
        "curve_returns": [value for _, value in run.curve],
    }


def rows_bytes(preset: str, runs: Iterable[JudgedRun], failed: Iterable[Record]) -> bytes:
    """The file of runs and failed runs; the same runs give the same bytes."""
    rows = [_row_of(run) for run in runs] + [_record_cells(record) for record in failed]
    rows.sort(key=lambda row: str(row["run_id"]))
    columns = [pa.array([row.get(name) for row in rows], kind) for name, kind in _COLUMNS.items()]
    about = {"recgym": _text({"schema": SCHEMA, "preset": preset})}
    table = pa.table(columns, schema=pa.schema(list(_COLUMNS.items()), metadata=about))
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", compression_level=9)
    return sink.getvalue()


def stored_rows(folder: Path) -> tuple[list[JudgedRun], list[Record]]:
    """Runs and failed runs of the file of a folder; none without a file. ValueError where it is damaged."""
    path = folder / FILE
    if not path.exists():
        return [], []
    runs: list[JudgedRun] = []
    failed: list[Record] = []
    data = read_file(path, MAX_BYTES)
    with refusing(path):
        table = read_parquet(data)
        about = parse_json((table.schema.metadata or {}).get(b"recgym", b"{}"), "its metadata")
        names = table.schema.names
        kinds = {name: kind for name, kind in _COLUMNS.items() if name in names or name not in _ADDED}
        if about.get("schema") != SCHEMA or names != list(kinds):
            raise ValueError(f"holds no raw rows of the schema {SCHEMA}")
        for number, cells in enumerate(table.cast(pa.schema(list(kinds.items()))).to_pylist()):
            with refusing(f"row {number} ({cells['run_id']})"):
                record = _record_of(cells)
                if record["status"] == "error":
                    failed.append(record)
                else:
                    runs.append(_judged(record, cells))
        ids = [record["run_id"] for record in (*(run.record for run in runs), *failed)]
        if len(set(ids)) < len(ids):
            raise ValueError("a run is in two rows")
    return runs, failed


def _judged(record: Record, cells: Mapping[str, Any]) -> JudgedRun:
    facts, returns = parse_json(cells["facts"].encode(), "facts"), np.array(cells["returns"], np.float64)
    check_judged(facts, returns)
    check_first_seed(record, cells["first_seed"])
    _check_final(
        record["final"], {"return": returns.mean(), **{_FINAL[name]: cells[name] for name in FIGURES}}
    )
    return JudgedRun(
        record,
        cells["first_seed"],
        returns,
        **{name: float(cells[name]) for name in FIGURES},
        facts=facts,
        curve=tuple(
            (int(steps), float(value))
            for steps, value in zip(cells["curve_steps"], cells["curve_returns"], strict=True)
        ),
    )


def _check_final(final: Mapping[str, Any], found: Mapping[str, float]) -> None:
    """ValueError where the returns or figures of a row are not those of the end of its run: one was changed since."""
    for name, value in found.items():
        mean = float(final[name]["mean"])
        if not np.isclose(value, mean, rtol=_ROUNDING, atol=_ROUNDING, equal_nan=True):
            raise ValueError(f"its {name} is {value:.6g}, and was {mean:.6g} when the run ended")


def without_settings(run_id: str) -> str:
    """Experiment, agent and seed of a run: its id without the digest of its settings."""
    return run_id.rpartition("-")[0]


def read_runs(folder: Path) -> tuple[list[JudgedRun], list[Record]]:
    """Completed runs of a table's folder, and the records of failed ones, both in the order of their ids.

    ValueError where a run or the file of rows is damaged.
    """
    judged, failed = [], []
    for place in run_folders(folder):
        record = load_record(place)
        if record["status"] == "error":
            failed.append(record)
        else:
            with refusing(place):
                judged.append(judged_run(record, place))
    made = {without_settings(record["run_id"]) for record in (*(run.record for run in judged), *failed)}
    rows, errors = stored_rows(folder)
    judged += [run for run in rows if without_settings(run.record["run_id"]) not in made]
    failed += [record for record in errors if without_settings(record["run_id"]) not in made]
    judged.sort(key=lambda run: str(run.record["run_id"]))
    failed.sort(key=lambda record: str(record["run_id"]))
    return judged, failed


def records_of(folder: Path) -> list[Record]:
    """Records of the runs of a table's folder, damaged ones left out; returns are not read from the folders."""
    found = [record for place in run_folders(folder) if (record := read_record(place)) is not None]
    made = {without_settings(place.name) for place in run_folders(folder)}
    rows, errors = stored_rows(folder)
    stored = [*(run.record for run in rows), *errors]
    return found + [record for record in stored if without_settings(record["run_id"]) not in made]


def table_folders(folder: Path) -> list[Path]:
    """Folders of tables: the folder itself where it holds runs or rows, else those in it, by name."""
    if is_table(folder):
        return [folder]
    return sorted(place for place in folder.glob("*") if place.is_dir() and is_table(place))


def is_table(folder: Path) -> bool:
    """Whether a folder holds runs, or the file of their rows."""
    return (folder / FILE).exists() or bool(run_folders(folder))


def preset_of(folder: Path) -> str:
    """Name of a table's preset: that of its file of rows, or that of the folder."""
    path = folder / FILE
    if path.exists():
        with refusing(path):
            metadata = pq.read_schema(io.BytesIO(read_file(path, MAX_BYTES))).metadata or {}
            name = parse_json(metadata.get(b"recgym", b"{}"), "its metadata").get("preset")
            if isinstance(name, str) and re.fullmatch(r"[\w.+-]{1,80}", name):
                return name
    return folder.resolve().name
