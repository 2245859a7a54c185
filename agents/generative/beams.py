"""Beam search over the trie: the most probable items, or items drawn without replacement.

Stochastic beam search (Kool, van Hoof and Welling, 2019, ICML): log-probabilities perturbed by Gumbel noise, drawn from
the root down such that the maximum of the children is that of their parent. Its best K are K draws without replacement.

Axes: B sessions, W beams, K items of a slate.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from agents.deep.states import States
from agents.generative.decoder import CLOSED, Decoder
from agents.generative.open_codes import OpenCodes, Room


class Found(NamedTuple):
    """Items, best first."""

    items: Tensor  # (B, W)
    log_probs: Tensor  # (B, W), minus infinity where fewer items are allowed
    last: Tensor  # (B, d) the decoder's output at the last place of the history
    hidden: Tensor | None  # (B, W, d) the decoder's output at the last code, if asked for


def search(
    model: Decoder,
    states: States,
    trie: OpenCodes,
    room: Room | None,
    beams: int,
    generator: torch.Generator | None = None,
    *,
    with_hidden: bool = False,
) -> Found:
    """Beam search with W beams; with a generator, the W items are drawn without replacement."""
    prompt = model.read(states, trie)
    batch, device = len(states.user), states.user.device
    node = torch.zeros(batch, 1, dtype=torch.int64, device=device)
    log_prob = torch.zeros(batch, 1, device=device)
    noisy, hidden = log_prob, prompt.last[:, None]
    before = torch.zeros(batch, 1, 0, dtype=torch.bool, device=device)
    out, last_width = hidden, 0
    for level in range(trie.levels):
        is_open = trie.open_after(node, level, room)
        logits = model.code_logits(hidden, level).masked_fill(~is_open, CLOSED)
        is_open = is_open & torch.isfinite(log_prob)[..., None]
        each = (log_prob[..., None] + logits.log_softmax(dim=-1)).masked_fill(~is_open, -torch.inf)
        scores = each if generator is None else _perturbed(each, noisy, generator)
        noisy, index = scores.flatten(1).topk(min(beams, scores[0].numel()), dim=1)
        parent, code = index // model.codes, index % model.codes
        log_prob, node = each.flatten(1).gather(1, index), trie.child(node.gather(1, parent), code)
        if level < trie.levels - 1 or with_hidden:
            width = before.shape[2]
            before = before.gather(1, parent[..., None].expand(-1, -1, width))
            if level:  # the parent's own place is its latest
                own = torch.arange(last_width, device=device)
                before[..., width - last_width :] = parent[..., None] == own
            hidden = model.write(prompt, code, level, before)
            last_width = code.shape[1]
            out, before = hidden, functional.pad(before, (0, last_width))
    return Found(trie.item(node), log_prob, prompt.last, out if with_hidden else None)


def _perturbed(log_probs: Tensor, parent: Tensor, generator: torch.Generator) -> Tensor:
    """Gumbel-perturbed log-probabilities (B, W, codes) whose maximum is the parent's (B, W)."""
    uniform = torch.rand(log_probs.shape, generator=generator, device=log_probs.device).clamp(
        1e-20, 1.0 - 1e-7
    )
    free = log_probs - torch.log(-torch.log(uniform))
    largest = free.amax(dim=-1, keepdim=True)
    below = (free - largest).clamp(max=-1e-12)
    v = parent[..., None] - free + torch.log(-torch.expm1(below))
    bound = parent[..., None] - v.clamp(min=0.0) - torch.log1p(torch.exp(-v.abs()))
    bound = torch.where(free == largest, parent[..., None], bound)
    return bound.masked_fill(~torch.isfinite(log_probs), -torch.inf)
