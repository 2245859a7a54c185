"""Categories of a shop are its pages unless a choice among all items forecasts the next item better."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from click_logs import click_log

from recgym.fit import FitConfig
from recgym.fit.choice_selection import select
from recgym.fit.dataset import make_dataset
from recgym.fit.provenance import Provenance
from recgym.fit.recipe_clicks import fit_clicks
from recgym.fit.shown_pages import chain_losses, chain_terms
from recgym.logs import Log
from recgym.logs.splits import TRAIN, VALIDATION

CPU = torch.device("cpu")
CONFIG = FitConfig(dim=4, steps=60, patience=3, bootstrap=20)
USERS, ITEMS, CATEGORIES = 40, 12, 3


def silent(*_):
    pass


def tastes_log(*, ordered, visits=700):
    """Baskets of users who buy of two categories of three, each user of others; rows of a basket in order, or not."""
    rng = np.random.default_rng(0)
    category, rows = np.arange(ITEMS) % CATEGORIES, []
    for visit in range(visits):
        user = int(rng.integers(USERS))
        of_user = np.flatnonzero(category != user % CATEGORIES)
        for step, item in enumerate(rng.choice(of_user, 5, replace=False)):
            time = 1_600_000_000 + 86_400 * visit + ordered * step
            rows.append((user, visit, time, f"i{item:02}", f"c{category[item]}"))
    names = ["user", "session", "time", "item", "category"]
    return Log.from_pandas(pd.DataFrame(rows, columns=names), domain="ecommerce")


def pages_log(visits=900, items=40, categories=5):
    """Visits to pages of one category each, whose chain no taste changes; users differ in their items of a page."""
    rng = np.random.default_rng(0)
    category, rows = np.arange(items) % categories, []
    taste = rng.normal(0.0, 1.0, (USERS, items))
    first = np.arange(categories, 0, -1) / (categories * (categories + 1) / 2)
    for visit in range(visits):
        user, page = int(rng.integers(USERS)), int(rng.choice(categories, p=first))
        for step in range(1 + rng.poisson(5)):
            page = page if rng.random() < 0.7 else int(rng.choice(categories, p=first))
            weight = np.exp(taste[user]) * (category == page)
            item = int(rng.choice(items, p=weight / weight.sum()))
            rows.append((user, visit, 1_600_000_000 + 86_400 * visit + step, f"i{item:02}", f"c{page}"))
    names = ["user", "session", "time", "item", "category"]
    return Log.from_pandas(pd.DataFrame(rows, columns=names), domain="ecommerce")


def chosen(log):
    dataset = make_dataset(log, CONFIG, positives_only=True)
    return select(dataset, CONFIG, 0, CPU, silent)


@pytest.mark.slow
@pytest.mark.parametrize("ordered", [False, True])
def test_baskets_show_no_pages_and_their_users_differ_in_categories(ordered):
    world = fit_clicks(tastes_log(ordered=ordered), "w", CONFIG, 0, CPU, silent)
    arrays = world.arrays
    assert arrays.one_page[0] == 1
    assert len(world.categories) == CATEGORIES
    term = {row["term"]: row for row in world.card["terms"]}["page_chain"]
    assert term["status"] == "absent"
    why = (
        "no row of a visit is known to follow another"
        if not ordered
        else "log-loss of the next item on validation"
    )
    assert f"categories are no pages: {why}" in term["source"]
    logit = arrays.profile @ arrays.factors.T
    spread = np.stack([logit[:, arrays.category == c].mean(1) for c in range(CATEGORIES)], 1)
    assert (spread - spread.mean(1, keepdims=True)).std() > 0.5


@pytest.mark.slow
def test_a_shop_whose_users_stay_on_pages_keeps_them():
    selection, why = chosen(pages_log())
    assert not selection.dataset.items.one_page
    with_pages, among_all = (float(word) for word in why.replace(",", "").split() if word[0].isdigit())
    assert with_pages < among_all - 0.03


def test_a_log_with_pages_or_without_categories_is_no_question():
    log = click_log(visits=60)[0]
    dataset = make_dataset(log, CONFIG, positives_only=True)
    quick = replace(CONFIG, steps=2, patience=1)
    for change in ({"page": np.arange(18) % 2}, {"category": np.zeros(18, np.int64), "categories": ("all",)}):
        own = replace(dataset, items=replace(dataset.items, **change))
        selection, why = select(own, quick, 0, CPU, silent)
        assert (selection.dataset, why) == (own, "")


def test_the_chain_of_clicked_pages_has_the_losses_of_its_counts():
    dataset = make_dataset(click_log(visits=300)[0], CONFIG, positives_only=True)
    page, rows = dataset.items.category_page[dataset.item], np.flatnonzero(dataset.row_period == VALIDATION)
    before = np.where(dataset.step > 0, np.roll(page, 1), 3)
    train = dataset.row_period == TRAIN
    best = np.inf
    for weight in (1.0, 3.0, 10.0, 30.0, 100.0):
        share = np.array([(page[train] == to).sum() + 1 / 3 for to in range(3)])
        count = np.array(
            [[((before == at) & (page == to) & train).sum() for to in range(3)] for at in range(4)]
        )
        table = count + weight * share / share.sum()
        table = table / table.sum(1, keepdims=True)
        best = min(best, -np.log(table[before[rows], page[rows]]).mean())
    assert chain_losses(dataset, rows).mean() == pytest.approx(best)


def test_one_page_has_no_chain_and_says_why():
    dataset = make_dataset(click_log(visits=60)[0], CONFIG, positives_only=True)
    one = replace(dataset, items=replace(dataset.items, one_page=True))
    assert not one.items.category_page.any()
    assert np.array_equal(one.items.shelf, dataset.items.category_page)
    arrays, provenance = {}, Provenance("ecommerce")
    chain_terms(one, np.zeros(len(one.item)), 0.0, arrays, provenance, "receipts")
    assert not arrays
    assert (
        provenance.rows["page_chain"]["source"]
        == "users choose among all items, categories are no pages: receipts"
    )
