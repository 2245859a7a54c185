"""Shares of a score: what the session, each past item and each code of the shown item contribute to it.

By occlusion (Zeiler and Fergus, 2014): what the score loses where the input of a place is that of the mean item without
an event, of the mean code or of the mean user. Integrated gradients were tried: small decoders answer by steep steps,
over which 48 gradients did not add up to the score.

Axes: B sessions, P places of the history, W items of each, L levels, d width.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from agents.deep.states import States
from agents.generative.decoder import Decoder, Inputs
from agents.generative.open_codes import OpenCodes
from agents.problem import Problem

Score = Callable[[Inputs], Tensor]  # (B, W)


@torch.no_grad()
def input_shares(inputs: Inputs, mean: Tensor, score: Score) -> Tensor:
    """What the sum of a session's scores loses without each place, (B, P + W L), given mean inputs of their shape."""
    whole, lost = score(inputs).sum(dim=1), []
    for place in range(mean.shape[1]):
        tokens = inputs.tokens.clone()
        tokens[:, place] = mean[:, place]
        lost.append(whole - score(inputs._replace(tokens=tokens)).sum(dim=1))
    return torch.stack(lost, dim=1)


@torch.no_grad()
def mean_tokens(model: Decoder, states: States, items: Tensor, trie: OpenCodes) -> Tensor:
    """The tokens of `Decoder.inputs` with the mean item, code and user in place of each, no event, and no context."""
    by_level = torch.stack(
        [model.embedded(trie.codes[:, level], level).mean(dim=0) for level in range(trie.levels)]
    )
    past = by_level.sum(dim=0) + model.events.bias
    session = model.users(torch.arange(model.users.num_embeddings, device=past.device)).mean(dim=0)
    number = (states.items < trie.num_items).sum(dim=1, keepdim=True)
    tokens = model.inputs(states, items, trie)
    place = torch.arange(tokens.past, device=past.device)[None]
    first = tokens.past - 1 - number
    before = torch.where((place > first)[..., None], past, torch.zeros_like(past))
    before = torch.where((place == first)[..., None], session + model.context.bias, before)
    written = by_level.repeat(items.shape[1], 1).expand(len(items), -1, -1)
    return torch.cat([before, written], dim=1)


def place_names(
    problem: Problem, states: States, items: Tensor, trie: OpenCodes, places: int, b: int
) -> list[str]:
    """Names of the places of session b."""
    past = states.items[b].tolist()[len(states.items[b]) + 1 - places :]
    found = [""] * (places - len(past)) + [_past(problem, states, past, h, b) for h in range(len(past))]
    found[sum(item >= problem.num_items for item in past)] = "session"
    for item in items[b].tolist():
        codes = trie.codes[item].tolist()
        found += [f"item {item}: code {codes[level]} of level {level + 1}" for level in range(trie.levels)]
    return found


def _past(problem: Problem, states: States, past: list[int], h: int, b: int) -> str:
    back = len(past) - h
    happened = [name for e, name in enumerate(problem.event_names) if states.events[b, -back, e] > 0]
    what = f" ({', '.join(happened)})" if happened else ""
    return f"{back} back: item {past[h]}{what}"
