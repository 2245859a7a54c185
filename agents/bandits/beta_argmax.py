"""The K largest of N independent Beta draws, without drawing all N, for many rows at once.

A draw with distribution function F is the largest point of a Poisson process with -log F(x) expected points above x.
The superposition of the arms' processes has Lambda(x) = sum of -log F_a(x) expected points above x. Its points are
generated from the largest down, Exp(1) apart in Lambda; each belongs to arm a with probability proportional to the
arm's share of the growth of Lambda there. The first point of an arm is its draw, so the first K different allowed
arms have the K largest draws. A row takes a few steps instead of N draws.

Lambda is tabulated at G levels, a factor of about 1.07 apart; two draws between the same two levels are ranked at
random. Below the last level, where Lambda is about 40, arms are drawn one by one.

Axes: B rows, N arms, K picks, G cells between G + 1 levels.
"""

import math

import numpy as np

from agents.bandits.beta_cdf import ARMS_PER_BLOCK, BetaTable, heights, update_table
from agents.interface import Actions, Masks
from agents.slates import top_k
from recgym.arrays import Doubles
from recgym.jit import njit
from recgym.rng import uniform

CELLS = 128  # G
MAX_RATE, MIN_RATE = 40.0, 0.01  # Lambda at the lowest level, and at the highest level below 1
COARSE_LEVELS = 64  # of the first pass of their placement
STREAM = 0  # of the generator; each call has its own key
MAX_REDRAWS = 100  # of an arm, until it is below the lowest level


@njit()
def _search(ascending: Doubles, value: float) -> int:
    """Index of the first entry above the value; the last index if there is none."""
    low, high = 0, ascending.shape[0] - 1
    while low < high:
        middle = (low + high) // 2
        if ascending[middle] > value:
            high = middle
        else:
            low = middle + 1
    return low


@njit()
def _owner(shares: Doubles, blocks: Doubles, cell: int, u: float) -> int:
    """The arm at a fraction u of a cell's sum of shares."""
    rest = 0.0
    for block in range(len(blocks)):
        rest += blocks[block, cell]
    rest *= u
    block = 0
    while block < len(blocks) - 1 and rest >= blocks[block, cell]:
        rest -= blocks[block, cell]
        block += 1
    arm, last = block * ARMS_PER_BLOCK, min((block + 1) * ARMS_PER_BLOCK, len(shares)) - 1
    while arm < last and rest >= shares[arm, cell]:
        rest -= shares[arm, cell]
        arm += 1
    return arm


@njit()
def _walk(
    key: np.uint64,
    total: Doubles,
    shares: Doubles,
    blocks: Doubles,
    mask: Masks,
    slates: Actions,
    found: Actions,
) -> None:
    """Fill `slates` (B, K) from the largest draw down; `found` (B,) is the number of arms above the last level.

    `total` (G,) is Lambda at the lower level of each cell, the topmost cell first, as in `shares` (N, G) and their
    sums over ARMS_PER_BLOCK arms each; `mask` (B or 0, N).
    """
    for b in range(slates.shape[0]):
        depth, column, k = 0.0, 0, 0
        while k < slates.shape[1]:
            depth -= math.log(1.0 - uniform(key, b, STREAM, column))
            if depth > total[-1]:
                break
            arm = _owner(shares, blocks, _search(total, depth), uniform(key, b, STREAM, column + 1))
            column += 2
            if mask.shape[0] == 0 or mask[b, arm]:
                is_new = True
                for above in range(k):
                    is_new = is_new and slates[b, above] != arm
                if is_new:
                    slates[b, k] = arm
                    k += 1
        found[b] = k


class BetaArgmax:
    """Samples the K largest draws of N Beta posteriors; an update computes only the arms that changed."""

    def __init__(self, num_arms: int) -> None:
        self.levels = np.zeros(CELLS + 1)  # from 1 down; 0 before they are placed; part of an agent's state
        self.a, self.b = np.zeros(num_arms), np.zeros(num_arms)  # of the present table
        self.since = np.zeros(num_arms, np.int64)  # steps since an arm was computed directly
        self.tails, self.fronts = np.zeros((2, num_arms, CELLS + 1))  # see `agents.bandits.beta_cdf`
        self.shares = np.zeros((num_arms, CELLS))
        self.blocks, self.total = np.zeros((-(-num_arms // ARMS_PER_BLOCK), CELLS)), np.zeros(CELLS)

    def settle(self) -> None:
        """Make the next refresh compute all arms directly, so that a saved agent and the running one draw the same."""
        self.a[:] = 0.0  # no Beta distribution has it

    def _sum(self, levels: Doubles) -> Doubles:
        """Lambda at levels."""
        out = np.empty((len(self.a), len(levels)))
        heights(levels, self.a, self.b, out)
        return np.asarray(out.sum(axis=0))

    def _level_of(self, target: float) -> float:
        low, high = 0.0, 1.0
        for _ in range(30):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if self._sum(np.array([middle]))[0] > target else (low, middle)
        return 0.5 * (low + high)

    def _place(self) -> None:
        """Place the levels evenly in log Lambda, from MIN_RATE to MAX_RATE."""
        coarse = np.linspace(self._level_of(MIN_RATE), self._level_of(MAX_RATE), COARSE_LEVELS)
        wanted = np.linspace(np.log(MIN_RATE), np.log(MAX_RATE), CELLS)
        self.levels[1:] = np.interp(wanted, np.log(self._sum(coarse)), coarse)
        self.levels[0] = 1.0

    def _update(self, a: Doubles, b: Doubles) -> None:
        posteriors = (self.levels, self.a, self.b, self.since)
        table = BetaTable(*posteriors, self.tails, self.fronts, self.shares, self.blocks, self.total)
        update_table(table, a, b)

    def refresh(self, a: Doubles, b: Doubles) -> None:
        """Update the table to posteriors Beta(a, b), (N,) each."""
        is_placed = self.levels[0] == 1.0
        if is_placed:
            self._update(a, b)
            top, bottom = self.total[0], self.total[-1]
            is_placed = MIN_RATE / 5 <= top <= 5 * MIN_RATE and MAX_RATE / 2 <= bottom <= 10 * MAX_RATE
        if not is_placed:
            self.a[:], self.b[:] = a, b
            self._place()
            self.settle()
            self._update(a, b)

    def best(self, rng: np.random.Generator, rows: int, slots: int, mask: Masks | None) -> Actions:
        """Arms of the K largest draws of each row, best first, (B,) where K is 1, else (B, K)."""
        slates, found = np.zeros((rows, slots), np.int64), np.zeros(rows, np.int64)
        given = np.empty((0, len(self.a)), np.bool_) if mask is None else np.ascontiguousarray(mask)
        _walk(np.uint64(rng.integers(1 << 62)), self.total, self.shares, self.blocks, given, slates, found)
        short = np.flatnonzero(found < slots)
        if len(short):
            barred = None if mask is None else mask[short]
            slates[short] = self._below(rng, slates[short], found[short], barred)
        return slates[:, 0] if slots == 1 else slates

    def _below(
        self, rng: np.random.Generator, slates: Actions, found: Actions, mask: Masks | None
    ) -> Actions:
        """Slates (b, K) with `found` arms in place; the others are drawn below the table."""
        batch, slots = slates.shape
        lowest, num = self.levels[-1], len(self.a)
        draws = rng.beta(self.a, self.b, (batch, num))
        wanted = np.ones((batch, num), np.bool_) if mask is None else mask.copy()
        rows, places = np.nonzero(np.arange(slots) < found[:, None])
        wanted[rows, slates[rows, places]] = False
        for _ in range(MAX_REDRAWS):
            high, arms = np.nonzero((draws > lowest) & wanted)
            if not len(high):
                break
            draws[high, arms] = rng.beta(self.a[arms], self.b[arms])
        draws = np.minimum(draws, lowest)
        draws[rows, slates[rows, places]] = 2.0 + slots - places
        return top_k(draws, slots, mask, ties=rng.permutation(num)).reshape(batch, slots)
