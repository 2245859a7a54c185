"""Worker processes: their threads, the order of jobs and outcomes, workers that die."""

import os

import pytest

from recgym.bench.worker_pool import run_jobs


def job(number):
    if number == 2:
        os._exit(3)
    if number == 3:
        raise KeyError("three")
    return number * number


def numeric_threads(_):
    import torch

    return torch.get_num_threads(), [os.environ[name] for name in THREAD_VARIABLES]


THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def test_a_worker_has_one_thread_for_numerics(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    (outcome,) = run_jobs(numeric_threads, [0], 1, lambda _: None)
    assert outcome.value == (1, ["1", "1", "1"])
    assert os.environ["OMP_NUM_THREADS"] == "2"
    assert "MKL_NUM_THREADS" not in os.environ


def test_the_next_job_starts_after_the_outcome_was_received():
    started = []
    outcomes = run_jobs(job, [0, 1, 4], 1, started.append)
    assert next(outcomes).job == 0
    assert started == [0]
    outcomes.close()
    assert started == [0]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_dead_worker_loses_only_its_job(workers):
    started = []
    outcomes = sorted(run_jobs(job, [0, 1, 2, 3, 4], workers, started.append))
    assert [outcome.value for outcome in outcomes] == [0, 1, None, None, 16]
    assert outcomes[2].error == "worker process died (exit code 3)"
    assert outcomes[3].error == "KeyError: 'three'"
    assert sorted(started) == [0, 1, 2, 3, 4]
