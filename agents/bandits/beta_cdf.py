"""Distribution functions F of many Beta distributions at common levels, updated as their parameters grow by 1.

1 - F(x) of Beta(a + 1, b) and Beta(a, b + 1) follows from that of Beta(a, b) by a recurrence (DLMF 8.17.20 and
8.17.21). It is computed directly at intervals, before rounding errors add up.

Axes: N arms, G cells between G + 1 levels, which fall from 1.
"""

import math
from typing import NamedTuple

import numpy as np

from agents.interface import Actions
from recgym.arrays import Doubles
from recgym.jit import njit

ARMS_PER_BLOCK = 32
MIN_RECURRENCE_STEPS = 16  # an arm is computed directly after more steps than this and an eighth of its pulls
ZERO_TAIL = 1e-13  # 1 - F below it is 0
SMALL_PROBABILITY = 1e-5  # of 1 - F: two terms of the logarithm are exact; of F: 1 - F is too inexact
INTEGER_TOLERANCE = 1e-6  # of a step of a or b
MAX_TERMS = 10_000  # of the continued fraction


@njit()
def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function (DLMF 8.17.22) by Lentz's method."""
    value, above, below = 1.0, 1.0, 0.0
    for j in range(1, MAX_TERMS):
        m = j // 2
        if j % 2 == 0:
            term = m * (b - m) * x / ((a + j - 1.0) * (a + j))
        else:
            term = -(a + m) * (a + b + m) * x / ((a + j - 1.0) * (a + j))
        below = 1.0 / (1.0 + term * below)
        above = 1.0 + term / above
        value *= above * below
        if abs(above * below - 1.0) < 1e-14:
            break
    return value


@njit()
def _constant(a: float, b: float) -> float:
    """-log of the beta function."""
    return math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)


@njit()
def _height(a: float, b: float, constant: float, x: float) -> float:
    """-log F(x) of Beta(a, b) at x in (0, 1)."""
    front = constant + a * math.log(x) + b * math.log1p(-x)
    if x < (a + 1.0) / (a + b + 2.0):
        return math.log(a * _fraction(a, b, x)) - front
    return -math.log1p(-math.exp(front) / (b * _fraction(b, a, 1.0 - x)))


@njit()
def heights(levels: Doubles, a: Doubles, b: Doubles, out: Doubles) -> None:
    """Fill `out` (N, levels) with -log F at the levels, which fall; F of Beta(a, b)."""
    for arm in range(len(a)):
        constant, height = _constant(a[arm], b[arm]), np.inf
        for g in range(len(levels) - 1, -1, -1):
            is_above = levels[g] >= 1.0 or height < ZERO_TAIL
            height = 0.0 if is_above else _height(a[arm], b[arm], constant, levels[g])
            out[arm, g] = height


@njit()
def _compute(levels: Doubles, a: float, b: float, tails: Doubles, fronts: Doubles) -> None:
    """Fill 1 - F of Beta(a, b) at the levels, and its increment x^a (1 - x)^b / (a B(a, b)) as a grows by 1."""
    constant, tails[:], fronts[:] = _constant(a, b), 0.0, 0.0
    for g in range(len(levels)):
        x = levels[g]
        if x < 1.0:
            front = math.exp(constant + a * math.log(x) + b * math.log1p(-x))
            fronts[g] = front / a
            if x < (a + 1.0) / (a + b + 2.0):
                tails[g] = 1.0 - front / (a * _fraction(a, b, x))
            else:
                tails[g] = front / (b * _fraction(b, a, 1.0 - x))


@njit()
def _step_up(
    levels: Doubles, a: float, b: float, won: int, lost: int, tails: Doubles, fronts: Doubles
) -> None:
    """Take 1 - F and the fronts from Beta(a, b) to Beta(a + won, b + lost) (DLMF 8.17.20 and 8.17.21)."""
    for _ in range(won):
        ratio = (a + b) / (a + 1.0)
        for g in range(len(levels)):
            tails[g] += fronts[g]
            fronts[g] *= levels[g] * ratio
        a += 1.0
    for _ in range(lost):
        ratio, less = (a + b) / b, a / b
        for g in range(len(levels)):
            tails[g] -= fronts[g] * less
            fronts[g] *= (1.0 - levels[g]) * ratio
        b += 1.0


@njit()
def _shares(levels: Doubles, a: float, b: float, tails: Doubles, shares: Doubles) -> None:
    """Fill the growth of -log F over each cell, (G,)."""
    constant, above = _constant(a, b), 0.0
    for g in range(len(shares)):
        tail = tails[g + 1]
        if tail < SMALL_PROBABILITY:
            height = max(tail, 0.0) * (1.0 + 0.5 * tail)
        elif tail < 1.0 - SMALL_PROBABILITY:
            height = -math.log(1.0 - tail)
        else:
            height = _height(a, b, constant, levels[g + 1])
        shares[g] = max(height - above, 0.0)
        above = height


class BetaTable(NamedTuple):
    """Beta posteriors of N arms at G + 1 levels."""

    levels: Doubles  # (G + 1,) falling from 1
    a: Doubles  # (N,) parameter of the Beta distribution, 0 before the first update
    b: Doubles  # (N,)
    since: Actions  # (N,) steps of the recurrence since an arm was computed directly
    tails: Doubles  # (N, G + 1) 1 - F
    fronts: Doubles  # (N, G + 1) x^a (1 - x)^b / (a B(a, b)), the increment of 1 - F as a grows by 1
    shares: Doubles  # (N, G) growth of -log F over each cell
    blocks: Doubles  # (blocks, G) sums of the shares of ARMS_PER_BLOCK arms
    total: Doubles  # (G,) Lambda at the lower level of each cell


@njit()
def update_table(t: BetaTable, new_a: Doubles, new_b: Doubles) -> None:
    """Move the table to posteriors Beta(new_a, new_b), (N,) each: by the recurrence after few steps, else directly."""
    for block in range(len(t.blocks)):
        first, end = block * ARMS_PER_BLOCK, min((block + 1) * ARMS_PER_BLOCK, len(t.a))
        is_changed = False
        for arm in range(first, end):
            up, down = new_a[arm] - t.a[arm], new_b[arm] - t.b[arm]
            if up == 0.0 and down == 0.0:
                continue
            is_changed = True
            won, lost = round(up), round(down)
            t.since[arm] += won + lost
            are_steps = won >= 0 and lost >= 0 and abs(up - won) + abs(down - lost) < INTEGER_TOLERANCE
            if (
                t.a[arm] > 0.0
                and are_steps
                and t.since[arm] <= max(MIN_RECURRENCE_STEPS, (t.a[arm] + t.b[arm]) / 8.0)
            ):
                _step_up(t.levels, t.a[arm], t.b[arm], won, lost, t.tails[arm], t.fronts[arm])
            else:
                _compute(t.levels, new_a[arm], new_b[arm], t.tails[arm], t.fronts[arm])
                t.since[arm] = 0
            t.a[arm], t.b[arm] = new_a[arm], new_b[arm]
            _shares(t.levels, t.a[arm], t.b[arm], t.tails[arm], t.shares[arm])
        if is_changed:
            t.blocks[block] = 0.0
            for arm in range(first, end):
                for g in range(t.shares.shape[1]):
                    t.blocks[block, g] += t.shares[arm, g]
    below = 0.0
    for g in range(len(t.total)):
        for block in range(len(t.blocks)):
            below += t.blocks[block, g]
        t.total[g] = below
