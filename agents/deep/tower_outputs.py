"""Inputs and outputs of the heads of `agents.deep.towers`, and the terms of Q.

Axes: B sessions, H history, K items of a slate, C categories, F candidate features, d width of the towers, r factors.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class StateFeatures(NamedTuple):
    """Inputs of the state tower's linear heads."""

    code: Tensor  # (B, d) of the history
    user: Tensor  # (B, d) given this session's responses
    level: Tensor  # (B,) what these say of V
    factors: Tensor  # (B, r) posterior mean
    category_shares: Tensor  # (B, 2 C)
    hidden: Tensor  # (B, hidden), rectified


class HistoryItems(NamedTuple):
    """The items of the history."""

    vectors: Tensor  # (B, H, d + r)
    bias: Tensor  # (B, H)
    present: Tensor  # (B, H) whether there is an item


class Bilinear(NamedTuple):
    """Coefficients of constant + <state, g(a)> + <repeat, h(s, a)>; the item's bias is added to it."""

    state: Tensor  # (B, d + r)
    constant: Tensor  # (B,)
    repeat: Tensor  # (B, 3 + F)


class StateHeads(NamedTuple):
    """Outputs of the state tower."""

    reward: Bilinear  # of x: f, V and r
    continuation: Bilinear  # of y: w, u and r'
    after_response: Bilinear  # of F: w'', u'' and r''
    after_none: Tensor  # (B,) F_0


class QTerms(NamedTuple):
    """Terms of Q for K items of B sessions, and the two continuation values that y is trained on."""

    reward_logit: Tensor  # (B, K) x
    continuation: Tensor  # (B, K) y
    after_response: Tensor  # (B, K) continuation value after a response to this item, in units of spread
    after_none: Tensor  # (B,) continuation value after a slate without a response, in units of spread


def continuation_credit(after_response: Tensor, after_none: Tensor, response: Tensor) -> Tensor:
    """Each item's part of a slate's continuation value, (B, K); their mean is the slate's.

    Part of item i: F_0 + K c_i / (sum of c) (F_i - F_0); F_0 for all if there is no response.

    Args:
        after_response: (B, K) F, the continuation value after a response to each item.
        after_none: (B,) F_0, the continuation value after no response.
        response: (B, K) c, 1 for an item with a response, else 0.
    """
    share = response.shape[1] * response / response.sum(dim=1, keepdim=True).clamp(min=1.0)
    dtype = after_response.dtype  # mixed precision has several
    return torch.lerp(after_none[:, None].to(dtype), after_response, share.to(dtype))
