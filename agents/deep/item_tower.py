"""The item tower of deep collaborative filtering: a vector and biases for every item of the catalogue.

Axes: N items, d width of the towers, r factors, m numbers of an item's public vector, F = 3 + m.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from agents.features import public_vectors
from agents.problem import Problem
from agents.torch_utils import entries

ItemVectors = tuple[Tensor, Tensor]  # vectors (..., d + r) and reward biases (...)


def public_features(problem: Problem) -> tuple[NDArray[np.float32], list[NDArray[np.int64]]]:
    """Public item features: numbers of about unit spread (N, F), and indices of category and page (N,) each."""
    numbers = [
        np.asarray(problem.items["price"], np.float64),
        np.asarray(problem.items["price_ratio"], np.float64),
        np.log1p(np.asarray(problem.items["seconds"], np.float64)),
    ]
    scaled = [(column - column.mean()) / max(column.std(), 1e-6) for column in numbers]
    vectors = public_vectors(problem)
    if vectors is not None:
        scaled.extend(vectors.T * vectors.shape[1] ** 0.5)
    indices = [np.asarray(problem.items[name], np.int64) for name in ("category", "page")]
    return np.stack(scaled, axis=1).astype(np.float32), indices


class ItemTower(nn.Module):
    """Vectors g(a) = e_a + MLP(e_a, category, page, numbers): a residual network on the item's embedding e_a.

    Each of the three terms in which an item takes part has a bias per item: the reward logit (b_a; the network's last
    output is added to it), the continuation value (c_a) and the continuation value after a response.

    Where there are factors (`agents.deep.factor_posterior`), they are the vector's last numbers, and the bias of the
    factorisation is added to b_a. Neither is trained by gradients, and e_a and b_a are 0: an item has no reward
    parameters beside them, and the network, whose other numbers start at 0, says what items of like features share.
    """

    numbers: Tensor
    groups: Tensor
    factors: Tensor  # (N, r) [logits]
    factor_bias: Tensor  # (N,) [logits]

    def __init__(self, problem: Problem, width: int, hidden: int, rank: int = 0) -> None:
        super().__init__()
        numbers, indices = public_features(problem)
        self.register_buffer("numbers", torch.as_tensor(numbers), persistent=False)
        self.register_buffer("groups", torch.as_tensor(np.stack(indices)), persistent=False)
        self.register_buffer("factors", torch.zeros(problem.num_items, rank), persistent=False)
        self.register_buffer("factor_bias", torch.zeros(problem.num_items), persistent=False)
        self.ids = _embedding(problem.num_items, width)
        self.group_embeddings = nn.ModuleList(_embedding(int(index.max()) + 1, width) for index in indices)
        sizes = 3 * width + numbers.shape[1]
        last = nn.Linear(hidden, width + 1)
        for part in (last.weight, last.bias):
            nn.init.zeros_(part[-1:])  # the network adds nothing to the bias before training
        self.deep = nn.Sequential(nn.Linear(sizes, hidden), nn.ReLU(), last)
        self.bias = nn.Parameter(torch.zeros(problem.num_items))
        if rank:
            nn.init.zeros_(self.ids.weight)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            for own in (self.ids.weight, self.bias):
                own.requires_grad_(False)
        self.continuation_bias = nn.Parameter(torch.zeros(problem.num_items))
        self.after_response_bias = nn.Parameter(torch.zeros(problem.num_items))

    def forward(self) -> ItemVectors:
        """Vectors (N, d) and reward biases (N,) of the whole catalogue."""
        bias = self.bias + self.factor_bias
        return self._tower(self.ids.weight, bias, self.groups, self.numbers, self.factors)

    def of(self, items: Tensor, catalogue: ItemVectors | None = None) -> ItemVectors:
        """Vectors and reward biases of some items; `catalogue` is `catalogue_for`."""
        if catalogue is None:
            catalogue = self.catalogue_for(items)
        if catalogue is not None:
            return functional.embedding(items, catalogue[0]), entries(catalogue[1], items)
        bias = entries(self.bias, items) + self.factor_bias[items]
        return self._tower(
            self.ids(items), bias, self.groups[:, items], self.numbers[items], self.factors[items]
        )

    def catalogue_for(self, *items: Tensor) -> ItemVectors | None:
        """The whole catalogue if that is less work than these items alone."""
        return self() if sum(each.numel() for each in items) >= len(self.bias) else None

    def _tower(
        self, ids: Tensor, bias: Tensor, groups: Tensor, numbers: Tensor, factors: Tensor
    ) -> ItemVectors:
        embedded = [embed(index) for embed, index in zip(self.group_embeddings, groups, strict=True)]
        deep = self.deep(torch.cat([ids, *embedded, numbers], dim=-1))
        return torch.cat([ids + deep[..., :-1], factors], dim=-1), bias + deep[..., -1]


def _embedding(size: int, width: int) -> nn.Embedding:
    embedding = nn.Embedding(size, width)
    nn.init.normal_(embedding.weight, std=0.1)
    return embedding
