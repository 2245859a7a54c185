"""A world, the two parts of a log that was sampled from it, and its verdict."""

import pytest

from recgym.fidelity import judge
from recgym.logs.sample import sample_log
from recgym.logs.splits import split_since
from recgym.sim.synthetic import synthetic


@pytest.fixture(scope="session")
def content():
    """A world, and the earlier and later part of a log sampled from it."""
    world = synthetic(1, domain="content", num_users=250, num_items=40).with_params(sigma=0.0, mood=0.8)
    log = sample_log(world, "random", 1_500, seed=5, horizon=40)
    return world, *split_since(log, "visit:900")


@pytest.fixture(scope="session")
def verdict(content):
    world, past, late = content
    return judge(world, late, past, resamples=60)
