"""Intervals: Student-t, paired differences and the bootstrap."""

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from recgym.evaluate import (
    bootstrap_interval,
    mean_se,
    paired_difference,
    t_interval,
    t_quantile,
)

# by bisection of the incomplete beta function (continued fraction), 15 digits
T_QUANTILES = [
    (0.6, 1, 0.32491969623290673), (0.6, 12.5, 0.2588028773692512), (0.6, 999, 0.25341458333023814),
    (0.9, 2, 1.8856180831641267), (0.9, 29, 1.3114336473015582), (0.95, 4, 2.1318467863266504),
    (0.95, 47.3, 1.6777127832264571), (0.975, 1, 12.706204736174687), (0.975, 2, 4.302652729749459),
    (0.975, 4, 2.7764451051977934), (0.975, 9, 2.2621571627982036), (0.975, 12.5, 2.1691859427125406),
    (0.975, 29, 2.0452296421327016), (0.975, 47.3, 2.0114037532826687), (0.975, 999, 1.9623414611335392),
    (0.995, 4, 4.604094871349993), (0.995, 29, 2.756385903670603), (0.9995, 1, 636.6192487687888),
    (0.9995, 9, 4.780912585931215), (0.9995, 999, 3.300292440398813),
]  # fmt: skip


@pytest.mark.parametrize(("p", "df", "expected"), T_QUANTILES)
def test_t_quantile_agrees_with_bisection(p, df, expected):
    assert t_quantile(p, df) == pytest.approx(expected, rel=1e-9)
    assert t_quantile(1.0 - p, df) == pytest.approx(-expected, rel=1e-9)


@pytest.mark.parametrize("df", [1, 2, 3, 7, 19, 100, 5000])
@pytest.mark.parametrize("p", [0.01, 0.25, 0.5, 0.9, 0.975, 0.9995])
def test_t_quantile_inverts_the_distribution(p, df):
    assert scipy_stats.t.cdf(t_quantile(p, df), df) == pytest.approx(p, rel=1e-9)


def test_t_quantile_refuses_arguments_out_of_range():
    for p, df in ((0.0, 3), (1.0, 3), (0.5, 0)):
        with pytest.raises(ValueError, match="t_quantile needs"):
            t_quantile(p, df)


def test_t_interval_agrees_with_scipy():
    values = np.random.default_rng(5).normal(3.0, 2.0, 12)
    expected = scipy_stats.t.interval(0.95, 11, values.mean(), scipy_stats.sem(values))
    assert t_interval(values)[1:3] == pytest.approx(expected)
    assert mean_se(values) == pytest.approx((values.mean(), scipy_stats.sem(values)))


def test_one_value_has_a_mean_and_no_interval():
    interval = t_interval([2.0])
    assert interval.mean == 2.0
    assert all(math.isnan(value) for value in interval[1:4])


def test_pairing_removes_the_variance_between_users():
    rng = np.random.default_rng(3)
    users = [rng.normal(0, 50, 200) for _ in range(4)]
    ours = [user + 1.0 + 0.1 * rng.normal(size=200) for user in users]
    interval = paired_difference(ours, users)
    assert interval.n == 4
    assert interval.low < 1.0 < interval.high
    assert interval.high - interval.low < 0.2


def test_paired_difference_counts_seeds_not_sessions():
    control = [np.zeros(100), np.zeros(100), np.zeros(100)]
    treatment = [np.full(100, 1.0), np.full(100, 2.0), np.full(100, 3.0)]
    interval = paired_difference(treatment, control)
    half = 4.302652729911275 * 1.0 / math.sqrt(3)  # t(0.975, 2) and the spread of 1, 2, 3
    assert (interval.mean, interval.low, interval.high) == pytest.approx((2.0, 2.0 - half, 2.0 + half))


def test_pairs_must_match():
    with pytest.raises(ValueError, match="2 seeds cannot be paired with 1"):
        paired_difference([[1.0], [2.0]], [[1.0]])
    with pytest.raises(ValueError, match=r"shape \(2,\) cannot be paired with \(3,\)"):
        paired_difference([[1.0, 2.0]], [[1.0, 2.0, 3.0]])


def test_bootstrap_agrees_with_t_and_its_seed_fixes_it():
    values = np.random.default_rng(8).normal(1.0, 1.0, 400)
    interval = bootstrap_interval([values], seed=4)
    assert interval == bootstrap_interval([values], seed=4)
    assert interval != bootstrap_interval([values], seed=5)
    assert interval[1:3] == pytest.approx(t_interval(values)[1:3], abs=0.02)


def test_bootstrap_keeps_its_strata_apart():
    low, high = np.zeros(5), np.ones(50)
    interval = bootstrap_interval([low, high], seed=1)
    assert interval.low == interval.high == interval.mean == pytest.approx(50 / 55)


@pytest.mark.parametrize("strata", [{1: [1, 2], 2: [3, 4]}, {1, 2}, 3.0, np.array(3.0), "12", None])
def test_strata_without_an_order_are_refused(strata):
    with pytest.raises(ValueError, match=r"strata is .*expected a list with one array of numbers for each"):
        bootstrap_interval(strata, seed=0)
    with pytest.raises(ValueError, match=r"control is .*expected a list with one array of numbers for each"):
        paired_difference([[1, 2], [3, 4]], strata)


def test_numbers_are_no_strata():
    with pytest.raises(ValueError, match=r"strata has the number .*1\.0.* for stratum 0"):
        bootstrap_interval([1.0, 2.0, 3.0], seed=0)
    with pytest.raises(ValueError, match="is_learned is 'no', expected True or False"):
        paired_difference([[1.0, 2.0]], [[0.0, 1.0]], is_learned="no")


def test_sessions_are_the_units_without_training():
    rng = np.random.default_rng(2)
    ours = [rng.normal(1, 1, 50) for _ in range(3)]
    theirs = [np.zeros(50)] * 3
    interval = paired_difference(ours, theirs, is_learned=False)
    assert interval == t_interval(np.concatenate(ours))
    assert interval.n == 150


@pytest.mark.parametrize("level", ["a", None, 0.0, 1.0, True])
def test_every_interval_names_a_wrong_level(level):
    for call in (
        lambda: t_interval([1.0, 2.0], level),
        lambda: paired_difference([[1.0, 2.0]], [[0.0, 1.0]], level),
        lambda: bootstrap_interval([[1.0, 2.0]], seed=0, level=level),
    ):
        with pytest.raises(ValueError, match=f"level is {level!r}, expected a number between 0 and 1"):
            call()
