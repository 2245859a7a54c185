"""Terms of the session model of a world, as tensors."""

import numpy as np
import torch
from torch import Tensor

from recgym.fit.pair_terms import Transitions
from recgym.fit.torch_session import ReturnTerms, SessionTerms
from recgym.sim.world import World


def terms_from_world(world: World) -> SessionTerms:
    """The terms of a world in float64."""
    arrays, params = world.arrays, world.params

    def tensor(value: object) -> Tensor:
        return torch.as_tensor(value, dtype=torch.float64)

    return SessionTerms(
        tensor(arrays.profile),
        tensor(arrays.user_bias),
        tensor(arrays.factors),
        tensor(arrays.push) * params["eta"],
        tensor(arrays.item_bias) + params["theta"] * tensor(arrays.price),
        tensor(arrays.context_bias),
        tensor(arrays.place_bias),
        torch.as_tensor(arrays.category, dtype=torch.int64),
        len(world.categories),
        tensor(params["pull"]),
        tensor(params["kappa"]),
        tensor(params["decay"]),
        tensor(params["rho"]),
        tensor(params["outside"]),
        _pairs_of(world),
        ReturnTerms(tensor(arrays.return_logit), tensor(arrays.return_decay)[0])
        if len(arrays.return_logit) > 1
        else None,
    )


def _pairs_of(world: World) -> Transitions | None:
    """The term of a world for pairs of items."""
    arrays, num = world.arrays, world.num_items
    if len(arrays.next_start) == 1:
        return None
    start = torch.as_tensor(arrays.next_start, dtype=torch.int64)
    first = torch.repeat_interleave(torch.arange(num + 1), start.diff())
    code = first * num + torch.as_tensor(arrays.next_item, dtype=torch.int64)
    logit = torch.as_tensor(arrays.next_logit, dtype=torch.float64)
    level = torch.as_tensor(np.broadcast_to(arrays.next_level, num + 1).copy(), dtype=torch.float64)
    return Transitions(start, code, logit, logit, level)
