"""Oracle-plan: privileged, looks ahead by branching the sessions as they stand. The one of every score."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from agents.base import Actions, Masks, check_range
from agents.oracle import Privileged


@dataclass(frozen=True, kw_only=True)
class OraclePlanParams:
    """How far it looks."""

    simulations: int = 100  # [branches a decision], at least 0; more is better and slower

    def __post_init__(self) -> None:
        check_range("simulations", self.simulations, 0)


class OraclePlan(Privileged):
    """Shows what `recgym.sim.plan` finds best, explore or not."""

    name: ClassVar[str] = "oracle-plan"
    config: ClassVar[type[Any]] = OraclePlanParams
    params: OraclePlanParams

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """Plan for every session; ValueError for a mask that bars an item: the planner knows no masks."""
        from recgym.sim.plan import plan

        engine = self.sessions_of(observation)
        if mask is not None and not mask.all():
            raise ValueError("oracle-plan plans over the whole catalogue: it takes no mask that bars items")
        seed = int(self.rng.integers(1 << 62))
        slates = np.asarray(plan(engine, simulations=self.params.simulations, seed=seed), dtype=np.int64)
        return slates[:, 0] if self.problem.slate_size == 1 else slates.reshape(engine.num, -1)
