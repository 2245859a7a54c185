"""The section "Episode End" of the pages of environments, from the terms of leaving of a world."""

import numpy as np

from recgym.envs import EnvRow
from recgym.sim.schema import PARAMS
from recgym.sim.world import World

LEAVING = {  # what the hazard depends on where a term is not 0; `leave_bias` is what it is without them
    "leave_time": "the place in the session",
    "leave_context": "the context",
    "leave_level": "how much the user responds",
    "patience": "a draw of the session",
    "leave_idle": "whether there was a response",
    "page_items": "the number of items without a response",
    "leave_item": "the item responded to",
    "leave_run": "the run in one category",
    "leave_repeat": "whether the item had a response earlier",
}


def leaving_terms(world: World) -> list[str]:
    """Names of the terms of LEAVING that are not 0 in a world."""
    params = {param.name: world.arrays.params[place] for place, param in enumerate(PARAMS)}
    arrays = world.arrays._asdict()
    return [name for name in LEAVING if np.any(params[name] if name in params else arrays[name])]


def episode_end(row: EnvRow, world: World) -> str:
    """How an episode of an environment ends."""
    words = [LEAVING[name] for name in leaving_terms(world)]
    most = ", ".join(words[:-1]) + (" and " if len(words) > 1 else "") + "".join(words[-1:])
    what = f"with a probability that depends on {most}" if words else "with one probability after each step"
    return (
        f"Terminated: the user leaves, {what}. Truncated: after {row.horizon} steps. There is no other end."
    )
