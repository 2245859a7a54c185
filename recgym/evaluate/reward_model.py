"""Cross-fitted reward models for doubly robust estimates.

Axes: n logged rounds, A actions, p features of a round, f features of an action.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from recgym.arrays import Array, Doubles, Ints
from recgym.checks import checked_seed, whole_number
from recgym.evaluate.rounds import numbers, whole_actions

ROUNDS_PER_BLOCK = 20_000  # of predictions at once


def cross_fit(
    features: ArrayLike,
    action: ArrayLike,
    reward: ArrayLike,
    action_features: ArrayLike,
    *,
    model: Any = None,
    group: ArrayLike | None = None,
    folds: int = 3,
    seed: int = 0,
) -> Doubles:
    """Predicted reward of every action in each round, by a model that was not fitted on the round (n, A).

    The input of the model is the features of the round beside those of the action. For action numbers alone pass
    `numpy.eye(A)` (as Saito et al., 2021, do), though a linear model then ranks the actions alike in all rounds.

    Args:
        features: (n, p) of each round.
        action: (n,) index of the logged action.
        reward: (n,) logged reward.
        action_features: (A, f) of each action.
        model: a scikit-learn classifier with `predict_proba` (rewards 0 and 1), or a regressor; it is cloned. None:
            histogram gradient boosting, a classifier where all rewards are 0 or 1.
        group: (n,) label of rounds that belong together, such as the session: all of a group are in one fold.
        folds: number of folds, at least 2.
        seed: random seed of the folds.

    Raises:
        ValueError: shapes do not fit, a value is not finite, or there are fewer groups than folds.
    """
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
        if not np.isfinite(values).all():
            raise ValueError(f"{name} has a value that is not finite")
    taken = whole_actions(action, len(a))
    if len(taken) != len(x):
        raise ValueError(f"action has {len(taken)} rows, features has {len(x)}")
    fold = _folds(np.arange(len(x)) if group is None else np.asarray(group), len(x), folds, seed)
    predicted = np.empty((len(x), len(a)))
    for k in range(folds):
        rows, others = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
        if np.ptp(r[others]) == 0.0:
            predicted[rows] = r[others[0]]  # classifiers refuse one class
            continue
        fitted = _model(model, r)
        fitted.fit(np.hstack([x[others], a[taken[others]]]), r[others])
        for begin in range(0, len(rows), ROUNDS_PER_BLOCK):
            block = rows[begin : begin + ROUNDS_PER_BLOCK]
            for i, own in enumerate(a):
                predicted[block, i] = _predict(fitted, np.hstack([x[block], np.tile(own, (len(block), 1))]))
    return predicted


def _folds(group: Array, n: int, folds: int, seed: int) -> Ints:
    """(n,) number of the fold of each round: groups in random order, in turn."""
    whole_number(folds, "folds", 2)
    if group.shape != (n,):
        raise ValueError(f"group has shape {group.shape}, expected ({n},)")
    labels, number = np.unique(group, return_inverse=True)
    if len(labels) < folds:
        raise ValueError(f"folds is {folds}, there are {len(labels)} groups")
    order = np.random.default_rng(checked_seed(seed)).permutation(len(labels))
    return np.asarray(order[number] % folds, np.int64)


def _model(model: Any, reward: Array) -> Any:
    from sklearn.base import clone
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    if model is not None:
        return clone(model)
    is_binary = bool(np.isin(reward, (0.0, 1.0)).all())
    kind = HistGradientBoostingClassifier if is_binary else HistGradientBoostingRegressor
    return kind(max_iter=60, max_leaf_nodes=15, early_stopping=False, random_state=0)


def _predict(fitted: Any, x: Array) -> Doubles:
    """Expected rewards (n,)."""
    if not hasattr(fitted, "predict_proba"):
        return np.asarray(fitted.predict(x), np.float64)
    return np.asarray(fitted.predict_proba(x) @ fitted.classes_, np.float64)
