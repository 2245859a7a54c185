"""Thompson sampling with Beta posteriors (Thompson, 1933; Chapelle and Li, 2011, NeurIPS).

Rewards in [0, 1] that are not 0 or 1 become one Bernoulli trial each (Agrawal and Goyal, 2012, COLT), which
keeps the Beta posterior exact. Decisions of one batch share the posterior; each row draws for itself.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.arms import Arms
from agents.base import Actions, Figures, Masks, Problem, Transition, check_range
from agents.slates import num_rows, top_k, unit_rewards


@dataclass(frozen=True, kw_only=True)
class ThompsonParams:
    """The Beta prior of every arm, and whether arms sleep."""

    successes: float = 1.0  # pseudo-count, above 0
    failures: float = 1.0  # pseudo-count, above 0
    fresh: bool = True  # an item is shown at most once a visit (as far as the history of 20 items goes back)

    def __post_init__(self) -> None:
        check_range("successes", self.successes, 1e-6)
        check_range("failures", self.failures, 1e-6)


class Thompson(Arms):
    """Shows the largest of one posterior draw an arm; slates: the K largest of one draw each."""

    name: ClassVar[str] = "thompson"
    config: ClassVar[type[Any]] = ThompsonParams
    params: ThompsonParams

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        self.wins = np.zeros(problem.num_items, np.int64)  # (N,) Bernoulli trials that came out 1

    def learn(self, transition: Transition) -> Figures:
        """Count pulls and the outcomes of their trials."""
        figures = super().learn(transition)
        arms, rewards = unit_rewards(self.problem, transition)
        won = self.rng.random(len(rewards)) < rewards
        self.wins += np.bincount(arms, won, len(self.wins)).astype(np.int64)
        return figures

    def posterior(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Parameters a and b of each arm's Beta, shape (N,)."""
        return self.params.successes + self.wins, self.params.failures + self.pulls - self.wins

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """The largest draws; without `explore` the largest means of the rewards themselves, not of the coins."""
        if not explore:
            return self.greedy(observation, mask)
        a, b = self.posterior()
        draws = self.rng.beta(a, b, (num_rows(observation), len(a)))
        return top_k(draws, self.problem.slate_size, self.awake(observation, mask))

    def state(self) -> dict[str, NDArray[Any]]:
        """Pulls, sums and outcomes."""
        return {**super().state(), "wins": self.wins}
