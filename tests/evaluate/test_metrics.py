"""Metrics of sessions, by hand."""

import math

import numpy as np
import pytest

from recgym.evaluate import (
    coverage,
    exposure_counts,
    exposure_gini,
    paired_score,
    score,
)
from recgym.evaluate.metrics import response_rate
from recgym.evaluate.stats import t_interval


def test_score_runs_from_random_to_oracle_plan():
    assert score(1.0, 1.0, 3.0).value == 0.0
    assert score(3.0, 1.0, 3.0).value == 1.0
    assert score(0.0, 1.0, 3.0).value == -0.5
    above = score(4.0, 1.0, 3.0)
    assert above.value == 1.5
    assert above.is_above_oracle_plan
    assert above.note == "above oracle-plan"


@pytest.mark.parametrize(("random", "plan"), [(10.0, 10.4), (-10.0, -9.6), (1.0, 0.5), (0.0, 0.0)])
def test_score_is_undefined_if_planning_gains_nothing(random, plan):
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
    with pytest.raises(ValueError, match="items is 4 at index 0, it must be a whole number from 0 to 3"):
        exposure_counts([4], 4)


def test_response_rate_pools_sessions():
    assert response_rate([1, 0], [1, 9]) == 0.1
    assert math.isnan(response_rate([0], [0]))


def test_a_catalogue_without_items_has_no_coverage():
    with pytest.raises(ValueError, match="counts is empty"):
        coverage(np.zeros(0, np.int64))


def test_a_score_has_the_interval_of_a_ratio():
    """By the delta method; with an exact reference it is the interval of the mean, rescaled."""
    agent = np.array([1.2, 1.6, 1.4, 1.9])
    exact = paired_score(agent, np.ones(4), np.full(4, 3.0))
    own = t_interval(agent)
    assert (exact.low, exact.high) == pytest.approx(((own.low - 1) / 2, (own.high - 1) / 2))
    assert exact.value == score(agent.mean(), 1.0, 3.0).value
    assert paired_score([1.5], [1.0], [3.0]).low is None
    assert paired_score([1.5, 1.6], [1.0, 1.1], [1.0, 1.1]).low is None
    with pytest.raises(ValueError, match=r"shapes \(2,\), \(1,\) and \(1,\) cannot be paired"):
        paired_score([1, 2], [1], [1])
    with pytest.raises(ValueError, match=r"shapes \(2, 3\), \(3, 2\) and \(6, 1\) cannot be paired"):
        paired_score(np.arange(6.0).reshape(2, 3), np.zeros((3, 2)), np.full((6, 1), 9.0))
    with pytest.raises(ValueError, match=r"agent is \[1, 2\].*expected one mean return"):
        score([1, 2], [0, 0], [3, 3])


def test_the_interval_of_a_score_covers():
    """Three noisy agents that share the users of a seed; 92-97 % are aimed at, +- 3 errors."""
    rng, covered, repetitions = np.random.default_rng(6), 0, 1_000
    for _ in range(repetitions):
        users = rng.normal(0, 0.5, 10)
        agent, random, plan = (mean + users + rng.normal(0, 0.3, 10) for mean in (2.0, 1.0, 3.5))
        found = paired_score(agent, random, plan)
        covered += found.low < 0.4 < found.high
    low, high = (p + s * 3 * np.sqrt(p * (1 - p) / repetitions) for p, s in ((0.92, -1), (0.97, 1)))
    assert low < covered / repetitions < high
