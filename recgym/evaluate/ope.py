"""Off-policy estimates of the value of a target policy from a log, with intervals that hold for rare rewards.

The interval is a score interval (Wilson, 1927): all values theta with |estimate - theta| <= t sqrt(V(theta) / n). The
variance V(theta) = a theta - d theta^2 is that which theta itself implies; a is the mean weighted reward of a rewarded
round (for clicks and equal weights V is the binomial theta - theta^2). `PRIOR_ROUNDS` rounds of mean weight are added
to a, so that the interval is bounded without any response. t has 2 e + `PRIOR_DF` degrees of freedom, where e is the
effective number of rewarded rounds. Positive and negative rewards get an interval each; both are combined with their
correlation (Zou and Donner, 2008).

Axes: n logged rounds, A actions. w = target probability / logging propensity.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from recgym.arrays import Array
from recgym.evaluate.rounds import SUM_TOLERANCE, Rounds, checked
from recgym.evaluate.stats import check_level, t_quantile

MIN_EFFECTIVE_SHARE = 0.1  # effective sample size over n, for a reliable estimate
MIN_EFFECTIVE_SIZE = 50.0  # rounds
MIN_EFFECTIVE_REWARDED = 10.0  # rounds
MAX_WEIGHT_SHARE = 0.05  # of one round in the sum of weights
MAX_MEAN_WEIGHT_ERRORS = 4.0  # standard errors of the mean weight's distance from 1
PRIOR_ROUNDS, PRIOR_DF = 2.0, 10.0


class Estimate(NamedTuple):
    """An estimated value per round, with its interval and diagnostics."""

    value: float
    low: float
    high: float
    se: float  # standard error of the sample; 0 if no round is rewarded; the interval does not use it
    n: int
    effective_sample_size: float  # (sum w)^2 / sum w^2 (Kish, 1965)
    max_weight: float
    mean_weight: float  # near 1 if there is overlap
    warning: str  # the reasons in one line, "" for none
    num_rewarded: int = 0  # rounds with a positive weight and a reward other than 0
    effective_rewarded: float = 0.0  # number of rewarded rounds of equal weight with the same information
    reasons: tuple[str, ...] = ()  # why the interval is unreliable

    @property
    def is_reliable(self) -> bool:
        """Whether rewards and overlap suffice for the interval."""
        return not self.reasons


class _Part(NamedTuple):
    """Value and interval of the rewards of one sign, as positive numbers."""

    value: float
    low: float
    high: float
    influence: Array  # (n,) influence of each round on `value`, up to a factor


def ips(
    reward: ArrayLike,
    target: ArrayLike,
    propensity: ArrayLike,
    level: float = 0.95,
    *,
    action: ArrayLike | None = None,
    reward_range: tuple[float, float] | None = None,
) -> Estimate:
    """Inverse propensity scoring, mean(w r): unbiased if the logging policy supports the target policy.

    Args:
        reward: (n,) reward of each logged round.
        target: (n,) probability that the target policy takes the logged action; with `action` (n, A) or (A,), its
            probability of every action; each row sums to 1.
        propensity: (n,) probability with which the logged action was taken, in (0, 1]; with `action` as `target`.
        level: coverage of the interval.
        action: (n,) index of the logged action, if `target` and `propensity` are distributions.
        reward_range: smallest and largest possible reward; the interval is clipped to it. Without it, the bound of a
            log without any reward assumes rewards of 1.

    Raises:
        ValueError: an argument is out of range or not finite; the message names argument and row.
    """
    return _estimate(checked(reward, target, propensity, action, reward_range), level, is_normalised=False)


def snips(
    reward: ArrayLike,
    target: ArrayLike,
    propensity: ArrayLike,
    level: float = 0.95,
    *,
    action: ArrayLike | None = None,
    reward_range: tuple[float, float] | None = None,
) -> Estimate:
    """Self-normalised IPS, sum(w r) / sum(w) (Swaminathan and Joachims, 2015); arguments as for `ips`.

    The standard error of the ratio is by the delta method, sqrt(sum(w^2 (r - value)^2)) / sum(w). Value and interval
    are NaN if the target never takes a logged action.
    """
    return _estimate(checked(reward, target, propensity, action, reward_range), level, is_normalised=True)


class _Shape(NamedTuple):
    """Moments of the rounds with a reward."""

    rewarded: float  # sum of weighted rewards
    typical: float  # mean weight of a round, weighted by weight
    size: float  # mean reward of a rewarded round, weighted by weighted reward
    mean: float  # mean weighted reward of the same, with the prior rounds
    effective: float  # number of rewarded rounds of equal weight with the same information


def _shape(x: Array, weights: Array, unseen: float) -> _Shape:
    """Moments of rewards x >= 0; `unseen` is the reward that is assumed if none is logged."""
    rewarded, typical = float(weights @ x), float(weights @ weights) / float(weights.sum())
    size = float(weights @ x**2) / rewarded if rewarded else unseen
    prior = PRIOR_ROUNDS * typical * size
    mean = (float(weights**2 @ x**2) + prior * typical * size) / (rewarded + prior)
    return _Shape(rewarded, typical, size, mean, rewarded / max(mean, typical * size))


def _part(x: Array, weights: Array, unseen: float, level: float, is_normalised: bool) -> _Part:
    """Value and score interval of the rewards of one sign, x >= 0."""
    n, unit = len(x), 1.0 if is_normalised else float(weights.max())
    weights = weights / weights.max()  # avoids underflow of squares
    shape, total = _shape(x, weights, unseen), float(weights.sum())
    t = t_quantile(0.5 + level / 2.0, 2.0 * shape.effective + PRIOR_DF)
    scale, a, d = float(n), shape.mean, 1.0
    if is_normalised:
        scale, a = total, shape.mean * n / total
        d = 2.0 * a / shape.size - shape.typical * n / total
    value, step = shape.rewarded / scale, t * t / n
    influence = weights * (x - value) if is_normalised else weights * x - value
    # (value - theta)^2 <= step (a theta - d theta^2), solved for theta - value to avoid cancellation
    curve, tilt = 1.0 + step * d, step * (0.5 * a - d * value)
    half = math.sqrt(step * max(value * (a - d * value) + 0.25 * step * a * a, 0.0))
    low, high = value + min((tilt - half) / curve, 0.0), value + max((tilt + half) / curve, 0.0)
    return _Part(unit * value, unit * low, unit * high, influence)


def _interval(rounds: Rounds, level: float, is_normalised: bool) -> tuple[float, float]:
    """Combined interval of positive and negative rewards."""
    r = rounds.reward
    has_loss = bool((r < 0).any())
    bottom, top = rounds.range or (-float(has_loss), float(not has_loss or (r > 0).any()))
    gain, loss = (
        _part(np.maximum(sign * r, 0.0), rounds.weight, sign * edge, level, is_normalised)
        if sign * edge > 0.0
        else _Part(0.0, 0.0, 0.0, np.zeros(len(r)))
        for sign, edge in ((1.0, top), (-1.0, bottom))
    )
    norm = math.sqrt(float(gain.influence @ gain.influence) * float(loss.influence @ loss.influence))
    correlation = float(gain.influence @ loss.influence) / norm if norm else 0.0
    value = gain.value - loss.value

    def reach(one: float, other: float) -> float:
        return math.hypot(one - correlation * other, other * math.sqrt(max(1.0 - correlation**2, 0.0)))

    low = value - reach(gain.value - gain.low, loss.high - loss.value)
    high = value + reach(gain.high - gain.value, loss.value - loss.low)
    if rounds.range is None:
        return low, high
    return min(max(low, bottom), top), min(max(high, bottom), top)


def _reasons(rounds: Rounds, effective: float, rewarded: float) -> list[str]:
    """Reasons why the interval is unreliable."""
    weights, n = rounds.weight, len(rounds.weight)
    if not weights.any():
        return ["no overlap: the target never takes a logged action"]
    reasons = []
    if rounds.unsupported > SUM_TOLERANCE:
        reasons.append(
            f"no overlap: {rounds.unsupported:.1%} of the target's actions have propensity 0 in the log"
        )
    if effective < MIN_EFFECTIVE_SHARE * n or effective < MIN_EFFECTIVE_SIZE:
        reasons.append(f"poor overlap: {n} rounds are worth {effective:.0f}")
    if (share := float(weights.max() / weights.sum())) > MAX_WEIGHT_SHARE:
        reasons.append(f"largest weight: one round has {share:.1%} of all weight")
    off = abs(weights.mean() - 1.0)
    if off > MAX_MEAN_WEIGHT_ERRORS * weights.std(ddof=1) / math.sqrt(n) + 1e-9:
        reasons.append(
            f"weights average {weights.mean():.3f}, not 1: the logging policy leaves out what the target does"
        )
    count = int(((rounds.reward != 0) & (weights > 0)).sum())
    if not count:
        reasons.append("no response: no round is rewarded, the interval is a bound")
    elif rewarded < MIN_EFFECTIVE_REWARDED:
        reasons.append(f"few responses: {count} rewarded rounds are worth {rewarded:.1f}")
    return reasons


def _estimate(rounds: Rounds, level: float, is_normalised: bool) -> Estimate:
    check_level(level)
    r, weights, n = rounds.reward, rounds.weight, len(rounds.weight)
    value = se = low = high = math.nan
    effective = 0.0
    if weights.any():
        low, high = _interval(rounds, level, is_normalised)
        relative = weights / weights.max()
        total = float(relative.sum())
        effective = total * total / float(relative @ relative)
    if is_normalised and weights.any():
        value = float(relative @ r) / total
        se = math.sqrt(float(relative**2 @ (r - value) ** 2)) / total
    elif not is_normalised:
        value, se = float((weights * r).mean()), float((weights * r).std(ddof=1)) / math.sqrt(n)
    rewarded = _shape(np.abs(r), weights / weights.max(), 1.0).effective if weights.any() else 0.0
    reasons = _reasons(rounds, effective, rewarded)
    return Estimate(
        value=value,
        low=low,
        high=high,
        se=se,
        n=n,
        effective_sample_size=effective,
        max_weight=float(weights.max()),
        mean_weight=float(weights.mean()),
        warning="; ".join(reasons),
        num_rewarded=int(((r != 0) & (weights > 0)).sum()),
        effective_rewarded=rewarded,
        reasons=tuple(reasons),
    )
