"""The runs of a preset in parallel processes; runs that are complete are not made again."""

import json
import secrets
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from recgym import storage
from recgym.bench import run_folder
from recgym.bench.experiment import ENTROPY, MAX_ENTROPY, Preset, runs_of
from recgym.bench.one_table import code_of, own_code
from recgym.bench.perturbations import perturbed_vector
from recgym.bench.raw_rows import records_of, without_settings
from recgym.bench.run import Job, execute, job_of, record_failure
from recgym.bench.trackers import Tracker, track
from recgym.bench.worker_pool import Outcome, cores, run_jobs

Runner = Callable[[list[Job], int | None, Callable[[int], None]], Generator[Outcome]]


class Summary(NamedTuple):
    """Outcome of a call."""

    done: int  # runs completed by this call
    skipped: int  # runs that were complete before
    failed: list[str]  # one line for each failed run


def warm_up(preset: Preset) -> None:
    """Compiles the simulator once, into the cache on disk that all workers read."""
    from recgym.sim.lookahead import plan

    for experiment in preset.experiments:
        for kind in ("features", "history", "tabular"):
            env = perturbed_vector(experiment.env_id, 2, observation=kind, **experiment.kwargs)
            env.reset(seed=0)
            env.step(np.zeros(env.action_space.shape, np.int64))
        engine = env.unwrapped.privileged()
        engine.expected_reward()
        plan(engine, simulations=1)


def runs_in_processes(
    jobs: list[Job], workers: int | None, started: Callable[[int], None]
) -> Generator[Outcome]:
    """Makes runs in processes of this machine, by default one for each core; outcomes in the order of their ends."""
    return run_jobs(execute, jobs, workers or cores(), started)


def launch(
    preset: Preset,
    out: Path,
    workers: int | None = None,
    progress: Any = None,
    *,
    anew: bool = False,
    engine: Runner = runs_in_processes,
    tracker: Tracker | None = None,
) -> Summary:
    """Makes the missing runs of a preset in `out`; a failed run is recorded and does not stop the others.

    A run is not missing where `out` has its folder, or its row in rows.parquet.

    Args:
        preset: experiments, agents and seeds.
        out: folder of the preset's runs, locked by this process.
        workers: runs at a time, by default one for each core.
        progress: a started rich Progress, or None.
        anew: runs of another commit or version of the code are missing, too.
        engine: makes the runs: `runs_in_processes`, or `ray_runs.runs_on_ray` with an address.
        tracker: complete runs are added to it, also those of earlier calls whose folders are there.

    ValueError, before any run, where the table would have rows of two commits.

    KeyboardInterrupt, or an OSError where a run cannot be written, ends the workers at once. Complete runs are
    kept, and the next call makes the missing ones.
    """
    with run_folder.only_one(out):
        storage.sweep(out)
        jobs = [job_of(run, out) for run in runs_of(preset)]
        absent = _missing(jobs, records_of(out), out, anew)
        skipped, failed = len(jobs) - len(absent), []
        missing = by_trained_agent(absent)
        bar = _ProgressBar(progress, len(jobs), skipped, missing)
        bar.say(f"{skipped} of {len(jobs)} runs are in {out}")
        _track(tracker, out, jobs)
        if missing:
            bar.describe("loading the simulator")
            bar.say(f"making {len(jobs) - skipped}; a line for each when it ends")
            warm_up(preset)
        outcomes = engine(missing, workers, bar.started)
        try:
            for outcome in outcomes:
                if isinstance(outcome.error, OSError):  # a full disk: every other run would fail as well
                    raise outcome.error
                job = missing[outcome.job]
                error = outcome.error or ("" if outcome.value == "ok" else outcome.value)
                if outcome.error:
                    record_failure(job, outcome.error)
                if error:
                    failed.append(f"{job.run_id}: {error}")
                _track(tracker, out, [job, *job.also])
                bar.ended(outcome.job, bool(error))
        finally:
            outcomes.close()  # also after Ctrl-C: no worker outlives the call
            storage.sweep(out)  # unfinished folders of workers that were ended
    done = sum(run_folder.is_whole(out / job.run_id, job.run_id) for job in absent)
    return Summary(done, skipped, failed)


def _track(tracker: Tracker | None, out: Path, jobs: list[Job]) -> None:
    """Adds the jobs' complete runs to a tracker."""
    if tracker is None:
        return
    for job in jobs:
        if run_folder.is_whole(out / job.run_id, job.run_id):
            track(tracker, out / job.run_id)


def _missing(jobs: list[Job], records: list[dict[str, Any]], out: Path, anew: bool) -> list[Job]:
    """Jobs without a complete row; ValueError where rows that are kept are of other code than that of this process."""
    here = own_code()
    whole = [record for record in records if record["status"] == "ok"]
    complete = {record["run_id"] for record in whole if not anew or code_of(record) == here}
    absent = [job for job in jobs if job.run_id not in complete]
    made = {without_settings(job.run_id) for job in absent}
    others = [
        record["run_id"]
        for record in whole
        if without_settings(record["run_id"]) not in made and code_of(record) != here
    ]
    if absent and others:
        raise ValueError(
            f"{out}: {len(others)} of its rows ({min(others)}) are of other code than this ({here}), and make "
            "no table with new ones: name another --out, use that code, or say --anew"
        )
    return absent


def table_entropy(folder: Path, asked: str | None) -> int:
    """Entropy of the random seeds of a table: that of its rows; for a new table the one that is asked for.

    Args:
        folder: of the table.
        asked: a whole number; "draw" for one that is drawn now, after the code is settled; None for the default.

    Raises:
        ValueError: `asked` is neither, or differs from that of the rows.
    """
    found = sorted({int(record["seed"]["entropy"]) for record in records_of(folder)})
    if asked is not None and asked != "draw":
        if not asked.isascii() or not asked.isdecimal() or int(asked) > MAX_ENTROPY:
            raise ValueError(
                f"--entropy is {asked!r}, expected draw or a whole number from 0 to {MAX_ENTROPY}"
            )
        if found and found != [int(asked)]:
            raise ValueError(f"--entropy is {asked}, and the rows in {folder} have {found[0]}")
        return int(asked)
    if found:
        return found[0]
    return ENTROPY if asked is None else secrets.randbits(63)


def by_trained_agent(jobs: list[Job]) -> list[Job]:
    """Jobs whose runs share a trained agent are made one, the others are kept; in the order of the first of each."""
    groups: dict[Any, list[Job]] = {}
    for job in jobs:
        run, experiment = job.run, job.run.experiment
        training = json.dumps(dict(experiment.training_kwargs), sort_keys=True, default=str)
        groups.setdefault((experiment.base, training, run.entry.line, run.run), []).append(job)
    return [replace(first, also=tuple(others)) for first, *others in groups.values()]


class _ProgressBar:
    """Number of finished and failed runs, and the names of those in progress."""

    def __init__(self, progress: Any, total: int, done: int, jobs: list[Job]) -> None:
        self.progress, self.jobs, self.total, self.done = progress, jobs, total, done
        self.running: list[int] = []
        self.failed, self.before, self.begun = 0, done, time.monotonic()
        self.task = None if progress is None else progress.add_task("runs", total=total, completed=done)

    def say(self, text: str) -> None:
        """One line on stderr where there is no terminal for the bar."""
        if self.progress is not None and self.progress.disable:
            print(text, file=sys.stderr, flush=True)

    def describe(self, text: str) -> None:
        if self.progress is not None:
            self.progress.update(self.task, description=text)

    def _show(self, advance: int) -> None:
        if self.progress is None:
            return
        names = [self.jobs[i].run_id.rpartition("-")[0] for i in self.running]
        failed = f"  {self.failed} failed" if self.failed else ""
        self.progress.update(self.task, advance=advance, description=", ".join(names) + failed)

    def started(self, job: int) -> None:
        self.running.append(job)
        self._show(0)

    def ended(self, job: int, is_failed: bool) -> None:
        self.running.remove(job)
        self.failed += is_failed
        count = 1 + len(self.jobs[job].also)
        self.done += count
        self._show(count)
        state = "failed" if is_failed else "done"
        self.say(f"{self.done}/{self.total} {self.jobs[job].run_id} {state}{self._time()}")

    def _time(self) -> str:
        """Minutes so far, and those left at the pace of this call; "" behind the last run."""
        passed, left = time.monotonic() - self.begun, self.total - self.done
        if not left:
            return ""
        pace = passed / (self.done - self.before)
        return f"; {passed / 60:.1f} min so far, {pace * left / 60:.0f} min left at this pace"
