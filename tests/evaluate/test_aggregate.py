"""Aggregates over tasks against scipy and closed forms, and coverage of their intervals."""

import math

import numpy as np
import pytest
from scipy import stats

from recgym.evaluate.aggregate import (
    holm,
    iqm,
    iqm_interval,
    performance_profile,
    probability_of_improvement,
    t_p_value,
)
from recgym.evaluate.stats import t_interval


@pytest.mark.parametrize("n", [4, 8, 40, 100])
def test_the_interquartile_mean_is_the_trimmed_mean(n):
    values = np.random.default_rng(n).normal(size=n)
    assert iqm(values) == pytest.approx(stats.trim_mean(values, 0.25))


def test_the_interquartile_mean_takes_parts_of_values():
    assert iqm([1.0, 2.0, 9.0]) == pytest.approx((0.25 * 1 + 1.0 * 2 + 0.25 * 9) / 1.5)
    assert iqm([5.0]) == 5.0
    assert iqm([1.0, 3.0]) == 2.0
    assert math.isnan(iqm([]))


def test_the_interval_of_the_interquartile_mean_covers():
    """Two tasks of ten seeds, symmetric about their means: the truth is the mean of the middle half."""
    rng, covered = np.random.default_rng(5), 0
    truth = iqm(np.concatenate([rng.normal(0.2, 1, 200_000), rng.normal(0.6, 1, 200_000)]))
    for repetition in range(200):
        tasks = [rng.normal(0.2, 1, 20), rng.normal(0.6, 1, 20)]
        interval = iqm_interval(tasks, seed=repetition, resamples=300)
        covered += interval.low < truth < interval.high
    assert 0.89 < covered / 200 < 0.99


def test_the_probability_of_improvement_is_mann_whitneys():
    rng = np.random.default_rng(2)
    ours, theirs = [rng.normal(0.5, 1, 12), rng.normal(0, 1, 9)], [rng.normal(0, 1, 10), rng.normal(0, 1, 9)]
    u = [stats.mannwhitneyu(a, b).statistic / (len(a) * len(b)) for a, b in zip(ours, theirs, strict=True)]
    found = probability_of_improvement(ours, theirs)
    assert found.mean == pytest.approx(np.mean(u))
    assert found.low < found.mean < found.high
    assert probability_of_improvement([[1, 1]], [[1, 1]]).mean == 0.5
    assert probability_of_improvement([[2, 3]], [[1, 1]])[:3] == (1.0, 1.0, 1.0)
    same = probability_of_improvement(ours, theirs, seed=3)
    assert same == probability_of_improvement(ours, theirs, seed=3)


def test_the_interval_of_the_probability_of_improvement_covers():
    rng, covered = np.random.default_rng(8), 0
    truth = stats.norm.cdf(0.5 / math.sqrt(2))
    for repetition in range(200):
        ours, theirs = rng.normal(0.5, 1, (2, 20)), rng.normal(0, 1, (2, 20))
        found = probability_of_improvement(ours, theirs, seed=repetition, resamples=300)
        covered += found.low < truth < found.high
    assert 0.89 < covered / 200 < 0.99


def test_a_profile_is_the_share_above_each_threshold():
    profile = performance_profile([[0.1, 0.5, 0.9], [0.2, 0.2]], [0.0, 0.2, 0.4, 1.0])
    assert profile == pytest.approx([1.0, (2 / 3 + 0.0) / 2, (2 / 3) / 2, 0.0])


def test_holms_correction_by_hand():
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}) == pytest.approx(
        {"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02}
    )
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}


def test_the_p_value_is_students():
    values = np.random.default_rng(1).normal(0.4, 1, 10)
    assert t_p_value(t_interval(values)) == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    assert t_p_value(t_interval([1.0])) == 1.0
    assert t_p_value(t_interval([0.0, 0.0])) == 1.0
    assert t_p_value(t_interval([2.0, 2.0])) == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: probability_of_improvement([[1]], [[1], [2]]), "1 tasks cannot be compared with 2"),
        (lambda: probability_of_improvement([[]], [[1]]), "first: each task needs at least one score"),
        (lambda: iqm_interval([[]]), "scores: each task needs at least one score"),
        (lambda: iqm_interval(np.arange(10.0)), "scores has the number .*0.* for task 0, expected a list"),
        (lambda: probability_of_improvement([1, 2], [0, 5]), "first has the number 1 for task 0"),
        (lambda: probability_of_improvement([[1]], {0: [1]}), "second is {0: .1.}, expected a list"),
        (lambda: performance_profile([[1, 2]], [math.nan]), "thresholds has a value that is not a number"),
        (lambda: holm({"a": 1.5}), r"the p-value of a is 1.5, expected a number in \[0, 1\]"),
        (lambda: holm({"a": math.nan}), "the p-value of a is nan"),
        (lambda: probability_of_improvement([[1]], [[1]], level=2), "level is 2"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
