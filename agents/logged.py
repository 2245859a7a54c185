"""Logged: the world's logging policy as an agent. Privileged: it reads who chose what the log shows.

It is a yardstick, not a method: what the people who made the log already had. Under a mask that bars items it is the
same policy, renormalised over what is allowed.
"""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.base import Actions, Masks
from agents.oracle import Privileged
from agents.slates import check_mask, top_k


class Logged(Privileged):
    """Shows what `recgym.sim.logged.LoggedPolicy` draws, explore or not: one session at one step, one draw."""

    name: ClassVar[str] = "logged"

    def attach(self, env: Any) -> None:
        """Keep the simulator and its logging policy."""
        from recgym.sim.logged import LoggedPolicy

        super().attach(env)
        self.policy = LoggedPolicy(self.engine.world)

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """The policy's draws; a session some of whose items are barred gets one from the allowed, by other luck."""
        slots = self.problem.slate_size
        engine = self.sessions_of(observation)
        check_mask(mask, slots)
        slates = np.asarray(self.policy(engine)[0], np.int64)
        if mask is not None and len(barred := np.flatnonzero(~mask.all(axis=1))):
            with np.errstate(divide="ignore"):
                logit = np.maximum(np.log(self.chance(barred)), -1e9)  # what is never shown comes last
            # the largest with Gumbel noise are draws one after the other, in proportion to what is left (Yellott, 1977)
            noise = self.rng.gumbel(size=logit.shape)
            slates[barred] = top_k(logit + noise, slots, mask[barred]).reshape(-1, slots)
        return slates[:, 0] if slots == 1 else slates

    def chance(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """How likely each item is on top of the slate of some sessions, (rows, N)."""
        arrays, shelf = self.engine.world.arrays, self.policy.shelves
        lead = self.engine.sessions.lead[rows]
        category = arrays.category[lead]  # of any item where there is no last one: it has no weight then
        within = shelf.category_share[category]
        stay = np.where((lead >= 0) & (within > 0), arrays.logged_stay[0], 0.0)
        same = arrays.category == category[:, None]
        chance: NDArray[np.float64] = shelf.share * (
            1.0 - stay[:, None] + same * (stay / np.maximum(within, 1e-300))[:, None]
        )
        return chance
