"""UCB1: optimism in the face of uncertainty (Auer, Cesa-Bianchi and Fischer, 2002, Machine Learning 47).

Deviation: decisions come in batches, so within a batch a pull that is still unpaid counts as a pull at the
arm's mean (as in batched Gaussian-process UCB: Desautels, Krause and Burdick, 2014): a batch spreads.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.arms import Arms
from agents.base import Actions, Masks, check_range
from agents.slates import check_mask, num_rows

UNTRIED = 1e6  # above every bound, and finite, so that untried arms can be ordered at random


@dataclass(frozen=True, kw_only=True)
class Ucb1Params:
    """How optimistic, and whether arms sleep."""

    scale: float = 1.0  # times sqrt(2 ln t / n), at least 0; 1 is the paper's, for rewards in [0, 1]
    fresh: bool = True  # an item is shown at most once a visit (as far as the history of 20 items goes back)

    def __post_init__(self) -> None:
        check_range("scale", self.scale, 0)


class Ucb1(Arms):
    """Shows the largest upper confidence bound; slates: the K largest."""

    name: ClassVar[str] = "ucb1"
    config: ClassVar[type[Any]] = Ucb1Params
    params: Ucb1Params

    def bounds(self, arms: NDArray[Any], pulls: NDArray[Any]) -> NDArray[np.float64]:
        """Upper confidence bounds of arms, of which `pulls` are paid or begun; an unpaid arm's mean is 1."""
        paid = self.pulls[arms]
        mean = np.where(paid > 0, self.total[arms] / np.maximum(paid, 1), 1.0)
        time = max(int(self.pulls.sum()), 1)
        return np.asarray(mean + self.params.scale * np.sqrt(2.0 * np.log(time) / np.maximum(pulls, 1)))

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """Untried arms in random order, then the largest bound; greedy on the means without `explore`."""
        if not explore:
            return self.greedy(observation, mask)
        batch, slots = num_rows(observation), self.problem.slate_size
        check_mask(mask, slots)
        mask = self.awake(observation, mask)
        pulls = self.pulls.copy()
        index = self.bounds(np.arange(len(pulls)), pulls)
        index[pulls == 0] = UNTRIED + self.rng.random(int((pulls == 0).sum()))
        slates = np.empty((batch, slots), np.int64)
        for b in range(batch):
            row = index if mask is None else np.where(mask[b], index, -np.inf)
            arms = np.array([row.argmax()]) if slots == 1 else np.argsort(-row, kind="stable")[:slots]
            slates[b] = arms
            pulls[arms] += 1
            index[arms] = self.bounds(arms, pulls[arms])
        return slates[:, 0] if slots == 1 else slates
