"""UCB1: optimism in the face of uncertainty (Auer, Cesa-Bianchi and Fischer, 2002, Machine Learning 47).

Deviation: decisions come in batches. Within a batch a pull without its reward counts as a pull with the arm's mean
reward (as in batched Gaussian-process UCB: Desautels, Krause and Burdick, 2014, JMLR 15).
"""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.bandits.arms import Arms
from agents.interface import Actions, Masks
from agents.params import check_range
from agents.slates import check_mask, num_rows
from recgym.jit import njit

UNTRIED_BOUND = 1e6  # above every bound, and finite: untried arms are ordered at random
ARMS_PER_BLOCK = 32  # the largest bound of each block is kept, so that a search reads few blocks


@njit()
def _end(index: NDArray[np.float64], block: int) -> int:
    """Arm after the last of a block."""
    end = (block + 1) * ARMS_PER_BLOCK
    return end if end < index.shape[0] else index.shape[0]


@njit()
def _largest(index: NDArray[np.float64], block: int) -> float:
    """Largest bound of a block."""
    top = -np.inf
    for a in range(block * ARMS_PER_BLOCK, _end(index, block)):
        top = index[a] if index[a] > top else top
    return top


@njit()
def _best(
    index: NDArray[np.float64], mask: Masks, tops: NDArray[np.float64], slates: Actions, b: int, k: int
) -> int:
    """The arm for position k of row b: the largest bound that is allowed and not yet in the slate."""
    best, bound = -1, -np.inf
    for block in range(tops.shape[0]):
        if tops[block] <= bound:
            continue
        for a in range(block * ARMS_PER_BLOCK, _end(index, block)):
            if index[a] > bound and (mask.shape[0] == 0 or mask[b, a]):
                taken = False
                for above in range(k):
                    taken = taken or slates[b, above] == a
                if not taken:
                    best, bound = a, index[a]
    return best


@njit()
def _pick(
    index: NDArray[np.float64],
    mean: NDArray[np.float64],
    pulls: NDArray[np.int64],
    spread: float,
    mask: Masks,
    tops: NDArray[np.float64],
    slates: Actions,
) -> None:
    """Fill `slates` (B, K), row by row: each pull counts for the later rows.

    `mask` (B or 0, N); `tops` is scratch, one a block. Ties go to the lower arm.
    """
    for block in range(tops.shape[0]):
        tops[block] = _largest(index, block)
    for b in range(slates.shape[0]):
        for k in range(slates.shape[1]):
            slates[b, k] = _best(index, mask, tops, slates, b, k)
        for k in range(slates.shape[1]):
            a = slates[b, k]
            pulls[a] += 1
            index[a] = mean[a] + spread / math.sqrt(pulls[a])
            tops[a // ARMS_PER_BLOCK] = _largest(index, a // ARMS_PER_BLOCK)


@dataclass(frozen=True, kw_only=True)
class Ucb1Params:
    """Width of the bounds, and whether items are repeated."""

    scale: float = 1.0  # times sqrt(2 ln t / n), at least 0; 1 is the paper's, for rewards in [0, 1]
    fresh: bool = True  # show an item at most once per session (within the last 20 items)

    def __post_init__(self) -> None:
        check_range("scale", self.scale, 0)


class Ucb1(Arms):
    """Shows the largest upper confidence bound; slates: the K largest.

    Idea:
        Show what could be best: an item's mean reward plus a bonus that is large while the item was shown
        seldom and grows slowly with time. So exploration needs no random numbers, and goes where something
        can still be learnt.

    Formula:
        A = the K largest of mean_a + scale sqrt(2 ln t / n_a)

    Reads:
        No log, no user: one mean an item; of the observation the items shown, for `fresh`.

    Cost:
        O(N / 32 + 32) a place: bounds are searched block by block.

    Source:
        Auer, Cesa-Bianchi and Fischer (2002), Finite-time analysis of the multiarmed bandit problem, Machine
        Learning 47.
    """

    name: ClassVar[str] = "ucb1"
    config: ClassVar[type[Any]] = Ucb1Params
    params: Ucb1Params

    def bounds(self, arms: NDArray[Any], pulls: NDArray[Any]) -> NDArray[np.float64]:
        """Upper confidence bounds of arms with `pulls` pulls, pending ones included."""
        return np.asarray(self.means()[arms] + self.spread / np.sqrt(np.maximum(pulls, 1)))

    def means(self) -> NDArray[np.float64]:
        """Mean of every arm, (N,); 1 for an untried arm."""
        return np.where(self.pulls > 0, self.total / np.maximum(self.pulls, 1), 1.0)

    @property
    def spread(self) -> float:
        """Numerator of the bound's width; the denominator is the root of an arm's pulls."""
        return self.params.scale * math.sqrt(2.0 * math.log(max(int(self.pulls.sum()), 1)))

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """Untried arms first, then the largest bound, ties at random; greedy on the means without `explore`."""
        if not explore:
            return self.greedy(observation, mask)
        batch, slots = num_rows(observation), self.problem.slate_size
        check_mask(mask, slots)
        mask = self.allowed_arms(observation, mask)
        pulls = self.pulls.copy()
        index = self.bounds(np.arange(len(pulls)), pulls)
        index[pulls == 0] = UNTRIED_BOUND + self.rng.random(int((pulls == 0).sum()))
        slates = np.empty((batch, slots), np.int64)
        order = self.tie_order  # of arms with equal bounds
        masks = np.empty((0, len(pulls)), np.bool_) if mask is None else mask[:, order]
        tops = np.empty(-(-len(pulls) // ARMS_PER_BLOCK))
        _pick(index[order], self.means()[order], pulls[order], self.spread, masks, tops, slates)
        slates = order[slates]
        return slates[:, 0] if slots == 1 else slates
