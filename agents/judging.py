"""How good an agent is: whole sessions that it plays without exploring, the same users for every agent."""

from typing import Any

from agents.environments import arguments_of
from agents.guards import check_agent
from recgym.checks import seed_of, whole


def judge(
    agent: Any, env: Any, sessions: int = 500, seed: int = 0
) -> dict[str, dict[str, float | int | None]]:
    """Mean return of whole sessions, and more, each with its standard error.

    Args:
        agent: that reads the environment's observation.
        env: a native environment, single or vector; sessions are played in one made alike, so it stays as it is.
        sessions: played to their end, at least 2.
        seed: of the first session; session i has seed + i, the same user and visit for every agent.

    Returns:
        return, length [slates], response_rate, coverage, exposure_gini: mean, se (None where sessions are not the
        units), n.
    """
    from recgym.bench.rollout import final_figures, play

    sessions, seed = whole(sessions, "sessions", 2), seed_of(seed)
    check_agent(agent)
    env_id, kwargs = arguments_of(env)

    def same(played: Any) -> Any:
        agent.bind(played)
        return agent

    columns, facts = play(env_id, kwargs, same, seed, sessions)
    agent.bind(env)
    return final_figures(columns, facts)
