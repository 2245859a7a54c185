"""Posterior of users' levels: integrals over a grid, users with few and many rows, random intercepts of visits."""

import numpy as np
import pytest

from recgym.fit import FitConfig, user_levels
from recgym.fit.dataset import make_dataset
from recgym.fit.user_levels import posterior_levels
from recgym.logs import Log
from recgym.numerics import hermite_nodes, sigmoid


def dataset_of(users, visits, rows, sd, visit_sd, base=-1.0, seed=0):
    """A log in which users have `visits` visits of `rows` rows each, and the true levels in the order of its users."""
    import pandas as pd

    rng = np.random.default_rng(seed)
    level, visit = rng.normal(0.0, sd, users), np.repeat(np.arange(users * visits), rows)
    user = visit // visits
    x = base + level[user] + rng.normal(0.0, visit_sd, users * visits)[visit]
    frame = pd.DataFrame(
        {
            "user": user,
            "session": visit,
            "item": rng.integers(5, size=len(user)),
            "time": pd.to_datetime(1_600_000_000 + 5_000 * visit + np.arange(len(user)) % rows, unit="s"),
            "click": (rng.random(len(user)) < sigmoid(x)).astype(int),
        }
    )
    log = Log.from_pandas(frame, domain="content")
    dataset = make_dataset(log, FitConfig(), positives_only=False)
    return dataset, level[np.array(log.users["id"].to_pylist()).astype(int)[dataset.user_row]]


def test_mean_and_variance_are_integrals_over_levels_and_random_intercepts(monkeypatch):
    monkeypatch.setattr(user_levels, "ROWS", 10)  # several blocks
    dataset, _ = dataset_of(30, 3, 4, 0.8, 0.6)
    x, rows = np.full(len(dataset.item), -0.9), np.ones(len(dataset.item), bool)
    rows[::7] = False
    found = posterior_levels(dataset, rows, x, 0.8, 0.6)
    grid, (node, weight) = np.linspace(-5, 5, 2_001), hermite_nodes(31)
    for user in range(0, 30, 6):
        log_density = -(grid**2) / (2 * 0.8**2)
        for visit in np.unique(dataset.session[dataset.user == user]):
            flag = dataset.positive[rows & (dataset.session == visit)]
            p = sigmoid(-0.9 + grid[:, None] + 0.6 * node)
            log_density += np.log((p ** flag.sum() * (1 - p) ** (~flag).sum()) @ weight)
        density = np.exp(log_density - log_density.max())
        mean = (density @ grid) / density.sum()
        variance = density @ (grid - mean) ** 2 / density.sum()
        assert found.mean[user] == pytest.approx(mean, abs=2e-3)
        assert found.variance[user] == pytest.approx(variance, rel=5e-3)


@pytest.mark.parametrize(("visits", "rows"), [(1, 1), (2, 2), (8, 6)])
@pytest.mark.parametrize("sd", [0.4, 1.0])
def test_means_and_variances_sum_to_the_variance_of_levels(visits, rows, sd):
    dataset, level = dataset_of(4_000 // visits, visits, rows, sd, 0.5)
    x = np.full(len(dataset.item), -1.0)
    found = posterior_levels(dataset, np.ones(len(x), bool), x, sd, 0.5)
    assert (found.mean**2 + found.variance).mean() == pytest.approx(sd**2, rel=0.06)
    assert ((found.mean - level) ** 2).mean() == pytest.approx(found.variance.mean(), rel=0.15)


def test_a_user_without_rows_keeps_the_prior():
    dataset, _ = dataset_of(30, 2, 3, 0.8, 0.0)
    found = posterior_levels(
        dataset, np.zeros(len(dataset.item), bool), np.zeros(len(dataset.item)), 0.7, 0.5
    )
    np.testing.assert_allclose(found.mean, 0.0, atol=1e-12)
    np.testing.assert_allclose(found.variance, 0.49)
