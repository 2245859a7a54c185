"""The session model as a torch module: towers of users and items, and scalar parameters."""

import itertools
import math
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from recgym.arrays import Floats
from recgym.fit.additive import Additive
from recgym.fit.config import SHARED, FitConfig
from recgym.fit.dataset import Dataset
from recgym.fit.torch_session import Batch, SessionTerms
from recgym.fit.two_tower import Tower, one_hot
from recgym.fit.user_features import EARLIER, earlier_rates
from recgym.fit.user_history import with_history

MAX_CODES = 64  # values of a public column that a tower uses
BELOW_ONE = 1.0 - 2.0**-24  # the largest float32 below 1
START = {"kappa": 0.0, "rho": 0.0, "theta": 0.0} | {
    name: SHARED[name].value for name in ("pull", "decay")
}  # initial values


class SessionModel(nn.Module):
    """Towers of users and items, and the scalar parameters of affinity; `terms` are inputs of `torch_session`.

    Args:
        dataset: the rows to fit.
        user_features: (U, F) inputs of the user tower.
        config: with `start` "counts", towers start at 0, and `shrinkage` scales all trained terms but the base.
        drift: whether responses move the intent.
        fixed: numbers that are assumed, not trained, by their names in START.
        base: fixed biases, to which the towers add inner products of factors only.
    """

    category: Tensor
    price: Tensor
    shrinkage: Tensor  # () in [0, 1]: share of the trained terms that is kept beside the initial biases
    base_user: Tensor
    base_item: Tensor
    base_context: Tensor
    base_taste: Tensor  # (U, C) or (U, 0)
    base_place: Tensor  # (O,)
    base_expected: Tensor  # (U,) part of base_user that is of the users' columns
    correction_user: Tensor
    correction_item: Tensor
    correction_context: Tensor
    BIASES = ("access", "context_bias", "correction_user", "correction_item", "correction_context")

    def __init__(
        self, dataset: Dataset, user_features: Floats, config: FitConfig, *, drift: bool, fixed: dict[str, float],
        base: Additive | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        dim, items = config.dim, dataset.items
        self.dim, self.drift = dim, drift
        self.num_categories = len(items.categories)
        self.item_tower = Tower(
            item_features(dataset), 2 * dim + 1, config.hidden, config.item_scale, config.dropout
        )
        self.user_tower = Tower(user_features, dim + 1, config.hidden, 0.0, config.dropout)
        if len(self.user_tower.layers):
            nn.init.zeros_(cast(nn.Linear, self.user_tower.layers[-1]).weight)
        self.context_bias = nn.Parameter(torch.zeros(len(dataset.contexts)))
        self.bias = nn.Parameter(torch.tensor(0.0))
        self.fixed, start = frozenset(fixed), START | fixed
        for name in ("pull", "decay"):
            start[name] = math.log(start[name] / (1.0 - start[name])) if start[name] > 0 else -30.0
        for name, value in start.items():
            setattr(self, f"raw_{name}", nn.Parameter(torch.tensor(value), requires_grad=name not in fixed))
        self.has_base = base is not None
        users = dataset.num_users
        sizes = (users, dataset.num_items, len(dataset.contexts), (users, 0), 1, users)
        base = base or Additive(*(np.zeros(size) for size in sizes))
        for name, values in base._asdict().items():
            self.register_buffer(f"base_{name}", torch.from_numpy(values.astype(np.float32)))
            if name in ("taste", "place", "expected"):
                continue
            # the base was fitted without drift of the intent; with drift it is corrected in training
            correction = nn.Parameter(torch.zeros(len(values)), requires_grad=self.has_base and drift)
            setattr(self, f"correction_{name}", correction)
        if config.start == "counts":
            self.item_tower.zero_outputs(slice(dim, None))
            self.user_tower.zero_outputs(slice(None))
        self.register_buffer("shrinkage", torch.ones(()))
        self.register_buffer("category", torch.from_numpy(items.category))
        self.register_buffer("price", torch.from_numpy(items.price_z.astype(np.float32)))

    def number(self, name: str) -> Tensor:
        """A number of the session model, in its range."""
        raw: Tensor = getattr(self, f"raw_{name}")
        return torch.sigmoid(raw).clamp(max=BELOW_ONE) if name in ("pull", "decay") else raw

    def _memory(self, name: str) -> Tensor:
        """Slope on earlier responses, shrunk unless it is assumed."""
        return self.number(name) if name in self.fixed else self.shrinkage * self.number(name)

    def terms(self, of: Tensor | None = None) -> SessionTerms:
        """Differentiable terms of all items and users, or of the users `of`; tastes are further factors.

        `outside` is 0, the overall bias is part of the item bias.
        """
        items, users = self.item_tower(), self.user_tower(of)
        chosen: Any = slice(None) if of is None else of
        dim = self.dim
        own, kept = 0.0 if self.has_base else 1.0, self.shrinkage
        push = items[:, dim : 2 * dim] if self.drift else torch.zeros_like(items[:, :dim])
        of_item = self.correction_item + own * (items[:, -1] + self.bias) + self.number("theta") * self.price
        tastes = self.base_taste[chosen]
        of_category = torch.eye(self.num_categories, tastes.shape[1], device=tastes.device)[self.category]
        return SessionTerms(
            torch.cat([kept * users[:, :dim], tastes], 1),
            self.base_user[chosen] + kept * (self.correction_user[chosen] + own * users[:, dim]),
            torch.cat([items[:, :dim], of_category], 1),
            torch.cat([kept * push, torch.zeros_like(of_category)], 1),
            self.base_item + kept * of_item,
            self.base_context + kept * (self.correction_context + own * self.context_bias),
            self.base_place,
            self.category,
            self.num_categories,
            self.number("pull"),
            self._memory("kappa"),
            self.number("decay"),
            self._memory("rho"),
            torch.zeros((), device=self.category.device),
        )

    def part(self, batch: Batch) -> tuple[SessionTerms, Batch]:
        """The terms of the users of a batch alone, and the batch with users renumbered."""
        users, number = torch.unique(batch.user, return_inverse=True)
        return self.terms(users), batch._replace(user=number)

    def ridge(self, config: FitConfig, rows: int) -> Tensor:
        """Ridge penalty of the id embeddings per row, a Gaussian prior; `rows` is the number of training rows."""
        items = self.item_tower.ridge_penalty(config.bias_ridge, config.item_ridge)
        items = items + config.bias_ridge * (
            self.correction_user.square().sum() + self.correction_item.square().sum()
        )
        return 0.5 * (items + self.user_tower.ridge_penalty(config.bias_ridge, config.user_ridge)) / rows

    def groups(self, config: FitConfig) -> list[dict[str, object]]:
        """Parameter groups of AdamW: scalars and biases have ten times the learning rate and no weight decay."""
        trained = [(name, p) for name, p in self.named_parameters() if p.requires_grad]
        biases = [p for name, p in trained if p.ndim == 0 or name in self.BIASES]
        rest = [p for name, p in trained if not (p.ndim == 0 or name in self.BIASES)]
        rate = config.learning_rate
        return [
            {"params": rest, "lr": rate, "weight_decay": config.weight_decay},
            {"params": biases, "lr": 10 * rate, "weight_decay": 0.0},
        ]


def item_features(dataset: Dataset) -> Floats:
    """(N, F) one-hot columns of few values, deciles of duration, rates before the log. Not the price: see theta."""
    items = dataset.items
    blocks = [
        one_hot(items.category),
        one_hot(items.category_page),
        earlier_rates({"": items.category, **items.columns}, items.shown),
    ]
    for name, values in items.columns.items():
        if name in ("price", "duration_ms") or name.startswith(EARLIER):
            continue
        labels = sorted({str(value) for value in itertools.compress(values, items.shown)})
        if 2 <= len(labels) <= MAX_CODES:
            code = {label: index for index, label in enumerate(labels)}
            codes = [code.get(str(value), len(labels)) for value in values]  # a later value has no column
            blocks.append(one_hot(np.array(codes), len(labels) + 1)[:, :-1])
    known = np.isfinite(items.duration)
    if (known & items.shown).any():
        middle = np.median(items.duration[known & items.shown])
        logs = np.log(np.where(known, items.duration, middle) + 1.0)
        own = logs[items.shown]
        edges = np.quantile(own, np.linspace(0, 1, 11)[1:-1])
        blocks += [
            one_hot(np.searchsorted(edges, logs), 10),
            ((logs - own.mean()) / (own.std() + 1e-6))[:, None],
        ]
    features = np.concatenate(blocks, axis=1).astype(np.float32)
    return with_history(features, dataset.history and dataset.history.item)
