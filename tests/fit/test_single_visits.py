"""Users with one visit each: the random intercept of the visit is the level of the user, known from the user's rows."""

import numpy as np
import pandas as pd
import pytest
import torch

from recgym.fit import FitConfig
from recgym.fit.dataset import make_dataset
from recgym.fit.recipe_impressions import fit_impressions, population_words
from recgym.fit.response_model import fit_response
from recgym.fit.single_visits import has_single_visits, levels_of, with_rows_held_out
from recgym.logs import Log
from recgym.logs.fingerprint import row_numbers
from recgym.logs.splits import TEST, TRAIN, VALIDATION
from recgym.numerics import sigmoid

SD = 1.2  # of users' levels [logits]


def ratings(users=240, rows=16, items=20):
    """Frame of one visit a user, and the true levels (U,)."""
    rng = np.random.default_rng(1)
    level = rng.normal(0.0, SD, users)
    user, item = np.repeat(np.arange(users), rows), rng.integers(items, size=users * rows)
    click = rng.random(len(user)) < sigmoid(level[user] + rng.normal(0.0, 0.5, items)[item] - 0.5)
    frame = pd.DataFrame({"user": user, "item": item, "click": click.astype(int)})
    return frame.drop_duplicates(["user", "item"]), level


def dataset_of(frame):
    log = Log.from_pandas(frame, domain="content")
    return make_dataset(log, FitConfig(dim=2), positives_only=False), np.array(log.users["id"].to_pylist())


def test_levels_are_those_of_largest_posterior_density():
    frame, _ = ratings(users=60)
    dataset, _ = dataset_of(frame)
    x = np.full(len(dataset.item), -0.5)
    found = levels_of(dataset, dataset.known, x, SD)
    for user in range(0, 60, 7):
        flag = dataset.positive[dataset.known & (dataset.user == user)].astype(float)
        grid = np.linspace(-4, 4, 8_001)
        density = flag.sum() * (grid - 0.5) - len(flag) * np.logaddexp(0, grid - 0.5) - grid**2 / (2 * SD**2)
        assert found.mean[user] == pytest.approx(grid[density.argmax()], abs=2e-3)
        curvature = -np.gradient(np.gradient(density, grid), grid)[density.argmax()]
        assert found.variance[user] == pytest.approx(1.0 / curvature, rel=0.01)
    unknown = levels_of(dataset, np.zeros(len(x), bool), x, SD)
    assert (unknown.mean == 0).all()
    np.testing.assert_allclose(unknown.variance, SD**2)


def test_users_with_two_visits_are_not_single():
    frame, _ = ratings(users=30)
    assert has_single_visits(dataset_of(frame)[0])
    assert not has_single_visits(dataset_of(frame.assign(session=frame["user"] * 2 + frame["item"] % 2))[0])


@pytest.mark.slow
def test_a_fit_to_ratings_knows_the_levels_of_its_users():
    frame, level = ratings()
    dataset, ids = dataset_of(frame)
    config = FitConfig(dim=2, steps=20, drift=False)
    found = fit_response(dataset, config, 0, torch.device("cpu"), lambda *_: None)[0]
    with torch.no_grad():
        mean = found.scale * found.model.terms().user_bias.double().numpy()
    past = np.bincount(dataset.user[dataset.known], minlength=dataset.num_users) > 0
    true = level[ids.astype(int)[dataset.user_row]]
    print(f"sd {found.single_visits_sd:.2f}, correlation {np.corrcoef(mean[past], true[past])[0, 1]:.2f}")
    assert found.random_intercept_sd == 0.0
    assert found.single_visits_sd == pytest.approx(SD, rel=0.25)
    assert np.corrcoef(mean[past], true[past])[0, 1] > 0.75
    whole = (mean[past] ** 2).mean() + found.variance.level[past].mean()
    assert whole == pytest.approx(SD**2, rel=0.3)
    np.testing.assert_array_equal(mean[~past], 0.0)  # whose visit is the test's
    np.testing.assert_allclose(found.variance.level[~past], found.single_visits_sd**2)
    assert "from the one visit that each has" in population_words(found)


def test_rows_of_records_are_held_out_in_place_of_users():
    dataset, _ = dataset_of(ratings(users=60)[0])
    found = with_rows_held_out(dataset)
    parts = [
        (found.user[rows], found.item[rows], found.positive[rows]) for rows in (found.known, ~found.known)
    ]
    for rows, part in zip((dataset.known, ~dataset.known), parts, strict=True):
        one = sorted(zip(dataset.user[rows], dataset.item[rows], dataset.positive[rows], strict=True))
        assert one == sorted(zip(*part, strict=True))
    period, users = found.row_period, {}
    for k in (TRAIN, VALIDATION, TEST):
        users[k] = set(found.user[period == k].tolist())
    assert users[VALIDATION] <= users[TRAIN] == set(dataset.user[dataset.known].tolist())
    assert not users[TEST] & users[TRAIN]
    assert (period[found.known] == VALIDATION).mean() == pytest.approx(0.2, abs=0.05)
    assert not found.ordered.any()
    assert found.has_records


@pytest.mark.slow
def test_a_fit_to_ratings_without_times_learns_levels_of_users_from_rows_held_out():
    frame, level = ratings()
    frame = frame.assign(rating=1 + 4 * frame["click"]).drop(columns="click")
    log = Log.from_pandas(frame, domain="content")
    world = fit_impressions(log, "w", FitConfig(dim=2, steps=20), 0, torch.device("cpu"), lambda *_: None)
    assert world.params["mood"] == 0.0
    known = np.array(log.users["id"].to_pylist()).astype(int)[
        row_numbers(world.card["identity"]["user_rows"])
    ]
    mean, sd = world.arrays.user_bias, world.posterior.user_bias
    past = mean != 0.0
    assert np.corrcoef(mean[past], level[known][past])[0, 1] > 0.75
    assert (mean[past] ** 2).mean() + (sd[past] ** 2).mean() == pytest.approx(SD**2, rel=0.3)
