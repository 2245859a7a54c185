"""Arguments of evaluation that have no meaning are refused in one line that names them."""

import math

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, RidgeClassifier

from recgym import evaluate
from recgym.evaluate import t_quantile
from recgym.evaluate.aggregate import holm, iqm, iqm_interval, performance_profile, probability_of_improvement
from recgym.evaluate.metrics import coverage, exposure_counts, exposure_gini, response_rate, score
from recgym.evaluate.stats import bootstrap_interval, paired_difference, t_interval

HALF = [0.5, 0.5]
MASKED = np.ma.masked_array([1.0, 0.0, 1.0], [0, 1, 0])


def fit(**changes):
    given = {
        "features": np.zeros((20, 2)),
        "action": [0] * 20,
        "reward": np.arange(20),
        "action_features": np.eye(3),
    }
    return evaluate.cross_fit(**{**given, **changes})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: probability_of_improvement([[1, math.nan]], [[0, 1]]),
            "first, task 0 has a value that is not finite",
        ),
        (
            lambda: performance_profile([[1, math.nan]], [0.5]),
            "scores, task 0 has a value that is not finite",
        ),
        (lambda: performance_profile([], [0.5]), "scores: each task needs at least one score"),
        (lambda: iqm([1, math.inf]), "values has a value that is not finite"),
        (
            lambda: iqm_interval([[1, 2]], resamples=1),
            "resamples is 1, expected a whole number of at least 2",
        ),
        (lambda: t_interval([1, math.inf]), "values has a value that is not finite"),
        (lambda: t_interval([1e308, -1e308, 1e308]), "values has a value over 1e[+]100 in size"),
        (lambda: exposure_gini([1e308, 1e308, 0]), "counts has a value over 1e[+]100 in size"),
        (lambda: score(1e308, -1e308, 1e308), "a return has a value over 1e[+]100 in size"),
        (lambda: t_interval(MASKED), "values has masked values"),
        (lambda: t_interval([10**400, 1]), "values has a number of more than 1e308"),
        (lambda: bootstrap_interval([[1, 2]], lambda x: math.nan, seed=0), "statistic of a resample is nan"),
        (
            lambda: bootstrap_interval([[1, 2]], lambda x: x, seed=0),
            "statistic of a resample is .*, expected a finite",
        ),
        (lambda: evaluate.ips(MASKED, [0.5] * 3, [0.5] * 3), "reward has masked values"),
        (lambda: coverage([1, math.nan]), "counts has a value that is not finite"),
        (
            lambda: exposure_counts([0.9, 1.9], 3),
            "items is 0.9 at index 0, it must be a whole number from 0 to 2",
        ),
        (lambda: exposure_counts([0], 2.5), "num_items is 2.5, expected a whole number"),
        (lambda: exposure_gini([-1, 2]), "counts has the value -1, expected at least 0"),
        (lambda: response_rate(["a"], [1]), "responses must be an array of real numbers"),
        (lambda: score("2", 1, 3), "the returns must be an array of real numbers"),
        (lambda: score(None, 1, 3), "the returns must be an array of real numbers"),
        (lambda: holm({"a": "x"}), "the p-value of a is 'x', expected a number"),
        (lambda: holm([0.1]), "p_values is .* expected a mapping"),
        (lambda: t_quantile("a", 3), "p is 'a', expected a finite number"),
        (lambda: paired_difference([[]], [[]]), "cannot be paired"),
        (
            lambda: evaluate.ndcg_at([1, 2, 3], {2: 0, 3: 5}, 3),
            "relevant is .* expected the relevant items alone",
        ),
        (lambda: evaluate.ndcg_at({1, 2}, [1], 2), "ranked is .* expected a list of items"),
        (lambda: evaluate.ndcg_at(np.eye(2), [1], 2), "ranked is .* expected a list of items"),
        (lambda: evaluate.ndcg_at([1], None, 2), "relevant is None"),
        (
            lambda: evaluate.ips([1, 0], HALF, HALF, reward_range=1.0),
            "reward_range is 1.0, expected a smaller",
        ),
        (lambda: evaluate.ips([1, 0], HALF, HALF, reward_range="01"), "reward_range is '01'"),
        (lambda: evaluate.ips([1, 0], HALF, HALF, reward_range=()), r"reward_range is \(\)"),
        (lambda: evaluate.ips([1, 0], HALF, HALF, reward_range=(0, 1, 2)), r"reward_range is \(0, 1, 2\)"),
        (
            lambda: evaluate.ips([1e-300, 0], HALF, HALF),
            "reward is 1e-300 at index 0, allowed: 0 or at least 1e-70",
        ),
        (
            lambda: evaluate.mips([1, 0], [0.25] * 4, [0.25] * 4, [0, 0, 1], action=[3, 0]),
            r"target \(4,\) must be \(n, A\) or \(A,\), here A is 3, the length of category, and n is 2",
        ),
        (
            lambda: evaluate.mips([1, 0], HALF, HALF, [0, math.inf], action=[0, 1]),
            "category is inf at index 1, it must be a whole number from 0 to",
        ),
        (
            lambda: evaluate.dr([1, 0], HALF, HALF, [1e200, 0], action=[0, 1]),
            "model is not finite at index 0, or over",
        ),
        (lambda: fit(model=RidgeClassifier()), "a classifier needs predict_proba"),
        (lambda: fit(model="tree"), "model is 'tree', expected a scikit-learn classifier or regressor"),
        (lambda: fit(model=LinearRegression), "expected a scikit-learn classifier or regressor"),
        (lambda: fit(group=[None, 1] * 10), "group has labels of several types"),
        (lambda: fit(at=np.zeros((20, 0))), r"at has shape \(20, 0\), expected \(n, m\)"),
        (lambda: fit(reward=np.full(20, 1e300)), "reward has a value that is not finite, or over 1e[+]70"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_arrays_of_seeds_and_sessions_are_paired():
    """The natural array, (seeds, sessions)."""
    found = paired_difference(np.ones((3, 4)) + np.arange(3)[:, None], np.ones((3, 4)))
    assert (found.mean, found.n) == (1.0, 3)


def test_lists_of_counts_are_counts():
    assert exposure_gini([4, 0]) == 0.5
    assert coverage([4, 0]) == 0.5
    assert math.isnan(exposure_gini([0, 0]))
