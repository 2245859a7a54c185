"""A Markov table as a session model: a response sets the intent to the item's row for the next step only.

The smoothed table P(j | i) = (C_ij + k p_j) / (n_i + k), with p the items' shares, equals p_j (1 + C_ij / (k p_j))
up to a factor of its row. With item biases log p, pushes and factors whose inner products are log(1 + C_ij / (k p_j)),
and a pull near 1, the session model equals that table: exactly with as many factors as items, else by the truncated
weighted singular value decomposition.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from recgym.arrays import Bools, Doubles
from recgym.fit.conditional_logit import ChoiceModel
from recgym.fit.config import FitConfig
from recgym.fit.dataset import Dataset
from recgym.fit.torch_session import SessionTerms

WEIGHTS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)  # [clicks] k, weight of the items' shares
MAX_MARKOV_ITEMS, MAX_MARKOV_FACTORS = 2_000, 128
INTENT_KEPT = 0.01  # 1 - pull


class MarkovModel(ChoiceModel):
    """The choice model with pushes and factors from a table of counts; it is not trained."""

    table_push: Tensor  # (N, d)
    table_factors: Tensor  # (N, d)

    def __init__(self, dataset: Dataset, config: FitConfig, periods: tuple[int, ...], weight: float) -> None:
        super().__init__(dataset, config, periods)
        push, factors = factored(dataset, np.isin(dataset.row_period, periods), weight)
        self.register_buffer("table_push", torch.as_tensor(push / INTENT_KEPT, dtype=torch.float32))
        self.register_buffer("table_factors", torch.as_tensor(factors, dtype=torch.float32))

    def terms(self, of: Tensor | None = None) -> SessionTerms:
        """Terms of all users, or of those in `of`; they are equal."""
        terms, nothing = super().terms(of), torch.zeros((), device=self.category.device)
        return terms._replace(
            profile=torch.zeros(len(terms.profile), self.table_push.shape[1], device=nothing.device),
            factors=self.table_factors,
            push=self.table_push,
            item_bias=self.base_item,
            pull=nothing + (1.0 - INTENT_KEPT),
            kappa=nothing,
            rho=nothing,
        )


def factored(dataset: Dataset, rows: Bools, weight: float) -> tuple[Doubles, Doubles]:
    """(N, d) pushes and (N, d) factors, whose inner products are log(1 + C_ij / (k p_j))."""
    num, item = dataset.num_items, dataset.item.astype(np.int64)
    share = (np.bincount(item[rows], minlength=num) + 1.0) / (rows.sum() + num)
    second = np.flatnonzero(rows & dataset.follows)
    counts = np.bincount(item[second - 1] * num + item[second], minlength=num * num).reshape(num, num)
    ratio = np.log1p(counts / (weight * share))
    if num <= MAX_MARKOV_FACTORS:
        return ratio, np.eye(num)
    left, right = np.sqrt(counts.sum(1) + 1.0)[:, None], np.sqrt(share)[:, None]
    found: Any = torch.svd_lowrank(torch.as_tensor(left * ratio * right.T), q=MAX_MARKOV_FACTORS, niter=4)
    u, s, v = (part.numpy() for part in found)
    return u * np.sqrt(s) / left, v * np.sqrt(s) / right
