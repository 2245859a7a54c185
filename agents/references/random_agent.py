"""Random: uniform over the allowed items, slates without repeats. It has score 0 in the tables."""

from collections.abc import Mapping
from typing import Any, ClassVar

from agents.base import BaseAgent
from agents.interface import Actions, Masks
from agents.observation_checks import ANY
from agents.slates import num_rows, top_k


class Random(BaseAgent):
    """Shows items at random, explore or not.

    Idea:
        Every allowed item is shown with the same probability, without repeats in a slate. It learns nothing.
        It is the reference of score 0: an agent below it has learnt the wrong thing.

    Formula:
        P(A | s) = 1 / (N (N - 1) ... (N - K + 1))

    Reads:
        Nothing: no log, no observation; only the mask.

    Cost:
        One random number an item a decision.

    Source:
        No paper: uniform exploration.
    """

    name: ClassVar[str] = "random"

    @classmethod
    def accepts(cls, params: Mapping[str, Any], slate_size: int = 1) -> tuple[str, ...]:
        """Any: it reads no observation."""
        return ANY

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """Uniform over the allowed items, or over slates of them."""
        batch = num_rows(observation)
        if mask is None and self.problem.slate_size == 1:
            return self.rng.integers(0, self.problem.num_items, batch)
        scores = self.rng.random((batch, self.problem.num_items))
        return top_k(scores, self.problem.slate_size, mask, ties=self.tie_order)
