"""-log F of many Beta distributions at the same levels, kept up to date while their parameters grow by ones.

An arm that was pulled once more has a Beta one step on: 1 - F at the levels follows by a recurrence (DLMF 8.17.20 and
8.17.21) and is computed anew now and then, before rounding could add up.

Axes: N arms, G cells between G + 1 levels, which fall from 1; sums are kept over BLOCK arms.
"""

import math

import numpy as np

from agents.interface import Actions
from recgym.arrays import Doubles
from recgym.jit import njit

BLOCK = 32  # arms whose shares are summed
FRESH = 16  # steps that an arm may always take before it is computed anew; later an eighth of its pulls
NOTHING = 1e-13  # 1 - F that is taken for 0
SMALL = 1e-5  # 1 - F below which two terms of the logarithm do, and F below which 1 - F says too little of it
EQUAL = 1e-6  # how far from whole numbers steps may be
TERMS = 10_000  # of the continued fraction, at most


@njit()
def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function (DLMF 8.17.22) by Lentz's method."""
    value, above, below = 1.0, 1.0, 0.0
    for j in range(1, TERMS):
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
            is_above = levels[g] >= 1.0 or height < NOTHING
            height = 0.0 if is_above else _height(a[arm], b[arm], constant, levels[g])
            out[arm, g] = height


@njit()
def _anew(levels: Doubles, a: float, b: float, tails: Doubles, fronts: Doubles) -> None:
    """Fill 1 - F of Beta(a, b) at the levels, and x^a (1 - x)^b / (a B(a, b)), by which it grows as a does."""
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
def _steps(levels: Doubles, a: float, b: float, won: int, lost: int, tails: Doubles, fronts: Doubles) -> None:
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
    """Fill how much -log F grows from level to level (G,)."""
    constant, above = _constant(a, b), 0.0
    for g in range(len(shares)):
        tail = tails[g + 1]
        if tail < SMALL:
            height = max(tail, 0.0) * (1.0 + 0.5 * tail)
        elif tail < 1.0 - SMALL:
            height = -math.log(1.0 - tail)
        else:
            height = _height(a, b, constant, levels[g + 1])
        shares[g] = max(height - above, 0.0)
        above = height


@njit()
def follow(
    levels: Doubles,
    a: Doubles,
    b: Doubles,
    new_a: Doubles,
    new_b: Doubles,
    since: Actions,
    tails: Doubles,
    fronts: Doubles,
    shares: Doubles,
    blocks: Doubles,
    total: Doubles,
) -> None:
    """Take the table over to new posteriors: arms that took few steps step by step, others anew."""
    for block in range(len(blocks)):
        first, end = block * BLOCK, min((block + 1) * BLOCK, len(a))
        is_changed = False
        for arm in range(first, end):
            up, down = new_a[arm] - a[arm], new_b[arm] - b[arm]
            if up == 0.0 and down == 0.0:
                continue
            is_changed = True
            won, lost = round(up), round(down)
            since[arm] += won + lost
            are_steps = won >= 0 and lost >= 0 and abs(up - won) + abs(down - lost) < EQUAL
            if a[arm] > 0.0 and are_steps and since[arm] <= max(FRESH, (a[arm] + b[arm]) / 8.0):
                _steps(levels, a[arm], b[arm], won, lost, tails[arm], fronts[arm])
            else:
                _anew(levels, new_a[arm], new_b[arm], tails[arm], fronts[arm])
                since[arm] = 0
            a[arm], b[arm] = new_a[arm], new_b[arm]
            _shares(levels, a[arm], b[arm], tails[arm], shares[arm])
        if is_changed:
            blocks[block] = 0.0
            for arm in range(first, end):
                for g in range(shares.shape[1]):
                    blocks[block, g] += shares[arm, g]
    below = 0.0
    for g in range(len(total)):
        for block in range(len(blocks)):
            below += blocks[block, g]
        total[g] = below
