"""Off-policy estimates of the summed reward of slates and of sessions, by the weights of their stages.

A stage is a position of a slate, or a step of a session. Estimators differ in the weights that a stage's reward gets:

* all stages (`standard_ips`): unbiased, the largest variance;
* those up to its own (`per_decision_ips`): unbiased where a reward depends on no later action. Of a slate this is the
  reward-interaction estimator (McInerney et al., 2020), biased where users choose one item of the slate: it competes
  with those below. Of a session it is per-decision importance sampling (Precup et al., 2000);
* its own (`independent_ips`; Li et al., 2018): unbiased where a reward depends on its own action alone, and the
  probabilities of a stage depend on no earlier action. Slates without repeats are not of that kind;
* the sum over stages of w - 1, plus 1, for the total (`pseudo_inverse_ips`; Swaminathan et al., 2017): unbiased where
  rewards add over positions, and the probabilities of a stage depend on no earlier action, either.

`sequential_dr` adds a reward model: of sessions the doubly robust estimator (Jiang and Li, 2016), of slates cascade-DR
(Kiyohara et al., 2022). Sessions that ended earlier are padded with reward 0 and probabilities 1.

Axes: n slates or sessions, T stages. w = target probability / propensity of a stage, given those before it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from recgym.arrays import Array
from recgym.checks import flag
from recgym.evaluate.argument_checks import numbers
from recgym.evaluate.estimate import Estimate, estimate, estimate_sum
from recgym.evaluate.rounds import MAX_MAGNITUDE, ROUNDING, Range, Rounds, checked, with_base


def standard_ips(
    reward: ArrayLike,
    target: ArrayLike,
    propensity: ArrayLike,
    level: float = 0.95,
    *,
    is_normalised: bool = False,
    reward_range: Range | None = None,
) -> Estimate:
    """Importance sampling by the weight of the whole slate or session.

    Args:
        reward: (n, T) reward of each stage.
        target: (n, T) probability that the target policy takes the logged action of a stage, given the stages before.
        propensity: (n, T) probability with which the logging policy took it, in (0, 1].
        level: coverage of the interval.
        is_normalised: whether weights are divided by their mean, which takes variance for a small bias.
        reward_range: smallest and largest possible sum of rewards; the interval is clipped to it.

    Raises:
        ValueError: an argument is out of range or not finite; the message names stage, argument and row.
    """
    stages, total = _stages(reward, target, propensity, reward_range)
    weight = _cumulative(stages)[-1]
    return estimate(total._replace(weight=weight, raw_weight=weight), level, is_normalised=is_normalised)


def per_decision_ips(
    reward: ArrayLike,
    target: ArrayLike,
    propensity: ArrayLike,
    level: float = 0.95,
    *,
    is_normalised: bool = False,
    reward_range: Range | None = None,
) -> Estimate:
    """Importance sampling by the weights up to each stage; arguments as for `standard_ips`."""
    stages, total = _stages(reward, target, propensity, reward_range)
    weights = _cumulative(stages)
    return _sum(stages, weights, total, weights[-1], level, is_normalised)


def independent_ips(
    reward: ArrayLike,
    target: ArrayLike,
    propensity: ArrayLike,
    level: float = 0.95,
    *,
    is_normalised: bool = False,
    reward_range: Range | None = None,
) -> Estimate:
    """Importance sampling by the weight of each stage alone; arguments as for `standard_ips`.

    Unbiased where a reward depends on its own action alone, and the probabilities of a stage depend on no earlier
    action: not for slates that have no item twice.
    """
    stages, total = _stages(reward, target, propensity, reward_range)
    weights = [stage.raw_weight for stage in stages]
    worst = min(weights, key=lambda weight: float(weight.sum()) ** 2 / max(float(weight @ weight), 1e-300))
    return _sum(stages, weights, total, worst, level, is_normalised)


def pseudo_inverse_ips(
    reward: ArrayLike,
    target: ArrayLike,
    propensity: ArrayLike,
    level: float = 0.95,
    *,
    is_normalised: bool = False,
    reward_range: Range | None = None,
) -> Estimate:
    """Pseudo-inverse estimator of slates whose positions are chosen independently; arguments as for `standard_ips`.

    Unbiased where rewards add over positions, and the probabilities of a stage depend on no earlier action.

    The weight W = 1 + sum (w - 1) of a slate may be negative: positive and negative terms get an interval each. The
    self-normalised value is sum(W r) / sum(W); its standard error and interval are of W (r - value) / mean(W).
    """
    stages, total = _stages(reward, target, propensity, reward_range)
    weight = 1.0 + np.sum([stage.raw_weight - 1.0 for stage in stages], axis=0)
    size, sign = np.abs(weight), np.sign(weight)
    if not flag("is_normalised", is_normalised):
        signed = total._replace(reward=sign * total.reward, weight=size, range=None)
        return estimate(signed._replace(raw_weight=weight), level)
    scale = float(weight.mean())
    if scale <= 0.0:  # no value where the weights have no positive sum
        none = np.zeros(len(weight))
        return estimate(total._replace(weight=none, raw_weight=none), level, is_normalised=True)
    value = np.full(len(weight), float(weight @ total.reward) / float(weight.sum()))
    error = with_base(total, value, value)  # the terms of the errors have the sum 0
    error = error._replace(reward=sign * error.reward, weight=size / scale, raw_weight=weight)
    is_rounding = np.abs(error.reward) <= ROUNDING * np.abs(total.reward).max()
    return estimate(error._replace(reward=np.where(is_rounding, 0.0, error.reward)), level)


def sequential_dr(
    reward: ArrayLike,
    target: ArrayLike,
    propensity: ArrayLike,
    q_logged: ArrayLike,
    q_target: ArrayLike,
    level: float = 0.95,
    *,
    is_normalised: bool = False,
    reward_range: Range | None = None,
) -> Estimate:
    """Doubly robust estimate of slates (cascade-DR) and sessions: the sum over t of W_t (r_t - q_t) + W_(t-1) v_t.

    W_t is the product of the weights up to stage t. `q_logged` (n, T) is the model's sum of rewards from a stage to the
    end, given the logged action and the target policy afterwards; `q_target` (n, T) is its mean over the target
    policy's actions at that stage. Other arguments as for `standard_ips`.
    """
    stages, total = _stages(reward, target, propensity, reward_range)
    q, v = numbers("q_logged", q_logged), numbers("q_target", q_target)
    shape = len(total.reward), len(stages)
    for name, values in (("q_logged", q), ("q_target", v)):
        if values.shape != shape or not (np.abs(values) <= MAX_MAGNITUDE).all():
            raise ValueError(f"{name} {values.shape} must be finite numbers of shape {shape}")
    weights = _cumulative(stages)
    before = [np.ones(shape[0]), *weights[:-1]]
    edge = max(
        *(float(np.abs(each.reward).max()) for each in (total, *stages)), 1.0
    )  # of a reward, as assumed
    terms = []
    for t, stage in enumerate(stages):
        span = (-edge - float(q[:, t].max()), edge - float(q[:, t].min()))
        error = stage._replace(reward=stage.reward - q[:, t], weight=weights[t], range=span)
        if flag("is_normalised", is_normalised):
            terms.append(error._replace(base=v[:, 0] if t == 0 else None))
            if t:
                terms.append(stage._replace(reward=v[:, t], weight=before[t], range=None))
        else:
            terms.append(error._replace(base=before[t] * v[:, t]))
    diagnosed = total._replace(raw_weight=weights[-1])
    return estimate_sum(terms, diagnosed, level, is_normalised=is_normalised)


def _stages(
    reward: ArrayLike, target: ArrayLike, propensity: ArrayLike, reward_range: Range | None
) -> tuple[list[Rounds], Rounds]:
    """Checked stages, and rounds with the sum of rewards."""
    named = (("reward", reward), ("target", target), ("propensity", propensity))
    r, p, q = (numbers(name, values) for name, values in named)
    if r.ndim != 2 or not r.shape == p.shape == q.shape or r.shape[1] < 1:
        raise ValueError(
            f"reward {r.shape}, target {p.shape}, propensity {q.shape} must be of one shape (n, T)"
        )
    stages = []
    for t in range(r.shape[1]):
        try:
            stages.append(checked(r[:, t], p[:, t], q[:, t], None, None))
        except ValueError as error:
            raise ValueError(f"stage {t}: {error}") from None
    ones = np.ones(len(r))
    return stages, checked(r.sum(axis=1), ones, ones, None, reward_range)


def _cumulative(stages: Sequence[Rounds]) -> list[Array]:
    """Products of the weights up to each stage."""
    weights = np.cumprod([stage.raw_weight for stage in stages], axis=0)
    if not (weights <= MAX_MAGNITUDE).all():
        row = int((~(weights <= MAX_MAGNITUDE)).any(axis=0).argmax())
        raise ValueError(f"the product of the weights of row {row} is over {MAX_MAGNITUDE:g}")
    return list(weights)


def _sum(
    stages: Sequence[Rounds],
    weights: Sequence[Array],
    total: Rounds,
    overlap: Array,
    level: float,
    is_normalised: bool,
) -> Estimate:
    weighted = [stage._replace(weight=weight) for stage, weight in zip(stages, weights, strict=True)]
    return estimate_sum(weighted, total._replace(raw_weight=overlap), level, is_normalised=is_normalised)
