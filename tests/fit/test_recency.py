"""Older rows weigh less in a Markov table where the popularity of items drifts, and there alone."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from recgym.fit import FitConfig, conditional_logit
from recgym.fit.choice_model import ChoiceModel, Past, layout
from recgym.fit.choice_selection import shrunk
from recgym.fit.dataset import make_dataset
from recgym.fit.markov import Counted, Weights, recency, table_losses
from recgym.fit.markov_choice import choose_markov
from recgym.logs import Log
from recgym.logs.splits import TEST, TRAIN, VALIDATION

CPU, CONFIG = torch.device("cpu"), FitConfig(dim=4)
ITEMS, VISITS, LENGTH = 30, 1500, 6


def log_of(turns):
    """Visits whose next item is a neighbour of the last or drawn by a popularity that turns round so many times."""
    rng = np.random.default_rng(0)
    angle = np.arange(ITEMS) / ITEMS
    item = np.empty((VISITS, LENGTH), int)
    for visit in range(VISITS):
        weight = np.exp(2.5 * np.cos(2 * np.pi * (angle - turns * visit / VISITS)))
        drawn = rng.choice(ITEMS, LENGTH, p=weight / weight.sum())
        for step in range(LENGTH):
            follows = step > 0 and rng.random() < 0.4
            item[visit, step] = (item[visit, step - 1] + 7) % ITEMS if follows else drawn[step]
    session, step = np.divmod(np.arange(item.size), LENGTH)
    frame = pd.DataFrame({"user": session, "session": session, "step": step, "item": item.ravel()})
    return Log.from_pandas(frame, domain="ecommerce")


@pytest.fixture(scope="module", params=[0.0, 1.0])
def case(request):
    return request.param, make_dataset(log_of(request.param), CONFIG, positives_only=True)


def test_rows_of_a_drifting_log_weigh_less_with_age(case):
    turns, dataset = case
    judged = conditional_logit.scoring_batches(dataset, CPU, VALIDATION)
    found = choose_markov(dataset, judged, CONFIG).weights
    assert math.isfinite(found.half_life) == (turns > 0)
    if not turns:
        return
    known, late = dataset.row_period <= VALIDATION, np.flatnonzero(dataset.row_period == TEST)
    mine, flat = (
        table_losses(Counted(dataset, known, weights), late, weights).mean()
        for weights in (found, found._replace(half_life=math.inf))
    )
    assert mine < flat - 0.1


def test_a_half_life_is_that_of_the_weights():
    dataset = make_dataset(log_of(0.0), CONFIG, positives_only=True)
    known = dataset.row_period == TRAIN
    weight = recency(dataset, known, 100.0)[dataset.starts]
    last = int((dataset.period == TRAIN).sum()) - 1
    np.testing.assert_allclose(weight[[last, last - 100, last - 200]], [1.0, 0.5, 0.25])
    assert (weight[last:] == 1.0).all()
    assert (recency(dataset, known, math.inf) == 1.0).all()


def test_an_untrained_model_has_the_losses_of_a_table_of_weighted_rows(case):
    dataset = case[1]
    weights = Weights(5.0, 30.0, half_life=200.0)
    model = shrunk(ChoiceModel(dataset, CONFIG, Past((TRAIN,), weights)), 0.0, 0.0)
    judged = conditional_logit.scoring_batches(dataset, CPU, VALIDATION)
    loss, _, row = conditional_logit.losses_of(model, layout(dataset, CPU), judged)
    found = table_losses(Counted(dataset, dataset.row_period == TRAIN, weights), row.numpy(), weights)
    np.testing.assert_allclose(found, loss, atol=1e-4)
