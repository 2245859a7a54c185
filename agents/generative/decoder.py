"""The decoder: a small causal transformer that writes an item as its semantic ID, code by code.

A decision is a sequence of places: the session (user, public user features, context), then one place for each item of
the history, then the codes of the item to show. The place of a past item is the sum of the embeddings of its codes and
of its events; TIGER (Rajput et al., 2023) and MiniOneRec give each code a place of its own, at L + 1 times the length.
Places of items are counted from the latest, so that padding on the left does not matter.

    log p(a | s) = sum over levels of log softmax of (h E_level^T + b_level) over the codes that the trie allows

h is the decoder's output at the place before the code, E the embeddings of the codes, the same for input and output.
The output at the last code predicts the item's events and its reward, that at the last place of the history the value.

The network is GPT-2's (Radford et al., 2019) of the library transformers, made from scratch.

Axes: B sessions, H history, W prefixes or items of each, L levels, E events, d width.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from agents.deep.states import States
from agents.deep.user_vectors import UserVectors
from agents.generative.continuation import Continuation
from agents.generative.open_codes import OpenCodes, Room
from agents.generative.tastes import Tastes
from agents.problem import Problem
from recgym.observation import HISTORY_LENGTH

CLOSED = -1e9  # logit of a code that may not follow


class Prompt(NamedTuple):
    """What the decoder has read before the first code."""

    last: Tensor  # (B, d) output at the last place
    present: Tensor  # (B, P) places that are no padding
    cache: Any  # keys and values of the places


class Inputs(NamedTuple):
    """What the network reads of sessions and items."""

    tokens: Tensor  # (B, P + W levels, d)
    mask: Tensor  # (B, P + W levels, P + W levels) which places each sees
    numbers: Tensor  # (B, P + W levels)
    past: int  # P, places before the first code


def gpt2(width: int, layers: int, heads: int, tokens: int, places: int) -> nn.Module:
    """GPT-2's network from scratch; ValueError without the extra."""
    try:
        from transformers import GPT2Config, GPT2Model
    except ImportError as error:
        raise ValueError(
            "agent genrec needs the extra 'generative': pip install 'recgym[generative]'"
        ) from error
    nothing: dict[str, Any] = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    config = GPT2Config(
        vocab_size=tokens,
        n_positions=places,
        n_embd=width,
        n_layer=layers,
        n_head=heads,
        activation_function="gelu_pytorch_tanh",  # GPT-2's, in one operation
        bos_token_id=None,
        eos_token_id=None,
        **nothing,
    )
    network: nn.Module = GPT2Model(config)
    return network


class Decoder(nn.Module):
    """The network, its heads, and the embeddings of what is no code."""

    def __init__(
        self,
        problem: Problem,
        *,
        width: int,
        layers: int,
        heads: int,
        levels: int,
        codes: int,
        context: int = 3,
    ) -> None:
        super().__init__()
        events = len(problem.event_names)
        self.levels, self.codes = levels, codes
        self.network = gpt2(width, layers, heads, levels * codes, HISTORY_LENGTH + 1 + levels)
        self.users, self.context = UserVectors(problem, width), nn.Linear(context, width)
        self.events = nn.Linear(events, width)
        self.code_bias = nn.Parameter(torch.zeros(levels, codes))
        self.event_head, self.value_head = nn.Linear(width, events + 1), nn.Linear(width, 1)
        for head in (self.event_head, self.value_head):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        self.tastes: Tastes | None = None  # of the agents that tell items apart
        self.continuation: Continuation | None = None  # of the agents that look ahead

    # the network's inputs

    @property
    def table(self) -> Tensor:
        """Embeddings of the codes of all levels, (levels codes, d)."""
        table: Tensor = self.network.get_input_embeddings().weight  # type: ignore[operator]
        return table

    def embedded(self, codes: Tensor, level: int) -> Tensor:
        """Embeddings of codes (...) of a level, (..., d)."""
        return functional.embedding(codes + level * self.codes, self.table)

    def _past(self, states: States, trie: OpenCodes) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs (B, P, d), presence (B, P) and numbers (B, P) of the places before the first code."""
        present = states.items < trie.num_items
        length = int(present.sum(dim=1).max()) if states.items.device.type == "cpu" else HISTORY_LENGTH
        present = present[:, HISTORY_LENGTH - length :]
        codes = trie.codes[states.items[:, HISTORY_LENGTH - length :].clamp(max=trie.num_items - 1)]
        offset = self.codes * torch.arange(trie.levels, device=codes.device)
        items = functional.embedding(codes + offset, self.table).sum(dim=2)
        items = (items + self.events(states.events[:, HISTORY_LENGTH - length :])) * present[..., None]
        session = self.users(states.user) + self.context(states.context)
        first = length - present.sum(dim=1, keepdim=True)  # (B, 1) where the session's place is
        place = torch.arange(length + 1, device=codes.device)[None]
        tokens = torch.where(
            (place == first)[..., None], session[:, None], functional.pad(items, (0, 0, 1, 0))
        )
        numbers = torch.where(place > first, HISTORY_LENGTH - length + place, 0)
        return tokens, place >= first, numbers

    def _run(
        self, tokens: Tensor, mask: Tensor, numbers: Tensor, cache: Any = None, keep: bool = False
    ) -> Any:
        """The network's output with an explicit mask (B, queries, keys)."""
        return self.network(
            inputs_embeds=tokens,
            attention_mask=mask[:, None],
            position_ids=numbers,
            cache=cache,
            use_cache=keep,
        )

    # reading and writing

    def read(self, states: States, trie: OpenCodes) -> Prompt:
        """Read the sessions."""
        tokens, present, numbers = self._past(states, trie)
        out = self._run(tokens, _causal(present), numbers, keep=True)
        return Prompt(out.last_hidden_state[:, -1], present, out.cache)

    def write(self, prompt: Prompt, codes: Tensor, level: int, before: Tensor) -> Tensor:
        """Outputs at codes (B, W) of a level, (B, W, d); `before` (B, W, level W') marks each code's own prefix.

        The cache grows by W places.
        """
        batch, width = codes.shape
        own = torch.eye(width, dtype=torch.bool, device=codes.device).expand(batch, width, width)
        mask = torch.cat([prompt.present[:, None].expand(batch, width, -1), before, own], dim=2)
        number = torch.full_like(codes, HISTORY_LENGTH + 1 + level)
        out = self._run(self.embedded(codes, level), mask, number, prompt.cache, keep=True)
        hidden: Tensor = out.last_hidden_state
        return hidden

    def code_logits(self, hidden: Tensor, level: int) -> Tensor:
        """Logits of the codes of a level, (..., codes)."""
        table = self.table[level * self.codes : (level + 1) * self.codes]
        return functional.linear(hidden, table, self.code_bias[level])

    def inputs(self, states: States, items: Tensor, trie: OpenCodes) -> Inputs:
        """The places of sessions and of the codes of items (B, W)."""
        tokens, present, numbers = self._past(states, trie)
        batch, count = items.shape
        codes, levels, past = trie.codes[items], trie.levels, tokens.shape[1]
        written = torch.stack([self.embedded(codes[..., level], level) for level in range(levels)], dim=2)
        number = HISTORY_LENGTH + 1 + torch.arange(levels, device=items.device).repeat(count)
        size = count * levels
        branch = torch.ones(levels, levels, dtype=torch.bool, device=items.device).tril()
        own = torch.kron(torch.eye(count, dtype=torch.bool, device=items.device), branch).expand(
            batch, size, size
        )
        mask = torch.zeros(batch, past + size, past + size, dtype=torch.bool, device=items.device)
        mask[:, :past, :past] = _causal(present)
        mask[:, past:, :past], mask[:, past:, past:] = present[:, None], own
        places = torch.cat([numbers, number.expand(batch, -1)], dim=1)
        return Inputs(torch.cat([tokens, written.flatten(1, 2)], dim=1), mask, places, past)

    def outputs(self, inputs: Inputs, levels: int) -> tuple[Tensor, Tensor]:
        """Outputs at the last place of the sessions, (B, d), and at the codes, (B, W, levels, d)."""
        out, past = self._run(*inputs[:3]).last_hidden_state, inputs.past
        return out[:, past - 1], out[:, past:].unflatten(1, (-1, levels))

    def forward(self, states: States, items: Tensor, trie: OpenCodes) -> tuple[Tensor, Tensor]:
        """`outputs` of items (B, W)."""
        return self.outputs(self.inputs(states, items, trie), trie.levels)

    def outcomes(self, states: States, last: Tensor, code: Tensor, items: Tensor) -> Tensor:
        """Logits of the events and the scaled reward of items, (B, W, E + 1), given the outputs at their last codes."""
        found: Tensor = self.event_head(code)
        if self.tastes is None:
            return found
        taste = self.tastes(states, last, items)
        return torch.cat([found[..., :-1], found[..., -1:] + taste[..., None]], dim=-1)

    def log_probs(
        self, last: Tensor, hidden: Tensor, items: Tensor, trie: OpenCodes, room: Room | None
    ) -> Tensor:
        """Log-probabilities log p(a | s) of items, (B, W), given what `forward` returned."""
        total = torch.zeros(items.shape, device=items.device)
        for level in range(trie.levels):
            at = last[:, None].expand(-1, items.shape[1], -1) if level == 0 else hidden[:, :, level - 1]
            is_open = trie.open_after(trie.path[items, level], level, room)
            logits = self.code_logits(at, level).masked_fill(~is_open, CLOSED)
            chosen = trie.codes[items, level][..., None]
            total = total + logits.log_softmax(dim=-1).gather(-1, chosen)[..., 0]
        return total


def _causal(present: Tensor) -> Tensor:
    """Each place sees itself and what is present before it, (B, P, P)."""
    length = present.shape[1]
    before = torch.ones(length, length, dtype=torch.bool, device=present.device).tril()
    alone = torch.eye(length, dtype=torch.bool, device=present.device)
    return (before & present[:, None]) | alone


def in_slates(log_probs: Tensor) -> Tensor:
    """Log-probability of each item of slates drawn without replacement, given those above it, (B, K).

    Plackett (1975) and Luce (1959): p_k / (1 - p_1 - ... - p_{k-1}), given log p (B, K).
    """
    above = log_probs.exp().cumsum(dim=1) - log_probs.exp()
    return log_probs - (1.0 - above).clamp(min=1e-6).log()
