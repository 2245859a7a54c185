"""Visits that a sampler cut at its horizon are censored, however few they are."""

from dataclasses import replace

import numpy as np
import pytest

from recgym.fidelity.indexed_log import align
from recgym.fidelity.leaving_metrics import open_steps
from recgym.fit.config import FitConfig
from recgym.fit.dataset import make_dataset
from recgym.fit.leaving_model import hazard_rows
from recgym.logs.sample import sample_log
from recgym.logs.visit_history import cut_length
from recgym.sim.synthetic import synthetic

HORIZON = 12


@pytest.fixture(scope="module")
def case():
    """A world, a log of it, and its visits that were cut: too few for the lengths to show them."""
    world = synthetic(6, domain="content", num_items=12, num_users=5).with_params(
        leave_bias=-1.0, patience=0.0
    )
    log = sample_log(world, "random", 400, seed=3, horizon=HORIZON)
    lengths = np.diff(np.r_[log.session_starts(), len(log)])
    assert 0 < (lengths == HORIZON).sum() < 20
    assert cut_length(lengths) == 0
    return world, log, np.flatnonzero(lengths == HORIZON)


def test_a_card_counts_no_cut_visit_as_left(case):
    world, log, cut = case
    found = align(world, log)
    is_open = open_steps(found)
    assert found.left[is_open].sum() == 400 - len(cut)
    assert (~is_open).sum() == len(cut)
    unknown = align(world, replace(log, horizon=None))
    assert open_steps(unknown).all()


def test_a_fit_counts_no_cut_visit_as_left(case):
    _, log, cut = case
    dataset = make_dataset(log, FitConfig(), positives_only=False)
    rows = hazard_rows(dataset)
    assert rows.left.sum() == 400 - len(cut)
    assert dataset.cut == HORIZON
    assert not rows.left[(dataset.starts + dataset.lengths - 1)[cut]].any()
