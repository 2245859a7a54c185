"""FTRL-Proximal against its algorithm in plain Python, and against scikit-learn's logistic regression."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression

from agents.bandits.ftrl import Ftrl, Rates


class Plain:
    """Algorithm 1 of McMahan et al. (2013), with dictionaries, and the precisions of Chapelle and Li (2011)."""

    def __init__(self, alpha, beta, l1, l2):
        self.alpha, self.beta, self.l1, self.l2 = alpha, beta, l1, l2
        self.z, self.n, self.q, self.misfit = {}, {}, {}, [1.0]

    def weight(self, i):
        z, n = self.z.get(i, 0.0), self.n.get(i, 0.0)
        if abs(z) <= self.l1:
            return 0.0
        return -(z - math.copysign(self.l1, z)) / ((self.beta + math.sqrt(n)) / self.alpha + self.l2)

    def learn(self, row, y):
        weights = {i: self.weight(i) for i in row}
        p = 1.0 / (1.0 + math.exp(-sum(weights[i] * x for i, x in row.items())))
        self.misfit.append((y - p) ** 2 / (p * (1 - p)))
        for i, x in row.items():
            g = (p - y) * x
            n = self.n.get(i, 0.0)
            sigma = (math.sqrt(n + g * g) - math.sqrt(n)) / self.alpha
            self.z[i] = self.z.get(i, 0.0) + g - sigma * weights[i]
            self.n[i] = n + g * g
            self.q[i] = self.q.get(i, self.l2) + p * (1 - p) * x * x


@pytest.mark.parametrize("rates", [(0.1, 1.0, 0.0, 1.0), (0.5, 0.1, 0.2, 0.3)])
def test_it_is_the_algorithm_row_by_row(rates):
    rng, size = np.random.default_rng(0), 40
    index = np.array([rng.permutation(size)[:5] for _ in range(500)])
    x, y = rng.normal(size=(500, 5)), rng.random(500)
    x[rng.random(x.shape) < 0.2] = 0.0
    model, plain = Ftrl(size, Rates(*rates)), Plain(*rates)
    for part in (slice(0, 1), slice(1, 300), slice(300, 500)):
        model.update(index[part], x[part], y[part])
    for row in range(500):
        plain.learn({int(i): value for i, value in zip(index[row], x[row], strict=True)}, y[row])
    np.testing.assert_allclose(model.weights, [plain.weight(i) for i in range(size)], atol=1e-12)
    np.testing.assert_allclose(model.z, [plain.z[i] for i in range(size)], atol=1e-12)
    np.testing.assert_allclose(model.squares, [plain.n[i] for i in range(size)], atol=1e-12)
    np.testing.assert_allclose(model.precision, [plain.q[i] for i in range(size)], atol=1e-12)
    assert model.dispersion == pytest.approx(np.mean(plain.misfit))
    learnt = model.weights.copy()
    model.solve()
    np.testing.assert_allclose(model.weights, learnt, atol=1e-12)


def test_absolute_weights_are_penalised_to_zero():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2_000, 6))
    y = (x[:, 0] + 0.5 * rng.normal(size=2_000) > 0).astype(float)
    model = Ftrl(6, Rates(0.1, 1.0, 60.0, 1.0))
    model.update(np.tile(np.arange(6), (2_000, 1)), x, y)
    assert model.weights[0] > 0.2
    np.testing.assert_array_equal(model.weights[1:], 0.0)


def test_it_ranks_as_scikit_learns_logistic_regression():
    """Rows that a line separates, and rows of one-hot features; one pass over twenty thousand."""
    rng = np.random.default_rng(2)
    x, line = rng.normal(size=(20_000, 8)), rng.normal(size=8)
    model = Ftrl(8, Rates(0.5, 1.0, 0.0, 1.0))
    model.update(np.tile(np.arange(8), (20_000, 1)), x, (x @ line > 0).astype(float))
    theirs = LogisticRegression(fit_intercept=False).fit(x, x @ line > 0)
    new = rng.normal(size=(500, 8))
    assert spearmanr(new @ model.weights, theirs.decision_function(new)).statistic > 0.995
    chance, item = rng.uniform(0.05, 0.95, 30), rng.integers(0, 30, 20_000)
    y = (rng.random(20_000) < chance[item]).astype(float)
    model = Ftrl(30, Rates(0.5, 1.0, 0.0, 1.0))
    model.update(item[:, None], np.ones((20_000, 1)), y)
    theirs = LogisticRegression(fit_intercept=False).fit(np.eye(30)[item], y)
    assert spearmanr(model.weights, theirs.coef_[0]).statistic > 0.98


def test_its_precisions_are_the_curvature_at_the_optimum():
    """Variances of one-hot weights are the inverse of the diagonal of scikit-learn's Hessian."""
    rng = np.random.default_rng(3)
    item = rng.integers(0, 5, 50_000)
    y = (rng.random(50_000) < np.array([0.1, 0.3, 0.5, 0.7, 0.9])[item]).astype(float)
    model = Ftrl(5, Rates(0.5, 1.0, 0.0, 1.0))
    model.update(item[:, None], np.ones((50_000, 1)), y)
    p = LogisticRegression(fit_intercept=False).fit(np.eye(5)[item], y).predict_proba(np.eye(5))[:, 1]
    np.testing.assert_allclose(model.precision, 1.0 + np.bincount(item) * p * (1 - p), rtol=0.05)
    assert model.dispersion == pytest.approx(1.0, abs=0.03)
