"""Tastes for categories: the score equations of ridge regression, known tastes, and their columns in a world."""

import numpy as np
import pytest
import torch

from recgym.fit import FitConfig
from recgym.fit.additive import Ridges, choose_ridges, fit_additive, fit_blend
from recgym.fit.dataset import make_dataset
from recgym.fit.recipe_impressions import fit_impressions
from recgym.fit.session_model import item_features
from recgym.fit.user_features import tower_user_features
from recgym.logs.sample import sample_log
from recgym.logs.splits import VALIDATION
from recgym.numerics import sigmoid
from recgym.sim.synthetic import synthetic


def world_of(scale: float, users=200, items=40):
    """A feed of six categories in which users differ in level and in tastes of this standard deviation."""
    rng = np.random.default_rng(2)
    world = synthetic(1, domain="content", num_users=users, num_items=items, num_factors=6, num_categories=6)
    factors = np.eye(6)[world.arrays.category]
    return world.with_arrays(
        factors=factors, profile=scale * rng.normal(size=(users, 6)), push=0 * factors,
        user_bias=rng.normal(0, 0.7, users), item_bias=rng.normal(0, 0.4, items),
    ).with_params(sigma=0.0, mood=0.0, kappa=0.0, rho=0.0)  # fmt: skip


def inputs(scale: float, sessions: int):
    """A dataset of a log that a known world made, and the features of its users and items."""
    log = sample_log(world_of(scale), "random", sessions, seed=5, horizon=12)
    dataset = make_dataset(log, FitConfig(), positives_only=False)
    return dataset, tower_user_features(dataset), item_features(dataset)


def test_tastes_fulfil_the_score_equations():
    dataset, users, items = inputs(1.0, 300)
    rows = dataset.row_period <= VALIDATION
    found = fit_additive(dataset, rows, users, items, Ridges(taste=4.0))
    rest = dataset.positive.astype(float) - sigmoid(found.logits(dataset))
    num = found.taste.shape[1]
    cell = dataset.user * num + dataset.items.category[dataset.item]
    score = np.bincount(cell[rows], rest[rows], found.taste.size)
    np.testing.assert_allclose(score, 4.0 * found.taste.ravel(), atol=0.02)


@pytest.mark.slow
def test_known_tastes_are_found_and_none_where_there_are_none():
    dataset, users, items = inputs(1.0, 1_500)
    truth = world_of(1.0).arrays.profile
    blend = choose_ridges(dataset, users, items).tastes
    found = fit_blend(dataset, dataset.row_period <= VALIDATION, users, items, blend)
    seen = np.bincount(dataset.user, minlength=dataset.num_users) > 30
    categories = [int(name.removeprefix("c")) for name in dataset.items.categories]
    expected = truth[dataset.user_row][:, categories]
    assert np.corrcoef(found.taste[seen].ravel(), expected[seen].ravel())[0, 1] > 0.5
    dataset, users, items = inputs(0.0, 1_500)
    none = fit_blend(
        dataset, dataset.row_period <= VALIDATION, users, items, choose_ridges(dataset, users, items)
    )
    assert none.taste.shape[1] == 0 or none.taste.std() < 0.1


@pytest.mark.slow
def test_a_world_has_the_tastes_of_its_fit():
    log = sample_log(world_of(1.5), "random", 800, seed=5, horizon=12)
    world = fit_impressions(log, "x", FitConfig(), 0, torch.device("cpu"), lambda *_: None)
    a = world.arrays
    terms = {row["term"]: row for row in world.card["terms"]}
    assert "tastes for categories" in terms["profile"]["source"]
    hot = a.factors[:, -len(world.categories) :]
    np.testing.assert_array_equal(hot, np.eye(len(world.categories))[a.category])
    assert a.profile.shape[1] == a.factors.shape[1] == a.push.shape[1]
    assert a.profile[:, -len(world.categories) :].std() > 0.4
