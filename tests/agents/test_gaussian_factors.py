"""The model of matrix factorisation against trusted regressions, a Kalman filter and a world that it drew itself."""

from typing import NamedTuple

import numpy as np
import pytest
from scipy import sparse
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import DotProduct
from sklearn.linear_model import BayesianRidge, Ridge

from agents.factors.gaussian_factors import Beliefs, GaussianFactors
from agents.past_rewards import RewardSums

NUM_ITEMS, RANK = 12, 3


def model_of(seed=0, num_users=5, num_items=NUM_ITEMS, rank=RANK):
    """A model with random items, whose users are not yet known."""
    rng = np.random.default_rng(seed)
    model = GaussianFactors(rng.integers(0, 3, num_items), num_users, rank, rng)
    model.items[:] = rng.normal(size=model.items.shape)
    model.noise[:] = 0.3
    return model, rng


def rows_of(rng, num_visits, each=9, num_items=NUM_ITEMS):
    """Rows of sessions: session, item and reward; items may be shown again."""
    session = np.repeat(np.arange(num_visits), each)
    return session, rng.integers(0, num_items, len(session)), rng.random(len(session))


def test_a_visits_posterior_is_a_bayesian_linear_regression():
    """Mean: scikit-learn's ridge regression; spread of every item's reward: its Gaussian process with that kernel."""
    model, rng = model_of()
    session, item, reward = rows_of(rng, 4)
    found = model.posterior(np.zeros(4, int), RewardSums.of(session, item, reward, (4, NUM_ITEMS)))
    bias, w = model.items[:, 0], model.items[:, 1:]
    for v in range(4):
        x, y = w[item[session == v]], (reward - bias[item])[session == v]
        ridge = Ridge(alpha=float(model.noise[0]), fit_intercept=False).fit(x, y)
        np.testing.assert_allclose(found.mean[v], ridge.coef_, atol=1e-9)
        kernel = DotProduct(sigma_0=0.0, sigma_0_bounds="fixed")
        process = GaussianProcessRegressor(kernel, alpha=float(model.noise[0]), optimizer=None).fit(x, y)
        mean, deviation = process.predict(w, return_std=True)
        np.testing.assert_allclose(w @ found.mean[v], mean, atol=1e-9)
        np.testing.assert_allclose(
            np.einsum("ni,ij,nj->n", w, found.covariance[v], w), deviation**2, atol=1e-9
        )


def test_its_posterior_is_scikit_learns_bayesian_ridge_at_the_same_penalties():
    model, rng = model_of(1)
    x, y = rng.normal(size=(400, RANK)), rng.normal(size=400)
    theirs = BayesianRidge(fit_intercept=False, tol=1e-12).fit(x, y)
    model = GaussianFactors(np.zeros(400, int), 1, RANK, rng)
    model.items[:, 1:], model.items[:, 0] = x * np.sqrt(1.0 / theirs.lambda_), 0.0
    model.noise[:] = 1.0 / theirs.alpha_
    rows = np.arange(400)
    found = model.posterior(np.zeros(1, int), RewardSums.of(0 * rows, rows, y, (1, 400)))
    np.testing.assert_allclose(found.mean[0] / np.sqrt(theirs.lambda_), theirs.coef_, atol=1e-6)
    np.testing.assert_allclose(found.covariance[0] / theirs.lambda_, theirs.sigma_, atol=1e-6)


def test_every_response_updates_as_a_kalman_filter_does():
    """From the prior of a user who is known from other sessions, and whose features have a prior mean."""
    model, rng = model_of(2)
    before = RewardSums.of(*rows_of(rng, 6), (6, NUM_ITEMS))
    model.by_features[:] = rng.normal(size=model.by_features.shape)
    model.absorb(
        np.array([0, 0, 0, 1, 1, 2]), Beliefs(np.zeros((6, RANK)), np.zeros((6, RANK, RANK))), before
    )
    users = np.arange(4)
    mean, covariance = model.prior(users)
    assert np.ptp(mean, axis=0).min() > 0.1
    session, item, reward = rows_of(rng, 4)
    for user in users:
        rows = np.flatnonzero(session == user)
        for count, row in enumerate(rows, start=1):
            w, error = model.items[item[row], 1:], reward[row] - model.items[item[row], 0]
            gain = covariance[user] @ w / (model.noise[0] + w @ covariance[user] @ w)
            mean[user] += gain * (error - w @ mean[user])
            covariance[user] -= np.outer(gain, w @ covariance[user])
            seen = rows[:count]
            sessions = RewardSums.of(0 * seen, item[seen], reward[seen], (1, NUM_ITEMS))
            found = model.posterior(users[[user]], sessions)
            np.testing.assert_allclose(found.mean[0], mean[user], atol=1e-9)
            np.testing.assert_allclose(found.covariance[0], covariance[user], atol=1e-9)


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_what_other_visits_say_is_that_of_the_joint_normal(share):
    """A user's three sessions in one normal distribution of all that is unknown, conditioned on the first two."""
    model, rng = model_of(3, num_users=1)
    model.share[:] = share
    session, item, reward = rows_of(rng, 2)
    sessions = RewardSums.of(session, item, reward, (2, NUM_ITEMS))
    beliefs = model.posterior(np.zeros(2, int), sessions)
    model.absorb(np.zeros(2, int), beliefs, sessions)
    found = model.prior(np.zeros(1, int))
    scatter = np.kron(np.full((3, 3), share) + (1 - share) * np.eye(3), np.eye(RANK))  # of u_1, u_2, u_3
    design = np.zeros((len(session), 3 * RANK))
    for row, v in enumerate(session):
        design[row, v * RANK : (v + 1) * RANK] = model.items[item[row], 1:]
    both = design @ scatter @ design.T + model.noise[0] * np.eye(len(session))
    gain = scatter @ design.T @ np.linalg.inv(both)
    mean, covariance = gain @ (reward - model.items[item, 0]), scatter - gain @ design @ scatter
    np.testing.assert_allclose(found.mean[0], mean[-RANK:], atol=1e-9)
    np.testing.assert_allclose(found.covariance[0], covariance[-RANK:, -RANK:], atol=1e-9)
    precision, scaled_mean = (part[0] for part in model.prior_system(np.zeros(1, int)))
    np.testing.assert_allclose(precision @ found.covariance[0], np.eye(RANK), atol=1e-9)
    np.testing.assert_allclose(scaled_mean, precision @ found.mean[0], atol=1e-9)


def test_an_items_posterior_is_a_ridge_regression_on_the_visits():
    model, rng = model_of(4)
    session, item, reward = rows_of(rng, 30)
    vectors = rng.normal(size=(30, RANK))
    certain = Beliefs(vectors, np.zeros((30, RANK, RANK)))
    model.centre[:] = rng.normal(size=model.centre.shape)
    model.spread[:] = [0.5, 1.0, 2.0, 3.0]
    model.sums.add(certain, RewardSums.of(session, item, reward, (30, NUM_ITEMS)))
    model.solve()
    for a in range(NUM_ITEMS):
        rows, centre, root = item == a, model.centre[model.category[a]], np.sqrt(model.spread)
        x = np.column_stack([np.ones(30), vectors])[session[rows]]
        ridge = Ridge(alpha=float(model.noise[0]), fit_intercept=False).fit(
            x * root, reward[rows] - x @ centre
        )
        np.testing.assert_allclose(model.items[a], centre + root * ridge.coef_, atol=1e-9)


class Rows(NamedTuple):
    session: np.ndarray
    item: np.ndarray
    reward: np.ndarray
    items: np.ndarray  # (N, D) that drew them


def drawn_world(rng, num_visits=3_000, num_items=40, rank=2, share=0.7):
    """Rewards drawn from the model: users with features, three sessions each, half of the items shown in each."""
    num_users = num_visits // 3
    users = np.repeat(np.arange(num_users), 3)
    features = rng.choice([-1.0, 1.0], (num_users, 1))
    lasting = features * np.array([1.0, -1.0]) + np.sqrt(share) * rng.normal(size=(num_users, rank))
    u = lasting[users] + np.sqrt(1 - share) * rng.normal(size=(num_visits, rank))
    category = np.arange(num_items) % 4
    centre = rng.normal(0.0, 0.15, (4, rank + 1))
    items = centre[category] + rng.normal(0.0, 0.15, (num_items, rank + 1))
    items[:, 0] += 0.5
    truth = items[:, 0] + u @ items[:, 1:].T
    is_shown = rng.random(truth.shape) < 0.5
    session, item = np.nonzero(is_shown)
    reward = truth[session, item] + 0.2 * rng.normal(size=len(session))
    return users, features, category, truth, Rows(session, item, reward, items)


def test_it_recovers_the_world_that_it_assumes():
    """Noise, share of a user's scatter that stays, rewards of items not shown, and of users known by features alone."""
    rng = np.random.default_rng(5)
    users, features, category, truth, (session, item, reward, _) = drawn_world(rng)
    known = session < 2_700
    model = GaussianFactors(category, len(features), 4, rng)
    sessions = RewardSums.of(session[known], item[known], reward[known], (2_700, 40))
    model.fit(users[:2_700], sessions, features, 40, rng)
    assert np.sqrt(model.noise[0]) == pytest.approx(0.2, abs=0.01)
    assert model.share[0] == pytest.approx(0.7, abs=0.08)

    def explained(mean, rows):
        error = model.items[:, 0] + mean @ model.items[:, 1:].T - truth[rows]
        return 1.0 - error.var() / truth[rows].var()

    new = np.arange(2_700, 3_000)
    assert explained(model.prior(users[new]).mean, new) > 0.55
    rows = ~known
    seen = RewardSums.of(session[rows] - 2_700, item[rows], reward[rows], (300, 40))
    assert explained(model.posterior(users[new], seen).mean, new) > 0.9
    nobody = np.zeros_like(features)
    model.fit(users[:2_700], sessions, nobody, 40, rng)
    assert abs(explained(model.prior(users[new]).mean, new)) < 0.35


def test_the_fit_explains_the_rewards_as_well_as_what_drew_them():
    """Log density of the rewards with all vectors of users and sessions integrated out, against that of the truth."""
    rng = np.random.default_rng(6)
    users, features, category, _, rows = drawn_world(rng, 150, 10)
    model, true = (GaussianFactors(category, len(features), 2, rng) for _ in range(2))
    true.items, true.by_features = rows.items, features * np.array([1.0, -1.0])
    true.noise[:], true.share[:] = 0.04, 0.7
    session, item, reward = rows[:3]

    def density(model):
        same = users[session][:, None] == users[session][None]
        now = session[:, None] == session[None]
        w = model.items[item, 1:]
        scatter = (w @ w.T) * (model.share[0] * same + (1 - model.share[0]) * now)
        scatter += model.noise[0] * np.eye(len(session))
        error = reward - model.items[item, 0] - (w * model.by_features[users[session]]).sum(axis=1)
        return -0.5 * (np.linalg.slogdet(scatter)[1] + error @ np.linalg.solve(scatter, error))

    model.fit(users, RewardSums.of(session, item, reward, (150, 10)), features, 2, np.random.default_rng(7))
    early = density(model)
    model.fit(users, RewardSums.of(session, item, reward, (150, 10)), features, 30, np.random.default_rng(7))
    assert early + 20 < density(true) < density(model) < density(true) + 33  # as many numbers are fitted


def test_sums_add_up_rows_of_one_item():
    sessions = RewardSums.of(np.array([0, 0, 1]), np.array([2, 2, 0]), np.array([0.5, 1.0, 0.25]), (2, 3))
    np.testing.assert_array_equal(sessions.shown.toarray(), [[0, 0, 2], [1, 0, 0]])
    np.testing.assert_array_equal(sessions.rewards.toarray(), [[0, 0, 1.5], [0.25, 0, 0]])
    assert sessions.squares == 0.25 + 1.0 + 0.0625
    assert isinstance(sessions.shown, sparse.csr_array)
