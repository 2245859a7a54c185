"""Experiments in which assumed terms are set to low and high, one at a time.

A swept experiment is named after its base: "ecommerce@outside=low". Its random seeds are those of the base, so that
agents meet the same users under common random numbers.
"""

from dataclasses import replace
from typing import Any

from recgym.bench.experiment import RETRAINED, SWEPT, Experiment

MODES = ("sweep", "retrain")
"""sweep: agents that were trained at the middle are judged; retrain: agents are trained in each setting."""


# terms of the session model of friend requests; the others hold for items
FRIEND_REQUEST_TERMS = ("connect_bias", "connect_again", "leave_bias", "leave_idle", "patience")


def _has_effect(term: str, domain: str, slate_size: int) -> bool:
    """Whether the session model of a task reads a term."""
    if domain == "friends":
        return term in FRIEND_REQUEST_TERMS
    return not term.startswith("connect_") and (term != "examine" or slate_size > 1)


def swept(experiment: Experiment, mode: str) -> tuple[Experiment, ...]:
    """The experiment, and one for each setting that changes its task; none for one that is a setting itself.

    ValueError for an unknown mode.
    """
    from recgym.envs import row_of
    from recgym.envs.arguments import Arguments
    from recgym.envs.task_engine import task_world
    from recgym.sim.assumptions import assumed_settings

    if mode not in MODES:
        raise ValueError(f"--assume is {mode!r}, allowed: {', '.join(MODES)}")
    if experiment.base != experiment.name:
        return (experiment,)
    given: dict[str, Any] = dict(experiment.kwargs.get("assume") or {})
    row = {"row": row_of(experiment.env_id)._asdict()}
    middle = Arguments.parse({**experiment.kwargs, **row})
    world = task_world(middle)
    found = [experiment]
    for term in assumed_settings(world):
        if term in given or not _has_effect(term, middle.domain, int(middle.slate_size)):
            continue
        for setting in ("low", "high"):
            kwargs = {**experiment.kwargs, "assume": {**given, term: setting}}
            if task_world(Arguments.parse({**kwargs, **row})).sha256 == world.sha256:
                continue  # it has no effect on this task, or is the middle
            name = f"{experiment.name}{SWEPT}{term.replace(':', '.')}={setting}"
            is_retrained = mode == "retrain"
            found.append(
                replace(
                    experiment,
                    name=name + RETRAINED * is_retrained,
                    kwargs=kwargs,
                    trained=None if is_retrained else experiment.kwargs,
                )
            )
    return tuple(found)
