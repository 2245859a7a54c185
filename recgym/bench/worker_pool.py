"""Long-lived worker processes, spawned and not forked: a process that ran a threaded kernel must not fork.

A worker that dies loses only its own job: the parent knows which one, and starts another worker.
"""

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Outcome(NamedTuple):
    """Outcome of job number `job`."""

    job: int
    value: Any  # return value of the function, None where it failed
    error: str | OSError  # one line, "" where the job succeeded; an OSError is not a failure of the job


def _serve(pipe: Connection, function: Callable[[Any], Any]) -> None:
    """Loop of a worker: receives a job, sends its outcome; only the parent handles Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):
        while True:
            pipe.send(attempt(function, pipe.recv()))


def attempt(function: Callable[[Any], Any], job: Any) -> tuple[Any, str | OSError]:
    """Value and error of a job, as in `Outcome`."""
    try:
        return function(job), ""
    except OSError as error:
        parts = (error.errno, error.strerror, error.filename) if error.strerror else (str(error),)
        return None, OSError(*parts)
    except Exception as error:
        return None, traceback.format_exception_only(error)[-1].strip()


def _die_with_parent() -> None:
    """Ends this worker when its parent dies; a killed parent cannot end its workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Blocks Ctrl-C inside: a process started here never gets it, not even in its imports; this one gets it after."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Worker:
    """A process, and the number of its job, -1 for none."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, function), daemon=True)
        with _interrupts_wait():
            self.process.start()
        theirs.close()
        self.index = -1

    def stop(self) -> None:
        self.pipe.close()
        self.process.terminate()
        self.process.join()


def cores() -> int:
    """Cores that this process may use; a container's quota of CPU time is not taken into account."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_jobs(
    function: Callable[[Any], Any], jobs: Sequence[Any], workers: int, started: Callable[[int], None]
) -> Generator[Outcome]:
    """Outcomes in the order in which jobs end; `started` is called with the number of each job that starts.

    Each worker has one thread for numerics. Closing the iterator ends the workers at once.
    """
    waiting = list(range(len(jobs)))[::-1]
    team: list[_Worker] = []

    def give(worker: _Worker) -> None:
        worker.index = waiting.pop() if waiting else -1
        if worker.index >= 0:
            with suppress(OSError):  # it died while it waited: `_collect` reports it
                worker.pipe.send(jobs[worker.index])
            started(worker.index)

    with single_threaded():
        try:
            for _ in range(min(workers, len(jobs))):
                team.append(_Worker(function))
                give(team[-1])
            while pipes := [worker.pipe for worker in team if worker.index >= 0]:
                ready = wait(pipes)
                for place, worker in enumerate(team):
                    if worker.pipe not in ready:
                        continue
                    outcome, is_dead = _collect(worker)
                    if is_dead:
                        worker = team[place] = _Worker(function)
                    yield outcome  # before the next job: the caller may stop here
                    give(worker)
        finally:
            for worker in team:
                worker.stop()


def _collect(worker: _Worker) -> tuple[Outcome, bool]:
    """The outcome of a worker that is ready, and whether the worker is dead."""
    try:
        value, error = worker.pipe.recv()
    except (EOFError, OSError):
        worker.stop()
        return Outcome(worker.index, None, f"worker process died (exit code {worker.process.exitcode})"), True
    return Outcome(worker.index, value, error), False


@contextmanager
def single_threaded() -> Iterator[None]:
    """Processes started inside have one thread for numerics, because there are as many workers as cores."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
