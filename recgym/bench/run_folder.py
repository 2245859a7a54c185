"""The folder of a run, written whole or not at all and checked by its checksums.

<run_id>/run.json          the schema recgym.run/1
<run_id>/sessions.parquet  one row a judged session
<run_id>/curve.parquet     figures reported during learning: stage, env_steps, seconds, figure, value
<run_id>/error.txt         the traceback of a failed run
<run_id>/SHA256SUMS        digests of the other files
"""

import glob
import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recgym import storage

SCHEMA = "recgym.run/1"
KEYS: dict[str, type | tuple[type, ...]] = {
    "schema": str,
    "run_id": str,
    "experiment": str,
    "env": dict,
    "agent": dict,
    "budget": dict,
    "seed": dict,
    "status": str,
    "error": (str, type(None)),
    "final": dict,
    "timing": dict,
    "versions": dict,
    "host": dict,
    "git": dict,
    "files": dict,
}
_NUMBER, _TEXT_OR_NONE = (int, float), (str, type(None))
_INNER: dict[str, dict[str, Any]] = {
    "env": {"id": str, "kwargs": dict, "world": str, "world_sha256": str},
    "agent": {"name": str, "params": dict},
    "budget": {"env_steps": int, "offline_rows": int},
    "seed": {"entropy": int, "run": int},
    "timing": dict.fromkeys(("prepare_s", "train_s", "evaluate_s"), _NUMBER),
    "host": {"system": str, "machine": str, "cpu": str, "cores": (int, type(None))},
    "git": {"sha": _TEXT_OR_NONE, "dirty": (bool, type(None))},
}
_OPTIONAL = {"timing": dict.fromkeys(("act_1_ms", "act_256_ms"), _NUMBER)}  # of runs of later versions
TABLES = ("curve.parquet", "sessions.parquet")


def check_record(record: Mapping[str, Any]) -> None:
    """ValueError that names the first difference of a run.json from the schema `recgym.run/1`."""
    if set(record) != set(KEYS):
        odd = sorted(set(record) ^ set(KEYS))
        raise ValueError(f"run.json: keys {', '.join(odd)} are missing or unknown")
    storage.check_keys(record, KEYS, "run.json")
    for name, inner in _INNER.items():
        optional = {key: kind for key, kind in _OPTIONAL.get(name, {}).items() if key in record[name]}
        if set(record[name]) != {*inner, *optional}:
            raise ValueError(f"run.json: {name} has {sorted(record[name])}, expected {sorted(inner)}")
        storage.check_keys(record[name], {**inner, **optional}, f"run.json: {name}")
    _check_status(record)
    _check_id(record)
    for name, seconds in record["timing"].items():
        if not 0.0 <= seconds < math.inf:
            raise ValueError(f"run.json: timing: {name} is {seconds}, expected a finite number, 0 or more")
    for name, figure in record["final"].items():
        if not isinstance(figure, dict) or set(figure) != {"mean", "se", "n"}:
            raise ValueError(f"run.json: final {name} is {figure!r}, expected mean, se, n")


def _check_id(record: Mapping[str, Any]) -> None:
    """ValueError unless the id is experiment, line of the table, number of the random seed, digest."""
    run_id, experiment, run = record["run_id"], record["experiment"], record["seed"]["run"]
    if run < 0 or not re.fullmatch(rf"{re.escape(experiment)}-.+-{run:03d}-\w+", run_id, re.ASCII):
        raise ValueError(
            f"run.json: run_id is {run_id[:80]!r}, and its run is seed {run} of {experiment[:60]!r}"
        )


def _check_status(record: Mapping[str, Any]) -> None:
    if record["schema"] != SCHEMA or record["status"] not in ("ok", "error"):
        raise ValueError(f"run.json: schema {record['schema']!r}, status {record['status']!r}")
    if (record["status"] == "error") != (record["error"] is not None):
        raise ValueError(
            f"run.json: error is {record['error']!r} with status {record['status']!r}; expected text where the "
            "status is error, else null"
        )
    if record["status"] == "ok" and set(record["files"]) != set(TABLES):
        raise ValueError(f"run.json: files has {sorted(record['files'])}, expected {sorted(TABLES)}")


def load_record(folder: Path) -> dict[str, Any]:
    """The run.json of a folder; ValueError where it is absent, damaged or of another run, or a file was changed."""
    stored = storage.Stored(folder, "run")
    record = stored.json("run.json")
    with storage.refusing(folder / "run.json"):
        check_record(record)
    if record["run_id"] != folder.name:
        raise ValueError(f"{folder}: run.json is of the run {str(record['run_id'])[:80]!r}")
    for name, digest in record["files"].items():
        data = stored.read(storage.safe_name(name, folder / "run.json"))
        if hashlib.sha256(data).hexdigest() != digest:
            raise ValueError(f"{folder / name} differs from its checksum in run.json")
    return record


def read_record(folder: Path) -> dict[str, Any] | None:
    """The run.json of a folder, or None where `load_record` raises."""
    try:
        return load_record(folder)
    except ValueError:
        return None


def run_folders(out: Path) -> list[Path]:
    """Folders that hold a run or parts of one, sorted; hidden folders are runs in progress and are left out."""
    entries = sorted(out.iterdir()) if out.is_dir() else []
    files = ("run.json", storage.MANIFEST, *TABLES)
    return [
        entry
        for entry in entries
        if not entry.name.startswith(".") and any((entry / name).exists() for name in files)
    ]


def is_whole(folder: Path, run_id: str) -> bool:
    """Whether the run is in its folder, completed and unchanged."""
    record = read_record(folder)
    return record is not None and record["status"] == "ok" and record["run_id"] == run_id


@contextmanager
def run_folder(out: Path, record: dict[str, Any]) -> Iterator[Path]:
    """A folder to fill; run.json is added at the end.

    Runs of the same experiment, agent and seed with other settings are removed.
    """
    run_id = record["run_id"]
    with storage.whole_folder(out / run_id, drop=("run.json", "error.txt", *TABLES)) as work:
        yield work
        record["files"] = {path.name: storage.file_sha256(path) for path in sorted(work.iterdir())}
        check_record(record)
        storage.write_json(work / "run.json", record)
    prefix = run_id.rpartition("-")[0]
    for old in out.glob(f"{glob.escape(prefix)}-*"):
        if old.name.rpartition("-")[0] == prefix and old.name != run_id:
            storage.remove(old)


@contextmanager
def only_one(out: Path) -> Iterator[None]:
    """Makes and locks a folder of runs; ValueError where another process has locked it.

    A new folder that is still empty when the block fails is removed.
    """
    with (
        storage.locked(out, f"--out {out}: another bench is writing there"),
        storage.parents_made(out / "run"),
    ):
        yield
