"""The best slate under a conditional logit: a ratio of sums, made large.

Axes: B sessions, K slate positions, N items.
"""

import torch
from torch import Tensor

OPTIMIZERS = ("exact", "greedy", "top-k")
ROUNDS = 8  # of Dinkelbach's method, which converges faster than linearly


def best_slates(weight: Tensor, value: Tensor, idle: Tensor, nothing: Tensor, slots: int, how: str) -> Tensor:
    """Slates (B, K) that make (idle nothing + sum of weight value) / (idle + sum of weight) large.

    Args:
        weight: (B, N) of each item in the choice, below 0 where an item may not be shown.
        value: (B, N) of each item once chosen.
        idle: (B,) weight of choosing nothing.
        nothing: (B,) value of choosing nothing.
        slots: K.
        how: "exact", "greedy" or "top-k".
    """
    barred = weight < 0
    weight = weight.clamp(min=0.0)

    def top(gain: Tensor, count: int) -> Tensor:
        return gain.masked_fill(barred, -torch.inf).topk(count, dim=1).indices

    if how == "top-k":
        return top(weight * value, slots)
    if how == "greedy":
        return _greedy(weight, value, idle, nothing, slots, barred)
    ratio = nothing
    for _ in range(ROUNDS):
        slates = top(weight * (value - ratio[:, None]), slots)
        shown = weight.gather(1, slates)
        ratio = (idle * nothing + (shown * value.gather(1, slates)).sum(1)) / (idle + shown.sum(1))
    return slates


def _greedy(
    weight: Tensor, value: Tensor, idle: Tensor, nothing: Tensor, slots: int, barred: Tensor
) -> Tensor:
    """Item after item, the one that makes the ratio largest."""
    above, below, barred = idle * nothing, idle, barred.clone()
    slates = []
    for _ in range(slots):
        ratio = (above[:, None] + weight * value) / (below[:, None] + weight)
        item = ratio.masked_fill(barred, -torch.inf).argmax(dim=1, keepdim=True)
        own = weight.gather(1, item)[:, 0]
        above, below = above + own * value.gather(1, item)[:, 0], below + own
        barred.scatter_(1, item, True)
        slates.append(item)
    return torch.cat(slates, dim=1)
