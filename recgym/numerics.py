"""Logits, losses and integration rules that several packages use. Axes: R rows."""

from collections.abc import Sequence

import numpy as np

from recgym.arrays import Array, Doubles, Ints

LOGIT_LIMIT = 30.0  # of sigmoid, as in the simulator
CHANCE_MARGIN = 1e-9  # that probabilities are kept off 0 and 1


def sigmoid(logit: Array) -> Doubles:
    """1 / (1 + exp(-x)), x clipped to [-30, 30] as in the simulator."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logit, -LOGIT_LIMIT, LOGIT_LIMIT))), np.float64)


def logit(chance: Array) -> Doubles:
    """Log-odds of probabilities in [0, 1], kept off 0 and 1 by 1e-9."""
    safe = np.clip(chance, CHANCE_MARGIN, 1 - CHANCE_MARGIN)
    return np.asarray(np.log(safe / (1 - safe)), np.float64)


def log_loss(flag: Doubles, logit: Doubles, weight: Doubles | None = None) -> float:
    """Mean log-loss [nats] of flags (R,) under logits (R,), with weights (R,) if any."""
    loss = np.logaddexp(0.0, logit) - flag * logit
    return float(np.mean(loss) if weight is None else np.average(loss, weights=weight))


def log_losses(flag: Array, chance: Array) -> Doubles:
    """Log-loss [nats] of each row under its probability, which is kept off 0 and 1 by 1e-9."""
    safe = np.clip(chance, CHANCE_MARGIN, 1 - CHANCE_MARGIN)
    loss: Doubles = -np.where(flag, np.log(safe), np.log1p(-safe))
    return loss


def auc(flag: Array, score: Array) -> float:
    """Area under the ROC curve, ties count half (Hanley and McNeil, 1982); NaN where one class is missing."""
    return auc_of_codes(flag, np.unique(score, return_inverse=True)[1], np.ones(len(flag)))


def auc_of_codes(flag: Array, code: Ints, weight: Doubles) -> float:
    """As `auc`, for scores given as ranks 0, 1, ... and weighted rows."""
    yes = np.bincount(code, weights=weight * flag)
    no = np.bincount(code, weights=weight * (1 - flag.astype(np.float64)))
    if yes.sum() == 0 or no.sum() == 0:
        return float("nan")
    below = np.cumsum(no) - no
    return float((yes * (below + 0.5 * no)).sum() / (yes.sum() * no.sum()))


def gini(counts: Array) -> float:
    """Gini coefficient of counts (N,): 0 for equal ones, 1 - 1/N for one alone; NaN where all are 0."""
    num, total = len(counts), float(counts.sum())
    if not total:
        return float("nan")
    rank = np.arange(1, num + 1)
    return float((2.0 * rank - num - 1.0) @ np.sort(counts)) / (num * total)


def hermite_nodes(count: int) -> tuple[Doubles, Doubles]:
    """Nodes and weights, which sum to 1, of the Gauss-Hermite rule of a standard normal distribution."""
    node, weight = np.polynomial.hermite_e.hermegauss(count)
    return node, weight / weight.sum()


def mean_kept_bias(logit: Doubles, rate: float, weight: Doubles | None = None) -> float:
    """The intercept at which the mean of sigmoid(intercept + logit) is `rate`, by bisection; weights (R,), or none."""
    low, high = -30.0 - float(logit.max()), 30.0 - float(logit.min())
    for _ in range(80):
        middle = 0.5 * (low + high)
        if float(np.average(sigmoid(middle + logit), weights=weight)) < rate:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def mean_of(parts: Sequence[Doubles], shares: Sequence[float]) -> Doubles:
    """Weighted mean of arrays of one shape."""
    if len(parts) == 1:
        return parts[0]
    return np.asarray(sum(share * part for part, share in zip(parts, shares, strict=True)), np.float64)
