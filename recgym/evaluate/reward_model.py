"""Cross-fitted reward models for doubly robust estimates.

Axes: n logged rounds, A actions, p features of a round, f features of an action.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from recgym.arrays import Array, Doubles, Ints
from recgym.checks import checked_seed, quoted
from recgym.evaluate.argument_checks import numbers
from recgym.evaluate.rounds import MAX_MAGNITUDE, whole_actions

FOLDS = 3
ROUNDS_PER_BLOCK = 20_000  # of predictions at once


def cross_fit(
    features: ArrayLike,
    action: ArrayLike,
    reward: ArrayLike,
    action_features: ArrayLike,
    *,
    at: ArrayLike | None = None,
    model: Any = None,
    group: ArrayLike | None = None,
    seed: int = 0,
) -> Doubles:
    """Predicted rewards of the actions in each round, by a model that was not fitted on the round.

    Rounds are in three folds (Chernozhukov et al., 2018).

    The input of the model is the features of the round beside those of the action. For action numbers alone pass
    `numpy.eye(A)` (as Saito et al., 2021, do), though a linear model then ranks the actions alike in all rounds.

    Args:
        features: (n, p) of each round.
        action: (n,) index of the logged action.
        reward: (n,) logged reward.
        action_features: (A, f) of each action.
        at: (n, m) actions to predict, such as the logged one and the target's. None: all.
        model: a scikit-learn classifier with `predict_proba` (rewards 0 and 1), or a regressor; it is cloned. None:
            histogram gradient boosting, a classifier where all rewards are 0 or 1.
        group: (n,) label of rounds that belong together, such as the session: all of a group are in one fold.
        seed: random seed of the folds.

    Returns:
        (n, A), or (n, m) in the order of `at`.

    Raises:
        ValueError: shapes do not fit, a value is not finite, or there are fewer than three groups.
    """
    x, a, r, taken = checked_features(features, action, reward, action_features)
    asked = (
        np.broadcast_to(np.arange(len(a)), (len(x), len(a)))
        if at is None
        else asked_actions(at, len(x), len(a))
    )
    fold = folds_of(np.arange(len(x)) if group is None else np.asarray(group), len(x), seed)
    predicted = np.empty(asked.shape)
    for k in range(FOLDS):
        rows, others = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
        if np.ptp(r[others]) == 0.0:
            predicted[rows] = r[others[0]]  # classifiers refuse one class
            continue
        fitted = own_model(model, is_binary=bool(np.isin(r, (0.0, 1.0)).all()))
        fitted.fit(np.hstack([x[others], a[taken[others]]]), r[others])
        for begin in range(0, len(rows), ROUNDS_PER_BLOCK):
            block = rows[begin : begin + ROUNDS_PER_BLOCK]
            for i in range(asked.shape[1]):
                predicted[block, i] = _predict(fitted, np.hstack([x[block], a[asked[block, i]]]))
    return predicted


def checked_features(
    features: ArrayLike, action: ArrayLike, reward: ArrayLike, action_features: ArrayLike
) -> tuple[Array, Array, Array, Ints]:
    """Features (n, p), features of actions (A, f), rewards (n,) and actions (n,), checked."""
    x, a, r = (
        numbers("features", features),
        numbers("action_features", action_features),
        numbers("reward", reward),
    )
    if x.ndim != 2 or a.ndim != 2 or r.shape != (len(x),):
        raise ValueError(
            f"features {x.shape}, reward {r.shape}, action_features {a.shape} must be (n, p), (n,), (A, f)"
        )
    for name, values in (("features", x), ("action_features", a), ("reward", r)):
        if not (np.abs(values) <= MAX_MAGNITUDE).all():
            raise ValueError(f"{name} has a value that is not finite, or over {MAX_MAGNITUDE:g} in size")
    taken = whole_actions(action, len(a))
    if len(taken) != len(x):
        raise ValueError(f"action has {len(taken)} rows, features has {len(x)}")
    return x, a, r, taken


def asked_actions(at: ArrayLike, n: int, num_actions: int, name: str = "at") -> Ints:
    """(n, m) actions to predict, checked; `name` is that of the argument."""
    actions = np.asarray(at)
    if actions.ndim != 2 or len(actions) != n or not actions.shape[1]:
        raise ValueError(f"{name} has shape {actions.shape}, expected (n, m), here n is {n}")
    columns = [whole_actions(actions[:, i], num_actions, name) for i in range(actions.shape[1])]
    return np.stack(columns, axis=1)


def folds_of(group: Array, n: int, seed: int) -> Ints:
    """(n,) number of the fold of each round: groups in random order, in turn."""
    if group.shape != (n,):
        raise ValueError(f"group has shape {group.shape}, expected ({n},)")
    try:
        labels, number = np.unique(group, return_inverse=True)
    except TypeError:
        raise ValueError("group has labels of several types") from None
    if len(labels) < FOLDS:
        raise ValueError(f"cross-fitting needs {FOLDS} groups of rounds, there are {len(labels)}")
    order = np.random.default_rng(checked_seed(seed)).permutation(len(labels))
    return np.asarray(order[number] % FOLDS, np.int64)


def own_model(model: Any, *, is_binary: bool) -> Any:
    """A clone of a model, gradient boosting where there is none; ValueError where it is no model of scikit-learn."""
    from sklearn.base import clone, is_classifier, is_regressor
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    if model is not None:
        try:
            own = clone(model)
        except TypeError:
            own = None
        if isinstance(model, type) or not hasattr(own, "fit") or not hasattr(own, "predict"):
            raise ValueError(f"model is {quoted(model)}, expected a scikit-learn classifier or regressor")
        if not is_classifier(own) and not is_regressor(own):  # predict of others gives no rewards
            raise ValueError(
                f"model is {quoted(model)}, neither a classifier nor a regressor of scikit-learn"
            )
        if is_classifier(own) and not hasattr(own, "predict_proba"):
            raise ValueError(f"model is {quoted(model)}, a classifier needs predict_proba")
        return own
    kind = HistGradientBoostingClassifier if is_binary else HistGradientBoostingRegressor
    return kind(max_iter=60, max_leaf_nodes=15, early_stopping=False, random_state=0)


def _predict(fitted: Any, x: Array) -> Doubles:
    """Expected rewards (n,)."""
    if not hasattr(fitted, "predict_proba"):
        return np.asarray(fitted.predict(x), np.float64)
    return np.asarray(fitted.predict_proba(x) @ fitted.classes_, np.float64)
