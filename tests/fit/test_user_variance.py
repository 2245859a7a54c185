"""Users of a world that runs vary as those of its log: known levels and tastes, dense and sparse logs."""

from functools import cache

import numpy as np
import pytest
import torch

from recgym.fit import FitConfig
from recgym.fit.dataset import make_dataset
from recgym.fit.recipe_impressions import fit_impressions
from recgym.fit.user_variance import Means, means_of, user_variance
from recgym.logs.sample import sample_log
from recgym.sim.synthetic import synthetic
from recgym.taste import Rows, taste_spread

LEVEL = 0.7


def world_of(taste: float, users: int, seed=2):
    """A feed of six categories in which users differ in level and in tastes of this standard deviation."""
    rng = np.random.default_rng(seed)
    world = synthetic(1, domain="content", num_users=users, num_items=60, num_factors=6, num_categories=6)
    factors = np.eye(6)[world.arrays.category]
    return world.with_arrays(
        factors=factors, profile=taste * rng.normal(size=(users, 6)), push=0 * factors,
        user_bias=rng.normal(0, LEVEL, users), item_bias=rng.normal(0, 0.4, 60),
        user_cdf=np.arange(1, users + 1) / users, context_bias=0 * world.arrays.context_bias,
    ).with_params(sigma=0.0, mood=0.5, kappa=0.0, rho=0.0)  # fmt: skip


def run(world, sessions, seed, horizon):
    return sample_log(world, "random", sessions, seed=seed, horizon=horizon)


def fitted(world, sessions, horizon):
    """The world of a log of these sessions, whose users return equally often."""
    log = run(world, sessions, 5, horizon)
    world = fit_impressions(log, "x", FitConfig(), 0, torch.device("cpu"), lambda *_: None)
    return world.with_arrays(user_cdf=np.arange(1, world.num_users + 1) / world.num_users)


@cache
def spreads(taste):
    """The known world of these tastes, and how its users differ in the log of the world fitted to its log."""
    truth = world_of(taste, 400)
    return truth, spread_of(run(fitted(truth, 6_000, 12), 20_000, 7, 12))


def spread_of(log):
    category = np.array([hash(name) % 10**9 for name in log.items["category"].to_pylist()])
    item = log.column("item").astype(np.int64)
    flag = log.column("click").astype(np.float64)
    user, visit = (log.column(name).astype(np.int64) for name in ("user", "session"))
    return taste_spread(Rows(user, visit, item, category[item], flag), 20, 0)


def share_variance(log):
    user = np.unique(log.column("user"), return_inverse=True)[1]
    shown = np.bincount(user)
    return (np.bincount(user, log.column("click")) / shown)[shown > 2].var()


@pytest.mark.slow
@pytest.mark.parametrize("taste", [0.2, 0.5])
def test_a_world_that_runs_has_the_known_taste(taste):
    _truth, found = spreads(taste)
    assert found.taste == pytest.approx(taste, rel=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("taste", [0.2, 0.5])
def test_a_world_that_runs_has_the_known_level(taste):
    truth, found = spreads(taste)
    assert found.level == pytest.approx(truth.arrays.user_bias.std(), rel=0.08)


@pytest.mark.slow
def test_users_of_a_sparse_log_vary_as_known_when_the_world_runs():
    truth = world_of(0.0, 4_000)
    world = fitted(truth, 16_000, 3)
    alike = world.with_arrays(user_bias=world.arrays.user_bias)  # posterior means play
    expected, shrunk, *drawn = (
        share_variance(run(each, 60_000, 7, 3)) for each in (truth, alike, *map(world.drawn, range(4)))
    )
    found = np.mean(drawn)  # a draw of its 4,000 users has a standard error of 2 %
    print(f"variance of users' click share beside the known one: {found / expected - 1:+.1%}")
    assert found == pytest.approx(expected, rel=0.05)
    assert shrunk < 0.9 * expected


def small(taste):
    log = run(world_of(taste, 300), 3_000, 5, 12)
    return make_dataset(log, FitConfig(), positives_only=False)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_variances_are_what_the_means_lack_where_rows_say_nothing(share):
    dataset, rng = small(1.0), np.random.default_rng(1)
    users, width = dataset.num_users, len(dataset.items.categories)
    means = Means(share * rng.normal(size=users), share * rng.normal(size=(users, width)))
    found = user_variance(dataset, dataset.known, np.full(len(dataset.item), 30.0), means)
    np.testing.assert_allclose(found.taste, found.taste[0, 0])
    assert found.taste[0, 0] == pytest.approx(found.found.taste**2 - share**2, rel=0.2 if share else 1e-6)
    assert found.level[0] == pytest.approx(found.found.level**2 - share**2, rel=0.2 if share else 1e-6)


def test_users_with_fewer_rows_are_less_certain():
    dataset = small(1.0)
    nothing = Means(np.zeros(dataset.num_users), np.zeros((dataset.num_users, len(dataset.items.categories))))
    found = user_variance(dataset, dataset.known, np.zeros(len(dataset.item)), nothing)
    rows = np.bincount(dataset.user, minlength=dataset.num_users)
    assert np.corrcoef(rows, found.level)[0, 1] < -0.5


def test_tastes_without_means_have_the_whole_variance():
    dataset = small(1.0)
    nothing = Means(np.zeros(dataset.num_users), np.zeros((dataset.num_users, len(dataset.items.categories))))
    found = user_variance(dataset, dataset.known, np.zeros(len(dataset.item)), nothing)
    np.testing.assert_array_equal(found.taste, found.tastes.taste**2)


def test_users_who_are_alike_are_drawn_alike():
    dataset = small(0.0)
    nothing = Means(np.zeros(dataset.num_users), np.zeros((dataset.num_users, len(dataset.items.categories))))
    assert user_variance(dataset, dataset.known, np.zeros(len(dataset.item)), nothing).taste.shape[1] == 0


def test_the_means_of_a_world_are_split_into_level_and_taste():
    dataset, rng = small(0.5), np.random.default_rng(0)
    users, items = dataset.num_users, dataset.num_items
    bias, profile, factors = rng.normal(size=users), rng.normal(size=(users, 4)), rng.normal(size=(items, 4))
    found = means_of(dataset, bias, profile, factors)
    shown = dataset.items.exposure
    np.testing.assert_allclose(found.level, bias + profile @ (shown @ factors) / shown.sum(), atol=1e-9)
    weight = np.bincount(dataset.user[dataset.known], minlength=users)
    np.testing.assert_allclose(weight @ found.taste, 0.0, atol=1e-8)
