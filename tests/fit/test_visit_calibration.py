"""A world that is fitted to clicks has the clicks a visit of its log, on the log's pages, when it runs."""

import numpy as np
import pytest
import torch
from click_logs import click_log

from recgym.fit import FitConfig
from recgym.fit.recipe_clicks import fit_clicks
from recgym.sim.free_visits import free_visits, page_slots


@pytest.fixture(scope="module")
def log():
    return click_log(visits=2500)[0]


@pytest.fixture(scope="module")
def world(log):
    config = FitConfig(dim=4, epochs=3, bootstrap=20)
    return fit_clicks(log, "w", config, 0, torch.device("cpu"), lambda *_: None)


def responses(world, seed):
    count = np.zeros(10_000, int)
    for step in free_visits(world, 10_000, seed, slate_size=page_slots(world), horizon=1_000, pages=True):
        count[step.visit] += (step.events & 1).sum(1)
    return count


@pytest.mark.slow
def test_visits_have_the_clicks_of_the_log(log, world):
    drawn = responses(world, 7)  # another seed than that of the calibration
    logged = np.bincount(log.column("session"))[: int(0.9 * log.num_sessions)]  # what the fit knows
    assert drawn[drawn > 0].mean() == pytest.approx(logged.mean(), rel=0.03)
    assert (drawn == 0).mean() == pytest.approx(0.025, abs=0.006)
    for at in (1, 2, 3, 5):
        assert (drawn[drawn > 0] > at).mean() == pytest.approx((logged > at).mean(), abs=0.03)


@pytest.mark.slow
def test_the_card_says_what_was_calibrated_and_what_no_log_has(world):
    terms = {row["term"]: row for row in world.card["terms"]}
    assert terms["leave_bias"]["status"] == "fitted"
    assert "calibrated on clicks a visit" in terms["leave_bias"]["source"]
    assert terms["leave_idle"]["status"] == "assumed"
    assert "no log of clicks has such visits" in terms["leave_idle"]["source"]
    assert "no log of clicks has the others" in terms["outside"]["source"]
    assert world.arrays.page_items[0] == 18


@pytest.mark.slow
def test_leaving_after_clicks_is_rarer_than_in_the_log(world):
    """Some visits end after a page without a click; the log shows these as ends after the click before."""
    shown = next(row for row in world.card["terms"] if row["term"] == "leave_bias")
    fitted = float(shown["source"].partition("(")[2].partition(")")[0])
    assert world.params["leave_bias"] < fitted
