"""Logged: the world's logging policy as an agent. Privileged: the policy is a part of the simulator.

It is a reference: the policy that produced the log. Under a mask it is renormalised over the allowed items.
"""

from typing import Any, ClassVar

import numpy as np

from agents.interface import Actions, Masks
from agents.references.oracle import Privileged
from agents.slates import check_mask


class Logged(Privileged):
    """Shows what `recgym.sim.logging_policy.LoggedPolicy` draws, explore or not: one session at one step, one draw.

    Idea:
        The policy that produced the log, as far as the fit knows it: exposures of items, and for a shop the
        pages that visitors followed. It is a privileged reference: an agent that learns from the log should
        be better.

    Formula:
        P(a | s) = exposure of a in the log, given the page or category of the last response

    Reads:
        The simulator's logging policy; no observation.

    Cost:
        One draw a place.

    Source:
        No paper: the logging policy of the world; `recgym.sim.logging_policy`.
    """

    name: ClassVar[str] = "logged"

    def bind(self, env: Any) -> None:
        """Keep the simulator and its logging policy."""
        from recgym.sim.logging_policy import LoggedPolicy

        super().bind(env)
        self.policy = LoggedPolicy(self.engine.world)

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """Draws of the policy, renormalised over the allowed items under a mask."""
        engine = self.sessions_of(observation)
        check_mask(mask, self.problem.slate_size)
        slates = np.asarray(self.policy(engine, mask)[0], np.int64)
        return slates[:, 0] if self.problem.slate_size == 1 else slates
