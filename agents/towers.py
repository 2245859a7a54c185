"""Deep collaborative filtering: a state tower over the session's history, an item tower over public features.

Axes: B sessions, H history, N items, E events, d width of the towers. Item index N is padding.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from agents.base import Problem

HISTORY = 20  # H of the observation "history"


class States(NamedTuple):
    """The observation "history" as tensors."""

    user: Tensor  # (B,) int64
    items: Tensor  # (B, H) int64, oldest first, N where there is none
    events: Tensor  # (B, H, E) float32, 0 or 1; event 0 is the response
    context: Tensor  # (B, 3) float32


def to_states(observation: dict[str, NDArray[Any]], device: torch.device) -> States:
    """The observation of a native environment as tensors on a device."""
    items = torch.as_tensor(observation["shown"], device=device).long()
    events = torch.as_tensor(observation["events"], device=device).reshape(*items.shape, -1)
    user = torch.as_tensor(observation["user"], device=device).long()
    return States(user, items, events, torch.as_tensor(observation["context"], device=device))


def item_features(problem: Problem) -> tuple[NDArray[np.float32], list[NDArray[np.int64]]]:
    """Public item features: standardised numbers (N, 3), and indices of category and page (N,) each."""
    numbers = [
        np.asarray(problem.items["price"], np.float64),
        np.asarray(problem.items["price_ratio"], np.float64),
        np.log1p(np.asarray(problem.items["seconds"], np.float64)),
    ]
    scaled = [(column - column.mean()) / max(column.std(), 1e-6) for column in numbers]
    indices = [np.asarray(problem.items[name], np.int64) for name in ("category", "page")]
    return np.stack(scaled, axis=1).astype(np.float32), indices


class ItemTower(nn.Module):
    """g: embeddings of id, category and page, and numbers, to d; residual, so that the id alone can do."""

    numbers: Tensor
    groups: Tensor

    def __init__(self, problem: Problem, width: int, hidden: int) -> None:
        super().__init__()
        numbers, indices = item_features(problem)
        self.register_buffer("numbers", torch.as_tensor(numbers), persistent=False)
        self.register_buffer("groups", torch.as_tensor(np.stack(indices)), persistent=False)
        self.ids = _embedding(problem.num_items, width)
        self.group_embeddings = nn.ModuleList(_embedding(int(index.max()) + 1, width) for index in indices)
        sizes = 3 * width + numbers.shape[1]
        self.deep = nn.Sequential(nn.Linear(sizes, hidden), nn.ReLU(), nn.Linear(hidden, width + 1))
        self.bias = nn.Parameter(torch.zeros(problem.num_items))

    def forward(self) -> tuple[Tensor, Tensor]:
        """Vectors (N, d) and biases (N,) of the whole catalogue."""
        groups = [embed(index) for embed, index in zip(self.group_embeddings, self.groups, strict=True)]
        deep = self.deep(torch.cat([self.ids.weight, *groups, self.numbers], dim=1))
        return self.ids.weight + deep[:, :-1], self.bias + deep[:, -1]


class GruEncoder(nn.Module):
    """The history's last hidden state (GRU4Rec: Hidasi et al., 2016, ICLR)."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.gru = nn.GRU(inputs, width, batch_first=True)

    def forward(self, history: Tensor, present: Tensor) -> Tensor:
        """(B, H, inputs) and its mask (B, H) to (B, d); padding is zeros, on the left."""
        last: Tensor = self.gru(history)[0][:, -1]
        return last


class AttentionEncoder(nn.Module):
    """One block of attention from the latest item over the history (after SASRec: Kang and McAuley, 2018, ICDM)."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(inputs, width)
        self.places = nn.Parameter(0.1 * torch.randn(HISTORY, width))
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)

    def forward(self, history: Tensor, present: Tensor) -> Tensor:
        """(B, H, inputs) and its mask (B, H) to (B, d); an empty history attends to padding."""
        tokens = self.project(history) + self.places
        score = (self.key(tokens) * self.query(tokens[:, -1:])).sum(dim=-1) / tokens.shape[-1] ** 0.5
        weight = score.masked_fill(~present, -1e4).softmax(dim=1)
        code: Tensor = self.out((weight[..., None] * self.value(tokens)).sum(dim=1))
        return code


ENCODERS: dict[str, Callable[[int, int], nn.Module]] = {"gru": GruEncoder, "attention": AttentionEncoder}


class Towers(nn.Module):
    """x(s, a) = V(s) + <f(s), g(a)> + b_a + <r(s), h(s, a)>; no layer is as wide as the catalogue but its embedding.

    h holds what an inner product cannot say: whether this item was shown and whether it was answered positively in
    the history (repeat consumption: Anderson et al., 2014, WWW), and whether the last item was of its category.

    The history is read as the items' own vectors g, once as they were shown and once where they were answered
    positively, beside the event bits. Reward units: Q(s, a) = shift + scale x(s, a) + spread u(s), with u a second
    head for what states are worth beyond their next item, zero until the online stage (dueling: Wang et al., 2016).
    """

    scale: Tensor
    shift: Tensor
    spread: Tensor
    category: Tensor

    def __init__(self, problem: Problem, *, width: int, hidden: int, encoder: str) -> None:
        super().__init__()
        num_events = len(problem.event_names)
        self.items = ItemTower(problem, width, hidden)
        self.users = nn.Embedding(problem.num_users, width)
        nn.init.zeros_(self.users.weight)  # a user of whom nothing was learnt is the average one
        category = np.append(np.asarray(problem.items["category"], np.int64), -1)  # padding is of none
        self.register_buffer("category", torch.as_tensor(category), persistent=False)
        self.encoder = ENCODERS[encoder](2 * width + num_events, width)
        self.deep = nn.Sequential(nn.Linear(2 * width + 3, hidden), nn.ReLU())
        self.head, self.recall = nn.Linear(hidden, width + 1), nn.Linear(hidden, 3)
        self.outlook = nn.Linear(hidden, 1)
        for head in (self.recall, self.outlook):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        low, high = problem.item_reward_range
        self.register_buffer(
            "scale", torch.tensor(max(high - low, 1e-3) / 4.0)
        )  # a logistic's slope at one half
        self.register_buffer("shift", torch.tensor(0.0))
        self.register_buffer("spread", torch.tensor(max(high - low, 1e-3)))

    def states(self, states: States, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Tower f (B, d), V (B,), r (B, 3) and u (B,), given the items' vectors (N, d)."""
        padded = torch.cat([vectors, vectors.new_zeros(1, vectors.shape[1])])
        shown = padded[states.items]
        history = torch.cat([shown, shown * states.events[..., :1], states.events], dim=-1)
        code = self.encoder(history, states.items < len(vectors))
        user = self.users(states.user)
        deep = self.deep(torch.cat([code, user, states.context], dim=1))
        head = self.head(deep)
        return user + code + head[:, :-1], head[:, -1], self.recall(deep), self.outlook(deep)[:, 0]

    def logits(self, states: States) -> tuple[Tensor, Tensor]:
        """Logits x (B, N): one matrix product over the catalogue and three sparse terms; and u (B,)."""
        vectors, bias = self.items()
        f, value, recall, outlook = self.states(states, vectors)
        empty = f.new_zeros(len(f), len(self.category))
        was_shown = empty.scatter(1, states.items, 1.0)[:, :-1]
        was_answered = empty.scatter_reduce(1, states.items, states.events[..., 0], "amax")[:, :-1]
        same = (self.category[states.items[:, -1:]] == self.category[:-1]).to(f.dtype)
        x: Tensor = value[:, None] + f @ vectors.T + bias
        x = x + recall[:, :1] * was_shown + recall[:, 1:2] * was_answered + recall[:, 2:] * same
        return x, outlook

    def logit_of(self, states: States, items: Tensor) -> Tensor:
        """Logit x of one item a session, (B,)."""
        vectors, bias = self.items()
        f, value, recall, _ = self.states(states, vectors)
        here = states.items == items[:, None]
        was_answered = (here * states.events[..., 0]).amax(dim=1)
        same = self.category[states.items[:, -1]] == self.category[items]
        features = torch.stack([here.any(dim=1).to(f.dtype), was_answered, same.to(f.dtype)], dim=1)
        x: Tensor = value + (f * vectors[items]).sum(dim=1) + bias[items] + (recall * features).sum(dim=1)
        return x

    def values(self, states: States) -> Tensor:
        """Q of every item in reward units, shape (B, N)."""
        x, outlook = self.logits(states)
        return self.shift + self.scale * x + self.spread * outlook[:, None]


def _embedding(size: int, width: int) -> nn.Embedding:
    embedding = nn.Embedding(size, width)
    nn.init.normal_(embedding.weight, std=0.1)
    return embedding
