"""The spread of tastes: sums over pairs one by one, Mehler's formula by simulation, known tastes recovered."""

from itertools import combinations

import numpy as np
import pytest

from recgym import taste
from recgym.numerics import sigmoid
from recgym.taste import Rows, taste_spread


def sampled(sd: float, seed: int, users=3_000, rows=40_000, items=400, level=0.6, intercept=0.5) -> Rows:
    """Impressions of users with levels, tastes for 12 categories and a random intercept for each visit of two rows."""
    rng = np.random.default_rng(seed)
    visits = rows // 2
    visit = np.repeat(np.arange(visits), 2)
    user = rng.integers(users, size=visits)[visit]
    category = rng.integers(12, size=items)
    item = rng.integers(items, size=rows)
    x = rng.normal(0, level, users)[user] + rng.normal(0, 0.5, items)[item] - 0.3
    x += rng.normal(0, sd, (users, 12))[user, category[item]] + intercept * rng.normal(size=visits)[visit]
    return Rows(user, visit, item, category[item], (rng.random(rows) < sigmoid(x)).astype(np.float64))


@pytest.mark.parametrize("keys", taste._GROUPS)
def test_sums_over_pairs_are_those_of_a_loop(keys):
    rows = Rows(*(np.random.default_rng(k).integers(4, size=60) for k in range(4)), np.ones(60))
    terms = np.random.default_rng(9).normal(size=(2, 60))
    user = np.unique(rows.user, return_inverse=True)[1]
    group = taste._groups(user, [getattr(rows, key) for key in keys])
    expected = np.zeros((4, 2))
    for a, b in combinations(range(60), 2):
        if user[a] == user[b] and all(getattr(rows, key)[a] == getattr(rows, key)[b] for key in keys):
            expected[user[a]] += terms[:, a] * terms[:, b]
    np.testing.assert_allclose(taste._pair_sums(terms, user, group, 4), expected, atol=1e-12)


@pytest.mark.parametrize("mean", [-2.0, 0.3])
def test_the_covariance_of_flags_gives_the_covariance_of_logits(mean):
    shared, variance, rng = 0.5, 0.9, np.random.default_rng(3)
    common, own = np.sqrt(shared) * rng.normal(size=400_000), np.sqrt(variance - shared)
    chances = [sigmoid(mean + common + own * rng.normal(size=400_000)) for _ in range(2)]
    series = taste._derivatives(np.array([np.concatenate(chances).mean()]), variance)
    found = taste._shared_variance(np.array([np.cov(*chances)[0, 1]]), *(value**2 for value in series))
    assert found[0] == pytest.approx(shared, rel=0.04)


@pytest.mark.parametrize("sd", [0.25, 0.5, 1.0])
def test_known_tastes_and_levels_are_recovered(sd):
    found = [taste_spread(sampled(sd, seed, rows=120_000), 100, 0) for seed in range(3)]
    assert np.mean([each.taste for each in found]) == pytest.approx(sd, rel=0.15)
    assert np.mean([each.level for each in found]) == pytest.approx(0.6, rel=0.08)
    assert any(each.interval(0)[0] <= sd <= each.interval(0)[1] for each in found)


def test_random_intercepts_and_levels_are_not_tastes():
    found = taste_spread(sampled(0.0, 1, intercept=1.5), 100, 0)
    assert found.interval(0)[0] == 0.0
    assert found.taste < 0.2


@pytest.mark.slow
def test_intervals_cover_the_known_taste():
    inside = [
        low <= 0.3 <= high
        for low, high in (taste_spread(sampled(0.3, s), 200, 0).interval(0) for s in range(40))
    ]
    assert 0.85 <= np.mean(inside) <= 1.0  # 95 % nominal: fewer than 34 of 40 has chance .003


def test_too_few_pairs_show_nothing():
    rows = sampled(0.5, 0, rows=200)
    assert taste_spread(rows, 10, 0) is None


def test_users_and_items_may_be_numbered_in_any_way():
    rows = sampled(0.5, 4, rows=10_000)
    other = rows._replace(
        user=rows.user * 7 + 1_000_000, item=-rows.item, visit=rows.visit[::-1].max() - rows.visit
    )
    one, two = (taste_spread(each, 20, 0) for each in (rows, other))
    assert one.taste == pytest.approx(two.taste, abs=1e-9)
    assert one.pairs == two.pairs


def test_with_one_category_what_visits_share_is_the_level():
    rows = sampled(0.0, 2)
    found = taste_spread(rows._replace(category=np.zeros_like(rows.category)), 100, 0)
    assert found.level == pytest.approx(0.6, rel=0.08)
    assert found.taste == 0.0
