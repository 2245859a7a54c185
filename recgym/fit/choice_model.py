"""The session model of a choice on a page, with navigation terms, beside item popularity or a Markov table."""

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recgym.arrays import Doubles
from recgym.fit.config import FitConfig
from recgym.fit.dataset import Dataset
from recgym.fit.markov import Counted, Weights, markov_table
from recgym.fit.memory_terms import MemoryTerms
from recgym.fit.pair_terms import Transitions
from recgym.fit.session_model import SessionModel
from recgym.fit.torch_session import ReturnTerms, SessionTerms
from recgym.logs.splits import TRAIN


class Past(NamedTuple):
    """What a model is trained on."""

    periods: tuple[int, ...] = (TRAIN,)
    weights: Weights | None = None  # of a Markov table that it is trained beside; None: beside popularity


class Catalogue(NamedTuple):
    """Pages and categories of the items, (N,) int64 each."""

    category_page: Tensor
    page: Tensor
    category: Tensor


def layout(dataset: Dataset, device: torch.device) -> Catalogue:
    """The catalogue of a dataset as tensors."""
    items = dataset.items
    return Catalogue(
        *(torch.as_tensor(v, device=device) for v in (items.category_page, items.page, items.category))
    )


def mean_matrix(code: Tensor, size: int) -> Tensor:
    """(size, len(code)) matrix of means over the entries of each code."""
    hot = nn.functional.one_hot(code, size).float().T
    return hot / hot.sum(1, keepdim=True).clamp(min=1.0)


class ChoiceModel(SessionModel):
    """The session model with navigation terms."""

    page_mean: Tensor  # (pages, N) means over the items of a page
    in_category: Tensor  # (C, pages) means over the pages of a category
    base_access: Tensor  # (pages,)
    return_logit: Tensor  # (N,)
    return_decay: Tensor  # ()
    navigation_share: (
        Tensor  # () in [0, 1]: share of the trained navigation that is kept beside the initial one
    )

    def __init__(self, dataset: Dataset, config: FitConfig, past: Past | None = None) -> None:
        features = np.zeros((dataset.num_users, 0), np.float32)
        memory = MemoryTerms.of(dataset, config, is_choice=True)
        super().__init__(dataset, features, config, drift=memory.push, fixed=memory.fixed())
        num_pages = int(dataset.items.category_page.max()) + 1
        # a shift of all items is not identified by a choice
        self.bias.requires_grad_(False)
        self.context_bias.requires_grad_(False)
        self.access = nn.Parameter(torch.zeros(num_pages))
        self.same_page = nn.Parameter(torch.tensor(0.0))
        self.next_page = nn.Parameter(torch.tensor(0.0))
        place = layout(dataset, torch.device("cpu"))
        self.register_buffer("page_mean", mean_matrix(place.category_page, num_pages))
        category = torch.zeros(num_pages, dtype=torch.int64).scatter(0, place.category_page, place.category)
        self.register_buffer("in_category", mean_matrix(category, self.num_categories))
        self.register_buffer("base_access", torch.zeros(num_pages))
        self.register_buffer("navigation_share", torch.ones(()))
        past = past or Past()
        rows = np.isin(dataset.row_period, past.periods)
        counted = None if past.weights is None else Counted(dataset, rows, past.weights)
        if config.start == "counts":
            self._start_at(popularity(dataset, rows, None if counted is None else counted.row))
        self._stand_beside(counted, past.weights)
        # `rho` is of all items of the visit: the last one may differ. Between pages that is navigation
        self.again = nn.Parameter(
            torch.tensor(0.0), requires_grad=memory.rho and self.has_table and num_pages == 1
        )

    def _stand_beside(self, counted: Counted | None, weights: Weights | None) -> None:
        """Adds the Markov table, and the returns, beside which the model is trained."""
        table = None if counted is None or weights is None else markov_table(counted, weights)
        found = None if counted is None or table is None else counted.returns
        self.has_table, self.found_returns = table is not None, found
        self.half_life = math.inf if weights is None else weights.half_life
        for name, value in () if table is None else table._asdict().items():
            self.register_buffer(f"table_{name}", value)
        if counted is not None and found is not None:
            scale = self.base_item - torch.as_tensor(np.log(counted.share))  # of the world's weights of items
            self.register_buffer("return_logit", (scale + torch.as_tensor(np.log(found.weight))).float())
            self.register_buffer("return_decay", torch.tensor(found.decay))

    def _start_at(self, popular: Doubles) -> None:
        """Initial values from logits (N,): differences between pages of a category are navigation, the rest biases."""
        logit = torch.as_tensor(popular, dtype=torch.float32)
        page_level = self.page_mean @ logit
        page_level = page_level - (self.in_category.T > 0).float() @ (self.in_category @ page_level)
        self.base_access.copy_(page_level)
        self.base_item.copy_(logit - (self.page_mean.T > 0).float() @ page_level)

    def terms(self, of: Tensor | None = None) -> SessionTerms:
        """Terms of the session model with user biases of 0, which a choice does not identify."""
        terms = super().terms(of)
        returns = ReturnTerms(self.return_logit, self.return_decay) if self.found_returns else None
        users = torch.zeros_like(terms.user_bias)
        return terms._replace(user_bias=users, transitions=self.transitions, returns=returns)

    @property
    def transitions(self) -> Transitions | None:
        """The Markov table that the model is trained beside; None: popularity alone."""
        if not self.has_table:
            return None
        table = Transitions(*(getattr(self, f"table_{name}") for name in Transitions._fields))
        more = (
            self.shrinkage * self.again * (table.code % (len(table.start) - 1) == 0)
        )  # pairs of an item with itself
        return table._replace(logit=table.logit + more, without=table.without + more)

    def reach(self) -> Tensor:
        """(pages,) logit of access to a page, relative to the others of its category."""
        learnt = self.access - (self.in_category.T > 0).float() @ (self.in_category @ self.access)
        return self.base_access + self.navigation_share * learnt

    def page_spread(self, x: Tensor) -> Tensor:
        """Penalty: variance of mean affinity between the pages of a category, which navigation models."""
        means = self.page_mean @ x.mean(0)
        return (means - (self.in_category.T > 0).float() @ (self.in_category @ means)).square().mean()


def popularity(dataset: Dataset, rows: NDArray[np.bool_], weight: Doubles | None = None) -> Doubles:
    """(N,) log of 1 + the clicks of each item, of `weight` (rows,) or 1 each, centred over clicks."""
    each = None if weight is None else weight[rows]
    logit: Doubles = np.log(np.bincount(dataset.item[rows], each, dataset.num_items) + 1.0)
    logit -= logit[dataset.item[rows]].mean()
    return logit
