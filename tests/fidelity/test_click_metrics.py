"""A shop's figures: the choice on a page, against closed forms."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from card_figures import by_id

from recgym.fidelity import judge
from recgym.fidelity.click_metrics import usual_choice
from recgym.logs import Log
from recgym.logs.sample import sample_log
from recgym.logs.splits import split_since
from recgym.sim.synthetic import synthetic


@pytest.fixture(scope="module")
def shop():
    """A world and its clicks alone, as a shop logs them: what is not clicked is not there."""
    world = synthetic(2, domain="ecommerce", num_items=24, spread=2.0).with_params(
        sigma=0.0, mood=0.0, outside=-20.0
    )
    world = world.with_arrays(examine=np.ones(50))
    log = sample_log(world, one_page, 1_200, seed=1, slate_size=len(page_of(world, 0)), horizon=30)
    clicks = dataclasses.replace(
        log, rows=log.rows.filter(log.rows["click"]).drop_columns(["cart", "purchase"])
    )
    return world, *split_since(clicks, "visit:800")


def page_of(world, item):
    code = world.arrays.category * 100 + world.arrays.page
    return np.flatnonzero(code == code[item])


def one_page(engine):
    """The page of the most shown item, again and again: with no outside option every step has one click."""
    slate = np.tile(page_of(engine.world, 0), (engine.num, 1)).astype(np.int64)
    return slate, np.ones(slate.shape)


@pytest.mark.slow
def test_a_shop_is_judged_by_what_is_clicked_on_a_page(shop):
    world, past, late = shop
    assert isinstance(late, Log)
    verdict = judge(world, late, past, resamples=40)
    figures = by_id(verdict.entries())
    loss = figures["page_log_loss"]
    assert loss.world < loss.baselines["Markov table"] + 0.01 < loss.baselines["popularity"] + 0.02
    for name in ("repeat_share", "page_top_share"):
        assert abs(figures[name].world - figures[name].log) < 1.5 * figures[name].noise, name
    assert figures["page_calibration_error"].world < 0.02
    why = {entry["figures"]: entry["why"] for entry in verdict.left_out}
    assert "navigation" in why["the clicked item over the catalogue"]
    pages = np.unique(world.arrays.category * 100 + world.arrays.page)
    way = {"reach": [0.0] * len(pages), "same_page": 30.0, "next_page": 0.0}
    over = by_id(judge(world.with_card(navigation=way), late, past, resamples=20).entries())
    row = over["catalogue_log_loss"]
    assert row.judges == "logging policy"
    # turning to another page is as good as ruled out, so all but first clicks cost what they cost on the page
    assert row.world < loss.world + 0.6
    assert row.behind is not None
    assert row.behind < row.world - row.baseline
    assert {"same_category_share", "free_same_category"} <= over.keys()


def on_one_page(log):
    """The log with all items in one category and on one page."""
    columns = {name: log.items[name] for name in log.items.column_names}
    columns |= {"category": pa.array(["c0"] * 24), "page": pa.array(np.zeros(24), columns["page"].type)}
    return dataclasses.replace(log, items=pa.table(columns))


@pytest.mark.slow
def test_a_shop_of_one_page_has_no_figures_of_pages(shop):
    """They would be 1, of the log as of any world."""
    world, past, late = shop
    flat = np.zeros(24, np.int64)
    world = world.with_card(navigation={"reach": [0.0], "same_page": 0.0, "next_page": 0.0})
    past, late = (on_one_page(log) for log in (past, late))
    entries = judge(world.with_arrays(category=flat, page=flat), late, past, resamples=20).entries()
    names = {row.id.partition("/")[0] for row in by_id(entries).values()}
    assert "catalogue_log_loss" in names
    assert not names & {"same_category_share", "page_share", "free_same_category", "free_same_page"}


def test_an_earlier_part_is_compared_on_the_pages_of_the_later_one():
    """Two pages, {0, 1} and {2, 3}; earlier 3 : 1 and 1 : 1, the later clicks turn to the first page twice as often."""
    past, later = np.array([0, 0, 0, 1, 2, 3]), np.array([1, 1, 2])
    case = SimpleNamespace(
        past=SimpleNamespace(item=past),
        log=SimpleNamespace(item=later),
        world=SimpleNamespace(num_items=4),
        options=SimpleNamespace(item=np.array([0, 1, 0, 1, 2, 3])),
    )
    usual = usual_choice(case, np.array([0, 0, 1, 1, 2, 2]))
    np.testing.assert_allclose(usual, np.array([0.75, 0.25, 0.75, 0.25, 0.5, 0.5]) / 3.0, atol=1e-8)
    case.past = None
    assert usual_choice(case, np.array([0])) is None
