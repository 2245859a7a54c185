"""Fitted Q evaluation against the closed form of a small decision process."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LogisticRegression

from recgym.evaluate import Steps, fitted_q, fqe, fqe_dr

STATES, ACTIONS, STEPS = 3, 2, 4
TARGET = np.array([[0.8, 0.2], [0.3, 0.7], [0.5, 0.5]])
LOGGING = np.array([[0.5, 0.5], [0.6, 0.4], [0.4, 0.6]])
REWARD = np.array([[0.1, 0.5], [0.7, 0.2], [0.4, 0.9]])  # probability of a reward of 1
MOVE = np.array(
    [
        [[0.6, 0.3, 0.1], [0.1, 0.5, 0.4]],
        [[0.2, 0.2, 0.6], [0.7, 0.2, 0.1]],
        [[0.3, 0.3, 0.4], [0.1, 0.1, 0.8]],
    ]
)
STAY = 0.8  # probability of a further step
START = np.array([0.5, 0.3, 0.2])


def exact(discount=1.0):
    """Value of a session of at most `STEPS` steps under the target policy, by backward induction."""
    value = np.zeros(STATES)
    for _ in range(STEPS):
        value = (TARGET * (REWARD + discount * STAY * MOVE @ value)).sum(axis=1)
    return float(START @ value)


def logged(sessions, seed):
    """Steps of sessions under the logging policy: state, step, action, reward and label."""
    rng = np.random.default_rng(seed)
    rows = []
    state, there = rng.choice(STATES, sessions, p=START), np.arange(sessions)
    for step in range(STEPS):
        action = (rng.random(len(there)) < LOGGING[state, 1]).astype(np.int64)
        reward = (rng.random(len(there)) < REWARD[state, action]).astype(float)
        rows.append(np.stack([there, np.full(len(there), step), state, action, reward], axis=1))
        state = (rng.random(len(there))[:, None] > MOVE[state, action].cumsum(axis=1)).sum(axis=1)
        stays = rng.random(len(there)) < STAY
        there, state = there[stays], state[stays]
    table = np.concatenate(rows)
    return table[np.lexsort((table[:, 1], table[:, 0]))].T


class Table(RegressorMixin, BaseEstimator):
    """Mean of y for each state, step and action: a regression without error of form."""

    def keys(self, x):
        return (x @ [40.0, 4.0, 0.0, 1.0]).astype(int)  # one number for each state, step and action

    def fit(self, x, y):
        total, count = np.bincount(self.keys(x), y, 200), np.bincount(self.keys(x), minlength=200)
        self.means_ = total / np.maximum(count, 1)
        return self

    def predict(self, x):
        return self.means_[self.keys(x)]


def fit(log, **options):
    session, step, state, action, reward = log
    state = state.astype(int)
    policy = np.tile(np.arange(ACTIONS), (len(state), 1)), TARGET[state]
    features = np.stack([state, step], axis=1)
    return fitted_q(
        Steps(features, action, reward, session), np.eye(ACTIONS), policy, **{"model": Table(), **options}
    )


def weights(log):
    state, action = log[2].astype(int), log[3].astype(int)
    return TARGET[state, action], LOGGING[state, action]


@pytest.mark.parametrize("discount", [1.0, 0.6])
def test_the_value_is_that_of_the_closed_form(discount):
    log = logged(20_000, 1)
    fitted = fit(log, discount=discount)
    assert fqe(fitted, log[4]).value == pytest.approx(exact(discount), abs=0.02)
    assert fqe_dr(fitted, log[4], *weights(log)).value == pytest.approx(exact(discount), abs=0.02)


def test_without_chance_the_value_is_exact():
    """Deterministic moves and rewards, every state and action seen in each fold: equal to 1e-12."""
    after = np.array([[1, 2], [2, 0], [0, 1]])
    rows, label = [], 0
    for _ in range(6):
        for begin in range(STATES):
            for path in np.ndindex(*(2,) * STEPS):
                state = begin
                for step, action in enumerate(path):
                    rows.append((label, step, state, action, REWARD[state, action]))
                    state = after[state, action]
                label += 1
    value = np.zeros(STATES)
    for _ in range(STEPS):
        value = (TARGET * (REWARD + value[after])).sum(axis=1)
    log = np.array(rows).T
    fitted = fit(log)
    assert fqe(fitted, log[4]).value == pytest.approx(value.mean(), abs=1e-12)
    known = fqe_dr(fitted, log[4], TARGET[log[2].astype(int), log[3].astype(int)], np.full(log.shape[1], 0.5))
    assert known.value == pytest.approx(value.mean(), abs=1e-12)
    assert fqe(fit(log, iterations=1), log[4]).value == pytest.approx(
        (TARGET * REWARD).sum(axis=1).mean(), abs=1e-12
    )


def test_doubly_robust_intervals_cover_and_those_of_the_model_alone_are_called_unreliable():
    truth, covered, widths, plain = exact(), 0, [], []
    for seed in range(120):
        log = logged(300, 100 + seed)
        fitted = fit(log)
        found = fqe_dr(fitted, log[4], *weights(log))
        covered += found.low <= truth <= found.high
        widths.append(found.high - found.low)
        plain.append(fqe(fitted, log[4]).value)
        assert not fqe(fitted, log[4]).is_reliable
    assert 0.9 <= covered / 120 <= 0.99
    assert abs(np.mean(plain) - truth) < 4 * np.std(plain) / np.sqrt(120) + 0.01


def test_gradient_boosting_is_the_model_by_default():
    log = logged(600, 3)
    assert fqe(fit(log, model=None), log[4]).value == pytest.approx(exact(), abs=0.1)


def test_what_does_not_fit_is_refused():
    session, step, state, action, reward = log = logged(30, 5)
    with pytest.raises(ValueError, match="steps of one session are apart"):
        fit((np.r_[session[:-1], session[0]], step, state, action, reward))
    with pytest.raises(ValueError, match="model is a classifier"):
        fit(log, model=LogisticRegression())
    with pytest.raises(ValueError, match="discount is 2"):
        fit(log, discount=2)
    half = np.zeros((len(state), 1), int), np.full((len(state), 1), 0.5)
    with pytest.raises(ValueError, match="policy has sum"):
        fitted_q(Steps(state[:, None], action, reward, session), np.eye(2), half)
    with pytest.raises(
        ValueError, match="an action of policy is -1 at index 0, it must be a whole number from 0 to 1"
    ):
        fitted_q(Steps(state[:, None], action, reward, session), np.eye(2), (half[0] - 1, half[1] * 2))
    with pytest.raises(ValueError, match=r"target has shape \(3,\)"):
        fqe_dr(fit(log), reward, np.ones(3), np.ones(len(reward)))
