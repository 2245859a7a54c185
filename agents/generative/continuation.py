"""The continuation: what follows a slate, predicted beside the reward of its items.

As in DCF-DQN (`agents.deep.dcf_dqn`) the discounted return after a slate is learnt apart for a response to an item,
F(s, a), and for no response, F_0(s). With w(s, a) the item's expected share of the slate's responses (for one item its
response probability), its credit is

    F_0(s) + K w(s, a) (F(s, a) - F_0(s))

whose mean over a slate is the slate's expected continuation. Returns are in rewards per slot.

Axes: n decisions, B sessions, W items of each, K slate positions, d width.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


class Following(NamedTuple):
    """Predictions of what follows, in units of the spread."""

    after_response: Tensor  # (n, W) F
    share: Tensor  # (n, W) logit of w
    after_none: Tensor  # (n,) F_0


class Continuation(nn.Module):
    """Linear heads of the decoder's outputs; they start at zero."""

    spread: Tensor

    def __init__(self, width: int, spread: float) -> None:
        super().__init__()
        self.item_head, self.none_head = nn.Linear(width, 2), nn.Linear(width, 1)
        for head in (self.item_head, self.none_head):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        self.register_buffer("spread", torch.full((), spread))

    @torch.no_grad()
    def start(self, spread: float, value: float) -> None:
        """Set the spread and the first value of F and F_0."""
        self.spread.fill_(spread)
        self.item_head.bias[0] = self.none_head.bias[0] = value

    def forward(self, last: Tensor, hidden: Tensor) -> Following:
        """Of the outputs at the last place of the history, (n, d), and at the items' last codes, (n, W, d)."""
        of_items = self.item_head(hidden)
        return Following(of_items[..., 0], of_items[..., 1], self.none_head(last)[:, 0])

    def credit(self, last: Tensor, hidden: Tensor, slots: int) -> Tensor:
        """Each item's credit of the continuation of a slate of K items, in reward units, (B, W)."""
        following = self(last, hidden)
        gain = following.after_response - following.after_none[:, None]
        credit: Tensor = self.spread * (
            following.after_none[:, None] + slots * following.share.sigmoid() * gain
        )
        return credit


def continuation_loss(
    following: Following, response: Tensor, later: Tensor, known: Tensor, weight: Tensor
) -> Tensor:
    """Squared errors of F of the items with a response and of F_0 without any, and cross-entropy of the shares.

    Args:
        following: of the shown items.
        response: (n, K) 1 for an item with a response, else 0.
        later: (n,) discounted return after the slate in units of the spread.
        known: (n,) 1 where that is known, else 0.
        weight: (n, K) 1, 0 where there is no item.
    """
    responded = response * weight
    count = responded.sum(dim=1)
    share = responded / count.clamp(min=1.0)[:, None]
    of_share = functional.binary_cross_entropy_with_logits(following.share, share, reduction="none")
    after_response = known[:, None] * responded * (following.after_response - later[:, None]) ** 2
    after_none = known * (count == 0) * (following.after_none - later) ** 2
    per_slot = ((of_share * weight).sum() + after_response.sum()) / weight.sum().clamp(min=1.0)
    return per_slot + after_none.mean()
