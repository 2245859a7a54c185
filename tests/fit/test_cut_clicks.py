"""Visits of a shop's log that an export cut at a number of clicks are censored: they did not end there."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
from click_logs import click_log

from recgym.fidelity.figures import evaluation_of
from recgym.fit import FitConfig
from recgym.fit.api import with_ids
from recgym.fit.dataset import make_dataset
from recgym.fit.leaving_model import Choices, fit_leaving, hazard_rows
from recgym.fit.recipe_clicks import fit_clicks
from recgym.logs.splits import split_since

CUT = 5
PLAIN = Choices(item=3.0, shape=np.inf)


@pytest.fixture(scope="module")
def logs():
    """A log of known numbers, and the same with the first clicks of each visit alone."""
    whole = click_log(visits=6000)[0]
    cut = replace(whole, rows=whole.rows.filter(pa.array(whole.column("step") < CUT)))
    return whole, cut


def lengths_of(log):
    return np.bincount(log.column("session"))


def test_the_hazard_of_a_cut_log_is_that_of_the_whole_log(logs):
    truth = click_log(visits=1)[1]
    found = []
    for log in logs:
        dataset = make_dataset(log, FitConfig(), positives_only=True)
        found.append(fit_leaving(dataset, hazard_rows(dataset), (0, 1, 2), PLAIN))
    whole, cut = found
    assert (lengths_of(logs[1]) == CUT).mean() > 0.1
    for name, value in (("time_slope", truth["time"]), ("run_slope", truth["run"])):
        assert getattr(whole, name) == pytest.approx(value, abs=0.15)
        assert getattr(cut, name) == pytest.approx(value, abs=0.25)
    assert cut.bias == pytest.approx(whole.bias, abs=0.1)


@pytest.mark.slow
def test_a_world_of_a_cut_log_runs_on_as_the_whole_log_does(logs):
    config = FitConfig(dim=4, epochs=2, bootstrap=20)
    for log, cut in zip(logs, (0, CUT), strict=True):
        past, late = split_since(log, "visit:4500")
        world = with_ids(fit_clicks(past, "w", config, 0, torch.device("cpu"), lambda *_: None), past)
        free = evaluation_of(world, late, past, 20, 0, 20_000)[0].free
        drawn, logged = (table.length[table.length > 0] for table in (free.drawn, free.known))
        assert (drawn.max() == CUT) == (cut > 0)
        assert drawn.mean() == pytest.approx(logged.mean(), rel=0.04)
        for at in range(1, CUT):
            assert (drawn > at).mean() == pytest.approx((logged > at).mean(), abs=0.03)
        if not cut:
            continue
        free = replace(free, form=free.form._replace(cut=0))  # the users of the world are not cut
        again = free.drawn.length[free.drawn.length > 0]
        assert again.mean() == pytest.approx(lengths_of(logs[0]).mean(), rel=0.12)
        assert free.baseline.length.max() > CUT
