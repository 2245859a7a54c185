"""A table of what follows what as a session model: a click pushes the intent to its row, which is forgotten at once.

The smoothed Markov table P(j | i) = (C_ij + k p_j) / (n_i + k), with p the items' shares, is p_j (1 + C_ij / (k p_j))
up to a factor of its row. So with item biases log p, pushes and factors whose product is log(1 + C_ij / (k p_j)), and
an intent that keeps next to nothing of what was before, the session model is that table: exactly with as many factors
as items, else by the weighted singular vectors of the largest singular values.
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

WEIGHTS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)  # of the items' shares, in clicks: k
MOST_ITEMS, MOST_FACTORS = 2_000, 128
KEEP = 0.01  # of the intent's way, from click to click


class MarkovModel(ChoiceModel):
    """The choice model whose pushes and factors are a table of counts; nothing of it is trained."""

    table_push: Tensor  # (N, d)
    table_factors: Tensor  # (N, d)

    def __init__(self, frame: Dataset, config: FitConfig, periods: tuple[int, ...], weight: float) -> None:
        super().__init__(frame, config, periods)
        push, factors = factored(frame, np.isin(frame.row_period, periods), weight)
        self.register_buffer("table_push", torch.as_tensor(push / KEEP, dtype=torch.float32))
        self.register_buffer("table_factors", torch.as_tensor(factors, dtype=torch.float32))

    def terms(self, of: Tensor | None = None) -> SessionTerms:
        """Of all users, or of those in `of`: they are all alike."""
        terms, nothing = super().terms(of), torch.zeros((), device=self.category.device)
        return terms._replace(
            profile=torch.zeros(len(terms.profile), self.table_push.shape[1], device=nothing.device),
            factors=self.table_factors,
            push=self.table_push,
            item_bias=self.base_item,
            pull=nothing + (1.0 - KEEP),
            kappa=nothing,
            rho=nothing,
        )


def factored(frame: Dataset, rows: Bools, weight: float) -> tuple[Doubles, Doubles]:
    """(N, d) pushes and (N, d) factors, whose products are the logs of the table's ratios to the items' shares."""
    num, item = frame.num_items, frame.item.astype(np.int64)
    share = (np.bincount(item[rows], minlength=num) + 1.0) / (rows.sum() + num)
    second = np.flatnonzero(rows & (frame.step > 0))
    counts = np.bincount(item[second - 1] * num + item[second], minlength=num * num).reshape(num, num)
    ratio = np.log1p(counts / (weight * share))
    if num <= MOST_FACTORS:
        return ratio, np.eye(num)
    left, right = np.sqrt(counts.sum(1) + 1.0)[:, None], np.sqrt(share)[:, None]
    found: Any = torch.svd_lowrank(torch.as_tensor(left * ratio * right.T), q=MOST_FACTORS, niter=4)
    u, s, v = (part.numpy() for part in found)
    return u * np.sqrt(s) / left, v * np.sqrt(s) / right
