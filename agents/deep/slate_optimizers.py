"""Optimal slates under a conditional logit: maximises the expected value of the choice, a ratio of sums.

Axes: B sessions, K slate positions, N items.
"""

import torch
from torch import Tensor

OPTIMIZERS = ("exact", "greedy", "top-k")
DINKELBACH_STEPS = 8  # the method converges superlinearly


def best_slates(
    weight: Tensor, value: Tensor, none_weight: Tensor, none_value: Tensor, slots: int, how: str
) -> Tensor:
    """Slates (B, K) of a large (w_0 q_0 + sum of w_i q_i) / (w_0 + sum of w_i), over the items i of the slate.

    Args:
        weight: (B, N) w_i of each item in the choice, below 0 where an item may not be shown.
        value: (B, N) q_i of each item once chosen.
        none_weight: (B,) w_0 of choosing no item.
        none_value: (B,) q_0 of choosing no item.
        slots: K.
        how: "exact", "greedy" or "top-k".
    """
    is_excluded = weight < 0
    weight = weight.clamp(min=0.0)

    def top(gain: Tensor, count: int) -> Tensor:
        return gain.masked_fill(is_excluded, -torch.inf).topk(count, dim=1).indices

    if how == "top-k":
        return top(weight * value, slots)
    if how == "greedy":
        return _greedy(weight, value, none_weight, none_value, slots, is_excluded)
    ratio = none_value
    for _ in range(DINKELBACH_STEPS):
        slates = top(weight * (value - ratio[:, None]), slots)
        shown = weight.gather(1, slates)
        total = none_weight * none_value + (shown * value.gather(1, slates)).sum(1)
        ratio = total / (none_weight + shown.sum(1))
    return slates


def _greedy(
    weight: Tensor, value: Tensor, none_weight: Tensor, none_value: Tensor, slots: int, is_excluded: Tensor
) -> Tensor:
    """Adds the item of the largest ratio, one at a time."""
    above, below, is_excluded = none_weight * none_value, none_weight, is_excluded.clone()
    slates = []
    for _ in range(slots):
        ratio = (above[:, None] + weight * value) / (below[:, None] + weight)
        item = ratio.masked_fill(is_excluded, -torch.inf).argmax(dim=1, keepdim=True)
        own = weight.gather(1, item)[:, 0]
        above, below = above + own * value.gather(1, item)[:, 0], below + own
        is_excluded.scatter_(1, item, True)
        slates.append(item)
    return torch.cat(slates, dim=1)
