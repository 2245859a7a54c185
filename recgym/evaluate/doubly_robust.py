"""Off-policy estimates that use a reward model: the direct method, doubly robust estimators and their mixtures.

The value of a round is sum_a target(a) model(a) + w (r - model(logged action)); estimators differ in w.
A model must not have been fitted on the rounds that it predicts: see `recgym.evaluate.cross_fit`.

Axes: n logged rounds, A actions. w = target probability / logging propensity.
"""

import numpy as np
from numpy.typing import ArrayLike

from recgym.evaluate.argument_checks import positive
from recgym.evaluate.estimate import Estimate, estimate
from recgym.evaluate.ope import clipped
from recgym.evaluate.rounds import Range, Rounds, checked, with_model

MODEL_BIAS = "bias: the interval does not hold the error of the reward model"


def _rounds(
    reward: ArrayLike,
    target: ArrayLike,
    propensity: ArrayLike,
    model: ArrayLike,
    action: ArrayLike,
    reward_range: Range | None,
) -> Rounds:
    rounds = checked(reward, target, propensity, action, reward_range)
    return with_model(rounds, action, target, model)


def dm(
    reward: ArrayLike,
    target: ArrayLike,
    propensity: ArrayLike,
    model: ArrayLike,
    level: float = 0.95,
    *,
    action: ArrayLike,
    reward_range: Range | None = None,
) -> Estimate:
    """Direct method: mean predicted reward of the target policy.

    Args:
        reward: (n,) reward of each logged round.
        target: (n, A) or (A,) probability of each action under the target policy; each row sums to 1.
        propensity: (n,) probability with which the logged action was taken, in (0, 1], or (n, A) or (A,), of every
            action; an error where a row may be both. The direct method reads it for its diagnostics only.
        model: (n, A) or (A,) predicted reward of each action.
        level: coverage of the interval. That of the direct method is of the sampled rounds alone, which `reasons` says.
        action: (n,) index of the logged action.
        reward_range: smallest and largest possible reward; the interval is clipped to it. Without it, the range is
            taken to be that of the logged rewards, with 0 and 1.

    Raises:
        ValueError: an argument is out of range or not finite; the message names argument and row.
    """
    return direct(_rounds(reward, target, propensity, model, action, reward_range), level)


def dr(
    reward: ArrayLike,
    target: ArrayLike,
    propensity: ArrayLike,
    model: ArrayLike,
    level: float = 0.95,
    *,
    action: ArrayLike,
    reward_range: Range | None = None,
) -> Estimate:
    """Doubly robust (Dudik et al., 2011): unbiased for every model if the propensities hold; arguments as for `dm`."""
    return estimate(_rounds(reward, target, propensity, model, action, reward_range), level)


def sndr(
    reward: ArrayLike,
    target: ArrayLike,
    propensity: ArrayLike,
    model: ArrayLike,
    level: float = 0.95,
    *,
    action: ArrayLike,
    reward_range: Range | None = None,
) -> Estimate:
    """Self-normalised doubly robust (Thomas and Brunskill, 2016): weights sum to n; arguments as for `dm`."""
    return estimate(
        _rounds(reward, target, propensity, model, action, reward_range), level, is_normalised=True
    )


def clipped_dr(
    reward: ArrayLike,
    target: ArrayLike,
    propensity: ArrayLike,
    model: ArrayLike,
    max_weight: float = 10.0,
    level: float = 0.95,
    *,
    action: ArrayLike,
    reward_range: Range | None = None,
) -> Estimate:
    """Doubly robust with weights min(w, max_weight); other arguments as for `dm`."""
    rounds = _rounds(reward, target, propensity, model, action, reward_range)
    rounds, remark = clipped(rounds, max_weight)
    return estimate(rounds, level, reasons=remark)


def switch_dr(
    reward: ArrayLike,
    target: ArrayLike,
    propensity: ArrayLike,
    model: ArrayLike,
    max_weight: float = 10.0,
    level: float = 0.95,
    *,
    action: ArrayLike,
    reward_range: Range | None = None,
) -> Estimate:
    """SWITCH-DR (Wang et al., 2017): doubly robust where w <= max_weight, the direct method elsewhere.

    The interval does not hold the model's error in the rounds without a weight. Other arguments as for `dm`.
    """
    return switched(_rounds(reward, target, propensity, model, action, reward_range), max_weight, level)


def dr_os(
    reward: ArrayLike,
    target: ArrayLike,
    propensity: ArrayLike,
    model: ArrayLike,
    shrinkage: float = 100.0,
    level: float = 0.95,
    *,
    action: ArrayLike,
    reward_range: Range | None = None,
) -> Estimate:
    """Doubly robust with optimistic shrinkage (Su et al., 2020): weights s w / (w^2 + s).

    `shrinkage` s is above 0; infinity is `dr`. The interval does not hold the bias of shrinkage. Other arguments as
    for `dm`.
    """
    return shrunk(_rounds(reward, target, propensity, model, action, reward_range), shrinkage, level)


def direct(rounds: Rounds, level: float) -> Estimate:
    """`dm` of checked rounds."""
    none, one = np.zeros(len(rounds.reward)), np.ones(len(rounds.reward))
    errors = rounds._replace(reward=none, weight=one, range=(0.0, 0.0))
    return estimate(errors, level, reasons=(MODEL_BIAS,))


def switched(rounds: Rounds, max_weight: float, level: float) -> Estimate:
    """`switch_dr` of checked rounds."""
    over = rounds.raw_weight > positive("max_weight", max_weight)
    remark = (f"bias: {over.mean():.1%} of the rounds rest on the reward model",) if over.any() else ()
    return estimate(rounds._replace(weight=np.where(over, 0.0, rounds.raw_weight)), level, reasons=remark)


def shrunk(rounds: Rounds, shrinkage: float, level: float) -> Estimate:
    """`dr_os` of checked rounds."""
    w, s = rounds.raw_weight, positive("shrinkage", shrinkage)
    weight = w if np.isinf(s) else w / (w * w / s + 1.0)
    lost = 1.0 - float(weight.sum() / w.sum()) if w.any() else 0.0
    remark = (f"bias: shrinkage takes {lost:.1%} of the weight",) if lost > 0.01 else ()
    return estimate(rounds._replace(weight=weight), level, reasons=remark)
