import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from recgym.evaluate import (
    bootstrap_interval,
    coverage,
    exposure_counts,
    exposure_gini,
    ips,
    mean_se,
    paired_difference,
    score,
    snips,
    t_interval,
    t_quantile,
)
from recgym.evaluate.metrics import response_rate


@pytest.mark.parametrize("df", [1, 2, 3, 7, 19, 100, 5000])
@pytest.mark.parametrize("p", [0.01, 0.25, 0.5, 0.9, 0.975, 0.9995])
def test_t_quantile_is_scipys(p, df):
    assert t_quantile(p, df) == pytest.approx(scipy_stats.t.ppf(p, df), rel=1e-9, abs=1e-9)


def test_t_quantile_refuses_what_has_none():
    for p, df in ((0.0, 3), (1.0, 3), (0.5, 0)):
        with pytest.raises(ValueError, match="t_quantile needs"):
            t_quantile(p, df)


def test_t_interval_is_scipys():
    values = np.random.default_rng(5).normal(3.0, 2.0, 12)
    expected = scipy_stats.t.interval(0.95, 11, values.mean(), scipy_stats.sem(values))
    assert t_interval(values)[1:3] == pytest.approx(expected)
    assert mean_se(values) == pytest.approx((values.mean(), scipy_stats.sem(values)))


def test_one_value_has_a_mean_and_no_interval():
    interval = t_interval([2.0])
    assert interval.mean == 2.0
    assert all(math.isnan(value) for value in interval[1:4])


def test_pairing_takes_out_what_users_share():
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


def test_score_runs_from_random_to_oracle_plan():
    assert score(1.0, 1.0, 3.0).value == 0.0
    assert score(3.0, 1.0, 3.0).value == 1.0
    assert score(0.0, 1.0, 3.0).value == -0.5
    above = score(4.0, 1.0, 3.0)
    assert above.value == 1.5
    assert above.is_above_oracle_plan
    assert above.note == "above oracle-plan"


@pytest.mark.parametrize(("random", "plan"), [(10.0, 10.4), (-10.0, -9.6), (1.0, 0.5), (0.0, 0.0)])
def test_score_is_undefined_where_planning_gains_nothing(random, plan):
    assert score(random + 0.1, random, plan).value is None


def test_coverage_and_gini_on_counts_done_by_hand():
    counts = exposure_counts([0, 0, 0, 2], 4)
    assert counts.tolist() == [3, 0, 1, 0]
    assert coverage(counts) == 0.5
    assert exposure_gini(counts) == pytest.approx(
        0.625
    )  # mean absolute difference 1.25 over twice the mean, 2
    assert exposure_gini(np.full(7, 3)) == 0.0
    assert exposure_gini(np.array([0, 0, 0, 9])) == pytest.approx(0.75)
    with pytest.raises(ValueError, match="outside 0 to 3"):
        exposure_counts([4], 4)


def test_response_rate_pools_sessions():
    assert response_rate([1, 0], [1, 9]) == 0.1
    assert math.isnan(response_rate([0], [0]))


def test_ips_and_snips_closed_forms():
    reward, target, propensity = [1.0, 0.0, 3.0], [0.5, 0.2, 0.1], [0.25, 0.4, 0.5]
    w = np.array([2.0, 0.5, 0.2])
    plain, normalised = ips(reward, target, propensity), snips(reward, target, propensity)
    assert plain.value == pytest.approx(2.6 / 3)
    assert normalised.value == pytest.approx(2.6 / 2.7)
    residual = w * (np.array(reward) - 2.6 / 2.7)
    assert normalised.se == pytest.approx(np.sqrt(residual @ residual) / 2.7)
    assert plain.effective_sample_size == pytest.approx(2.7**2 / 4.29)
    assert plain.max_weight == 2.0


def test_snips_of_the_logging_policy_is_the_mean():
    reward = np.random.default_rng(1).normal(size=500)
    same = np.full(500, 0.3)
    for estimate in (ips(reward, same, same), snips(reward, same, same)):
        assert estimate.value == pytest.approx(reward.mean())
        assert estimate.effective_sample_size == pytest.approx(500)
        assert estimate.is_reliable


def test_estimates_cover_the_truth_of_a_bandit():
    logging, target, means = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6]), np.array([0.1, 0.5, 0.8])
    rng = np.random.default_rng(11)
    truth, covered = float(target @ means), {ips: 0, snips: 0}
    for _ in range(300):
        action = rng.choice(3, 400, p=logging)
        reward = (rng.random(400) < means[action]).astype(float)
        for estimator in covered:
            estimate = estimator(reward, target[action], logging[action])
            covered[estimator] += estimate.low < truth < estimate.high
    assert all(0.90 < count / 300 < 0.985 for count in covered.values())


def test_poor_overlap_is_told():
    target, propensity = np.full(500, 1e-4), np.full(500, 0.5)
    target[:3] = 1.0
    assert "poor overlap: 500 rounds are worth 3" in snips(np.ones(500), target, propensity).warning
    half = np.full(500, 0.25)  # the target spends half its time on what was never logged
    assert "average 0.500, not 1" in ips(np.ones(500), half, propensity).warning


def test_estimators_name_the_bad_row():
    with pytest.raises(ValueError, match=r"propensity is 0.0 in row 1, it must be in \(0, 1\]"):
        ips([1.0, 1.0], [0.5, 0.5], [0.5, 0.0])
    with pytest.raises(ValueError, match=r"target is 1.5 in row 0"):
        snips([1.0, 1.0], [1.5, 0.5], [0.5, 0.5])
    with pytest.raises(ValueError, match="one length"):
        snips([1.0], [0.5, 0.5], [0.5, 0.5])


def test_sessions_are_the_units_where_nothing_is_learned():
    rng = np.random.default_rng(2)
    ours = [rng.normal(1, 1, 50) for _ in range(3)]
    theirs = [np.zeros(50)] * 3
    interval = paired_difference(ours, theirs, is_learned=False)
    assert interval == t_interval(np.concatenate(ours))
    assert interval.n == 150
