"""One folder a run: written whole or not at all, known again by its checksums.

<run_id>/run.json          the schema recgym.run/1
<run_id>/sessions.parquet  one row a judged session
<run_id>/curve.parquet     what the agent reported while it learned: stage, env_steps, seconds, figure, value
<run_id>/error.txt         where the run failed: the traceback
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
_INNER = {
    "env": ("id", "kwargs", "world", "world_sha256"),
    "agent": ("name", "params"),
    "budget": ("env_steps", "offline_rows"),
    "seed": ("entropy", "run"),
    "timing": ("prepare_s", "train_s", "evaluate_s"),
    "git": ("sha", "dirty"),
}
TABLES = ("curve.parquet", "sessions.parquet")
_WORK = ".work-"


def check_record(record: Mapping[str, Any]) -> None:
    """ValueError that names the first point where a run.json departs from the schema."""
    if set(record) != set(KEYS):
        odd = sorted(set(record) ^ set(KEYS))
        raise ValueError(f"run.json: keys {', '.join(odd)} are missing or unknown")
    for name, kind in KEYS.items():
        if not isinstance(record[name], kind):
            raise ValueError(f"run.json: {name} is {record[name]!r}")
    for name, inner in _INNER.items():
        if set(record[name]) != set(inner):
            raise ValueError(f"run.json: {name} has {sorted(record[name])}, expected {sorted(inner)}")
    _check_status(record)
    for name, figure in record["final"].items():
        if set(figure) != {"mean", "se", "n"}:
            raise ValueError(f"run.json: final {name} has {sorted(figure)}, expected mean, se, n")


def _check_status(record: Mapping[str, Any]) -> None:
    if record["schema"] != SCHEMA or record["status"] not in ("ok", "error"):
        raise ValueError(f"run.json: schema {record['schema']!r}, status {record['status']!r}")
    if (record["status"] == "error") != (record["error"] is not None):
        raise ValueError("run.json: error must be told where, and only where, the status is error")
    if record["status"] == "ok" and set(record["files"]) != set(TABLES):
        raise ValueError(f"run.json: files has {sorted(record['files'])}, expected {sorted(TABLES)}")


def file_sha256(path: Path) -> str:
    """Hex digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_record(folder: Path) -> dict[str, Any] | None:
    """The run.json of a folder, None where it is absent, broken, or a file does not match its checksum."""
    try:
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        check_record(record)
        if all(file_sha256(folder / name) == digest for name, digest in record["files"].items()):
            return dict(record)
    except (OSError, ValueError, TypeError, AttributeError):
        pass
    return None


def is_whole(folder: Path, run_id: str) -> bool:
    """Whether this very run is there, worked, and is as it was written."""
    record = read_record(folder)
    return record is not None and record["status"] == "ok" and record["run_id"] == run_id


def begin(out: Path, run_id: str) -> Path:
    """A fresh working folder for a run."""
    out.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f"{_WORK}{run_id}-", dir=out))
    work.chmod(0o755)
    return work


def finish(work: Path, record: dict[str, Any]) -> Path:
    """Add checksums and run.json, name the folder; a run of the same cell by another setting goes."""
    record["files"] = {path.name: file_sha256(path) for path in sorted(work.iterdir())}
    check_record(record)
    (work / "run.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    target = work.parent / record["run_id"]
    cell = record["run_id"].rpartition("-")[0]
    for old in work.parent.glob(f"{cell}-*"):
        if old.name.rpartition("-")[0] == cell:
            shutil.rmtree(old)
    return work.rename(target)


def sweep(out: Path) -> int:
    """Remove what a kill left half-written; how many."""
    left = list(out.glob(f"{_WORK}*"))
    for folder in left:
        shutil.rmtree(folder)
    return len(left)


@contextmanager
def only_one(out: Path) -> Iterator[None]:
    """Hold a folder of runs while this process lives; ValueError where another bench holds it."""
    out.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # Windows: two benches in one folder are the user's to avoid
        yield
        return
    with (out / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ValueError(f"--out {out}: another bench is writing there") from None
        yield
