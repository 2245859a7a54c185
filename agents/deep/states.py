"""Observations as tensors.

Axes: B sessions, H history, E events, F candidate features, N items. Item index N is padding.
"""

from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from agents.features import CANDIDATE_NAMES


class States(NamedTuple):
    """The observation "history" as tensors."""

    user: Tensor  # (B,) int64
    items: Tensor  # (B, H) int64, oldest first, N where there is none
    events: Tensor  # (B, H, E) float32, 0 or 1; event 0 is the response
    context: Tensor  # (B, 3) float32
    candidates: Tensor  # (B, F, N) float32 candidate features; (B, 0, 0) where there are none


def to_states(observation: dict[str, NDArray[Any]], device: torch.device) -> States:
    """The observation of a native environment as tensors on a device."""
    items = torch.as_tensor(observation["shown"], device=device).long()
    events = torch.as_tensor(observation["events"], device=device)
    events = events.reshape(*items.shape, events.shape[1] // items.shape[1])
    user = torch.as_tensor(observation["user"], device=device).long()
    context = torch.as_tensor(observation["context"], device=device)
    candidates = context.new_zeros((len(items), 0, 0))
    if "candidates" in observation:
        wide = torch.as_tensor(observation["candidates"], device=device)
        candidates = wide.reshape(len(wide), len(CANDIDATE_NAMES), -1)
    return States(user, items, events, context, candidates)


def lead_item(states: States, slots: int) -> Tensor:
    """The last step's item, N for none, (B, 1): as `agents.slates.lead_item`.

    Args:
        states: of B sessions.
        slots: K, items of a slate.
    """
    place = (states.events[:, -slots:, 0] > 0).long().argmax(dim=1, keepdim=True)
    return states.items[:, -slots:].gather(1, place)


def unseen_items(states: States, num_items: int, slots: int, allowed: Tensor | None) -> Tensor:
    """Allowed items less those of the history, (B, N); a row with fewer than K left has all that are allowed.

    As `agents.slates.unseen`, on the device of the states.

    Args:
        states: of B sessions.
        num_items: N.
        slots: K, items of a slate.
        allowed: (B, N), True where an item may be shown; None: everywhere.
    """
    if allowed is None:
        allowed = torch.ones((len(states.items), num_items), dtype=torch.bool, device=states.items.device)
    left = functional.pad(allowed, (0, 1)).scatter(1, states.items, False)[:, :-1]
    return torch.where(left.sum(dim=1, keepdim=True) < slots, allowed, left)


def joined(first: States, second: States) -> States:
    """Both batches as one; candidate features that only one of them has are 0 in the other."""
    shape = max(first.candidates.shape[1:], second.candidates.shape[1:])

    def wide(states: States) -> States:
        there = states.candidates.shape[1:] == shape
        return (
            states
            if there
            else states._replace(candidates=states.context.new_zeros((len(states.user), *shape)))
        )

    return States(*(torch.cat(parts) for parts in zip(wide(first), wide(second), strict=True)))
