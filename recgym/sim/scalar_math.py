"""Scalar functions of the compiled code. They allocate nothing, so CUDA kernels can call them."""

import math
from typing import TypeVar

from recgym.arrays import Doubles, Indices
from recgym.jit import njit

MAX_LOGIT = 30.0  # logits are clipped to [-MAX_LOGIT, MAX_LOGIT]

Number = TypeVar("Number", int, float)


@njit()
def minimum(a: Number, b: Number) -> Number:
    """The smaller of two numbers. The built-in `min` does not compile for a CUDA device."""
    return a if a < b else b


@njit()
def clip(x: float, limit: float) -> float:
    """X clipped to [-limit, limit]."""
    if x > limit:
        return limit
    return x if x > -limit else -limit


@njit()
def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)), x clipped to [-30, 30]."""
    return 1.0 / (1.0 + math.exp(-clip(x, MAX_LOGIT)))


@njit()
def _below_exp(y: float) -> float:
    """A number of at most exp(y), for y >= 0: terms of its series."""
    return 1.0 + y * (1.0 + y * (0.5 + y * (0.16 + y * (0.04 + y * 0.008))))


@njit()
def happens(u: float, x: float) -> bool:
    """Whether u < sigmoid(x), for u in [0, 1).

    The exponential is left out where a bound decides: exp(y) is at least the first terms of its series, so that
    sigmoid(-y) is at most 1 / (1 + those terms) for y >= 0. The margins cover the rounding of `sigmoid`.
    """
    x = clip(x, MAX_LOGIT)
    y, v = (-x, u) if x < 0.0 else (x, 1.0 - u)
    if v > 1e-8 and v * (1.0 + _below_exp(y)) > 1.000001:
        return x >= 0.0
    return u < sigmoid(x)


@njit()
def happens_in_part(u: float, x: float, share: float) -> bool:
    """Whether u < 1 - (1 - sigmoid(x))^share, for u in [0, 1) and share > 0.

    That probability is at most share exp(x); as in `happens`, it is not computed where this bound decides.
    """
    y = -clip(x, MAX_LOGIT)
    if share == 1.0:
        return happens(u, x)
    if y > 0.0 and u > 1e-8 and u * _below_exp(y) > 1.000001 * share:
        return False
    return happens(u, logit_in_part(x, share))


@njit()
def logit_in_part(x: float, share: float) -> float:
    """Logit of 1 - (1 - sigmoid(x))^share, for share > 0."""
    if share == 1.0:
        return x
    return log_stay_to_logit(-math.log1p(math.exp(clip(x, MAX_LOGIT))) * share)


@njit()
def log_stay_to_logit(log_stay: float) -> float:
    """Logit of a probability p from log(1 - p) < 0."""
    return math.log(math.expm1(-log_stay)) if log_stay > -MAX_LOGIT else MAX_LOGIT


@njit()
def draw(cdf: Doubles, low: int, high: int, u: float) -> int:
    """Smallest index in [low, high) whose cumulative weight exceeds u: a draw from `cdf` where u is uniform."""
    size = high - low - 1
    # as many rounds whatever u is, without a branch: a wrong guess costs more than a round
    while size > 0:
        half = (size + 1) // 2
        low += half * int(cdf[low + half - 1] <= u)
        size -= half
    return low


@njit()
def first_not_below(values: Indices, low: int, high: int, wanted: int) -> int:
    """First place of the ascending `values[low:high]` whose number is at least `wanted`; `high` if there is none."""
    size = high - low
    while size > 0:  # as in `draw`
        half = (size + 1) // 2
        low += half * int(values[low + half - 1] < wanted)
        size -= half
    return low
