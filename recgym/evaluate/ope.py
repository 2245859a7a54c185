"""Off-policy estimates of a target policy's value from a log, with intervals that hold for rare rewards.

The interval is a score interval (Wilson, 1927): it keeps each value theta that lies within t standard errors of the
estimate, with the standard error that theta itself implies. A reward comes from few rounds when it is rare, so the
variance grows with theta: V(theta) = a theta - d theta^2, where a is the mean weighted reward of a rewarded round
(for a click and equal weights V is binomial, theta - theta^2). `_PRIOR` rounds of the log's mean weight are added to
a, so that no response still has a bound; t has 2 effective rewarded rounds + `_PRIOR_DF` degrees of freedom. Rewards
of both signs get one interval a sign, combined with their correlation (Zou and Donner, 2008).

Axes: n logged rounds, A actions. w = target probability / logging propensity.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from recgym.arrays import Array
from recgym.evaluate.rounds import OFF_ONE, Rounds, checked
from recgym.evaluate.stats import check_level, t_quantile

LEAST_EFFECTIVE_SHARE = 0.1  # of n, below which an estimate is not to be believed
LEAST_EFFECTIVE_SIZE = 50.0
LEAST_REWARDED = 10.0  # effective rewarded rounds
LARGEST_SHARE = 0.05  # of all weight, that one round may have
_MOST_OFF = 4.0  # standard errors that the mean weight may lie from 1
_PRIOR, _PRIOR_DF = 2.0, 10.0


class Estimate(NamedTuple):
    """An estimated value per round, with its interval and what speaks against it."""

    value: float
    low: float
    high: float
    se: float  # of the sample; 0 where no round is rewarded, the interval does not rest on it
    n: int
    effective_sample_size: float  # (sum w)^2 / sum w^2 (Kish, 1965)
    max_weight: float
    mean_weight: float  # near 1 where the logging policy supports the target
    warning: str  # the reasons in one line, "" where there is none
    num_rewarded: int = 0  # rounds with weight and a reward other than 0
    effective_rewarded: float = 0.0  # rewarded rounds of equal weight that would say as much
    reasons: tuple[str, ...] = ()  # why the interval is not to be believed

    @property
    def is_reliable(self) -> bool:
        """Whether rewards and overlap are enough to believe the interval."""
        return not self.reasons


class _Part(NamedTuple):
    """The rewards of one sign, as positive numbers: their value and its interval."""

    value: float
    low: float
    high: float
    influence: Array  # (n,) each round's share in the error of `value`, in any unit


def ips(
    reward: ArrayLike,
    target: ArrayLike,
    propensity: ArrayLike,
    level: float = 0.95,
    *,
    action: ArrayLike | None = None,
    reward_range: tuple[float, float] | None = None,
) -> Estimate:
    """Inverse propensity score, mean(w r): unbiased where the logging policy shows all that the target does.

    Args:
        reward: (n,) of each logged round.
        target: (n,) probability that the target policy takes the logged action; with `action` (n, A) or (A,), its
            probability of every action, each row with sum 1.
        propensity: (n,) probability with which the logged action was taken, in (0, 1]; with `action` as `target`.
        level: coverage of the interval.
        action: (n,) number of the logged action, where distributions are given.
        reward_range: smallest and largest possible reward. The interval keeps to it; without it, a log without any
            reward is bounded as if a reward were 1.

    Raises:
        ValueError: names the argument and row that is out of range, or not finite.
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

    The standard error is the delta method's for a ratio, sqrt(sum(w^2 (r - value)^2)) / sum(w). NaN where the
    target never does what was logged.
    """
    return _estimate(checked(reward, target, propensity, action, reward_range), level, is_normalised=True)


class _Shape(NamedTuple):
    """What rounds with a reward look like."""

    rewarded: float  # sum of weighted rewards
    typical: float  # mean weight of a round that is drawn by weight
    size: float  # mean reward of a rewarded round, drawn by weighted reward
    mean: float  # ... its weighted reward, with the prior rounds
    effective: float  # rewarded rounds of equal weight that would say as much


def _shape(x: Array, weights: Array, unseen: float) -> _Shape:
    """Of rewards x of at least 0; `unseen` is the size of a reward where none is logged."""
    rewarded, typical = float(weights @ x), float(weights @ weights) / float(weights.sum())
    size = float(weights @ x**2) / rewarded if rewarded else unseen
    prior = _PRIOR * typical * size
    mean = (float(weights**2 @ x**2) + prior * typical * size) / (rewarded + prior)
    return _Shape(rewarded, typical, size, mean, rewarded / max(mean, typical * size))


def _part(x: Array, weights: Array, unseen: float, level: float, is_normalised: bool) -> _Part:
    """Value and score interval of the rewards of one sign, x of at least 0."""
    n, unit = len(x), 1.0 if is_normalised else float(weights.max())
    weights = weights / weights.max()  # their squares would vanish where all are tiny
    shape, total = _shape(x, weights, unseen), float(weights.sum())
    t = t_quantile(0.5 + level / 2.0, 2.0 * shape.effective + _PRIOR_DF)
    scale, a, d = float(n), shape.mean, 1.0
    if is_normalised:
        scale, a = total, shape.mean * n / total
        d = 2.0 * a / shape.size - shape.typical * n / total
    value, step = shape.rewarded / scale, t * t / n
    influence = weights * (x - value) if is_normalised else weights * x - value
    # (value - theta)^2 <= step (a theta - d theta^2), solved for theta - value: nothing cancels where all rewards are 1
    curve, tilt = 1.0 + step * d, step * (0.5 * a - d * value)
    half = math.sqrt(step * max(value * (a - d * value) + 0.25 * step * a * a, 0.0))
    low, high = value + min((tilt - half) / curve, 0.0), value + max((tilt + half) / curve, 0.0)
    return _Part(unit * value, unit * low, unit * high, influence)


def _interval(rounds: Rounds, level: float, is_normalised: bool) -> tuple[float, float]:
    """Both signs' intervals in one."""
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
    """Why the interval is not to be believed."""
    weights, n = rounds.weight, len(rounds.weight)
    if not weights.any():
        return ["no overlap: the target never takes a logged action"]
    reasons = []
    if rounds.unsupported > OFF_ONE:
        reasons.append(
            f"no overlap: {rounds.unsupported:.1%} of the target's actions have propensity 0 in the log"
        )
    if effective < LEAST_EFFECTIVE_SHARE * n or effective < LEAST_EFFECTIVE_SIZE:
        reasons.append(f"poor overlap: {n} rounds are worth {effective:.0f}")
    if (share := float(weights.max() / weights.sum())) > LARGEST_SHARE:
        reasons.append(f"largest weight: one round has {share:.1%} of all weight")
    off = abs(weights.mean() - 1.0)
    if off > _MOST_OFF * weights.std(ddof=1) / math.sqrt(n) + 1e-9:
        reasons.append(
            f"weights average {weights.mean():.3f}, not 1: the logging policy leaves out what the target does"
        )
    count = int(((rounds.reward != 0) & (weights > 0)).sum())
    if not count:
        reasons.append("no response: no round is rewarded, the interval is a bound")
    elif rewarded < LEAST_REWARDED:
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
