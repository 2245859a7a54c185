"""SASRec: self-attention over the responses of the session (Kang and McAuley, 2018, ICDM).

Embeddings of items and places, blocks of causal self-attention and of a network for each place, with residuals, layer
normalisation and dropout (section III), read at the latest response. Loss and data are those of
`agents.deep.sequence_agent`: its negative class is impressions without a response, not sampled items.

Axes: B sessions, H history, d width.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from agents.deep.sequence_agent import FIRST_SPREAD, SequenceAgent, SequenceParams
from agents.params import check_range
from recgym.observation import HISTORY_LENGTH


@dataclass(frozen=True, kw_only=True)
class SasRecParams(SequenceParams):
    """Settings of the network and of training."""

    blocks: int = 2  # from 1 to 8

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("blocks", self.blocks, 1, 8)


class AttentionBlock(nn.Module):
    """Causal self-attention with one head, then the same two-layer network at each place."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.before_attention, self.before_network = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.network = nn.Sequential(
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, width),
            nn.Dropout(dropout),
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, allowed: Tensor) -> Tensor:
        """(B, H, d) to the same; `allowed` (B, H, H) says which place each attends to."""
        asked = self.before_attention(tokens)
        found = functional.scaled_dot_product_attention(
            self.query(asked), self.key(tokens), self.value(tokens), attn_mask=allowed
        )
        tokens = asked + self.dropout(found)
        tokens = self.before_network(tokens)
        out: Tensor = tokens + self.network(tokens)
        return out


class SelfAttention(nn.Module):
    """The last place after all blocks."""

    def __init__(self, width: int, blocks: int, dropout: float) -> None:
        super().__init__()
        self.places = nn.Parameter(FIRST_SPREAD * torch.randn(HISTORY_LENGTH, width))
        self.blocks = nn.ModuleList(AttentionBlock(width, dropout) for _ in range(blocks))
        self.last = nn.LayerNorm(width)

    def forward(self, history: Tensor, present: Tensor) -> Tensor:
        """(B, H, d) and its mask (B, H), padded on the left, to (B, d)."""
        length = history.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool, device=history.device).tril()
        alone = torch.eye(length, dtype=torch.bool, device=history.device)  # padding attends to itself
        allowed = (causal & present[:, None]) | alone
        tokens = history * history.shape[2] ** 0.5 + self.places[-length:]
        for block in self.blocks:
            tokens = block(tokens, allowed)
        code: Tensor = self.last(tokens[:, -1])
        return code


class SasRec(SequenceAgent):
    """Self-attention over the responses of the session.

    Idea:
        As `gru4rec`, with self-attention in place of recurrence: each place of the sequence looks at all
        earlier ones and weighs them by what they are, so that an old response can count as much as the last
        one.

    Formula:
        h = blocks of attention(e_1 + p_1, ..., e_n + p_n), read at n;   logit of a's reward = <h, e_a> + b_a

    Reads:
        The log; the items with a response in this session, in order. No user number, no context.

    Cost:
        Offline up to `epochs` passes over `epoch_rows` rows; a decision O(H^2 d + N d).

    Source:
        Kang and McAuley (2018), Self-attentive sequential recommendation, ICDM.
    """

    name: ClassVar[str] = "sasrec"
    config: ClassVar[type[Any]] = SasRecParams
    params: SasRecParams

    def encoder(self) -> nn.Module:
        """Blocks as wide as the embeddings."""
        return SelfAttention(self.params.width, self.params.blocks, self.params.dropout)
