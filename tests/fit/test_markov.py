"""A Markov table as a term of affinity: its probabilities, rows without themselves, and what a fit exports."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from click_logs import click_log

from recgym.fit import FitConfig, conditional_logit, recipe_clicks
from recgym.fit.choice_model import ChoiceModel, Past, layout
from recgym.fit.choice_selection import select_terms, shrunk
from recgym.fit.dataset import make_dataset
from recgym.fit.markov import POPULARITY, Counted, Weights, exported, item_before, markov_table, table_losses
from recgym.fit.markov_choice import choose_markov
from recgym.fit.provenance import Provenance, plain_arrays
from recgym.fit.visit_returns import VisitReturns
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
    """(N + 1,) log of the sums over the rows of the table, relative to popularity."""
    return np.log1p(table.sum(1) / np.append(np.full(table.shape[1], AFTER), FIRST))


def term(dataset, weights=WEIGHTS):
    return markov_table(Counted(dataset, dataset.row_period == TRAIN, weights), weights)


def test_an_untrained_model_has_the_losses_of_a_markov_table(dataset):
    table, share = counts(dataset)
    weight = np.append(np.full(dataset.num_items, AFTER), FIRST)[:, None]
    chance = (table + weight * share) / (table.sum(1, keepdims=True) + weight)
    model = shrunk(ChoiceModel(dataset, CONFIG, Past((TRAIN,), WEIGHTS)), 0.0, 0.0)
    place = layout(dataset, CPU)
    judged = conditional_logit.scoring_batches(dataset, CPU, VALIDATION)
    loss, _, row = conditional_logit.losses_of(model, place, judged)
    last = np.where(dataset.step[row] == 0, dataset.num_items, dataset.item[row - 1])
    expected = -np.log(chance[last, dataset.item[row]])
    np.testing.assert_allclose(loss, expected, atol=1e-4)


@pytest.mark.parametrize("pages", [1, 2])
@pytest.mark.parametrize(
    "weights", [WEIGHTS, None, Weights(AFTER, FIRST, 1.0, math.inf), Weights(AFTER, FIRST, 0.7, 3.0)]
)
def test_losses_in_closed_form_are_those_of_the_model(pages, weights):
    dataset = make_dataset(chain_log(pages, visits=150), CONFIG, positives_only=True)
    model = shrunk(ChoiceModel(dataset, CONFIG, Past((TRAIN,), weights)), 0.0, 0.0)
    judged = conditional_logit.scoring_batches(dataset, CPU, VALIDATION)
    loss, _, row = conditional_logit.losses_of(model, layout(dataset, CPU), judged)
    weights = weights or Weights(POPULARITY)
    found = table_losses(Counted(dataset, dataset.row_period == TRAIN, weights), row.numpy(), weights)
    np.testing.assert_allclose(found, loss, atol=1e-4)


def test_a_row_is_left_out_of_its_own_term(dataset):
    table, share = counts(dataset)
    found = term(dataset)
    first, second = np.random.default_rng(0).integers(dataset.num_items, size=(2, 500))
    last, item = torch.as_tensor(first), torch.as_tensor(second)
    for count, left_out in ((table, False), (np.maximum(table - 1, 0), True)):
        expected = np.log1p(count[first, second] / (AFTER * share[second])) - level(table)[first]
        np.testing.assert_allclose(found.between(last, item, leave_one_out=left_out), expected, atol=1e-5)


def test_terms_of_some_items_are_those_of_all(dataset):
    found = term(dataset)
    last = torch.as_tensor([3, -1, 0, 3])
    every = found.after(last, torch.arange(dataset.num_items))
    some = torch.as_tensor([5, 2, 2, 0])
    torch.testing.assert_close(found.after(last, some), every[:, some])
    table, share = counts(dataset)
    first = np.log1p(table[-1] / (FIRST * share)) - level(table)[-1]
    np.testing.assert_allclose(every[1], first, atol=1e-5)
    np.testing.assert_allclose(every[0], np.log1p(table[3] / (AFTER * share)) - level(table)[3], atol=1e-5)
    own = found.between(last[:, None].expand(-1, dataset.num_items).flatten(),
                        torch.arange(dataset.num_items).repeat(4), leave_one_out=False)  # fmt: skip
    torch.testing.assert_close(own.view(4, -1), every)


def test_the_exported_pairs_are_those_of_the_table(dataset):
    table, share = counts(dataset)
    arrays = exported(term(dataset))
    assert len(arrays["next_start"]) == dataset.num_items + 2
    row = np.repeat(np.arange(dataset.num_items + 1), np.diff(arrays["next_start"]))
    dense = np.zeros_like(table)
    dense[row, arrays["next_item"]] = arrays["next_logit"]
    weight = np.append(np.full(dataset.num_items, AFTER), FIRST)[:, None]
    np.testing.assert_allclose(dense, np.log1p(table / (weight * share)), atol=1e-5)
    np.testing.assert_allclose(arrays["next_level"], level(table), atol=1e-5)


@pytest.mark.parametrize("weights", [Weights(AFTER), WEIGHTS, Weights(AFTER, FIRST, 0.7, 3.0)])
def test_a_page_is_as_attractive_after_every_item_and_before_the_first_click(dataset, weights):
    """Else users would stay longer after popular items, by their counts alone."""
    model = shrunk(ChoiceModel(dataset, CONFIG, Past((TRAIN,), weights)), 0.0, 0.0)
    last = torch.arange(-1, dataset.num_items)
    x = model.terms().item_bias + model.transitions.after(last, torch.arange(dataset.num_items))
    attraction = torch.logsumexp(x, 1)
    torch.testing.assert_close(attraction, attraction[:1].expand(len(last)), atol=1e-4, rtol=0)


def test_returns_go_to_the_last_responses_of_the_visit():
    items, others = [0, 1, 0, 0, 1, 1, *range(29), 0], range(3, 11)
    session = [1] * 6 + [2] * 30 + [*others]
    frame = pd.DataFrame({"user": 1, "session": session, "item": items + [0] * len(others)})
    frame["time"] = 1_600_000_000 + np.arange(len(frame))
    dataset = make_dataset(Log.from_pandas(frame, domain="ecommerce"), CONFIG, positives_only=True)
    rows, item = np.arange(len(dataset.item)), dataset.item
    share = np.zeros((len(rows), dataset.num_items))
    for at, to, each in VisitReturns(dataset, item_before(dataset), rows, 0.5).earlier():
        np.add.at(share, (at, to), each)
    zero, one = item[:2]
    assert not share[0].any()
    assert share[1, zero] == 1.0
    assert share[2, [zero, one]].tolist() == pytest.approx([1 / 3, 2 / 3])
    assert share[4, [zero, one]].tolist() == pytest.approx([13 / 15, 2 / 15])
    assert (share > 0).sum(1)[[6, 7, 8, 26, 30]].tolist() == [0, 1, 2, 20, 20]
    assert share[35, zero] == 0.0  # 29 clicks ago: forgotten


def visits_with_returns(rate, decay=1.0, spread=0.0, visits=1500, items=60):
    """A known chain, and clicks that go back: odds `rate` times a factor of each item. The log, and the factors."""
    rng = np.random.default_rng(3)
    factor = np.exp(spread * rng.normal(size=items) - spread**2 / 2)
    rows = []
    for visit in range(visits):
        clicks = [int(rng.integers(items))]
        while len(clicks) < 6:
            share = decay ** np.arange(len(clicks) - 1, -1, -1.0)
            weight = rate * share / share.sum() * factor[clicks]
            back = rng.random() * (1 + weight.sum()) < weight.sum()
            step = (clicks[-1] + int(rng.integers(1, 4))) % items
            clicks.append(clicks[rng.choice(len(clicks), p=weight / weight.sum())] if back else step)
        rows += [(visit, visit, item) for item in clicks]
    frame = pd.DataFrame(rows, columns=["user", "session", "item"])
    frame["time"] = 1_600_000_000 + np.arange(len(frame))
    return Log.from_pandas(frame, domain="ecommerce"), factor


def chosen(log):
    """Dataset and settings of the table."""
    dataset = make_dataset(log, CONFIG, positives_only=True)
    judged = conditional_logit.scoring_batches(dataset, CPU, VALIDATION)
    return dataset, choose_markov(dataset, judged, CONFIG).weights


@pytest.mark.parametrize("decay", [1.0, 0.5])
def test_known_returns_are_recovered(decay):
    dataset, weights = chosen(visits_with_returns(0.3, decay)[0])
    found = Counted(dataset, dataset.known, weights).returns
    print(f"weight {found.mean:.3f}, decay {found.decay}, share {found.share:.3f}")
    assert found.decay == pytest.approx(decay, abs=0.31)
    assert found.mean == pytest.approx(0.3, abs=0.04)
    assert found.share == pytest.approx(5 / 6 * 0.3 / 1.3, abs=0.02)
    row, plain = np.flatnonzero(dataset.row_period == TEST), Weights(weights.after, weights.first)
    gain = [
        table_losses(Counted(dataset, dataset.known, each), row, each).mean() for each in (plain, weights)
    ]
    assert gain[1] < gain[0] - 0.05


def test_returns_that_differ_by_item_are_recovered():
    log, factor = visits_with_returns(0.3, 1.0, spread=1.0)
    dataset, weights = chosen(log)
    found = Counted(dataset, dataset.known, weights).returns
    assert math.isfinite(weights.prior)
    ids = np.asarray(log.items["id"])[dataset.item_row].astype(np.int64)
    truth = np.log(factor[ids])
    print(f"correlation {np.corrcoef(truth, np.log(found.weight))[0, 1]:.3f}")
    assert np.corrcoef(truth, np.log(found.weight))[0, 1] > 0.8


def test_a_shop_without_returns_has_none():
    dataset, weights = chosen(visits_with_returns(0.0 + 1e-12)[0])
    assert weights.decay == 0.0
    provenance, model = Provenance(dataset.domain), ChoiceModel(dataset, CONFIG, Past((TRAIN,), weights))
    arrays = plain_arrays(dataset, 4)
    recipe_clicks.affinity_terms(dataset, shrunk(model, 0.0, 0.0), CONFIG, arrays, provenance)
    assert provenance.rows["returns"]["status"] == "absent"
    assert "return_logit" not in arrays


def test_returns_stay_where_nothing_else_that_is_trained_is_better(dataset):
    """The card names their term as fitted."""
    past = Past((TRAIN,), Weights(AFTER, FIRST, 0.7, 3.0))
    model = shrunk(ChoiceModel(dataset, CONFIG, past), 0.0, 0.0)
    provenance, arrays = Provenance(dataset.domain), plain_arrays(dataset, 4)
    recipe_clicks.affinity_terms(dataset, model, CONFIG, arrays, provenance)
    found = Counted(dataset, dataset.row_period == TRAIN, past.weights).returns
    assert provenance.rows["returns"]["status"] == "fitted"
    assert provenance.rows["returns"]["value"] == pytest.approx(found.share, abs=1e-5)
    assert arrays["return_decay"] == pytest.approx(0.7)
    assert len(arrays["return_logit"]) == dataset.num_items


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
    selection = select_terms(dataset, config, 0, CPU, lambda *_: None)
    model, found = selection.trained(config, 0, CPU, lambda *_: None), selection.found
    place = layout(dataset, CPU)
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
    assert "markov_weight" not in select_terms(dataset, config, 0, CPU, lambda *_: None).found
