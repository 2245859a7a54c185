"""Logs on the item numbers of another environment of the same world: an id has numbers of its own."""

from contextlib import suppress
from typing import Any

import numpy as np

from recgym.envs import ENVIRONMENTS
from recgym.envs.arguments import Arguments
from recgym.envs.task_engine import task_world
from recgym.sim.world import World


def on_fitted_numbers(world: World, domain: str, log: Any) -> Any:
    """The log on the item numbers of the fit, with a remark, where it is on those of another id of this world.

    Args:
        world: of the environment.
        domain: of the environment, or "friends".
        log: any log; one on other indices is unchanged.
    """
    mark, fit = getattr(log, "indexed_by", None), world.index_digest
    if world.numbering is not None:
        fit = world.numbering.index_digest
    if mark in (None, world.index_digest, fit):
        return log
    for row in ENVIRONMENTS:
        if row.domain != domain or row.numbering is None:
            continue
        with suppress(ValueError):  # the log has more items than the world
            other = task_world(Arguments.parse({"row": row._asdict(), "n_items": log.num_items}))
            numbering = other.numbering
            if numbering is not None and (other.index_digest, numbering.index_digest) == (mark, fit):
                return log.on_indices(
                    np.arange(log.num_users),
                    numbering.items,
                    sizes=(log.num_users, int(numbering.items.max()) + 1),
                    ids=(None, None),
                    context=None,
                    mark=fit,
                    remarks=(f"mapped from the item numbers of {row.id} onto those of this environment",),
                )
    return log
