"""Metrics of what was shown, by hand and by drawing."""

from itertools import combinations

import numpy as np
import pytest

from recgym.evaluate import coverage_at, groups_of, intra_list_diversity, novelty


def test_coverage_at_is_the_mean_over_all_parts():
    counts = np.array([3, 1, 0, 2])
    shown = np.repeat(np.arange(4), counts)
    parts = [len(set(part)) / 4 for part in combinations(shown, 3)]
    assert coverage_at(counts, 3) == pytest.approx(np.mean(parts), abs=1e-12)
    assert coverage_at(counts, 6) == pytest.approx(0.75)
    assert coverage_at(counts, 1) == pytest.approx(0.25)
    assert np.isnan(coverage_at(counts, 7))


def test_coverage_at_hardly_depends_on_the_number_of_sessions():
    rng = np.random.default_rng(0)
    share = rng.dirichlet(np.full(500, 0.3))
    few, many = (coverage_at(rng.multinomial(n, share), 1_000) for n in (2_000, 50_000))
    assert few == pytest.approx(many, abs=0.02)


def test_diversity_is_the_share_of_pairs_of_two_categories():
    category = [7, 7, 9, 4]
    assert intra_list_diversity([0, 1, 2], [3], category) == pytest.approx(2 / 3)
    assert intra_list_diversity([0, 1, 2, 3, 2, 0, 0], [2, 3, 2], category) == pytest.approx(
        (0 + 2 / 3 + 0) / 3
    )
    assert intra_list_diversity([2, 0, 3], [1, 2], category) == 1.0
    assert np.isnan(intra_list_diversity([2, 0], [1, 1], category))
    with pytest.raises(ValueError, match="sizes sum to 2, there are 3 items"):
        intra_list_diversity([0, 1, 2], [2], category)


def test_novelty_is_the_self_information_of_impressions():
    assert novelty([0, 0, 1, 2], [0.5, 0.25, 0.25]) == pytest.approx((1 + 1 + 2 + 2) / 4)
    assert novelty([2], [3.0, 1.0, 0.0]) == pytest.approx(2.0)  # as the least popular one
    assert np.isnan(novelty([], [1.0]))
    with pytest.raises(ValueError, match="items is 2 at index 0, it must be a whole number from 0 to 1"):
        novelty([2], [0.5, 0.5])


def test_groups_have_equal_weights():
    order, weight = [3.0, 1.0, 2.0, 4.0], [0.25] * 4
    assert groups_of(order, weight, 4).tolist() == [2, 0, 1, 3]
    assert groups_of(order, weight, 2).tolist() == [1, 0, 0, 1]
    assert groups_of([0.0, 1.0, 2.0], [0.1, 0.8, 0.1], 4).tolist() == [0, 2, 3]
    mass = np.random.default_rng(1).random(1_000)
    shares = np.bincount(groups_of(np.arange(1_000), mass, 4), mass) / mass.sum()
    assert shares == pytest.approx(np.full(4, 0.25), abs=2e-3)
