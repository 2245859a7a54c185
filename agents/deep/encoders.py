"""Encoders of a session's history: recurrent, convolutional and attention. `shares` gives each past item's part.

Axes: B sessions, H history, d width. A row of the history is zeros where there is no item; padding is on the left.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from agents.deep.recurrence import Recurrence
from recgym.observation import HISTORY_LENGTH


class Places(NamedTuple):
    """Where the R items of all sessions are, step by step, the longest session first: as `Recurrence` reads them."""

    of_items: Tensor  # (R,) in the flattened history
    sizes: list[int]  # (T,) sessions with an item at each step
    order: Tensor  # (B,) the sessions


def places_of(present: Tensor) -> Places:
    """Places of the items of histories (B, H)."""
    span = present.shape[1]
    ordered, order = present.sum(dim=1).sort(descending=True, stable=True)
    step = torch.arange(span, device=present.device)[:, None]
    alive = step < ordered
    of_items = (order * span + span - ordered + step).masked_select(alive)
    return Places(of_items, [size for size in alive.sum(dim=1).tolist() if size], order)


def _flush_left(history: Tensor, length: Tensor) -> Tensor:
    """The history with padding on the right, (B, H, inputs)."""
    span = history.shape[1]
    place = (torch.arange(span, device=history.device) + span - length[:, None]) % span
    return history.gather(1, place[..., None].expand(-1, -1, history.shape[2]))


class Recurrent(nn.Module):
    """The last state of gated recurrent units, zeros before the first item (GRU4Rec: Hidasi et al., 2016, ICLR)."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.gru = nn.GRU(inputs, width, batch_first=True)

    def forward(self, history: Tensor, present: Tensor) -> Tensor:
        """(B, H, inputs) and its mask (B, H) to (B, d)."""
        if history.device.type == "cpu":  # on a GPU the lengths would be copied to the host
            places = places_of(present)
            items = history.flatten(0, 1).index_select(0, places.of_items)
            return self.last_states(functional.linear(items, self.weights[0], self.weights[2]), places)
        length = present.sum(dim=1)
        states = self.gru(_flush_left(history, length))[0]
        place = (length - 1).clamp(min=0)[:, None, None].expand(-1, 1, states.shape[2])
        last: Tensor = states.gather(1, place)[:, 0] * (length > 0)[:, None]
        return last

    def last_states(self, inputs: Tensor, places: Places) -> Tensor:
        """The inputs' part of the gates, (R, 3 d), of the items at `places`, to (B, d)."""
        code = inputs.new_zeros(len(places.order), self.gru.hidden_size)
        if not places.sizes:
            return code
        _, w_state, _, b_state = self.weights
        last = Recurrence.apply(inputs, places.sizes, w_state, b_state)  # type: ignore[no-untyped-call]
        return code.index_copy(0, places.order[: places.sizes[0]], last)

    @property
    def weights(self) -> list[Tensor]:
        """Weights of inputs and of states, (3 d, ...), and their biases."""
        kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return [getattr(self.gru, f"{kind}_l0") for kind in kinds]

    def shares(self, history: Tensor, present: Tensor) -> Tensor:
        """Each item's part of the code, (B, H, d), which sum to it: its new state times the later update gates."""
        w_input, w_state, b_input, b_state = self.weights
        to_gates = functional.linear(history, w_input, b_input)  # (B, H, 3 d): reset, update, new
        state = history.new_zeros(len(history), self.gru.hidden_size)
        shares = history.new_zeros(*history.shape[:2], self.gru.hidden_size)
        for t in range(history.shape[1]):
            reset, update, new = to_gates[:, t].chunk(3, dim=1)
            own_reset, own_update, own_new = functional.linear(state, w_state, b_state).chunk(3, dim=1)
            keep = torch.where(present[:, t, None], torch.sigmoid(update + own_update), 1.0)
            fresh = torch.tanh(new + torch.sigmoid(reset + own_reset) * own_new)
            shares = shares * keep[:, None]
            shares[:, t] = (1.0 - keep) * fresh
            state = shares.sum(dim=1)
        return shares


class Convolutional(nn.Module):
    """Causal dilated convolutions with residuals, read at the last item (NextItNet: Yuan et al., 2019, WSDM)."""

    DILATIONS = (1, 2, 4)  # of kernels of 3: the last item sees 14 items before it

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(inputs, width, bias=False)
        self.layers = nn.ModuleList(nn.Conv1d(width, width, 3, dilation=gap) for gap in self.DILATIONS)

    def _run(self, x: Tensor, gates: list[Tensor] | None = None) -> tuple[Tensor, list[Tensor]]:
        """(B, d, H) through the layers; given the gates of another input it is linear: no bias, no rectifier."""
        opened = []
        for i, layer in enumerate(self.layers):
            gap: Any = self.DILATIONS[i]
            bias: Any = None if gates else layer.bias
            weight: Any = layer.weight
            change = functional.conv1d(functional.pad(x, (2 * gap, 0)), weight, bias, dilation=gap)
            gate = gates[i] if gates else (change > 0).to(x.dtype)
            opened.append(gate)
            x = x + gate * change
        return x, opened

    def forward(self, history: Tensor, present: Tensor) -> Tensor:
        """(B, H, inputs) and its mask (B, H) to (B, d)."""
        return self._run(self.project(history).transpose(1, 2))[0][:, :, -1]

    def shares(self, history: Tensor, present: Tensor) -> Tensor:
        """Each place's part of the code with fixed rectifiers, (B, H, d), without the biases."""
        tokens = self.project(history).transpose(1, 2)
        _, gates = self._run(tokens)
        batch, width, length = tokens.shape
        alone = tokens[:, None] * torch.eye(length, dtype=tokens.dtype, device=tokens.device)[:, None]
        many = [gate[:, None].expand(-1, length, -1, -1).reshape(-1, width, length) for gate in gates]
        code, _ = self._run(alone.reshape(-1, width, length), many)
        return code[:, :, -1].reshape(batch, length, width)


class Attention(nn.Module):
    """One block of attention from the latest item over the history (after SASRec: Kang and McAuley, 2018, ICDM)."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(inputs, width)
        self.places = nn.Parameter(0.1 * torch.randn(HISTORY_LENGTH, width))
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)

    def _weighted(self, history: Tensor, present: Tensor) -> Tensor:
        tokens = self.project(history) + self.places
        score = (self.key(tokens) * self.query(tokens[:, -1:])).sum(dim=-1) / tokens.shape[-1] ** 0.5
        weight = score.masked_fill(~present, -1e4).softmax(dim=1)
        weighted: Tensor = weight[..., None] * self.value(tokens)
        return weighted

    def forward(self, history: Tensor, present: Tensor) -> Tensor:
        """(B, H, inputs) and its mask (B, H) to (B, d); an empty history attends to padding."""
        code: Tensor = self.out(self._weighted(history, present).sum(dim=1))
        return code

    def shares(self, history: Tensor, present: Tensor) -> Tensor:
        """Each item's part of the code with fixed attention weights, (B, H, d), without the last bias."""
        return functional.linear(self._weighted(history, present), self.out.weight)


ENCODERS: dict[str, type[Recurrent] | type[Convolutional] | type[Attention]] = {
    "recurrent": Recurrent,
    "convolutional": Convolutional,
    "attention": Attention,
}
