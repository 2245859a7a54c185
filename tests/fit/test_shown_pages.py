"""Pages that a shop showed are estimated from clicks: what attracts clicks does not count twice."""

from dataclasses import replace

import numpy as np
import pytest
from click_logs import click_log, plain_source

from recgym.fit import FitConfig
from recgym.fit.dataset import make_dataset
from recgym.fit.provenance import Provenance
from recgym.fit.shown_pages import attraction, chain_terms, outside_logit, within_category
from recgym.logs import Log

CHAIN = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.3, 0.1, 0.6], [0.7, 0.2, 0.1]])  # the last row: first
CHANCE = np.array([0.95, 0.6, 0.3])  # of a click on a page that is shown


def shown_log(visits=12_000, clicks=4):
    """Clicks of a shop with three pages of one item; a page without a click is followed by another."""
    import pyarrow as pa

    rng = np.random.default_rng(0)
    page, rows = np.full(visits, 3), []
    for step in range(clicks):
        waiting = np.arange(visits)
        before = page.copy()
        while len(waiting):
            shown = (rng.random(len(waiting))[:, None] > np.cumsum(CHAIN[before[waiting]], 1)).sum(1)
            clicked = rng.random(len(waiting)) < CHANCE[shown]
            page[waiting[clicked]] = shown[clicked]
            waiting = waiting[~clicked]
        rows.append(np.stack([np.arange(visits), np.full(visits, step), page], 1))
    session, step, item = np.concatenate(rows)[
        np.lexsort((np.concatenate(rows)[:, 1], np.concatenate(rows)[:, 0]))
    ].T
    return Log.build(
        {
            "user": session * 0,
            "item": item,
            "session": session,
            "step": step,
            "click": np.ones(len(item), bool),
        },
        users=pa.table({"id": ["a"]}),
        items=pa.table({"id": ["0", "1", "2"], "category": ["c", "c", "c"], "page": [0, 1, 2]}),
        domain="ecommerce",
        source=plain_source(),
    )


def test_the_chain_of_shown_pages_is_recovered_from_clicks():
    dataset = make_dataset(shown_log(), FitConfig(), positives_only=True)
    name = dataset.item_row  # items are ordered by clicks
    logit = np.log(CHANCE / (1 - CHANCE))[name][dataset.item]
    arrays, provenance = {}, Provenance("ecommerce")
    chain_terms(dataset, logit, 0.0, arrays, provenance)
    page = dataset.items.page
    found = np.empty((4, 3))
    found[np.ix_([*page, 3], page)] = arrays["page_chain"][np.ix_([*page, 3], page)]
    np.testing.assert_allclose(found, CHAIN, atol=0.02)
    assert provenance.status("page_chain") == "fitted"
    naive = np.bincount(page[dataset.item][dataset.step == 0], minlength=3) / (dataset.step == 0).sum()
    assert np.abs(naive - CHAIN[3]).max() > 0.05  # clicks alone count attractive pages twice


def test_the_share_of_shown_pages_with_a_click_is_the_assumed_one():
    dataset = make_dataset(click_log(visits=200)[0], FitConfig(), positives_only=True)
    logit = np.random.default_rng(0).normal(0.0, 1.5, len(dataset.item))
    outside = outside_logit(dataset, logit, Provenance("ecommerce"))
    assert 1.0 / np.mean(1.0 + np.exp(outside - logit)) == pytest.approx(0.8)


def test_one_page_has_no_chain():
    dataset = make_dataset(shown_log(200), FitConfig(), positives_only=True)
    one = replace(dataset, items=replace(dataset.items, page=dataset.items.page * 0))
    arrays, provenance = {}, Provenance("ecommerce")
    chain_terms(one, np.zeros(len(one.item)), 0.0, arrays, provenance)
    assert not arrays
    assert provenance.rows["page_chain"]["source"] == "the log has one page"


def test_without_logged_pages_a_page_is_a_share_of_the_catalogue():
    dataset = make_dataset(click_log(visits=600)[0], FitConfig(), positives_only=True)
    one = replace(dataset, items=replace(dataset.items, category=np.zeros(18, np.int64), categories=("all",)))
    twice = np.tile(np.arange(18), 2)
    wide = replace(
        one,
        items=replace(
            one.items,
            category=np.zeros(36, np.int64),
            page=one.items.page[twice],
            price=one.items.price[twice],
            duration=one.items.duration[twice],
            exposure=one.items.exposure[twice] / 2,
        ),
    )
    sums = np.full(len(dataset.item), 3.0)
    narrow = outside_logit(one, attraction(one, sums), Provenance("ecommerce"))
    assert narrow == pytest.approx(3.0 + np.log(0.2 / 0.8))  # 18 items: a page
    provenance = Provenance("ecommerce")
    assert outside_logit(wide, attraction(wide, sums), provenance) == pytest.approx(
        narrow - np.log(2.0)
    )  # 36 items: two pages
    assert "a page of 18 items" in provenance.rows["outside"]["source"]


def test_categories_that_are_taken_as_pages_are_an_assumption():
    dataset = make_dataset(shown_log(200), FitConfig(), positives_only=True)
    items = replace(dataset.items, page=dataset.items.page * 0, category=dataset.items.page)
    arrays, provenance = {}, Provenance("ecommerce")
    chain_terms(replace(dataset, items=items), np.zeros(len(dataset.item)), 0.0, arrays, provenance)
    assert arrays["page_chain"].shape == (4, 3)
    row = provenance.rows["page_chain"]
    assert (row["status"], row["value"]) == ("assumed", "3 categories")
    assert row["source"].startswith(
        "categories taken as pages, of which users choose: the log has no pages; "
    )
    words = [
        within_category(replace(dataset, items=each))
        for each in (dataset.items, replace(items, category=items.category * 0), items)
    ]
    assert words[:2] == ["", ""]
    assert words[2].startswith(
        " of one category: categories are taken as pages, so that no taste for a category"
    )
