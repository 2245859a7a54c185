"""How much planning is worth in a world: oracle-plan over oracle, on the same users."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from recgym.bench.rollout import play
from recgym.envs import ENVIRONMENTS
from recgym.evaluate.stats import Interval, paired_difference, t_interval
from recgym.sim.world import World


class Worth(NamedTuple):
    """Returns over the judged sessions, and the paired difference."""

    env_id: str
    oracle: Interval
    oracle_plan: Interval
    difference: Interval

    def entry(self) -> dict[str, Any]:
        """As a card keeps it."""
        gain = self.difference
        return {
            "env": self.env_id,
            "oracle": self.oracle.mean,
            "oracle_plan": self.oracle_plan.mean,
            "difference": gain.mean,
            "low": gain.low,
            "high": gain.high,
            "sessions": gain.n,
            "is_bandit": bool(gain.low <= 0),
        }


def planning_worth(
    world: World,
    sessions: int = 500,
    *,
    seed: int = 0,
    simulations: int = 50,
    progress: Callable[[int], None] = lambda done: None,
) -> Worth:
    """Worth of planning in the single-item environment of the world's domain, at its defaults.

    Args:
        world: judged with its domain's default items, horizon and reward.
        sessions: users, the same for both, at least 2.
        seed: of the users and of the planner's luck.
        simulations: branches a decision of oracle-plan.
        progress: told the number of finished sessions of both together.
    """
    from agents import make_agent
    from agents.base import Problem

    if sessions < 2:
        raise ValueError(f"--planning is {sessions}, expected at least 2 sessions")
    row = next(row for row in ENVIRONMENTS if row.domain == world.domain and row.slate_size == 1)
    words = [int(word) for word in np.random.SeedSequence([seed, 5]).generate_state(2)]
    returns = []
    for done, (name, params) in enumerate((("oracle", {}), ("oracle-plan", {"simulations": simulations}))):

        def make(env: Any, name: str = name, params: dict[str, Any] = params) -> Any:
            agent: Any = make_agent(name, Problem.of(env), seed=words[0], **params)
            agent.attach(env)
            return agent

        def tell(count: int, before: int = done * sessions) -> None:
            progress(before + count)

        kwargs = {"world": world, "observation": "tabular"}
        columns, _ = play(row.id, kwargs, make, (words[0] << 32) + words[1], sessions, tell)
        returns.append(columns["return"])
    oracle, plan = returns
    gain = paired_difference([plan], [oracle], is_learned=False)
    return Worth(row.id, t_interval(oracle), t_interval(plan), gain)
