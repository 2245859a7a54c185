"""Thompson sampling with Beta posteriors (Thompson, 1933; Chapelle and Li, 2011, NeurIPS).

Rewards in [0, 1] that are not 0 or 1 become one Bernoulli trial each (Agrawal and Goyal, 2012, COLT), which
keeps the Beta posterior exact. Decisions of one batch share the posterior; each row draws for itself;
large batches find their largest draws without drawing them all (`agents.bandits.beta_argmax`).
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.bandits.arms import Arms
from agents.bandits.beta_argmax import Race
from agents.interface import Actions, Figures, Masks, Transition
from agents.params import check_range
from agents.problem import Problem
from agents.slates import check_mask, num_rows, top_k, unit_rewards

FEW = 20_000  # posterior draws that are not worth a race


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
        self.race = Race(problem.num_items)

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
        batch, slots = num_rows(observation), self.problem.slate_size
        check_mask(mask, slots)
        mask = self.awake(observation, mask)
        if batch * len(a) < FEW:
            return top_k(self.rng.beta(a, b, (batch, len(a))), slots, mask)
        self.race.refresh(a, b)
        return self.race.best(self.rng, batch, slots, mask)

    def state(self) -> dict[str, NDArray[Any]]:
        """Pulls, sums and outcomes, and where the race's levels lie."""
        self.race.settle()
        return {**super().state(), "wins": self.wins, "levels": self.race.levels}
