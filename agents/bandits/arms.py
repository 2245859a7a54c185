"""Base class of the bandits without context: counts and sums of each item's reward, scaled to [0, 1]."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.base import BaseAgent
from agents.interface import Actions, Figures, Masks, Transition
from agents.observation_checks import ANY
from agents.problem import Problem
from agents.slates import allowed_items, num_rows, top_k, unit_rewards


class Arms(BaseAgent):
    """Statistics of N arms, updated once per batch of decisions.

    Rewards are scaled from the task's range for one item to [0, 1]. In a slate each shown item is a pull of its arm
    with the item's credit as reward (`slates.credit`), for which the observation "history" is needed.
    """

    observation: ClassVar[str] = "history"

    @classmethod
    def accepts(cls, params: Mapping[str, Any], slate_size: int = 1) -> tuple[str, ...]:
        """The history, for the items shown; any observation if items may be repeated."""
        return (cls.observation,) if params.get("fresh", True) else ANY

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        self.pulls = np.zeros(problem.num_items, np.int64)  # (N,)
        self.total = np.zeros(problem.num_items)  # (N,) of the scaled rewards

    def learn(self, transition: Transition) -> Figures:
        """Add the batch to the statistics."""
        arms, rewards = unit_rewards(self.problem, transition)
        self.pulls += np.bincount(arms, minlength=len(self.pulls))
        self.total += np.bincount(arms, rewards, len(self.pulls))
        return {"untried": float((self.pulls == 0).sum())}

    def allowed_arms(self, observation: Any, mask: Masks | None) -> Masks | None:
        """Arms that each session may be shown, (B, N); None: all."""
        return allowed_items(self.problem, observation, mask, fresh=self.params.fresh)

    def greedy(self, observation: Any, mask: Masks | None) -> Actions:
        """The best means; untried arms come last."""
        mean = np.where(self.pulls > 0, self.total / np.maximum(self.pulls, 1), -1.0)
        rows = np.broadcast_to(mean, (num_rows(observation), len(mean)))
        return top_k(rows, self.problem.slate_size, self.allowed_arms(observation, mask), ties=self.tie_order)

    def state(self) -> dict[str, NDArray[Any]]:
        """Pulls and sums."""
        return {"pulls": self.pulls, "total": self.total}
