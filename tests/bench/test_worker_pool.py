"""Worker processes that die."""

import os

import pytest

from recgym.bench.worker_pool import run_jobs


def job(number):
    if number == 2:
        os._exit(3)
    if number == 3:
        raise KeyError("three")
    return number * number


@pytest.mark.parametrize("workers", [1, 2])
def test_a_dead_worker_loses_only_its_job(workers):
    started = []
    outcomes = sorted(run_jobs(job, [0, 1, 2, 3, 4], workers, started.append))
    assert [outcome.value for outcome in outcomes] == [0, 1, None, None, 16]
    assert outcomes[2].error == "worker process died (exit code 3)"
    assert outcomes[3].error == "KeyError: 'three'"
    assert sorted(started) == [0, 1, 2, 3, 4]
