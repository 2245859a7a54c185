"""Worlds and results of a small benchmark, made once."""

import pytest
from bench_runs import small

from recgym.bench.launch import launch
from recgym.sim.synthetic import synthetic


@pytest.fixture(scope="session")
def worlds(tmp_path_factory):
    root = tmp_path_factory.mktemp("worlds")
    return {d: synthetic(3, domain=d).save(root / d) for d in ("ecommerce", "content")}


@pytest.fixture(scope="session")
def results(worlds, tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    summary = launch(small(worlds), out / "quick", workers=2)
    assert (summary.done, summary.skipped, summary.failed) == (20, 0, [])
    return out
