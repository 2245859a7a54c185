"""Deep collaborative filtering: a state tower over the session's history, an item tower over public features.

Axes: B sessions, H history, K items of a slate, N items, E events, C categories, d width of the towers. Item index N
is padding.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from agents.deep.encoders import ENCODERS
from agents.problem import Problem
from recgym.observation import HISTOGRAM_DECAY, HISTORY_LENGTH

TASTE = 3.0  # times the categories' shares, which are small beside the tower's other inputs
KEEN = (
    10.0  # times the weights of h: few, and of large effect, they may learn that much faster than the others
)


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
        last = nn.Linear(hidden, width + 1)
        for part in (last.weight, last.bias):
            nn.init.zeros_(part[-1:])  # the bias of an item begins as its own
        self.deep = nn.Sequential(nn.Linear(sizes, hidden), nn.ReLU(), last)
        self.bias = nn.Parameter(torch.zeros(problem.num_items))
        self.ahead = nn.Parameter(torch.zeros(problem.num_items))  # c
        self.follow = nn.Parameter(torch.zeros(problem.num_items))  # of what follows an answer, as c of y

    def forward(self) -> tuple[Tensor, Tensor]:
        """Vectors (N, d) and biases (N,) of the whole catalogue."""
        return self._tower(self.ids.weight, self.bias, self.groups, self.numbers)

    def of(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors (..., d) and biases (...) of some items, by the whole catalogue where that is less work."""
        if items.numel() >= len(self.bias):
            vectors, bias = self()
            return vectors[items], bias[items]
        return self._tower(self.ids(items), self.bias[items], self.groups[:, items], self.numbers[items])

    def _tower(self, ids: Tensor, bias: Tensor, groups: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        embedded = [embed(index) for embed, index in zip(self.group_embeddings, groups, strict=True)]
        deep = self.deep(torch.cat([ids, *embedded, numbers], dim=-1))
        return ids + deep[..., :-1], bias + deep[..., -1]


class Trunk(NamedTuple):
    """What the heads of the state tower read."""

    code: Tensor  # (B, d) of the history
    user: Tensor  # (B, d)
    shares: Tensor  # (B, 2 C) of the categories
    deep: Tensor  # (B, hidden), rectified


class Sum(NamedTuple):
    """What a sum over state, item and h takes from B sessions: alike + <state, g(a)> + bias of a + <recall, h>."""

    state: Tensor  # (B, d)
    alike: Tensor  # (B,)
    recall: Tensor  # (B, 3)


class Code(NamedTuple):
    """What the state tower makes of B sessions."""

    own: Sum  # of x: f, V and r
    later: Sum  # of y: w, u and r'
    follow: Sum  # of what follows an answer
    idle: Tensor  # (B,) what follows none


class QTerms(NamedTuple):
    """What Q is made of, for K items of B sessions; `follow` and `idle` are no part of it, but may teach y."""

    x: Tensor  # (B, K)
    y: Tensor  # (B, K)
    follow: Tensor  # (B, K) what comes after a slate in which this item is answered, in units of spread
    idle: Tensor  # (B,) what comes after a slate that nobody answers, too


class Towers(nn.Module):
    """x(s, a) = V(s) + <f(s), g(a)> + b_a + <r(s), h(s, a)>; no layer is as wide as the catalogue but its embedding.

    h holds what an inner product cannot say: whether this item was shown and whether it was answered positively in
    the history (repeat consumption: Anderson et al., 2014, WWW), and whether the last item was of its category.

    The history is read as the items' own vectors g, once as they were shown and once where they were answered
    positively, beside the event bits; and as decayed shares of the categories shown and answered, which enter f
    linearly, too (a wide part beside the deep one: Cheng et al., 2016, DLRS).

    Reward units: Q(s, a) = shift + scale x(s, a) + spread y(s, a). Here x is the logit of the item's own reward, and
    y(s, a) = u(s) + <w(s), g(a)> + c_a + <r'(s), h(s, a)> is what comes after it, zero until the online stage: Q is
    split into now and later (after van Seijen et al., 2017, NIPS) and stays one inner product of a state and an item,
    <scale f + spread w, g>.
    """

    scale: Tensor
    shift: Tensor
    spread: Tensor
    category: Tensor
    age_weight: Tensor  # (H,) of a past item in the shares

    def __init__(self, problem: Problem, *, width: int, hidden: int, encoder: str) -> None:
        super().__init__()
        num_events = len(problem.event_names)
        self.num_items, self.num_categories = problem.num_items, problem.num_categories
        self.items = ItemTower(problem, width, hidden)
        self.users = nn.Embedding(problem.num_users, width)
        nn.init.zeros_(self.users.weight)  # a user of whom nothing was learnt is the average one
        # padding is of a category of its own
        category = np.append(np.asarray(problem.items["category"], np.int64), self.num_categories)
        self.register_buffer("category", torch.as_tensor(category), persistent=False)
        self.encoder = ENCODERS[encoder](2 * width + num_events, width)
        self.deep = nn.Sequential(nn.Linear(2 * width + 3 + 2 * self.num_categories, hidden), nn.ReLU())
        self.tastes = nn.Linear(2 * self.num_categories, width, bias=False)
        self.head, self.recall = nn.Linear(hidden, width + 1), nn.Linear(hidden, 3)
        self.outlook, self.ahead = nn.Linear(hidden, 1), nn.Linear(hidden, width + 3)
        self.follow, self.idle = nn.Linear(hidden, width + 4), nn.Linear(hidden, 1)
        nn.init.zeros_(self.tastes.weight)
        for head in (self.recall, self.outlook, self.ahead, self.follow, self.idle):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        age = torch.arange(HISTORY_LENGTH - 1, -1, -1) // problem.slate_size
        self.register_buffer(
            "age_weight",
            TASTE * (1.0 - HISTOGRAM_DECAY) / problem.slate_size * HISTOGRAM_DECAY**age,
            persistent=False,
        )
        low, high = problem.item_reward_range
        # a logistic's slope at one half
        self.register_buffer("scale", torch.full((), max(high - low, 1e-3) / 4.0))
        self.register_buffer("shift", torch.zeros(()))
        self.register_buffer("spread", torch.full((), max(high - low, 1e-3)))

    def history(self, states: States) -> tuple[Tensor, Tensor]:
        """What the encoder reads, (B, H, 2 d + E), and where there is an item, (B, H)."""
        present = states.items < self.num_items
        vectors, _ = self.items.of(states.items.clamp(max=self.num_items - 1))
        shown = vectors * present[..., None]
        return torch.cat([shown, shown * states.events[..., :1], states.events], dim=-1), present

    def category_shares(self, states: States) -> Tensor:
        """Decayed shares of the categories shown, then of those answered, times TASTE, (B, 2 C)."""
        category = self.category[states.items]
        weight = self.age_weight.to(states.events.dtype).expand(category.shape)
        empty = weight.new_zeros((len(category), self.num_categories + 1))
        shown = empty.scatter_add(1, category, weight)
        answered = empty.scatter_add(1, category, weight * states.events[..., 0])
        return torch.cat([shown[:, :-1], answered[:, :-1]], dim=1)

    def code(self, states: States) -> Code:
        """The state tower."""
        return self.heads(self.trunk(states, self.encoder(*self.history(states))))

    def trunk(self, states: States, code: Tensor) -> Trunk:
        """The state tower up to its rectified layer, given the history's code (B, d)."""
        user, shares = self.users(states.user), self.category_shares(states)
        deep = self.deep(torch.cat([code, user, states.context, shares], dim=1))
        return Trunk(code, user, shares, deep)

    def heads(self, trunk: Trunk) -> Code:
        """All that is linear in the trunk's parts."""
        code, user, shares, deep = trunk
        head, ahead, follow = self.head(deep), self.ahead(deep), self.follow(deep)
        f = user + code + self.tastes(shares) + head[:, :-1]
        return Code(
            Sum(f, head[:, -1], KEEN * self.recall(deep)),
            Sum(ahead[:, :-3], self.outlook(deep)[:, 0], ahead[:, -3:]),
            Sum(follow[:, 1:-3], follow[:, 0], follow[:, -3:]),
            self.idle(deep)[:, 0],
        )

    def repeats(self, states: States, recall: Tensor) -> tuple[Tensor, Tensor]:
        """Items of the history (B, H) and what is added to the logit of each, 0 but at an item's last place."""
        items = states.items
        same = items[:, :, None] == items[:, None, :]
        is_last = ~same.triu(diagonal=1).any(dim=2) & (items < self.num_items)
        answered = (same * states.events[:, None, :, 0]).amax(dim=2)
        added = (recall[:, :1] + recall[:, 1:2] * answered) * is_last
        return items.clamp(max=self.num_items - 1), added

    def by_category(self, states: States, recall: Tensor) -> Tensor:
        """What is added to the logits of a category, (B, C): of the last item's own."""
        last = functional.one_hot(self.category[states.items[:, -1]], self.num_categories + 1)
        return recall[:, 2:] * last[:, :-1]

    def logits(self, states: States) -> tuple[Tensor, Tensor]:
        """Logits x (B, N), one matrix product over the catalogue and sparse terms; and u (B,)."""
        vectors, bias = self.items()
        code = self.code(states)
        return self._of_all(states, code.own, vectors, bias), code.later.alike

    def logit_of(self, states: States, items: Tensor) -> tuple[Tensor, Tensor]:
        """Logits x of some items of each session (B, K), and u (B,)."""
        vectors, bias = self.items.of(items)
        code = self.code(states)
        memory = self.memory(states, items).to(vectors.dtype)
        return _of_some(code.own, vectors, bias, memory), code.later.alike

    def memory(self, states: States, items: Tensor) -> Tensor:
        """H of some items of each session, (B, K, 3), 0 or 1."""
        here = states.items[:, None, :] == items[:, :, None]
        answered = (here & (states.events[:, None, :, 0] > 0)).any(dim=2)
        same = self.category[states.items[:, -1:]] == self.category[items]
        return torch.stack([here.any(dim=2), answered, same], dim=2)

    def valued(self, code: Code) -> Sum:
        """Q less the bias of items."""
        own, later = code.own, code.later
        alike = self.shift + self.scale * own.alike + self.spread * later.alike
        recall = self.scale * own.recall + self.spread * later.recall
        return Sum(self.scale * own.state + self.spread * later.state, alike, recall)

    def worth(self, bias: Tensor) -> Tensor:
        """The items' part of Q that no state moves, (N,), given their logits' biases."""
        worth: Tensor = self.scale * bias + self.spread * self.items.ahead
        return worth

    def values(self, states: States) -> Tensor:
        """Q of every item in reward units, shape (B, N)."""
        vectors, bias = self.items()
        return self._of_all(states, self.valued(self.code(states)), vectors, self.worth(bias))

    def terms_of(self, states: States, items: Tensor) -> QTerms:
        """Of some items of each session (B, K)."""
        vectors, bias = self.items.of(items)
        code = self.code(states)
        memory = self.memory(states, items).to(vectors.dtype)
        biases = (bias, self.items.ahead[items], self.items.follow[items])
        sums = zip((code.own, code.later, code.follow), biases, strict=True)
        x, y, follow = (_of_some(of, vectors, each, memory) for of, each in sums)
        return QTerms(x, y, follow, code.idle)

    def values_of(self, states: States, items: Tensor) -> Tensor:
        """Q of some items of each session in reward units, shape (B, K)."""
        terms = self.terms_of(states, items)
        return self.shift + self.scale * terms.x + self.spread * terms.y

    def _of_all(self, states: States, of: Sum, vectors: Tensor, bias: Tensor) -> Tensor:
        """A sum for every item, (B, N): one matrix product over the catalogue and sparse terms."""
        value: Tensor = of.alike[:, None] + of.state @ vectors.T + bias
        value = value + self.by_category(states, of.recall)[:, self.category[:-1]]
        return value.scatter_add(1, *self.repeats(states, of.recall))


def _of_some(of: Sum, vectors: Tensor, bias: Tensor, memory: Tensor) -> Tensor:
    """A sum for some items of each session, (B, K), given their vectors, biases and h."""
    value = of.alike[:, None] + (of.state[:, None] * vectors).sum(dim=-1) + bias
    return value + (of.recall[:, None] * memory).sum(dim=-1)


def _embedding(size: int, width: int) -> nn.Embedding:
    embedding = nn.Embedding(size, width)
    nn.init.normal_(embedding.weight, std=0.1)
    return embedding
