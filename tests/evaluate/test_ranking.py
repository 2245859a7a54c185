"""Metrics of ranked lists: the worked input of docs/conventions.md, scikit-learn, refusals."""

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from recgym.evaluate import average_precision_at, ndcg_at, precision_at, recall_at

LIST = list("abcde")  # hits at ranks 2 and 5, or at rank 2
SEVEN, ONE = set("be12345"), {"b"}


def test_the_worked_input_has_the_textbooks_values():
    assert ndcg_at(LIST, SEVEN, 5) == pytest.approx(0.3452, abs=5e-5)
    assert ndcg_at(LIST, ONE, 5) == pytest.approx(0.6309, abs=5e-5)
    assert recall_at(LIST, SEVEN, 5) == pytest.approx(0.2857, abs=5e-5)
    assert (precision_at(LIST, SEVEN, 5), precision_at(LIST, ONE, 5)) == pytest.approx((0.4, 0.2))
    assert (average_precision_at(LIST, SEVEN, 5), average_precision_at(LIST, ONE, 5)) == pytest.approx(
        (0.18, 0.5)
    )


def test_the_discounted_gain_is_scikit_learns():
    rng = np.random.default_rng(0)
    for _ in range(20):
        order, relevant = rng.permutation(12), rng.choice(12, rng.integers(1, 9), replace=False)
        truth, scores = np.isin(np.arange(12), relevant), np.empty(12)
        scores[order] = -np.arange(12)
        assert ndcg_at(list(order), set(relevant), 5) == pytest.approx(ndcg_score([truth], [scores], k=5))


def test_a_list_shorter_than_k_lacks_positions():
    assert precision_at(["b"], ONE, 5) == 0.2
    assert ndcg_at(["b"], ONE, 5) == recall_at(["b"], ONE, 5) == 1.0
    assert ndcg_at([], ONE, 5) == 0.0


@pytest.mark.parametrize("metric", [ndcg_at, recall_at, precision_at, average_precision_at])
def test_what_has_no_value_is_refused(metric):
    with pytest.raises(ValueError, match="the ranked list has an item twice"):
        metric(list("aab"), ONE, 3)
    with pytest.raises(ValueError, match="no item is relevant, the metric is undefined"):
        metric(["a", "b"], (), 2)
    with pytest.raises(ValueError, match="k is 0, expected a whole number of at least 1"):
        metric(["a", "b"], ONE, 0)


@pytest.mark.parametrize(
    ("ranked", "relevant", "k", "message"),
    [
        ("abc", {"a"}, 3, "ranked is 'abc', expected a list of items"),
        (["a"], "item12", 2, "relevant is 'item12', expected the relevant items alone"),
        ([5, 1, 0], np.array([True, False, True]), 3, "relevant is array.*not a mask"),
        ([True, False], [1], 2, "ranked is .*not a mask"),
        ([[1], [2]], [1], 2, "ranked is .*expected one list of items"),
        ([1], [[1]], 2, "relevant is .*expected one list of items"),
        ([1], {1}, 10**12, "k is 1000000000000, expected a whole number from 1 to"),
    ],
)
@pytest.mark.parametrize("metric", [ndcg_at, recall_at, precision_at, average_precision_at])
def test_text_masks_and_nested_lists_are_no_items(metric, ranked, relevant, k, message):
    with pytest.raises(ValueError, match=message):
        metric(ranked, relevant, k)


def test_many_positions_need_no_memory():
    assert precision_at([1], {1}, 2_000_000_000) == 1 / 2_000_000_000
    assert ndcg_at([1], {1}, 2_000_000_000) == 1.0
