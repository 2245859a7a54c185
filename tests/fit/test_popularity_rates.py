"""Responses to shown items have the popularity of the fitted model, at the assumed rate."""

import numpy as np
import pytest

from recgym.fit.popularity_rates import popularity_shifts
from recgym.numerics import mean_kept_bias, sigmoid

USERS, ITEMS, RATE = 400, 60, 0.15


@pytest.fixture(scope="module")
def model():
    """Scores of users with strong tastes, the popularity of their softmax, and a share of impressions."""
    rng = np.random.default_rng(0)
    score = rng.normal(size=(USERS, 6)) @ rng.normal(size=(6, ITEMS)) + np.linspace(2, -2, ITEMS)
    popular = np.exp(score) / np.exp(score).sum(axis=1, keepdims=True)
    share = np.sqrt(popular.mean(axis=0))
    return score, popular.mean(axis=0), share / share.sum()


def responses(score, popular, share, shifts):
    """Expected share of the responses, and the mean rate where items are shown by their popularity."""
    logit = score - 0.5 * np.log(popular) + shifts
    logit += mean_kept_bias(logit.ravel(), RATE, np.tile(popular / USERS, USERS))
    chance = sigmoid(logit)
    expected = share * chance.mean(axis=0)
    return expected / expected.sum(), float(chance.mean(axis=0) @ popular)


def test_responses_have_the_popularity_of_the_model(model):
    score, popular, share = model
    without, _ = responses(*model, np.zeros(ITEMS))
    assert np.abs(without / popular - 1).max() > 0.5
    shifts = popularity_shifts(score, 0.5 * np.log(popular), share, RATE)
    expected, rate = responses(*model, shifts)
    np.testing.assert_allclose(expected, popular, rtol=1e-4)
    assert rate == pytest.approx(RATE, abs=1e-6)
    assert shifts.mean() == pytest.approx(0, abs=1e-9)


def test_where_responses_are_rare_there_is_nothing_to_shift(model):
    """sigmoid(x) is exp(x) there; users with equal sums of exp(score) have equal rates."""
    score, popular, share = model
    even = score - np.log(np.exp(score).sum(axis=1, keepdims=True))
    assert np.abs(popularity_shifts(even, 0.5 * np.log(popular), share, 1e-6)).max() < 1e-3


def test_items_that_are_never_shown_keep_their_bias(model):
    score, popular, share = model
    part = np.where(np.arange(ITEMS) < 5, 0.0, share)
    shifts = popularity_shifts(score, 0.5 * np.log(popular), part / part.sum(), RATE)
    assert (shifts[:5] == 0).all()
    assert np.isfinite(shifts).all()
