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
