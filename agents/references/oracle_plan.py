"""Oracle-plan: privileged, lookahead search on copies of the present sessions. It has score 1 in the tables.

Under a mask it plans in a world where excluded items have the smallest reward and end the session, so an item that is
excluded now is not planned for later steps either.
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.interface import Actions, Masks
from agents.params import check_range
from agents.references.oracle import Privileged
from agents.slates import check_mask, top_k, weight_vector

EXCLUDED_LOGIT = 1e3  # of an excluded item; the simulator clips logits far below it


@dataclass(frozen=True, kw_only=True)
class OraclePlanParams:
    """Size of the search."""

    simulations: int = 100  # [simulations per decision], at least 0

    def __post_init__(self) -> None:
        check_range("simulations", self.simulations, 0)


class OraclePlan(Privileged):
    """Shows what `recgym.sim.lookahead` finds best, explore or not.

    Idea:
        It searches in copies of the session, with random numbers of its own: each simulation chooses actions
        by upper confidence bounds and continues by a stationary policy. Rewards and staying enter by their
        expectations. It is the reference of score 1.

    Formula:
        a = argmax over actions of mean return of the simulations through a (UCT)
        v <- max_i r_i + g_i v: value below the tree, r expected reward, g probability of staying

    Reads:
        The hidden state of the simulator and its model; no log.

    Cost:
        `simulations` sessions of up to 8 steps a decision: the slowest agent by far.

    Source:
        Kocsis and Szepesvari (2006), Bandit based Monte-Carlo planning, ECML; open loop: Perez Liebana et al.
        (2015), GECCO.
    """

    name: ClassVar[str] = "oracle-plan"
    config: ClassVar[type[Any]] = OraclePlanParams
    params: OraclePlanParams

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """Plan for every session; those with equal masks together, in a world without the excluded items."""
        from recgym.sim.lookahead import plan

        engine, slots = self.sessions_of(observation), self.problem.slate_size
        check_mask(mask, slots)
        simulations, seed = self.params.simulations, int(self.rng.integers(1 << 62))
        if mask is None or mask.all():
            slates = plan(engine, simulations=simulations, seed=seed)
        else:
            slates = np.zeros((engine.num, slots), np.int64)
            masks, group = np.unique(mask, axis=0, return_inverse=True)
            for number, allowed in enumerate(masks):
                rows = group == number
                slates[rows] = plan(self.excluding(allowed), rows, simulations=simulations, seed=seed)[rows]
            slates = self.keep_to(mask, slates)
        slates = np.asarray(slates, dtype=np.int64)
        return slates[:, 0] if slots == 1 else slates

    def excluding(self, allowed: NDArray[np.bool_]) -> Any:
        """The simulator's sessions in a world where items that are not allowed (N,) end the session."""
        engine = self.engine
        arrays, worst = (
            engine.world.arrays,
            np.where(weight_vector(self.problem) > 0, -EXCLUDED_LOGIT, EXCLUDED_LOGIT),
        )
        world = engine.world.with_arrays(
            item_bias=np.where(allowed, arrays.item_bias, -EXCLUDED_LOGIT),
            event_item=np.where(allowed[:, None], arrays.event_item, worst),
            leave_item=np.where(allowed, arrays.leave_item, EXCLUDED_LOGIT),
        )
        same = ("reward", "sessions", "horizon", "slate_size", "num", "all_rows")
        return SimpleNamespace(world=world, **{name: getattr(engine, name) for name in same})

    def keep_to(self, mask: Masks, slates: NDArray[np.int64]) -> Actions:
        """Slates (B, K) with excluded and repeated items replaced by the best allowed ones, which go to the end."""
        scores = self.engine.expected_reward()
        first = float(scores.max()) + 1.0
        rows, slots = np.arange(len(slates)), slates.shape[1]
        for k in range(slots - 1, -1, -1):
            scores[rows, slates[:, k]] = first + slots - k
        return top_k(scores, slots, mask, ties=self.tie_order).reshape(-1, slots)
