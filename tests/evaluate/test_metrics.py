"""Metrics of sessions, by hand."""

import math

import numpy as np
import pytest

from recgym.evaluate import (
    coverage,
    exposure_counts,
    exposure_gini,
    score,
)
from recgym.evaluate.metrics import response_rate


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
    with pytest.raises(ValueError, match="outside 0 to 3"):
        exposure_counts([4], 4)


def test_response_rate_pools_sessions():
    assert response_rate([1, 0], [1, 9]) == 0.1
    assert math.isnan(response_rate([0], [0]))


def test_a_catalogue_without_items_has_no_coverage():
    with pytest.raises(ValueError, match="counts is empty"):
        coverage(np.zeros(0, np.int64))
