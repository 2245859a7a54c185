"""Jobs on a Ray cluster, in the same way as in the processes of `worker_pool`."""

import logging
import os
import socket
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from recgym.bench.worker_pool import Outcome, attempt, cores, single_threaded

LOCAL = "local"  # address of a cluster that is started on this machine, and stopped
RETRIES = 3  # how often a job is started again whose worker, or machine, died
SECONDS = 10  # to wait for an address


def run_jobs_on_ray(
    function: Callable[[Any], Any],
    jobs: Sequence[Any],
    workers: int | None,
    started: Callable[[int], None],
    address: str = LOCAL,
) -> Generator[Outcome]:
    """Outcomes in the order in which jobs end, as of `worker_pool.run_jobs`; closing the iterator ends the workers.

    A job whose worker dies is started again; its outcome comes once. `function` must give the same value each time.

    Args:
        function: importable on the machines of the cluster, under the same name.
        jobs: its arguments.
        workers: jobs at a time, one core each; None: as many as the cluster has cores.
        started: called with the number of each job that starts.
        address: of the cluster; "local": one that is started here and stopped at the end.

    Raises:
        ValueError: there is no cluster at the address.
    """
    import ray

    if not jobs:
        return
    with _cluster(address, workers) as places:
        remote = ray.remote(num_cpus=1, max_retries=RETRIES)(attempt)
        waiting = list(range(len(jobs)))[::-1]
        running: dict[Any, int] = {}  # job numbers by Ray's reference
        try:
            while waiting or running:
                while waiting and len(running) < places:
                    index = waiting.pop()
                    running[remote.remote(function, jobs[index])] = index
                    started(index)
                (ready,), _ = ray.wait(list(running), num_returns=1)
                try:
                    value, error = ray.get(ready)
                except ray.exceptions.RayError as failure:
                    lines = str(failure).strip().splitlines() or [type(failure).__name__]
                    value, error = None, f"worker of Ray died {RETRIES + 1} times: {lines[0]}"
                yield Outcome(running.pop(ready), value, error)
        finally:
            for job in running:
                ray.cancel(job, force=True)


def require_cluster(address: str) -> None:
    """ValueError where nothing listens at HOST:PORT: `ray.init` would wait there for ever (Ray 2.60)."""
    place = _last_cluster() if address == "auto" else address
    if address == LOCAL or not place:
        return  # where nothing is known, Ray says so at once
    host, _, port = place.rpartition(":")
    if not host or not port.isascii() or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise ValueError(f"--address is {place!r}, expected HOST:PORT or auto")
    try:
        socket.create_connection((host, int(port)), SECONDS).close()
    except OSError as error:
        where = f" at {place}" if address == "auto" else ""
        raise ValueError(f"--address {address}: no Ray cluster{where}: {error}") from None


def _last_cluster() -> str:
    """HOST:PORT that Ray takes for auto: of the environment, or of the last cluster here, which may have died."""
    if address := os.environ.get("RAY_ADDRESS"):
        return address
    root = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or tempfile.gettempdir()
    with suppress(OSError):
        return (Path(root) / "ray" / "ray_current_cluster").read_text(encoding="utf-8").strip()
    return ""


@contextmanager
def _cluster(address: str, workers: int | None) -> Iterator[int]:
    """A connection to a cluster, and how many jobs it takes at a time."""
    import ray

    own = {"num_cpus": workers or cores(), "include_dashboard": False} if address == LOCAL else {}
    with single_threaded():
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
        except (ConnectionError, ValueError) as error:
            raise ValueError(
                f"--address {address}: no Ray cluster: {error} (does it ask for a token? RAY_AUTH_MODE=token)"
            ) from None
    try:
        yield workers or max(int(ray.cluster_resources().get("CPU", 1)), 1)
    finally:
        ray.shutdown()
