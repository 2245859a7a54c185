"""Oracle: privileged, myopic. Maximises the expected reward of the next step given the hidden state.

It reads the hidden intent through `privileged()`, which only privileged agents may: it is no competitor.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from agents.base import BaseAgent
from agents.interface import Actions, Masks
from agents.observation_checks import ANY
from agents.slates import num_rows, top_k


class Privileged(BaseAgent):
    """An agent that keeps the simulator of the environment that it acts in. Nothing to train or to save."""

    @classmethod
    def accepts(cls, params: Mapping[str, Any], slate_size: int = 1) -> tuple[str, ...]:
        """Any: it reads no observation."""
        return ANY

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.engine: Any = None

    def bind(self, env: Any) -> None:
        """Keep the simulator of a native environment, single or vector."""
        self.engine = env.unwrapped.privileged()

    def sessions_of(self, observation: Any) -> Any:
        """The simulator; ValueError if it is missing or has another number of sessions."""
        if self.engine is None:
            raise ValueError(f"agent {self.name} must be attached to its environment first: bind(env)")
        if self.engine.num != num_rows(observation):
            raise ValueError(
                f"agent {self.name} is attached to {self.engine.num} sessions, got {num_rows(observation)} "
                "observations: attach it to the environment that it acts in"
            )
        return self.engine


class Oracle(Privileged):
    """Shows the largest expected reward; slates: the K largest, each as if it were shown alone.

    Idea:
        It reads the hidden intent and shows what has the largest expected reward now. It does not plan: where
        a click changes what the user wants next, or a bad slate makes the user leave, it can be beaten. It is
        a bound for agents that maximise the next reward.

    Formula:
        A = the K largest of E[reward of a | hidden state]

    Reads:
        The hidden state of the simulator, through `privileged()`; no log.

    Cost:
        N expected rewards a decision, O(N d).

    Source:
        No paper: greedy in the true model.
    """

    name: ClassVar[str] = "oracle"

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """The best expected reward of the next step, explore or not; the observation is not read."""
        expected = self.sessions_of(observation).expected_reward()
        return top_k(expected, self.problem.slate_size, mask, ties=self.tie_order)
