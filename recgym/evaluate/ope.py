"""Off-policy estimates by importance sampling of the value of a target policy, from a log with propensities.

Axes: n logged rounds, A actions, C categories of actions. w = target probability / logging propensity.
"""

import numpy as np
from numpy.typing import ArrayLike

from recgym.evaluate.argument_checks import positive
from recgym.evaluate.estimate import Estimate, estimate
from recgym.evaluate.rounds import Range, Rounds, category_rounds, checked

CATEGORY_BIAS = "bias: the interval does not hold differences between actions of one category"
CLIPPED = "bias: {:.1%} of the weights are above {:g} and were cut"


def ips(
    reward: ArrayLike,
    target: ArrayLike,
    propensity: ArrayLike,
    level: float = 0.95,
    *,
    action: ArrayLike | None = None,
    reward_range: Range | None = None,
) -> Estimate:
    """Inverse propensity scoring, mean(w r): unbiased if the logging policy supports the target policy.

    Args:
        reward: (n,) reward of each logged round.
        target: (n,) probability that the target policy takes the logged action; with `action` (n, A) or (A,), its
            probability of every action; each row sums to 1.
        propensity: (n,) probability with which the logged action was taken, in (0, 1]; with `action` also (n, A) or
            (A,), of every action; an error where a row may be both.
        level: coverage of the interval.
        action: (n,) index of the logged action, if `target` is a distribution.
        reward_range: smallest and largest possible reward; the interval is clipped to it. Without it, the bound of a
            log without any reward assumes rewards of 1, and that of rewards without a weight their size.

    Raises:
        ValueError: an argument is out of range or not finite; the message names argument and row.
    """
    return estimate(checked(reward, target, propensity, action, reward_range), level)


def snips(
    reward: ArrayLike,
    target: ArrayLike,
    propensity: ArrayLike,
    level: float = 0.95,
    *,
    action: ArrayLike | None = None,
    reward_range: Range | None = None,
) -> Estimate:
    """Self-normalised IPS, sum(w r) / sum(w) (Swaminathan and Joachims, 2015); arguments as for `ips`.

    The standard error of the ratio is by the delta method, sqrt(sum(w^2 (r - value)^2)) / sum(w). Value and interval
    are NaN if the target never takes a logged action.
    """
    return estimate(checked(reward, target, propensity, action, reward_range), level, is_normalised=True)


def clipped(rounds: Rounds, max_weight: float) -> tuple[Rounds, tuple[str, ...]]:
    """Rounds with weights of at most `max_weight`, and the remark on it."""
    over = float((rounds.raw_weight > positive("max_weight", max_weight)).mean())
    remark = (CLIPPED.format(over, max_weight),) if over else ()
    return rounds._replace(weight=np.minimum(rounds.raw_weight, max_weight)), remark


def clipped_ips(
    reward: ArrayLike,
    target: ArrayLike,
    propensity: ArrayLike,
    max_weight: float = 10.0,
    level: float = 0.95,
    *,
    action: ArrayLike | None = None,
    reward_range: Range | None = None,
) -> Estimate:
    """IPS with weights min(w, max_weight) (Ionides, 2008): less variance, a bias towards 0.

    The interval does not hold that bias; `reasons` names the share of weights that were cut. Other arguments as for
    `ips`.
    """
    rounds, remark = clipped(checked(reward, target, propensity, action, reward_range), max_weight)
    return estimate(rounds, level, reasons=remark)


def mips(
    reward: ArrayLike,
    target: ArrayLike,
    propensity: ArrayLike,
    category: ArrayLike,
    level: float = 0.95,
    *,
    action: ArrayLike,
    reward_range: Range | None = None,
) -> Estimate:
    """Marginalised IPS (Saito and Joachims, 2022): weights of an action's category instead of the action.

    Unbiased if an action affects the reward through its category alone, also where the log lacks actions of it; a log
    cannot show that, so it is a reason against the interval.

    Args:
        reward: (n,) reward of each logged round.
        target: (n, A) or (A,) probability of each action under the target policy.
        propensity: (n, A) or (A,) probability of each action under the logging policy.
        category: (A,) category of each action, from 0.
        level: coverage of the interval.
        action: (n,) index of the logged action.
        reward_range: smallest and largest possible reward.
    """
    groups = category_rounds(target, propensity, category, action)
    rounds = checked(reward, groups[0], groups[1], groups[2], reward_range)
    has_peers = len(np.unique(np.asarray(category))) < np.size(category)
    return estimate(rounds, level, reasons=(CATEGORY_BIAS,) if has_peers else ())


def replay(
    reward: ArrayLike,
    target: ArrayLike,
    propensity: ArrayLike,
    level: float = 0.95,
    *,
    action: ArrayLike | None = None,
    reward_range: Range | None = None,
) -> Estimate:
    """Replay (Li et al., 2011): mean reward of rounds in which a deterministic target takes the logged action.

    Unbiased if actions were logged uniformly at random; other propensities are a reason against the interval. Arguments
    as for `ips`; ValueError if a target probability is neither 0 nor 1.
    """
    rounds = checked(reward, target, propensity, action, reward_range)
    taken = rounds.target
    if (mixed := (taken != 0.0) & (taken != 1.0)).any():
        row = int(np.flatnonzero(mixed)[0])
        raise ValueError(
            f"target is {taken[row]:g} at index {row}, replay needs a policy of probabilities 0 and 1"
        )
    matched = rounds.raw_weight[taken == 1.0]
    uneven = len(matched) > 0 and matched.max() > matched.min() * (1.0 + 1e-9)
    remark = ("bias: the logging policy is not uniform",) if uneven else ()
    return estimate(rounds._replace(weight=taken), level, is_normalised=True, reasons=remark)
