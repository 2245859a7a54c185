"""Evaluation of an agent on whole sessions without exploration, with common random numbers."""

from typing import Any

from agents.environments import arguments_of
from agents.guards import check_agent
from recgym.checks import checked_seed, whole_number


def judge(
    agent: Any, env: Any, sessions: int = 500, seed: int = 0
) -> dict[str, dict[str, float | int | None]]:
    """Mean return and other figures of whole sessions, with their standard errors.

    Args:
        agent: must read the environment's observation.
        env: a recgym environment, single or vector; a copy is used, so its state does not change.
        sessions: number of sessions, each to its end; at least 2.
        seed: random seed of session 0; session i has seed + i, so that all agents meet the same users.

    Returns:
        return, length [slates], response_rate, coverage, exposure_gini: mean, se (None if sessions are not the
        units), n.
    """
    from recgym.bench.rollout import final_figures, play

    sessions, seed = whole_number(sessions, "sessions", 2), checked_seed(seed)
    check_agent(agent)
    env_id, kwargs = arguments_of(env)

    def same(played: Any) -> Any:
        agent.bind(played)
        return agent

    columns, facts = play(env_id, kwargs, same, seed, sessions)
    agent.bind(env)
    return final_figures(columns, facts)
