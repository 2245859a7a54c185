"""Batches in parts of similar length, so that short histories are not padded to the longest.

Axes: B sessions.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from agents.deep.states import States

SMALLEST = 64  # sessions of a part


def states_at(states: States, rows: Tensor) -> States:
    """The states of some sessions."""
    return States(*(each[rows] for each in states))


def by_length(
    states: States, num_items: int, parts: int, apply: Callable[[Tensor], tuple[Tensor, ...]]
) -> tuple[Tensor, ...]:
    """The results of `apply` on the indices of each part, in the order of the sessions.

    On an accelerator, where lengths would have to be copied to the host, there is one part.
    """
    batch = len(states.user)
    parts = min(parts, batch // SMALLEST)
    if parts < 2 or states.items.device.type != "cpu":
        return apply(torch.arange(batch, device=states.items.device))
    order = (states.items < num_items).sum(dim=1).argsort(stable=True)
    found = [apply(rows) for rows in order.tensor_split(parts)]
    back = order.argsort()
    return tuple(torch.cat(each)[back] for each in zip(*found, strict=True))
