"""What has no effect in a training, in lines for stderr."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any


def idle_remarks(agent: Any, asked: Iterable[str]) -> list[str]:
    """Lines on options of `recgym train` that the agent does not use, and on friends that it does not see.

    Args:
        agent: bound to its task.
        asked: options that were given, of "steps" and "offline".
    """
    stages = {"steps": agent.learns_online, "offline": agent.requirements(asdict(agent.params))[1]}
    kinds = {"steps": "online", "offline": "offline"}
    lines = [
        f"{agent.name}: has no {kinds[name]} stage: --{name} has no effect"
        for name in asked
        if not stages[name]
    ]
    if not getattr(agent, "sees_friends", True):
        lines.append(f"{agent.name}: {agent.problem.env_id} shows no friends: it acts as popularity does")
    return lines
