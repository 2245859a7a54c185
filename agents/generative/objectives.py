"""What the three stages minimise.

(a) self-supervised: the next item of all rows, and its events; (b) supervised: the next item with a reward, weighted by
it, and events; (c) GRPO's clipped objective on rollouts with a penalty for leaving stage (b), the value, and (b)'s loss
on rows of the log and of earlier rollouts.

Axes: n decisions, K slate positions, E events.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from agents.deep.states import States
from agents.generative.by_length import by_length, states_at
from agents.generative.continuation import Following
from agents.generative.decoder import Decoder, in_slates
from agents.generative.open_codes import OpenCodes, Room
from agents.problem import Problem

PARTS = 4  # of a batch
NOT_DRAWN = 1.0  # in place of the log-probability of a slate that was not drawn


class Read(NamedTuple):
    """What the decoder says of decisions."""

    log_probs: Tensor  # (n, K) log p(a | s)
    outcomes: Tensor  # (n, K, E + 1) logits of the events and of the scaled reward
    value: Tensor  # (n,)
    following: Following | None = None  # of the shown items


def read_decisions(
    model: Decoder, states: States, slate: Tensor, trie: OpenCodes, room: Room | None, *, written: bool = True
) -> Read:
    """Evaluate the decoder on decisions, in parts of similar length; log-probabilities are 0 unless `written`.

    The result is of float32 in mixed precision too.
    """

    def read(rows: Tensor) -> tuple[Tensor, ...]:
        some = states_at(states, rows)
        items, left = slate[rows], None if room is None else room.rows(rows)
        last, hidden = model(some, items, trie)
        log_probs = last.new_zeros(items.shape)
        if written:
            log_probs = model.log_probs(last, hidden, items, trie, left)
        code = hidden[:, :, -1]
        found = log_probs, model.outcomes(some, last, code, items), model.value_head(last)[:, 0]
        return found if model.continuation is None else (*found, *model.continuation(last, code))

    found = [each.float() for each in by_length(states, trie.num_items, PARTS, read)]
    following = None if model.continuation is None else Following(*found[3:])
    return Read(found[0], found[1], found[2], following)


def scaled_rewards(problem: Problem, credit: Tensor) -> Tensor:
    """Rewards of single items in [0, 1]."""
    low, high = problem.item_reward_range
    return ((credit - low) / max(high - low, 1e-12)).clamp(0.0, 1.0)


def outcome_loss(read: Read, label: Tensor, happened: Tensor, weight: Tensor) -> Tensor:
    """Mean cross-entropy of the events (n, K, E) and of the scaled rewards (n, K)."""
    wanted = torch.cat([happened, label[..., None]], dim=-1)
    each = functional.binary_cross_entropy_with_logits(read.outcomes, wanted, reduction="none").sum(dim=-1)
    return (each * weight).sum() / weight.sum().clamp(min=1.0)


def imitation_loss(read: Read, weight: Tensor) -> Tensor:
    """Mean negative log-likelihood of the shown items under weights (n, K)."""
    return -(read.log_probs * weight).sum() / weight.sum().clamp(min=1e-6)


def clipped_loss(
    read: Read, before: Tensor, reference: Tensor, advantage: Tensor, ratio_clip: float, kl_weight: float
) -> tuple[Tensor, Tensor]:
    """GRPO's loss and the mean divergence from the reference, each item of a slate given those above it.

    Args:
        read: of the present weights.
        before: (n, K) log-probabilities when the slates were drawn; `NOT_DRAWN`: they were not, and have no gain.
        reference: (n, K) log-probabilities of stage (b).
        advantage: (n, K).
        ratio_clip: ratios are clipped to 1 +- this (Schulman et al., 2017).
        kl_weight: of the divergence, which is estimated by exp(x) - x - 1, x the log-ratio of reference and present.
    """
    log_probs = in_slates(read.log_probs)
    was_drawn = before < 0.5 * NOT_DRAWN
    ratio = (log_probs - before.where(was_drawn, log_probs)).clamp(-20.0, 20.0).exp()
    bounded = ratio.clamp(1.0 - ratio_clip, 1.0 + ratio_clip)
    gain = torch.minimum(ratio * advantage, bounded * advantage) * was_drawn
    apart = (reference - log_probs).clamp(-20.0, 20.0)
    divergence = apart.exp() - apart - 1.0
    mean_gain = gain.sum() / was_drawn.sum().clamp(min=1)
    return kl_weight * divergence.mean() - mean_gain, divergence.mean().detach()
