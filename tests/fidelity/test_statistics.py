"""Statistics of a card against libraries and closed forms."""

from functools import partial

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from recgym.fidelity.calibration import (
    bins_of,
    calibration_error,
    calibration_gaps,
    calibration_slope,
    largest,
    total,
)
from recgym.fidelity.classifier_test import above_half
from recgym.fidelity.leaving_metrics import MEASURES, survival
from recgym.fidelity.resampling import Resampling
from recgym.logs.visit_history import repeats, runs
from recgym.numerics import auc, auc_of_codes, log_losses


def test_losses_and_areas_are_scikit_learns():
    rng = np.random.default_rng(0)
    chance = rng.integers(1, 20, 500) / 20
    flag = rng.random(500) < chance
    assert auc(flag, chance) == pytest.approx(roc_auc_score(flag, chance))
    weight = rng.integers(0, 4, 500).astype(float)
    code = np.unique(chance, return_inverse=True)[1]
    weighted = roc_auc_score(flag, chance, sample_weight=weight)
    assert auc_of_codes(flag, code, weight) == pytest.approx(weighted)
    assert log_losses(flag, chance).mean() == pytest.approx(log_loss(flag, chance))


def test_calibration_error_by_hand():
    chance = np.repeat([0.2, 0.8], 50)
    flag = np.r_[np.repeat([True, False], [20, 30]), np.repeat([True, False], [40, 10])]
    # two bins of 50: .4 - .2 and .8 - .8
    assert calibration_error(flag, chance, bins_of(chance, 2)) == pytest.approx(0.1)
    np.testing.assert_array_equal(np.bincount(bins_of(np.arange(31), 15)), [3] + [2] * 14)


def test_a_logit_twice_too_steep_has_slope_one_half():
    rng = np.random.default_rng(1)
    logit = rng.normal(size=200_000)
    flag = rng.random(200_000) < 1 / (1 + np.exp(-logit))
    bias, slope = calibration_slope(flag, 2 * logit)
    assert (bias, slope) == pytest.approx((0.0, 0.5), abs=0.02)


def test_intervals_and_noise_are_those_of_clusters():
    rng = np.random.default_rng(2)
    effect = rng.normal(size=400)
    cluster = np.repeat(np.arange(400), 5)
    value = effect[cluster] + 0.1 * rng.normal(size=2000)
    spread = Resampling(cluster, 2000, 0).of_ratio(value)
    error = effect.std() / np.sqrt(400)
    assert spread.high - spread.low == pytest.approx(2 * 1.96 * error, rel=0.1)
    # two halves of 200 clusters: the difference has twice the error of the whole
    assert spread.noise == pytest.approx(1.96 * 2 * error, rel=0.1)
    slow = Resampling(cluster, 200, 0).of(lambda w: float(np.average(value, weights=w)), 200)
    quick = Resampling(cluster, 200, 0).of_ratio(value)
    assert slow == pytest.approx(quick)


@pytest.mark.parametrize("size", [total, largest])
def test_intervals_of_distances_hold_the_true_one(size):
    rng, rows = np.random.default_rng(4), 400
    code = np.repeat(np.arange(10), rows // 10)
    chance = np.linspace(0.1, 0.9, 10)[code]
    for shift, least in ((0.0, 0.88), (0.02, 0.88), (0.1, 0.75)):
        error = shift * np.where(code % 2, -1.0, 1.0)
        truth = size(calibration_gaps(chance + error, chance, code, np.ones(rows)))
        inside, by_percentiles = [], []
        for _ in range(80):
            flag = rng.random(rows) < chance + error
            gaps = partial(calibration_gaps, flag, chance, code)
            draws = Resampling(np.arange(rows), 60, int(rng.integers(1 << 30)))
            spread, plain = draws.of_distance(gaps, size, 60), draws.of(lambda w, g=gaps: size(g(w)), 60)
            assert spread.low <= size(gaps(np.ones(rows))) <= spread.high
            inside.append(spread.low <= truth <= spread.high)
            by_percentiles.append(plain.low <= truth <= plain.high)
        assert np.mean(inside) >= least
        if shift < 0.1:
            assert (
                np.mean(by_percentiles) < 0.1
            )  # what it replaces: chance, counted twice, lies above the truth


def test_a_product_of_hazards_is_the_share_that_goes_on():
    lengths = np.random.default_rng(3).geometric(0.2, 3000)
    clock = np.concatenate([np.arange(1, n + 1) for n in lengths])
    left = np.concatenate([np.r_[np.zeros(n - 1), 1.0] for n in lengths])
    goes_on = survival(clock, left, np.ones(len(clock)))
    np.testing.assert_allclose(
        goes_on, [(lengths > t).mean() for t in range(1, lengths.max() + 1)], atol=1e-12
    )
    assert MEASURES["mean"](goes_on) == pytest.approx(lengths.mean())
    assert MEASURES["median"](goes_on) == np.median(lengths)
    assert MEASURES["90th percentile"](goes_on) == np.quantile(lengths, 0.9, method="inverted_cdf")


def test_runs_and_repeats_by_hand():
    visit = np.array([0, 0, 0, 0, 0, 1, 1])
    category, responded = np.array([1, 1, 2, 1, 1, 1, 1]), np.array([1, 1, 0, 1, 1, 1, 0], bool)
    np.testing.assert_array_equal(runs(visit, category, responded), [1, 2, 0, 3, 4, 1, 0])
    item = np.array([7, 7, 8, 9, 8, 7, 7])
    np.testing.assert_array_equal(repeats(visit, item, responded, 20), [0, 1, 0, 0, 0, 0, 1])
    np.testing.assert_array_equal(
        repeats(np.zeros(4, int), np.array([1, 2, 3, 1]), np.ones(4, bool), 2), [0] * 4
    )


def test_an_area_below_one_half_counts_like_one_above():
    assert [round(above_half(area), 3) for area in (0.33, 0.5, 0.67)] == [0.67, 0.5, 0.67]
