"""The trained module: towers and the session model's numbers; `terms()` gives what `session.py` computes with."""

import math
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from recgym.arrays import Floats
from recgym.fit.additive import Additive
from recgym.fit.config import FitConfig
from recgym.fit.dataset import Dataset
from recgym.fit.torch_session import Batch, SessionTerms
from recgym.fit.two_tower import Tower, one_hot
from recgym.fit.user_features import EARLIER, earlier_rates

MAX_CODES = 64  # a public column with more values than this is left out of a tower
BELOW_ONE = 1.0 - 2.0**-24  # the largest float32 there is
START = {"kappa": 0.0, "rho": 0.0, "theta": 0.0, "pull": 0.3, "decay": 0.8}  # where the numbers begin


class SessionModel(nn.Module):
    """Towers of users and items, and the numbers of affinity.

    `fixed` holds numbers that are assumed, not trained (names of START). Without `drift` nothing moves the
    intent. A `base` gives all biases: then the towers add the product of factors only.
    Under `start` "counts" it begins as its biases alone, and `shrinkage` scales what is trained beside them.
    """

    category: Tensor
    price: Tensor
    shrinkage: Tensor  # () in [0, 1]: 0 leaves the biases that it began with
    base_user: Tensor
    base_item: Tensor
    base_context: Tensor
    moved_user: Tensor
    moved_item: Tensor
    moved_context: Tensor
    ALONE = ("access", "context_bias", "moved_user", "moved_item", "moved_context")

    def __init__(
        self, frame: Dataset, user_features: Floats, config: FitConfig, *, drift: bool, fixed: dict[str, float],
        base: Additive | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        dim, items = config.dim, frame.items
        self.dim, self.drift = dim, drift
        self.num_categories = len(items.categories)
        self.item_tower = Tower(
            item_features(frame), 2 * dim + 1, config.hidden, config.item_scale, config.dropout
        )
        self.user_tower = Tower(user_features, dim + 1, config.hidden, 0.0, config.dropout)
        if len(self.user_tower.layers):
            nn.init.zeros_(cast(nn.Linear, self.user_tower.layers[-1]).weight)
        self.context_bias = nn.Parameter(torch.zeros(len(frame.contexts)))
        self.bias = nn.Parameter(torch.tensor(0.0))
        self.fixed, start = frozenset(fixed), START | fixed
        for name in ("pull", "decay"):
            start[name] = math.log(start[name] / (1.0 - start[name])) if start[name] > 0 else -30.0
        for name, value in start.items():
            setattr(self, f"raw_{name}", nn.Parameter(torch.tensor(value), requires_grad=name not in fixed))
        self.has_base = base is not None
        base = base or Additive(
            np.zeros(frame.num_users), np.zeros(frame.num_items), np.zeros(len(frame.contexts))
        )
        for name, values in base._asdict().items():
            self.register_buffer(f"base_{name}", torch.from_numpy(values.astype(np.float32)))
            # where answers move the intent, the base was fitted without what they do: it is corrected along with it
            moved = nn.Parameter(torch.zeros(len(values)), requires_grad=self.has_base and drift)
            setattr(self, f"moved_{name}", moved)
        if config.start == "counts":
            self.item_tower.silence(slice(dim, None))
            self.user_tower.silence(slice(None))
        self.register_buffer("shrinkage", torch.ones(()))
        self.register_buffer("category", torch.from_numpy(items.category))
        self.register_buffer("price", torch.from_numpy(items.price_z.astype(np.float32)))

    def number(self, name: str) -> Tensor:
        """A number of the session model, in its own range."""
        raw: Tensor = getattr(self, f"raw_{name}")
        return torch.sigmoid(raw).clamp(max=BELOW_ONE) if name in ("pull", "decay") else raw

    def _memory(self, name: str) -> Tensor:
        """A slope on what was responded to before; what is assumed is not shrunk."""
        return self.number(name) if name in self.fixed else self.shrinkage * self.number(name)

    def terms(self, of: Tensor | None = None) -> SessionTerms:
        """Differentiable terms over all items and users, or over the users `of`.

        `outside` is 0, `bias` stands in the item bias.
        """
        items, users = self.item_tower(), self.user_tower(of)
        chosen: Any = slice(None) if of is None else of
        dim = self.dim
        own, kept = 0.0 if self.has_base else 1.0, self.shrinkage
        push = items[:, dim : 2 * dim] if self.drift else torch.zeros_like(items[:, :dim])
        of_item = self.moved_item + own * (items[:, -1] + self.bias) + self.number("theta") * self.price
        return SessionTerms(
            kept * users[:, :dim],
            self.base_user[chosen] + kept * (self.moved_user[chosen] + own * users[:, dim]),
            items[:, :dim],
            kept * push,
            self.base_item + kept * of_item,
            self.base_context + kept * (self.moved_context + own * self.context_bias),
            self.category,
            self.num_categories,
            self.number("pull"),
            self._memory("kappa"),
            self.number("decay"),
            self._memory("rho"),
            torch.zeros((), device=self.category.device),
        )

    def part(self, batch: Batch) -> tuple[SessionTerms, Batch]:
        """The terms of a batch's users alone, and the batch with their numbers in these: a log may have a million."""
        users, number = torch.unique(batch.user, return_inverse=True)
        return self.terms(users), batch._replace(user=number)

    def ridge(self, config: FitConfig, rows: int) -> Tensor:
        """Penalty a row: what ids add by themselves, shrunk as by a Gaussian prior over `rows` rows of log."""
        items = self.item_tower.own_square(config.bias_ridge, config.item_ridge)
        items = items + config.bias_ridge * (self.moved_user.square().sum() + self.moved_item.square().sum())
        return 0.5 * (items + self.user_tower.own_square(config.bias_ridge, config.user_ridge)) / rows

    def groups(self, config: FitConfig) -> list[dict[str, object]]:
        """Parameter groups for AdamW: what stands alone learns ten times as fast and does not decay."""
        trained = [(name, p) for name, p in self.named_parameters() if p.requires_grad]
        alone = [p for name, p in trained if p.ndim == 0 or name in self.ALONE]
        rest = [p for name, p in trained if not (p.ndim == 0 or name in self.ALONE)]
        rate = config.learning_rate
        return [
            {"params": rest, "lr": rate, "weight_decay": config.weight_decay},
            {"params": alone, "lr": 10 * rate, "weight_decay": 0.0},
        ]


def item_features(frame: Dataset) -> Floats:
    """(N, F) category, page, the log's own columns of few values, one-hot; rates before the log. Price is theta's."""
    items = frame.items
    blocks = [
        one_hot(items.category),
        one_hot(items.shelf),
        earlier_rates({"": items.category, **items.columns}),
    ]
    for name, values in items.columns.items():
        if name in ("price", "duration_ms") or name.startswith(EARLIER):
            continue
        labels = sorted({str(value) for value in values})
        if 2 <= len(labels) <= MAX_CODES:
            code = {label: index for index, label in enumerate(labels)}
            blocks.append(one_hot(np.array([code[str(value)] for value in values])))
    known = np.isfinite(items.duration)
    if known.any():
        logs = np.log(np.where(known, items.duration, np.nanmedian(items.duration)) + 1.0)
        edges = np.quantile(logs, np.linspace(0, 1, 11)[1:-1])
        blocks += [
            one_hot(np.searchsorted(edges, logs), 10),
            ((logs - logs.mean()) / (logs.std() + 1e-6))[:, None],
        ]
    return np.concatenate(blocks, axis=1).astype(np.float32)
