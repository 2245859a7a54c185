"""A world fitted to clicks has the terms of its model, and pages have a click at the assumed rate."""

import numpy as np
import pytest
import torch
from click_logs import click_log
from session_terms import terms_from_world

from recgym.fidelity.click_metrics import remembered
from recgym.fit import FitConfig, choice_model, conditional_logit
from recgym.fit.choice_selection import select_terms
from recgym.fit.config import assumed
from recgym.fit.dataset import make_dataset
from recgym.fit.provenance import Provenance, plain_arrays
from recgym.fit.recipe_clicks import affinity_terms, fit_clicks
from recgym.fit.torch_session import affinities
from recgym.fit.training_loop import Average, step_rows
from recgym.logs.splits import TRAIN, VALIDATION
from recgym.logs.visit_history import repeats
from recgym.sim.state import MEMORY

CPU = torch.device("cpu")
CONFIG = FitConfig(dim=4, epochs=2, bootstrap=20)


def silent(*_):
    pass


@pytest.fixture(scope="module")
def log():
    return click_log(visits=600)[0]


def weight_of_pages(world, dataset, category_page):
    """Row numbers, and for each row the log of the sum of exp(affinity) over the clicked page."""
    rows, sums = [], []
    with torch.no_grad():
        for batch in dataset.batches(
            dataset.sessions(TRAIN, VALIDATION), 4096, CPU, np.random.default_rng(0)
        ):
            x = affinities(terms_from_world(world), batch).numpy()
            same = category_page[batch.item.numpy()][..., None] == category_page
            there = batch.mask.numpy() > 0
            sums.append(np.log((np.exp(x) * same).sum(2))[there])
            rows.append(batch.row.numpy()[there])
    return np.concatenate(rows), np.concatenate(sums)


def test_a_logged_page_has_a_click_at_the_assumed_rate(log):
    world = fit_clicks(log, "w", CONFIG, 0, CPU, silent)
    dataset = make_dataset(log, CONFIG, positives_only=True)
    _, weight = weight_of_pages(world, dataset, dataset.items.category_page)
    implied = (1.0 + np.exp(-weight)).mean()  # shown pages for each click
    assert 1.0 / implied == pytest.approx(
        assumed("ecommerce", "answer_rate"), abs=0.004
    )  # float16 of the biases


def test_parameters_that_shift_all_items_are_not_trained(log):
    dataset = make_dataset(log, CONFIG, positives_only=True)
    model = select_terms(dataset, CONFIG, 0, CPU, silent).trained(CONFIG, 0, CPU, silent)
    with torch.no_grad():
        terms = model.terms()
    assert not terms.user_bias.any()
    assert not terms.context_bias.any()
    assert float(model.bias) == 0.0


def test_the_exported_terms_are_the_models(log):
    dataset = make_dataset(log, CONFIG, positives_only=True)
    model = select_terms(dataset, CONFIG, 0, CPU, silent).trained(CONFIG, 0, CPU, silent)
    arrays = plain_arrays(dataset, CONFIG.dim)
    theta = affinity_terms(dataset, model, CONFIG, arrays, Provenance("ecommerce"))["theta"]
    with torch.no_grad():
        total = model.terms().item_bias.numpy()
    np.testing.assert_allclose(arrays["item_bias"] + theta * dataset.items.price_z, total, atol=1e-6)
    assert choice_model.layout(dataset, CPU).category_page.tolist() == dataset.items.category_page.tolist()


def test_a_card_compares_repeats_within_the_memory_of_a_visit():
    rng = np.random.default_rng(5)
    visit, item = np.repeat([0, 1, 2], [60, 35, 5]), rng.integers(40, size=100)
    click, option = np.repeat(np.arange(100), 40), np.tile(np.arange(40), 100)
    found = remembered(visit * 40 + item, visit[click] * 40 + option, click)
    looped = [
        any(visit[s] == visit[c] and item[s] == i for s in range(max(c - MEMORY, 0), c))
        for c, i in zip(click, option, strict=True)
    ]
    np.testing.assert_array_equal(found, looped)
    again = repeats(visit, item, np.ones(100, bool), MEMORY)
    np.testing.assert_array_equal(found[option == item[click]], again)  # as in the share of the log


def test_polyak_averaging_removes_oscillation():
    model = torch.nn.Linear(1, 1, bias=False)
    mean, weight = Average(model, 10), model.weight
    with torch.no_grad():
        for step in range(200):
            weight.fill_(3.0 + (-1) ** step)
            mean.update()
            if step == 0:
                assert mean.model.weight.item() == 4.0  # the initial model has no weight
    assert mean.model.weight.item() == pytest.approx(3.0, abs=0.06)
    assert weight.item() == 2.0


def test_a_trained_shop_is_the_mean_over_its_last_epoch(log, monkeypatch):
    dataset = make_dataset(log, CONFIG, positives_only=True)
    steps = []

    class Counted(Average):
        def __init__(self, model, window):
            super().__init__(model, window)
            steps.append((window, self))

    monkeypatch.setattr(conditional_logit, "Average", Counted)
    seen = []
    model = conditional_logit.train(
        dataset, CONFIG, conditional_logit.Past(), 2, 0, CPU, silent, lambda judged, _: seen.append(judged)
    )
    ((window, mean),) = steps
    size = step_rows(CONFIG, int((dataset.row_period == TRAIN).sum()))
    assert model is mean.model
    assert all(judged is model for judged in seen)
    assert (
        mean.seen
        == 2 * window
        == 2 * len(dataset.batches(dataset.sessions(TRAIN), size, CPU, np.random.default_rng(0)))
    )
    assert not torch.equal(model.raw_rho, mean.of.raw_rho)
