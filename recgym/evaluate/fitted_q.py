"""Fitted Q evaluation of sessions, cross-fitted, alone and as the model of a doubly robust estimate.

Q(s, a) is the summed reward from a step to the end of its session, if a is taken and the target policy decides after.
It is the fixed point of Q(s, a) = E[r + discount sum_a' target(a' | s') Q(s', a')], found by regression on the right
hand side, again and again (Le, Voloshin and Yue, 2019). Sessions are in three folds; the Q of a session is fitted on
the others (Chernozhukov et al., 2018; Kallus and Uehara, 2020).

Axes: n steps of S sessions, m actions of the target policy in a step, A actions, p and f features of states and of
actions.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from recgym.arrays import Array, Doubles, Ints
from recgym.checks import finite_number, require_kind, whole_number
from recgym.evaluate.argument_checks import numbers
from recgym.evaluate.doubly_robust import direct
from recgym.evaluate.estimate import Estimate
from recgym.evaluate.reward_model import (
    FOLDS,
    ROUNDS_PER_BLOCK,
    asked_actions,
    checked_features,
    folds_of,
    own_model,
)
from recgym.evaluate.rounds import checked, checked_distribution, with_base
from recgym.evaluate.sequences import sequential_dr


class Steps(NamedTuple):
    """Logged steps in order, session after session."""

    features: ArrayLike  # (n, p) of the state of each step
    action: ArrayLike  # (n,) index of the logged action
    reward: ArrayLike  # (n,)
    session: ArrayLike  # (n,) label of the session


class FittedQ(NamedTuple):
    """Cross-fitted Q of logged steps."""

    q_logged: Doubles  # (n,) of the logged action
    v_target: Doubles  # (n,) mean over the target policy's actions
    first: Ints  # (S,) row of the first step of each session
    discount: float


def fitted_q(
    steps: Steps,
    action_features: ArrayLike,
    policy: tuple[ArrayLike, ArrayLike],
    *,
    discount: float = 1.0,
    iterations: int | None = None,
    model: Any = None,
    seed: int = 0,
) -> FittedQ:
    """Fit Q of a target policy to logged sessions.

    The last step of a session has no continuation. Where sessions are cut at a number of steps, that number belongs to
    the features of a step.

    Args:
        steps: of the log.
        action_features: (A, f) of each action.
        policy: actions (n, m) of the target policy in each state, and their probabilities (n, m), which sum to 1. All
            actions, `numpy.tile(numpy.arange(A), (n, 1))`, or those that it takes.
        discount: of rewards, in [0, 1].
        iterations: regressions for each fold. None: as many as the longest session has steps.
        model: a scikit-learn regressor; it is cloned. None: histogram gradient boosting.
        seed: random seed of the folds.

    Raises:
        ValueError: shapes do not fit, a value is not finite, steps of a session are apart, or there are fewer than
            three sessions.
    """
    require_kind(steps, Steps, "steps", "Steps(features, action, reward, session)")
    x, a, r, taken = checked_features(steps.features, steps.action, steps.reward, action_features)
    discount = finite_number(discount, "discount", 0.0, 1.0)
    session = np.asarray(steps.session)
    first, last = _ends(session, len(x))
    actions = asked_actions(policy[0], len(x), len(a), "an action of policy")
    share = checked_distribution("policy", numbers("policy", policy[1]), len(x))
    if share.shape != actions.shape:
        raise ValueError(f"policy has actions {actions.shape} and probabilities {share.shape}")
    longest = int(np.diff(np.r_[first, len(x)]).max())
    rounds = longest if iterations is None else whole_number(iterations, "iterations", 1)
    fold = folds_of(session, len(x), seed)
    q_logged, v_target = np.empty(len(x)), np.empty(len(x))
    pairs, value_of = np.hstack([x, a[taken]]), _Values(x, a, actions, share)
    for k in range(FOLDS):
        own, others = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
        following = np.zeros(len(others))  # value of the state after each step
        for number in range(rounds):
            fitted = _regression(model, pairs[others], r[others] + discount * following)
            if number + 1 < rounds:
                following[:-1] = np.where(last[others[:-1]], 0.0, value_of(fitted, others)[1:])
        q_logged[own] = fitted(pairs[own])
        v_target[own] = value_of(fitted, own)
    return FittedQ(q_logged, v_target, first, discount)


def fqe(fitted: FittedQ, reward: ArrayLike, level: float = 0.95) -> Estimate:
    """Value of a session by the fitted Q alone: mean over sessions of the value of their first state.

    It needs no propensities. The interval holds the chance of first states, not the error of Q, so it is called
    unreliable, as that of the direct method is; `fqe_dr` has one that holds it.

    Args:
        fitted: of `fitted_q`.
        reward: (n,) of each step, for the diagnostics.
        level: coverage of the interval.

    Raises:
        ValueError: an argument is out of range.
    """
    require_kind(fitted, FittedQ, "fitted", "fitted_q(...)")
    r = _of_steps("reward", reward, fitted)
    ones = np.ones(len(fitted.first))
    sums = checked(np.add.reduceat(r, fitted.first), ones, ones, None, None)
    return direct(with_base(sums, np.zeros(len(ones)), fitted.v_target[fitted.first]), level)


def fqe_dr(
    fitted: FittedQ,
    reward: ArrayLike,
    target: ArrayLike,
    propensity: ArrayLike,
    level: float = 0.95,
    *,
    is_normalised: bool = False,
) -> Estimate:
    """Doubly robust value of a session with the fitted Q as model (Jiang and Li, 2016; `sequential_dr`).

    Args:
        fitted: of `fitted_q`.
        reward: (n,) of each step.
        target: (n,) probability that the target policy takes the logged action of a step.
        propensity: (n,) probability with which the logging policy took it, in (0, 1].
        level: coverage of the interval.
        is_normalised: whether weights are divided by their mean at each step.

    Raises:
        ValueError: an argument is out of range or not finite.
    """
    require_kind(fitted, FittedQ, "fitted", "fitted_q(...)")
    named = (("reward", reward), ("target", target), ("propensity", propensity))
    r, p, q = (_of_steps(name, values, fitted) for name, values in named)
    sizes = np.diff(np.r_[fitted.first, len(r)])
    owner = np.repeat(np.arange(len(sizes)), sizes)
    step = np.arange(len(r)) - fitted.first[owner]
    scale = fitted.discount**step

    def padded(values: Array, fill: float) -> Doubles:
        table = np.full((len(sizes), int(sizes.max())), fill)
        table[owner, step] = values
        return table

    return sequential_dr(
        padded(scale * r, 0.0),
        padded(p, 1.0),
        padded(q, 1.0),
        padded(scale * fitted.q_logged, 0.0),
        padded(scale * fitted.v_target, 0.0),
        level,
        is_normalised=is_normalised,
    )


def _ends(session: Array, n: int) -> tuple[Ints, Array]:
    """First rows of sessions, and whether a row is the last of its session."""
    if session.shape != (n,):
        raise ValueError(f"session has shape {session.shape}, expected ({n},)")
    change = session[1:] != session[:-1]
    first = np.flatnonzero(np.r_[True, change])
    if len(np.unique(session)) < len(first):
        raise ValueError("steps of one session are apart, expected one session after the other")
    return first, np.r_[change, True]


def _of_steps(name: str, values: ArrayLike, fitted: FittedQ) -> Array:
    found = numbers(name, values)
    if found.shape != fitted.q_logged.shape:
        raise ValueError(f"{name} has shape {found.shape}, expected {fitted.q_logged.shape}")
    return found


def _regression(model: Any, x: Array, y: Array) -> Any:
    """Function that predicts y (n,) of x (n, p + f)."""
    if np.ptp(y) == 0.0:
        level = float(y[0])
        return lambda other: np.full(len(other), level)
    fitted = own_model(model, is_binary=False)
    if hasattr(fitted, "predict_proba"):
        raise ValueError("model is a classifier, fitted Q needs a regressor")
    fitted.fit(x, y)
    return lambda other: np.asarray(fitted.predict(other), np.float64)


class _Values(NamedTuple):
    """The target policy in each step, with the features of states and actions."""

    x: Array  # (n, p)
    a: Array  # (A, f)
    actions: Ints  # (n, m)
    share: Array  # (n, m)

    def __call__(self, fitted: Any, steps: Ints) -> Doubles:
        """Mean of Q over the target policy's actions in some steps."""
        value = np.zeros(len(steps))
        for begin in range(0, len(steps), ROUNDS_PER_BLOCK):
            rows = steps[begin : begin + ROUNDS_PER_BLOCK]
            for i in np.flatnonzero(self.share[rows].any(axis=0)):
                q = fitted(np.hstack([self.x[rows], self.a[self.actions[rows, i]]]))
                value[begin : begin + len(rows)] += self.share[rows, i] * q
        return value
