"""Trackers of experiments: parameters, curve and final figures of each complete run (`recgym bench --track`).

Nothing leaves the machine unless a variable of the tracker says so: MLFLOW_TRACKING_URI, or WANDB_MODE=online.
"""

import json
import logging
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from recgym.bench.run_folder import load_record
from recgym.storage import read_parquet, whole_folder

BATCH = 1_000  # metrics that MLflow takes at a time


class TrackedRun(NamedTuple):
    """A complete run, as trackers take it."""

    run_id: str
    params: dict[str, Any]  # agent and environment, budget, random seed, code
    points: list[tuple[str, int, float]]  # STAGE/FIGURE, environment steps, value
    final: dict[str, float]  # means over the judged sessions

    @classmethod
    def of(cls, folder: Path) -> "TrackedRun":
        """The run of a folder."""
        record = load_record(folder)
        env, agent = record["env"], record["agent"]
        params = {
            "experiment": record["experiment"],
            "env": env["id"],
            "world": env["world"],
            "agent": agent["name"],
            **{f"env.{name}": value for name, value in env["kwargs"].items()},
            **{f"agent.{name}": value for name, value in agent["params"].items()},
            **record["budget"],
            **{f"seed.{name}": value for name, value in record["seed"].items()},
            "commit": record["git"]["sha"],
        }
        curve = read_parquet(folder / "curve.parquet").to_pylist()
        points = [(f"{row['stage']}/{row['figure']}", row["env_steps"], row["value"]) for row in curve]
        final = {f"final/{name}": figure["mean"] for name, figure in record["final"].items()}
        return cls(record["run_id"], params, points, final)


class Tracker(Protocol):
    """Where runs are tracked; each is added once, whole or not at all."""

    def has(self, run_id: str) -> bool:
        """Whether the run was added."""

    def add(self, run: TrackedRun) -> None:
        """Adds a run."""


class _Folders:
    """A folder for each run, which appears when it is complete."""

    def __init__(self, place: Path, write: Callable[[Path, TrackedRun], None]) -> None:
        self.place, self.write = place, write

    def has(self, run_id: str) -> bool:
        return (self.place / run_id).is_dir()

    def add(self, run: TrackedRun) -> None:
        with whole_folder(self.place / run.run_id) as work:
            self.write(work, run)


def _tensorboard(place: Path) -> Tracker:
    from torch.utils.tensorboard import SummaryWriter

    def write(work: Path, run: TrackedRun) -> None:
        with SummaryWriter(str(work)) as writer:
            writer.add_text("params", json.dumps(run.params, indent=1, default=str))
            for name, steps, value in run.points:
                writer.add_scalar(name, value, steps)
            for name, value in run.final.items():
                writer.add_scalar(name, value, run.params["env_steps"])

    return _Folders(place, write)


def _wandb(place: Path) -> Tracker:
    import wandb

    def write(work: Path, run: TrackedRun) -> None:
        mode: Any = os.environ.get("WANDB_MODE", "offline")
        settings = wandb.Settings(silent=True, console="off")
        with wandb.init(
            project="recgym", name=run.run_id, dir=work, mode=mode, config=run.params, settings=settings
        ) as writer:
            for name in {name for name, *_ in run.points}:
                writer.define_metric(name, step_metric="env_steps")
            for name, steps, value in run.points:
                writer.log({name: value, "env_steps": steps})
            writer.summary.update(run.final)
        for path in work.rglob("*"):
            if path.is_symlink():  # to the folder as it is named until it is complete
                path.unlink()

    return _Folders(place, write)


class _Mlflow:
    """Runs of MLflow, in a SQLite file by default."""

    def __init__(self, place: Path) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        address = os.environ.get("MLFLOW_TRACKING_URI")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the libraries that it imports
            from mlflow import MlflowClient

            for name in ("alembic", "mlflow"):
                logging.getLogger(name).setLevel(logging.ERROR)
            if address is None:
                place.mkdir(parents=True, exist_ok=True)
            self.client = MlflowClient(address or f"sqlite:///{place.resolve() / 'mlflow.db'}")
            name = f"recgym {place.parent.name}"
            found = self.client.get_experiment_by_name(name)
            where = None if address else place.resolve().as_uri()
            self.experiment = found.experiment_id if found else self.client.create_experiment(name, where)

    def has(self, run_id: str) -> bool:
        words = f"tags.`recgym.run_id` = '{run_id}' and attributes.status = 'FINISHED'"
        return bool(self.client.search_runs([self.experiment], words, max_results=1))

    def add(self, run: TrackedRun) -> None:
        from mlflow.entities import Metric, Param

        made = self.client.create_run(
            self.experiment, run_name=run.run_id, tags={"recgym.run_id": run.run_id}
        ).info.run_id
        now = int(time.time() * 1000)
        points = [*run.points, *((name, run.params["env_steps"], value) for name, value in run.final.items())]
        metrics = [Metric(name, value, now, steps) for name, steps, value in points]
        params = [Param(name, str(value)) for name, value in run.params.items()]
        for begin in range(0, len(metrics), BATCH):
            self.client.log_batch(made, metrics=metrics[begin : begin + BATCH])
        for begin in range(0, len(params), BATCH // 10):
            self.client.log_batch(made, params=params[begin : begin + BATCH // 10])
        self.client.set_terminated(made)  # an unfinished run is one that was stopped while it was added


TRACKERS: dict[str, Callable[[Path], Tracker]] = {
    "tensorboard": _tensorboard,
    "mlflow": _Mlflow,
    "wandb": _wandb,
}


def tracker_of(name: str, folder: Path) -> Tracker:
    """The tracker of a name, in FOLDER/NAME.

    Raises:
        ValueError: there is no such tracker.
        ModuleNotFoundError: its library is not installed.
    """
    if name not in TRACKERS:
        raise ValueError(f"--track is {name!r}, expected {', '.join(TRACKERS)}")
    return TRACKERS[name](folder / name)


def track(tracker: Tracker, folder: Path) -> None:
    """Adds the run of a folder, unless it was added.

    ValueError, in one line, where the tracker fails; the run is kept, and added by the next call.
    """
    if tracker.has(folder.name):
        return
    run = TrackedRun.of(folder)
    try:
        tracker.add(run)
    except (OSError, ValueError):
        raise
    except Exception as error:  # each library has its own
        raise ValueError(f"--track: {folder.name}: {type(error).__name__}: {error}") from error
