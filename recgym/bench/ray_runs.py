"""Runs of a benchmark on a Ray cluster, whose machines need share no folder: a run's files come back as bytes."""

import tempfile
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path

from recgym.bench import run_folder
from recgym.bench.one_table import code_of, own_code
from recgym.bench.ray_pool import run_jobs_on_ray
from recgym.bench.run import Job, execute
from recgym.bench.worker_pool import Outcome
from recgym.storage import MANIFEST, parse_json

Files = dict[str, dict[str, bytes]]  # by run id and name


def runs_on_ray(
    jobs: list[Job], workers: int | None, started: Callable[[int], None], address: str
) -> Generator[Outcome]:
    """Makes runs on a cluster and writes their folders here; outcomes as of `launch.runs_in_processes`.

    ValueError where the cluster has other code than this process.
    """
    outcomes = run_jobs_on_ray(packed, jobs, workers, started, address)
    try:
        for outcome in outcomes:
            if outcome.value is None:
                yield outcome
                continue
            status, files = outcome.value
            unpack(files, Path(jobs[outcome.job].out))
            yield outcome._replace(value=status)
    finally:
        outcomes.close()


def packed(job: Job) -> tuple[str, Files]:
    """Makes a run, and those of `job.also`, in a folder that is removed. Returns its outcome, and the files."""
    with tempfile.TemporaryDirectory() as place:
        also = tuple(replace(each, out=place) for each in job.also)
        outcome = execute(replace(job, out=place, also=also))
        folders = run_folder.run_folders(Path(place))
        return outcome, {
            folder.name: {path.name: path.read_bytes() for path in folder.iterdir() if path.name != MANIFEST}
            for folder in folders
        }


def unpack(files: Files, out: Path) -> None:
    """Writes the folders of runs, each whole or not at all."""
    here = own_code()
    for run_id, contents in files.items():
        record = parse_json(contents["run.json"], "run.json")
        if code_of(record) != here:
            raise ValueError(
                f"{run_id}: the cluster has other code ({code_of(record)}) than this ({here}), which makes no table"
            )
        with run_folder.run_folder(out, record) as work:
            for name in contents.keys() - {"run.json"}:
                (work / name).write_bytes(contents[name])
