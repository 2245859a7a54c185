"""Logged: the world's logging policy as an agent. Privileged: it reads who chose what the log shows.

It is a yardstick, not a method: what the people who made the log already had.
"""

from typing import Any, ClassVar

import numpy as np

from agents.base import Actions, Masks
from agents.oracle import Privileged


class Logged(Privileged):
    """Shows what `recgym.sim.logged.LoggedPolicy` draws, explore or not: one session at one step, one draw."""

    name: ClassVar[str] = "logged"

    def attach(self, env: Any) -> None:
        """Keep the simulator and its logging policy."""
        from recgym.sim.logged import LoggedPolicy

        super().attach(env)
        self.policy = LoggedPolicy(self.engine.world)

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """The policy's draws; ValueError for a mask that bars an item: the log's policy knew no masks."""
        engine = self.sessions_of(observation)
        if mask is not None and not mask.all():
            raise ValueError("logged draws from the whole catalogue: it takes no mask that bars items")
        slates = np.asarray(self.policy(engine)[0], np.int64)
        return slates[:, 0] if self.problem.slate_size == 1 else slates
