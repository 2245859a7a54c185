"""Cross-fitted reward models: an oracle of scikit-learn, no leak, and gains over no model."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LinearRegression, LogisticRegression

from recgym.evaluate import cross_fit, dr, ips


def bandit(n=3_000, seed=0):
    rng = np.random.default_rng(seed)
    x, action = rng.normal(size=(n, 2)), rng.integers(0, 3, n)
    rate = 1 / (1 + np.exp(-(np.stack([x[:, 0], x[:, 1], -x[:, 0]], axis=1) - 0.5)))
    return x, action, (rng.random(n) < rate[np.arange(n), action]).astype(float), rate


def test_predictions_are_those_of_the_model_fitted_on_the_other_folds():
    x, action, reward, _ = bandit(90)
    fold = np.arange(90) % 3  # as groups: one for each fold
    model = LinearRegression()
    predicted = cross_fit(x, action, reward, np.eye(3), model=model, group=fold)
    for k in range(3):
        others = fold != k
        model.fit(np.hstack([x, np.eye(3)[action]])[others], reward[others])
        for a in range(3):
            own = np.hstack([x[~others], np.tile(np.eye(3)[a], ((~others).sum(), 1))])
            assert predicted[~others, a] == pytest.approx(model.predict(own))


def test_single_actions_have_the_predictions_of_all():
    x, action, reward, _ = bandit(60)
    every = cross_fit(x, action, reward, np.eye(3), model=LinearRegression())
    some = cross_fit(
        x, action, reward, np.eye(3), model=LinearRegression(), at=np.stack([action, 2 - action], 1)
    )
    assert some == pytest.approx(
        np.stack([every[np.arange(60), action], every[np.arange(60), 2 - action]], 1)
    )


def test_a_round_is_not_in_its_own_model():
    x, action, reward, _ = bandit(60)
    model = LogisticRegression()
    before = cross_fit(x, action, reward, np.eye(3), model=model, seed=4)
    changed = reward.copy()
    changed[7] = 1 - changed[7]
    after = cross_fit(x, action, changed, np.eye(3), model=model, seed=4)
    same = (before == after).all(axis=1)
    assert same[7]
    assert not same.all()


def test_the_default_model_learns_the_rates_and_cuts_the_error():
    x, action, reward, rate = bandit()
    predicted = cross_fit(x, action, reward, np.eye(3))
    assert np.abs(predicted - rate).mean() < 0.5 * np.abs(reward.mean() - rate).mean()
    target = np.eye(3)[rate.argmax(axis=1)]
    robust = dr(reward, target, np.full(3, 1 / 3), predicted, action=action)
    plain = ips(reward, target, np.full(3, 1 / 3), action=action)
    assert robust.high - robust.low < 0.8 * (plain.high - plain.low)
    assert robust.low < rate.max(axis=1).mean() < robust.high


def test_graded_rewards_and_rewards_of_one_value_have_a_model():
    x, action, _, _ = bandit(200)
    graded = cross_fit(x, action, x[:, 0] + action, np.eye(3))
    assert (graded[:, 2] > graded[:, 0]).mean() > 0.9
    assert (cross_fit(x, action, np.zeros(200), np.eye(3)) == 0.0).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"group": [0] * 20}, "cross-fitting needs 3 groups of rounds, there are 1"),
        ({"at": [0, 1]}, r"at has shape \(2,\), expected \(n, m\), here n is 20"),
        ({"at": np.full((20, 1), 3)}, "at is 3 at index 0, it must be a whole number from 0 to 2"),
        ({"group": [0] * 4}, r"group has shape \(4,\), expected \(20,\)"),
        ({"action": [5] * 20}, "action is 5 at index 0, it must be a whole number from 0 to 2"),
        ({"action": [0] * 4}, "action has 4 rows, features has 20"),
        ({"features": np.zeros(20)}, r"features \(20,\), reward \(20,\), action_features \(3, 3\) must be"),
        ({"reward": np.full(20, np.nan)}, "reward has a value that is not finite"),
        ({"model": KMeans(2)}, r"model is KMeans.*, neither a classifier nor a regressor"),
        ({"model": IsolationForest()}, r"model is IsolationForest.*, neither a classifier nor a regressor"),
    ],
)
def test_wrong_arguments_are_refused_by_name(changes, message):
    x, action, reward, _ = bandit(20)
    given = {"features": x, "action": action, "reward": reward, "action_features": np.eye(3), **changes}
    with pytest.raises(ValueError, match=message):
        cross_fit(**given)
