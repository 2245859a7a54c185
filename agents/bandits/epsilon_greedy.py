"""Epsilon-greedy (Watkins, 1989; for bandits: Auer et al., 2002, Machine Learning 47, figure 3).

The share of random slates is max(epsilon, min(1, c N / t)) with N arms and t pulls, as in the latter; untried arms come
first.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from agents.bandits.arms import Arms
from agents.interface import Actions, Masks
from agents.params import check_range
from agents.slates import num_rows, top_k


@dataclass(frozen=True, kw_only=True)
class EpsilonGreedyParams:
    """Exploration, and whether items are repeated."""

    epsilon: float = 0.05  # least share of random slates, in [0, 1]
    decay: float = 5.0  # c: [pulls per arm] while all slates are random, at least 0
    fresh: bool = True  # show an item at most once per session (within the last 20 items)

    def __post_init__(self) -> None:
        check_range("epsilon", self.epsilon, 0, 1)
        check_range("decay", self.decay, 0)


class EpsilonGreedy(Arms):
    """Shows the best mean, or a random item; slates: the K best, or K at random.

    Idea:
        Mostly show the items of the largest mean reward so far; with probability epsilon show random ones, so
        that a good item with a bad start is found. All slates are random at first, and epsilon falls as 1 / t
        to a floor.

    Formula:
        epsilon_t = max(epsilon, min(1, decay N / t));   else the K largest of mean_a

    Reads:
        No log, no user: one mean an item; of the observation the items shown, for `fresh`.

    Cost:
        O(N) a decision; two numbers an item.

    Source:
        Watkins (1989), thesis; for bandits: Auer, Cesa-Bianchi and Fischer (2002), Machine Learning 47.
    """

    name: ClassVar[str] = "epsilon-greedy"
    config: ClassVar[type[Any]] = EpsilonGreedyParams
    params: EpsilonGreedyParams

    @property
    def epsilon(self) -> float:
        """Share of random slates at the present step."""
        tried = self.params.decay * len(self.pulls) / max(int(self.pulls.sum()), 1)
        return max(self.params.epsilon, min(1.0, tried))

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """The best means; with `explore` untried arms first, ties at random, and some rows at random."""
        if not explore:
            return self.greedy(observation, mask)
        batch = num_rows(observation)
        noise = self.rng.random((batch, len(self.pulls)))
        mean = np.where(self.pulls > 0, self.total / np.maximum(self.pulls, 1), 1.0)
        random = self.rng.random(batch) < self.epsilon
        scores = np.where(random[:, None], noise, mean + 1e-9 * noise)
        allowed = self.allowed_arms(observation, mask)
        return top_k(scores, self.problem.slate_size, allowed, ties=self.tie_order)
