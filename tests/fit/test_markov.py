"""A Markov table as a term of affinity: its probabilities, rows without themselves, and what a fit exports."""

import numpy as np
import pandas as pd
import pytest
import torch
from click_logs import click_log

from recgym.fit import FitConfig, conditional_logit, recipe_clicks
from recgym.fit.conditional_logit import ChoiceModel, Past
from recgym.fit.dataset import make_dataset
from recgym.fit.markov import POPULARITY, Returns, Weights, ask_table, exported, markov_table, table_losses
from recgym.fit.provenance import Provenance, plain_arrays
from recgym.fit.recipe_clicks import choose_markov, shrunk, trained
from recgym.logs import Log
from recgym.logs.splits import TEST, TRAIN, VALIDATION

CPU, CONFIG = torch.device("cpu"), FitConfig(dim=4)
AFTER, FIRST = 7.0, 11.0  # [clicks]
WEIGHTS = Weights(AFTER, FIRST)


@pytest.fixture(scope="module")
def dataset():
    """Of a shop without pages and categories."""
    frame = click_log(visits=300)[0].to_pandas()
    frame = frame[["user", "item", "session", "step"]]
    return make_dataset(Log.from_pandas(frame, domain="ecommerce"), CONFIG, positives_only=True)


def counts(dataset):
    """Transitions (N + 1, N) of the training rows, in a loop, the first clicks last; and shares of the items."""
    num, rows = dataset.num_items, dataset.row_period == TRAIN
    table = np.zeros((num + 1, num))
    for row in np.flatnonzero(rows):
        table[dataset.item[row - 1] if dataset.step[row] > 0 else num, dataset.item[row]] += 1
    share = np.bincount(dataset.item[rows], minlength=dataset.num_items) + 1.0
    return table, share / share.sum()


def level(table):
    """Mean over the clicks after the first of the log of the sum over a row of the table, relative to popularity."""
    total = table[:-1].sum(1)
    return np.average(np.log1p(total / AFTER), weights=total)


def test_an_untrained_model_has_the_losses_of_a_markov_table(dataset):
    table, share = counts(dataset)
    weight = np.append(np.full(dataset.num_items, AFTER), FIRST)[:, None]
    chance = (table + weight * share) / (table.sum(1, keepdims=True) + weight)
    model = shrunk(ChoiceModel(dataset, CONFIG, Past((TRAIN,), WEIGHTS)), 0.0, 0.0)
    place = conditional_logit.layout(dataset, CPU)
    judged = conditional_logit.scoring_batches(dataset, CPU, VALIDATION)
    loss, _, row = conditional_logit.losses_of(model, place, judged)
    last = np.where(dataset.step[row] == 0, dataset.num_items, dataset.item[row - 1])
    expected = -np.log(chance[last, dataset.item[row]])
    np.testing.assert_allclose(loss, expected, atol=1e-4)


@pytest.mark.parametrize("pages", [1, 2])
@pytest.mark.parametrize(
    "weights", [WEIGHTS, None, Weights(AFTER, FIRST, 1.5), Weights(AFTER, FIRST, -0.7, counts_returns=False)]
)
def test_losses_in_closed_form_are_those_of_the_model(pages, weights):
    dataset = make_dataset(chain_log(pages, visits=150), CONFIG, positives_only=True)
    model = shrunk(ChoiceModel(dataset, CONFIG, Past((TRAIN,), weights)), 0.0, 0.0)
    judged = conditional_logit.scoring_batches(dataset, CPU, VALIDATION)
    loss, _, row = conditional_logit.losses_of(model, conditional_logit.layout(dataset, CPU), judged)
    found = table_losses(dataset, dataset.row_period == TRAIN, row.numpy(), weights or Weights(POPULARITY))
    np.testing.assert_allclose(found, loss, atol=1e-4)


def test_a_row_is_left_out_of_its_own_term(dataset):
    table, share = counts(dataset)
    found = markov_table(dataset, dataset.row_period == TRAIN, WEIGHTS)
    first, second = np.random.default_rng(0).integers(dataset.num_items, size=(2, 500))
    last, item = torch.as_tensor(first), torch.as_tensor(second)
    ratio = table[first, second] / (AFTER * share[second])
    np.testing.assert_allclose(found.between(last, item, leave_one_out=False), np.log1p(ratio), atol=1e-5)
    ratio = np.maximum(table[first, second] - 1, 0) / (AFTER * share[second])
    np.testing.assert_allclose(found.between(last, item, leave_one_out=True), np.log1p(ratio), atol=1e-5)


def test_terms_of_some_items_are_those_of_all(dataset):
    found = markov_table(dataset, dataset.row_period == TRAIN, WEIGHTS)
    last = torch.as_tensor([3, -1, 0, 3])
    every = found.after(last, torch.arange(dataset.num_items))
    some = torch.as_tensor([5, 2, 2, 0])
    torch.testing.assert_close(found.after(last, some), every[:, some])
    table, share = counts(dataset)
    first = np.log1p(table[-1] / (FIRST * share)) - np.log1p(table[-1].sum() / FIRST) + level(table)
    np.testing.assert_allclose(every[1], first, atol=1e-5)
    np.testing.assert_allclose(every[0], np.log1p(table[3] / (AFTER * share)), atol=1e-5)
    own = found.between(last[:, None].expand(-1, dataset.num_items).flatten(),
                        torch.arange(dataset.num_items).repeat(4), leave_one_out=False)  # fmt: skip
    torch.testing.assert_close(own.view(4, -1), every)


def test_the_exported_pairs_are_those_of_the_table(dataset):
    table, share = counts(dataset)
    arrays = exported(markov_table(dataset, dataset.row_period == TRAIN, WEIGHTS))
    assert len(arrays["next_start"]) == dataset.num_items + 2
    row = np.repeat(np.arange(dataset.num_items + 1), np.diff(arrays["next_start"]))
    dense = np.zeros_like(table)
    dense[row, arrays["next_item"]] = arrays["next_logit"]
    weight = np.append(np.full(dataset.num_items, AFTER), FIRST)[:, None]
    expected = np.log1p(table / (weight * share))
    expected[-1] += level(table) - np.log1p(table[-1].sum() / FIRST)
    np.testing.assert_allclose(dense, expected, atol=1e-5)


@pytest.mark.parametrize("first", [POPULARITY, FIRST])
def test_a_page_is_as_attractive_before_the_first_click_as_after_one(dataset, first):
    """Else the share of visits without a click, which is assumed, would set the leaving after pages without one."""
    table, share = counts(dataset)
    arrays = exported(markov_table(dataset, dataset.row_period == TRAIN, Weights(AFTER, first)))
    begin, end = arrays["next_start"][-2:]
    assert np.array_equal(arrays["next_item"][begin:end], np.arange(dataset.num_items))
    attraction = np.log(share @ np.exp(arrays["next_logit"][begin:end]))
    assert attraction == pytest.approx(level(table), abs=1e-4)


def test_returns_are_the_items_clicked_earlier_but_not_last():
    items, others = [0, 1, 0, 0, 1, 1, *range(29), 0], range(3, 11)
    session = [1] * 6 + [2] * 30 + [*others]
    frame = pd.DataFrame({"user": 1, "session": session, "item": items + [0] * len(others)})
    frame["time"] = 1_600_000_000 + np.arange(len(frame))
    dataset = make_dataset(Log.from_pandas(frame, domain="ecommerce"), CONFIG, positives_only=True)
    found, item = Returns.of(dataset), dataset.item
    assert np.flatnonzero(found.flag).tolist() == [2, 4]  # in the second visit 0 is 29 clicks ago: forgotten
    pairs = sorted(zip(found.row.tolist(), found.item.tolist(), strict=True))
    assert pairs[:4] == [(2, item[0]), (3, item[1]), (4, item[1]), (5, item[0])]
    assert np.bincount(found.row)[[6, 7, 8, 26, 30]].tolist() == [0, 0, 1, 19, 19]


@pytest.mark.parametrize("rate", [0.0, 0.25])
def test_returns_to_items_of_the_visit_are_found_at_their_rate(rate):
    """The next item of a known chain, and at `rate` an item of the visit at random."""
    rng = np.random.default_rng(3)
    rows = []
    for visit in range(700):
        items = [int(rng.integers(60))]
        while len(items) < 6:
            step = (items[-1] + int(rng.integers(1, 4))) % 60
            items.append(items[int(rng.integers(len(items)))] if rng.random() < rate else step)
        rows += [(visit, visit, item) for item in items]
    frame = pd.DataFrame(rows, columns=["user", "session", "item"])
    frame["time"] = 1_600_000_000 + np.arange(len(frame))
    dataset = make_dataset(Log.from_pandas(frame, domain="ecommerce"), CONFIG, positives_only=True)
    judged = conditional_logit.scoring_batches(dataset, CPU, VALIDATION)
    weights = choose_markov(dataset, judged, CONFIG).weights
    known, row = dataset.row_period <= VALIDATION, np.flatnonzero(dataset.row_period == TEST)
    found, plain = (
        ask_table(dataset, known, row, each) for each in (weights, Weights(weights.after, weights.first))
    )
    odds = np.exp(weights.rho) * found.returns
    print(
        f"rho {weights.rho:.2f}, returns {found.flag.mean():.3f} {(odds / (1 - found.returns + odds)).mean():.3f}"
    )
    assert (odds / (1 - found.returns + odds)).mean() == pytest.approx(found.flag.mean(), abs=0.02)
    if rate:
        assert not weights.counts_returns
        assert found.losses(weights.rho).mean() < plain.losses(0.0).mean() - 0.05
    else:
        assert found.losses(weights.rho).mean() < plain.losses(0.0).mean() + 0.01


def test_returns_stay_where_nothing_else_that_is_trained_is_better(dataset):
    """The card names their term as fitted."""
    past = Past((TRAIN,), Weights(AFTER, FIRST, 1.5, counts_returns=False))
    model = shrunk(ChoiceModel(dataset, CONFIG, past), 0.0, 0.0)
    provenance = Provenance(dataset.domain)
    numbers = recipe_clicks.affinity_terms(dataset, model, CONFIG, plain_arrays(dataset, 4), provenance)
    assert numbers["rho"] == 1.5
    assert (provenance.rows["rho"]["status"], provenance.rows["rho"]["value"]) == ("fitted", 1.5)


def chain_log(pages, visits=500, items=40):
    """Visits that go from item i to i + 1, 2 or 3; the shop has one page, or as many as `pages`."""
    rng = np.random.default_rng(2)
    length = rng.integers(2, 8, visits)
    moves = rng.integers(1, 4, (visits, 8)).cumsum(1) + rng.integers(items, size=(visits, 1))
    visit = np.repeat(np.arange(visits), length)
    step = np.arange(len(visit)) - np.repeat(np.cumsum(length) - length, length)
    frame = pd.DataFrame({
        "user": visit, "session": visit, "item": moves[visit, step] % items,
        "time": 1_600_000_000 + 1_000 * visit + step,
    })  # fmt: skip
    return Log.from_pandas(frame.assign(page=frame["item"] % pages), domain="ecommerce")


@pytest.mark.parametrize("pages", [1, 2])
def test_a_shop_of_chains_is_fitted_at_least_as_well_as_by_a_markov_table(pages):
    config = FitConfig(dim=4, steps=30, bootstrap=20)
    dataset = make_dataset(chain_log(pages), config, positives_only=True)
    model, found = trained(dataset, config, 0, CPU, lambda *_: None)
    place = conditional_logit.layout(dataset, CPU)
    unseen = conditional_logit.scoring_batches(dataset, CPU, TEST)
    assert found["markov_weight"] > 0
    past = Past(
        (TRAIN, VALIDATION), Weights(found["markov_weight"], found.get("markov_weight_first", POPULARITY))
    )
    table = shrunk(ChoiceModel(dataset, config, past), 0.0, 0.0)
    popular = shrunk(ChoiceModel(dataset, config, Past((TRAIN, VALIDATION))), 0.0, 0.0)
    own, markov, flat = (conditional_logit.mean_loss(each, place, unseen) for each in (model, table, popular))
    print(f"{pages} pages: {own:.3f}, Markov table {markov:.3f}, popularity {flat:.3f}")
    assert own < markov + 0.01
    assert markov < flat - 0.3


def test_a_shop_whose_clicks_do_not_depend_on_the_last_has_no_table():
    log = chain_log(1)
    order = np.random.default_rng(0).permutation(log.num_rows)
    frame = log.to_pandas()
    frame["item"] = frame["item"].to_numpy()[order]
    config = FitConfig(dim=4, steps=10)
    dataset = make_dataset(Log.from_pandas(frame, domain="ecommerce"), config, positives_only=True)
    assert "markov_weight" not in trained(dataset, config, 0, CPU, lambda *_: None)[1]
