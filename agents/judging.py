"""Evaluation of an agent on whole sessions without exploration, with common random numbers."""

from typing import Any

from agents.environments import arguments_of
from agents.guards import check_agent, check_task
from recgym.checks import MAX_COUNT, checked_seed, flag, whole_number
from recgym.rollout.play import bound, final_figures, play


def judge(
    agent: Any, env: Any, sessions: int = 500, seed: int = 0, *, transfer: bool = False
) -> dict[str, dict[str, float | int | None]]:
    """Mean return and other figures of whole sessions, with their standard errors.

    Args:
        agent: made for the environment's world, reward and observation.
        env: a recgym environment, single or vector; a copy is used, so its state does not change.
        sessions: number of sessions, each to its end; at least 2.
        seed: random seed of session 0; session i has seed + i, so that all agents meet the same users.
        transfer: judge an agent of another world or reward, whose numbers of items mean the same.

    Returns:
        return, length [slates], response_rate, coverage, exposure_gini: mean, se (None if sessions are not the
        units), n.

    Raises:
        ValueError: an argument is out of range, or the agent is of another task and `transfer` is False.
    """
    sessions, seed = whole_number(sessions, "sessions", 2, MAX_COUNT), checked_seed(seed)
    check_agent(agent)
    env_id, kwargs = arguments_of(env)
    if not flag("transfer", transfer):
        check_task(agent, env, "judge it", "; transfer=True judges it here")

    columns, facts = play(env_id, kwargs, bound(agent), seed, sessions)
    agent.bind(env)
    return final_figures(columns, facts)
