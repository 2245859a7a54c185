"""The largest of many independent Beta draws without drawing them all, for many rows at once.

A draw with distribution function F is the topmost point of a Poisson process that has -log F(x) points above x on
average. Laid over one another, the processes of all arms are one process: its points are walked from the top down, a
point of the sum at a time (Exp(1) apart in Lambda(x) = sum of -log F_a(x)), and each belongs to an arm in proportion
to the arm's share there. The first point of an arm is its draw; the first K arms met are the K largest draws, and
barred arms are passed over. A row costs a few steps instead of N draws.

Lambda is tabulated at G levels, a fifteenth apart or so in Lambda; two draws that fall between the same two levels
are ranked by chance. Below the last level, where Lambda is about 40, arms are drawn one by one.

Axes: B rows, N arms, K picks, G cells between G + 1 levels.
"""

import math

import numpy as np
from numpy.typing import NDArray

from agents.base import Actions, Masks
from agents.slates import top_k
from recgym.jit import njit
from recgym.rng import uniform

CELLS = 128  # G
MOST, LEAST = 40.0, 0.01  # Lambda at the lowest level and at the highest below 1
COARSE = 64  # levels of the first pass
STREAM = 0  # of the generator: the key is drawn for each call, so one will do
TERMS = 10_000  # of the continued fraction, at most
TRIES = 100  # draws of an arm that must lie below the lowest level
Doubles = NDArray[np.float64]


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
def heights(levels: Doubles, a: Doubles, b: Doubles, arms: Actions, out: Doubles) -> None:
    """Fill the columns `arms` of `out` (levels, N) with -log F at the levels, which fall; F of Beta(a, b)."""
    for arm in arms:
        p, q = a[arm], b[arm]
        constant = math.lgamma(p + q) - math.lgamma(p) - math.lgamma(q)
        height = np.inf
        for g in range(levels.shape[0] - 1, -1, -1):
            x = levels[g]
            if x >= 1.0 or height < 1e-13:  # nothing is up there
                height = 0.0
                out[g, arm] = height
                continue
            front = constant + p * math.log(x) + q * math.log1p(-x)
            if x < (p + 1.0) / (p + q + 2.0):
                height = math.log(p * _fraction(p, q, x)) - front
            else:
                height = -math.log1p(-math.exp(front) / (q * _fraction(q, p, 1.0 - x)))
            out[g, arm] = height


@njit()
def _search(ascending: Doubles, value: float) -> int:
    """The first place whose entry is above the value; the last place if none is."""
    low, high = 0, ascending.shape[0] - 1
    while low < high:
        middle = (low + high) // 2
        if ascending[middle] > value:
            high = middle
        else:
            low = middle + 1
    return low


@njit()
def _walk(
    key: np.uint64, total: Doubles, shares: Doubles, mask: Masks, slates: Actions, found: Actions
) -> None:
    """Fill `slates` (B, K) from the top; `found` (B,) says how many before the table ended.

    `total` (G,) is Lambda at the lower level of each cell, the topmost cell first, as in `shares` (G, N), cumulative;
    `mask` (B or 0, N).
    """
    for b in range(slates.shape[0]):
        depth, column, k = 0.0, 0, 0
        while k < slates.shape[1]:
            depth -= math.log(1.0 - uniform(key, b, STREAM, column))
            if depth > total[-1]:
                break
            cell = _search(total, depth)
            u = uniform(key, b, STREAM, column + 1) * shares[cell, -1]
            arm, column = _search(shares[cell], u), column + 2
            if mask.shape[0] == 0 or mask[b, arm]:
                is_new = True
                for above in range(k):
                    is_new = is_new and slates[b, above] != arm
                if is_new:
                    slates[b, k] = arm
                    k += 1
        found[b] = k


class Race:
    """Beta posteriors of N arms, kept for drawing: only arms that changed are computed anew."""

    def __init__(self, num_arms: int) -> None:
        self.levels = np.zeros(CELLS + 1)  # from 1 down; all 0: not yet placed. Part of an agent's state
        self.a, self.b = np.zeros(num_arms), np.zeros(num_arms)  # that the table was computed for
        self.points = np.zeros((CELLS + 1, num_arms))  # -log F at the levels
        self.total, self.shares = np.zeros(CELLS), np.zeros((CELLS, num_arms))
        self.everybody = np.arange(num_arms)

    def _sum(self, levels: Doubles) -> Doubles:
        """Lambda at levels."""
        out = np.empty((len(levels), len(self.a)))
        heights(levels, self.a, self.b, self.everybody, out)
        return np.asarray(out.sum(axis=1))

    def _level_of(self, target: float) -> float:
        low, high = 0.0, 1.0
        for _ in range(30):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if self._sum(np.array([middle]))[0] > target else (low, middle)
        return 0.5 * (low + high)

    def _place(self) -> None:
        """Put the levels where Lambda grows evenly on a logarithmic scale, from LEAST to MOST."""
        coarse = np.linspace(self._level_of(LEAST), self._level_of(MOST), COARSE)
        wanted = np.linspace(np.log(LEAST), np.log(MOST), CELLS)
        self.levels[1:] = np.interp(wanted, np.log(self._sum(coarse)), coarse)
        self.levels[0] = 1.0

    def refresh(self, a: Doubles, b: Doubles) -> None:
        """Take over posteriors Beta(a, b), (N,) each."""
        changed = np.flatnonzero((self.a != a) | (self.b != b))
        if not len(changed):
            return
        self.a[changed], self.b[changed] = a[changed], b[changed]
        is_placed = self.levels[0] == 1.0
        if is_placed:
            heights(self.levels, self.a, self.b, changed, self.points)
            top, bottom = self.points[1].sum(), self.points[-1].sum()
            is_placed = LEAST / 5 <= top <= 5 * LEAST and MOST / 2 <= bottom <= 10 * MOST
        if not is_placed:
            self._place()
            heights(self.levels, self.a, self.b, self.everybody, self.points)
        np.cumsum(np.maximum(np.diff(self.points, axis=0), 0.0), axis=1, out=self.shares)
        np.cumsum(self.shares[:, -1], out=self.total)

    def best(self, rng: np.random.Generator, rows: int, slots: int, mask: Masks | None) -> Actions:
        """Arms of the K largest draws of each row, best first, (B,) where K is 1, else (B, K)."""
        slates, found = np.zeros((rows, slots), np.int64), np.zeros(rows, np.int64)
        given = np.empty((0, len(self.a)), np.bool_) if mask is None else np.ascontiguousarray(mask)
        _walk(np.uint64(rng.integers(1 << 62)), self.total, self.shares, given, slates, found)
        short = np.flatnonzero(found < slots)
        if len(short):
            barred = None if mask is None else mask[short]
            slates[short] = self._below(rng, slates[short], found[short], barred)
        return slates[:, 0] if slots == 1 else slates

    def _below(
        self, rng: np.random.Generator, slates: Actions, found: Actions, mask: Masks | None
    ) -> Actions:
        """Slates (b, K) of which `found` arms stand; the others are drawn, below the table."""
        batch, slots = slates.shape
        lowest, num = self.levels[-1], len(self.a)
        draws = rng.beta(self.a, self.b, (batch, num))
        wanted = np.ones((batch, num), np.bool_) if mask is None else mask.copy()
        rows, places = np.nonzero(np.arange(slots) < found[:, None])
        wanted[rows, slates[rows, places]] = False
        for _ in range(TRIES):
            high, arms = np.nonzero((draws > lowest) & wanted)
            if not len(high):
                break
            draws[high, arms] = rng.beta(self.a[arms], self.b[arms])
        draws = np.minimum(draws, lowest)
        draws[rows, slates[rows, places]] = 2.0 + slots - places
        return top_k(draws, slots, mask).reshape(batch, slots)
