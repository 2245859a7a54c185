"""Logistic regression with effects: at the optimum also where users and items are many and rare."""

import numpy as np

from recgym.fit.logistic import Side, fit_logistic


def test_many_rare_effects_fulfil_the_score_equations():
    rng = np.random.default_rng(0)
    rows, users, items = 40_000, 8_000, 800
    user, item = rng.integers(users, size=rows), np.minimum(rng.geometric(0.01, rows) - 1, items - 1)
    table, weight = rng.normal(size=(items, 4)).astype(np.float32), rng.uniform(0.5, 1.5, rows)
    logit = -2 + rng.normal(size=users)[user] + rng.normal(size=items)[item]
    flag = (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype(float)
    nothing = np.zeros((rows, 0))
    sides = [
        Side(user, np.zeros((users, 0), np.float32), 1.0, np.inf),
        Side(item, table, 2.0, 30.0),
        Side(item % 7, table[:7], np.inf, np.inf),
    ]
    found = fit_logistic(flag, nothing, sides, weight)
    miss = weight * (flag - 1 / (1 + np.exp(-found.logits(nothing, [side.which for side in sides]))))
    of_user, of_item = np.bincount(user, miss, users), np.bincount(item, miss, items)
    np.testing.assert_allclose(found.effects[0], of_user, atol=0.01)
    np.testing.assert_allclose(found.effects[1], of_item / 2 + table @ (table.T @ of_item) / 30, atol=0.01)
    assert not found.effects[2].any()
    assert abs(miss.sum()) < 0.05


def test_an_input_of_zeros_has_no_slope_and_moves_nothing():
    rng = np.random.default_rng(1)
    x, item = rng.normal(size=(500, 1)), rng.integers(5, size=500)
    flag = (rng.random(500) < 1 / (1 + np.exp(-x[:, 0]))).astype(float)
    sides = [Side(item, np.zeros((5, 0), np.float32), 1.0, np.inf)]
    found = fit_logistic(flag, np.column_stack([x, np.zeros(500)]), sides)
    alone = fit_logistic(flag, x, sides)
    assert found.slopes[1] == 0.0
    np.testing.assert_allclose([found.bias, found.slopes[0]], [alone.bias, alone.slopes[0]], rtol=1e-4)
    np.testing.assert_allclose(found.effects[0], alone.effects[0], atol=1e-4)
