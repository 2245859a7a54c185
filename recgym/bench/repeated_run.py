"""Plays a stored run again and compares: `recgym verify`."""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from recgym.bench import run_folder
from recgym.bench.experiment import Entry, Experiment, Run, line_of
from recgym.bench.judged_runs import JudgedRun, judged_run
from recgym.bench.one_table import code_of, own_code
from recgym.bench.raw_rows import stored_rows
from recgym.bench.run import Job, execute
from recgym.bench.worker_pool import run_jobs
from recgym.envs import row_of
from recgym.envs.world_lookup import shipped_worlds, world_of
from recgym.storage import refusing


class Comparison(NamedTuple):
    """A stored run and the same run, played again."""

    run_id: str
    sessions: int
    differing: int  # sessions whose returns differ
    before: float  # mean return that is stored
    now: float
    other_figures: tuple[str, ...]  # names of figures that differ: length, response_rate, coverage, gini
    code_before: str
    code_now: str

    @property
    def is_same(self) -> bool:
        """Whether all returns and figures are equal."""
        return not self.differing and not self.other_figures


def stored_run(place: Path) -> JudgedRun:
    """A completed run, from its folder, or by its id from rows.parquet beside it; ValueError where it is in neither."""
    if place.is_dir():
        record = run_folder.load_record(place)
        if record["status"] == "ok":
            with refusing(place):
                return judged_run(record, place)
        raise ValueError(f"{place}: the run failed: {record['error']}")
    for run in stored_rows(place.parent)[0]:
        if run.record["run_id"] == place.name:
            return run
    raise ValueError(f"{place}: no folder of a run, and no complete row of {place.parent / 'rows.parquet'}")


def repeat(place: Path) -> Comparison:
    """Plays a stored run again, in a process of its own as in `recgym bench`, and compares.

    Raises:
        ValueError: there is no such run, it lacks what playing it again needs, or its world is another one now.
    """
    stored = stored_run(place)
    with tempfile.TemporaryDirectory() as folder:
        job = _job(stored, folder, place)
        (outcome,) = run_jobs(execute, [job], 1, lambda job: None)
        error = outcome.error or ("" if outcome.value == "ok" else outcome.value)
        if error:
            raise ValueError(f"{place}: cannot be played again: {error}")
        again = judged_run(run_folder.load_record(Path(folder) / job.run_id), Path(folder) / job.run_id)
    return compare(stored, again)


def compare(stored: JudgedRun, again: JudgedRun) -> Comparison:
    """The comparison of two runs; sessions that one of them lacks differ."""
    num = min(len(stored.returns), len(again.returns))
    differing = int(np.count_nonzero(stored.returns[:num] != again.returns[:num]))
    names = ("first_seed", "length", "response_rate", "coverage", "gini")
    return Comparison(
        stored.record["run_id"],
        len(stored.returns),
        differing + abs(len(stored.returns) - len(again.returns)),
        float(stored.returns.mean()),
        float(again.returns.mean()),
        tuple(name for name in names if getattr(stored, name) != getattr(again, name)),
        code_of(stored.record),
        own_code(),
    )


def _job(stored: JudgedRun, folder: str, place: Path) -> Job:
    record, facts = stored.record, stored.facts
    if not {"offline_sessions", "training_kwargs"} <= facts.keys():
        raise ValueError(
            f"{place}: does not say how many sessions its log had; it was made by an older version"
        )
    env, name = record["env"], record["experiment"]
    kwargs: dict[str, Any] = env["kwargs"]
    named = kwargs.get("world")
    try:
        world = world_of(row_of(env["id"]), named, kwargs.get("member"), kwargs.get("assume"))
    except ValueError as error:
        is_lost = named is not None and named not in shipped_worlds() and not Path(named).exists()
        hint = (
            "; the run names it by a path: run from the folder where the benchmark was made"
            if is_lost
            else ""
        )
        raise ValueError(f"{place}: {error}{hint}") from None
    if world.sha256 != env["world_sha256"]:
        raise ValueError(
            f"{place}: is of world {env['world']} {env['world_sha256'][:10]}, and {env['id']} has "
            f"{world.sha256[:10]} now"
        )
    experiment = Experiment(
        name=name,
        env_id=env["id"],
        kwargs=kwargs,
        env_steps=record["budget"]["env_steps"],
        offline_sessions=facts["offline_sessions"],
        eval_sessions=len(stored.returns),
        trained=facts["training_kwargs"],
    )
    line, agent = line_of(record["run_id"], name), record["agent"]
    entry = Entry(agent=agent["name"], params=agent["params"], label="" if line == agent["name"] else line)
    run = Run(
        experiment=experiment, entry=entry, run=record["seed"]["run"], entropy=record["seed"]["entropy"]
    )
    return Job(run, folder, record["run_id"], world.name, world.sha256)
