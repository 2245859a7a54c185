"""Ridge regression against scikit-learn."""

import numpy as np
import pytest
from learners import sklearn_ridge

from agents.bandits.ridge import Design, Disjoint, Shared


@pytest.mark.parametrize("weight", [1.0, 0.25])
def test_disjoint_ridge_is_scikit_learns(weight):
    rng = np.random.default_rng(0)
    x, arms, y = rng.normal(size=(3_000, 7)), rng.integers(5, size=3_000), rng.random(3_000)
    model = Disjoint(6, 7, 2.0)
    for rows in np.array_split(np.arange(3_000), 11):
        model.update(arms[rows], x[rows], y[rows], weight)
    fresh = rng.normal(size=(4, 7))
    for a in range(5):
        mine = arms == a
        w = sklearn_ridge(x[mine], y[mine], 2.0, weight)
        np.testing.assert_allclose(model.weights[a], w, atol=1e-9)
        precision = 2.0 * np.eye(7) + weight * x[mine].T @ x[mine]
        expected = np.einsum("bi,ij,bj->b", fresh, np.linalg.inv(precision), fresh)
        np.testing.assert_allclose(model.variance(fresh)[:, a], expected, atol=1e-12)
        np.testing.assert_allclose(model.mean(fresh)[:, a], fresh @ w, atol=1e-8)
        misfit = weight * y[mine] @ y[mine] - w @ precision @ w  # Riquelme et al. (2018), twice b_t less b_0
        assert model.misfit[a] == pytest.approx(misfit, rel=1e-8)
        assert model.rows[a] == pytest.approx(weight * mine.sum())
    np.testing.assert_array_equal(model.weights[5], np.zeros(7))  # never pulled: the prior
    np.testing.assert_allclose(model.variance(fresh)[:, 5], (fresh**2).sum(axis=1) / 2.0)


def test_a_hundred_thousand_updates_keep_their_digits():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(100_000, 6)) * [1, 1, 1, 1, 1e-2, 10], rng.random(100_000)
    model = Disjoint(1, 6, 1.0)
    model.update(np.zeros(100_000, np.int64), x, y)
    np.testing.assert_allclose(model.weights[0], sklearn_ridge(x, y, 1.0), atol=1e-6)


@pytest.mark.parametrize("weight", [1.0, 0.25])
def test_shared_ridge_is_scikit_learns(weight):
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2_000, 9)), rng.random(2_000)
    model = Shared(9, 0.5)
    for rows in np.split(np.arange(2_000), [1, 2, 700, 1_300]):
        model.update(x[rows], y[rows], weight)
    precision = 0.5 * np.eye(9) + weight * x.T @ x
    w = sklearn_ridge(x, y, 0.5, weight)
    np.testing.assert_allclose(model.weights, w, atol=1e-9)
    np.testing.assert_allclose(model.inverse, np.linalg.inv(precision), atol=1e-12)
    assert model.misfit[0] == pytest.approx(weight * y @ y - w @ precision @ w, rel=1e-8)


def test_a_design_is_its_features_written_out():
    rng = np.random.default_rng(3)
    design = Design(rng.normal(size=(5, 3)), rng.normal(size=(4, 2)), rng.normal(size=(5, 4, 3)))
    whole = np.array([[design.row(np.array([b]), np.array([a]))[0] for a in range(4)] for b in range(5)])
    vector, root = rng.normal(size=8), rng.normal(size=(8, 8))
    matrix = root @ root.T
    np.testing.assert_allclose(design.times(vector), whole @ vector, atol=1e-12)
    each = rng.normal(size=(5, 8))
    np.testing.assert_allclose(design.times(each), np.einsum("bad,bd->ba", whole, each), atol=1e-12)
    expected = np.einsum("bai,ij,baj->ba", whole, matrix, whole)
    np.testing.assert_allclose(design.square(matrix), expected, atol=1e-10)


def test_shared_draws_have_the_posteriors_covariance():
    rng = np.random.default_rng(7)
    model = Shared(3, 1.0)
    model.update(rng.normal(size=(30, 3)), rng.random(30))
    draws = model.draw(np.random.default_rng(0), 200_000, 0.5)
    np.testing.assert_allclose(draws.mean(axis=0), model.weights, atol=0.003)
    np.testing.assert_allclose(np.cov(draws.T), 0.25 * model.inverse, atol=0.0005)
