"""Thompson sampling with Beta posteriors (Thompson, 1933; Chapelle and Li, 2011, NeurIPS).

Rewards in [0, 1] that are not 0 or 1 become one Bernoulli trial each (Agrawal and Goyal, 2012, COLT), which
keeps the Beta posterior exact. Decisions of one batch share the posterior and have independent draws; large batches
find the largest draws without drawing them all (`agents.bandits.beta_argmax`).
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.bandits.arms import Arms
from agents.bandits.beta_argmax import BetaArgmax
from agents.interface import Actions, Figures, Masks, Transition
from agents.params import check_range
from agents.problem import Problem
from agents.slates import check_mask, num_rows, top_k, unit_rewards

MIN_TABLE_DRAWS = 20_000  # posterior draws of a batch from which the table is faster than drawing all


@dataclass(frozen=True, kw_only=True)
class ThompsonParams:
    """The Beta prior of every arm, and whether items are repeated."""

    successes: float = 1.0  # pseudo-count, above 0
    failures: float = 1.0  # pseudo-count, above 0
    fresh: bool = True  # show an item at most once per session (within the last 20 items)

    def __post_init__(self) -> None:
        check_range("successes", self.successes, 1e-6)
        check_range("failures", self.failures, 1e-6)


class Thompson(Arms):
    """Shows the K items of the largest posterior draws.

    Idea:
        Each item's response rate has a Beta posterior. Draw one rate an item and show the largest draws: an
        item is shown as often as it is believed to be the best, so exploration stops by itself.

    Formula:
        theta_a ~ Beta(successes + rewards of a, failures + pulls of a - rewards of a);   A = the K largest

    Reads:
        No log, no user: one mean an item; of the observation the items shown, for `fresh`.

    Cost:
        N Beta draws a decision; large batches draw the K largest only.

    Source:
        Thompson (1933), Biometrika 25; Chapelle and Li (2011), An empirical evaluation of Thompson sampling,
        NIPS.
    """

    name: ClassVar[str] = "thompson"
    config: ClassVar[type[Any]] = ThompsonParams
    params: ThompsonParams

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        self.wins = np.zeros(problem.num_items, np.int64)  # (N,) successful Bernoulli trials
        self.argmax = BetaArgmax(problem.num_items)

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
        """The largest draws; without `explore`, the largest mean rewards (not the means of the trials)."""
        if not explore:
            return self.greedy(observation, mask)
        a, b = self.posterior()
        batch, slots = num_rows(observation), self.problem.slate_size
        check_mask(mask, slots)
        mask = self.allowed_arms(observation, mask)
        if batch * len(a) < MIN_TABLE_DRAWS:
            return top_k(self.rng.beta(a, b, (batch, len(a))), slots, mask, ties=self.tie_order)
        self.argmax.refresh(a, b)
        return self.argmax.best(self.rng, batch, slots, mask)

    def state(self) -> dict[str, NDArray[Any]]:
        """Pulls, sums, outcomes of the trials, and the table's levels."""
        self.argmax.settle()
        return {**super().state(), "wins": self.wins, "levels": self.argmax.levels}
