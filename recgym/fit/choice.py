"""One choice a page: every row is a click, the item was chosen among those of its page (McFadden, 1974).

The choice over the catalogue factors into the choice of a page and of an item on it. Items' part is the user's; the
page's has, beside the sum of its items, terms of navigation alone (how easily page number n is reached, staying on
the page, turning to the next) which belong to the logging policy and are left out of the world.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recgym.fit.config import FitConfig
from recgym.fit.frame import VALIDATION, Frame
from recgym.fit.model import SessionModel
from recgym.fit.session import Batch, affinities
from recgym.fit.training import descend

Report = Callable[[str, int, int, str], None]  # stage, done, of, figures


class ChoiceModel(SessionModel):
    """The session model with terms of navigation."""

    on_shelf: Tensor  # (shelves, N) means over a shelf's items
    in_category: Tensor  # (C, shelves) means over a category's shelves

    def __init__(self, frame: Frame, config: FitConfig) -> None:
        features = np.zeros((frame.num_users, 0), np.float32)
        super().__init__(frame, features, config, drift=True, fixed={})
        shelves = int(frame.items.shelf.max()) + 1
        self.access = nn.Parameter(torch.zeros(shelves))
        self.same_page = nn.Parameter(torch.tensor(0.0))
        self.next_page = nn.Parameter(torch.tensor(0.0))
        place = layout(frame, torch.device("cpu"))
        self.register_buffer("on_shelf", mean_matrix(place.shelf, shelves))
        category = torch.zeros(shelves, dtype=torch.int64).scatter(0, place.shelf, place.category)
        self.register_buffer("in_category", mean_matrix(category, self.num_categories))

    def reach(self) -> Tensor:
        """(shelves,) how easily a page is reached, compared with the others of its category."""
        return self.access - (self.in_category.T > 0).float() @ (self.in_category @ self.access)

    def page_spread(self, x: Tensor) -> Tensor:
        """Mean square of how pages of one category differ in mean affinity: navigation is to carry that."""
        means = self.on_shelf @ x.mean(0)
        return (means - (self.in_category.T > 0).float() @ (self.in_category @ means)).square().mean()


class Layout(NamedTuple):
    """Where the items stand, (N,) int64 each."""

    shelf: Tensor
    page: Tensor
    category: Tensor


class Choice(NamedTuple):
    """Per row: log-losses of the item on its page and over the catalogue, and sums over the shown page."""

    row: NDArray[np.int64]
    on_page: NDArray[np.float64]
    catalogue: NDArray[np.float64]
    page_sum: NDArray[np.float64]  # logsumexp of the page's affinities
    x: NDArray[np.float64]  # affinity of the clicked item
    top: NDArray[np.bool_]  # the clicked item was the most likely one on its page
    top_chance: NDArray[np.float64]  # the likeliest item's chance on the page
    stay_chance: NDArray[
        np.float64
    ]  # over the catalogue: chance that the category stays, 0 at a visit's first click


def layout(frame: Frame, device: torch.device) -> Layout:
    """The frame's items as tensors."""
    items = frame.items
    return Layout(*(torch.as_tensor(v, device=device) for v in (items.shelf, items.page, items.category)))


def mean_matrix(code: Tensor, size: int) -> Tensor:
    """(size, len(code)) that takes means over the entries of each code."""
    hot = nn.functional.one_hot(code, size).float().T
    return hot / hot.sum(1, keepdim=True).clamp(min=1.0)


def navigation(model: ChoiceModel, place: Layout, previous: Tensor) -> Tensor:
    """(rows, N) terms of the shopper's way through the shop, after the item `previous` (-1: none)."""
    known = (previous >= 0)[:, None]
    last = previous.clamp(min=0)
    same = known & (place.shelf[last][:, None] == place.shelf)
    follows = known & (place.category[last][:, None] == place.category)
    follows &= place.page[last][:, None] + 1 == place.page
    return model.reach()[place.shelf] + model.same_page * same + model.next_page * follows


def row_losses(model: ChoiceModel, place: Layout, batch: Batch) -> tuple[Tensor, ...]:
    """For the batch's rows the fields of `Choice` after the first, (rows,) each, and x of all items (rows, N)."""
    chosen = batch.mask > 0
    x, item = affinities(model.terms(), batch)[chosen], batch.item[chosen]
    previous = torch.cat([torch.full_like(batch.item[:, :1], -1), batch.item[:, :-1]], dim=1)[chosen]
    on_page = place.shelf[item][:, None] == place.shelf
    shown = x.masked_fill(~on_page, -torch.inf)
    own = x.gather(1, item[:, None])[:, 0]
    page_sum = torch.logsumexp(shown, 1)
    wide = x + navigation(model, place, previous)
    catalogue = torch.logsumexp(wide, 1) - wide.gather(1, item[:, None])[:, 0]
    top = shown.max(1)
    stays = (previous >= 0)[:, None] & (place.category[previous.clamp(min=0)][:, None] == place.category)
    stay = (wide.softmax(1) * stays).sum(1)
    return (
        page_sum - own,
        catalogue,
        page_sum,
        own,
        top.indices == item,
        (top.values - page_sum).exp(),
        stay,
        x,
    )


def evaluate(model: ChoiceModel, place: Layout, batches: list[Batch]) -> Choice:
    """The choice at every row of the batches, in the order of the frame."""
    parts: list[list[NDArray[np.float64]]] = []
    with torch.no_grad():
        for batch in batches:
            values = (batch.row[batch.mask > 0], *row_losses(model, place, batch)[:-1])
            parts.append([value.cpu().numpy() for value in values])
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.argsort(columns[0])
    return Choice(*(column[order] for column in columns))


def train(
    frame: Frame, config: FitConfig, periods: tuple[int, ...], epochs: int, seed: int, device: torch.device,
    report: Report, judge: Callable[[ChoiceModel, int], None] | None = None,
) -> ChoiceModel:  # fmt: skip
    """A model after `epochs` of a schedule that `config.epochs` sets; `judge(model, epoch)` sees every epoch."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = ChoiceModel(frame, config).to(device)
    place = layout(frame, device)
    batches = frame.batches(frame.sessions(*periods), config.batch_rows, device, rng)
    rows = int(np.isin(frame.row_period, periods).sum())

    def loss_of(batch: Batch) -> Tensor:
        on_page, catalogue, *_, x = row_losses(model, place, batch)
        loss = on_page.mean() + config.navigation * (catalogue - on_page).mean()
        return loss + model.ridge(config, rows) + model.page_spread(x)

    for epoch, loss in descend(model.groups(config), batches, loss_of, config, epochs, rng):
        report("choice", epoch, epochs, f"loss {loss:.3f}")
        if judge is not None:
            judge(model, epoch)
    return model


def markov_losses(
    frame: Frame, train_rows: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A toy: smoothed counts of item after item (popularity after nothing); losses on the page and catalogue.

    The weight of the popularity prior is the best of six on the validation rows for each of the two.
    """
    item, first, num = frame.item, frame.step == 0, frame.num_items
    previous = np.where(first, -1, np.roll(item, 1))
    popular = (np.bincount(item[train_rows], minlength=num) + 1.0) / (train_rows.sum() + num)
    counts = np.zeros((num, num))
    pairs = train_rows & ~first
    np.add.at(counts, (previous[pairs], item[pairs]), 1.0)
    same = (frame.items.shelf[:, None] == frame.items.shelf[None, :]).astype(np.float64)
    validation = frame.row_period == VALIDATION
    narrow, wide = [], []
    for prior in (1.0, 3.0, 10.0, 30.0, 100.0, 300.0):
        table = np.vstack([counts + prior * popular, popular])  # the last row: after nothing
        table /= table.sum(1, keepdims=True)
        chance = np.log(table[previous, item])
        narrow.append(np.log((table @ same)[previous, item]) - chance)
        wide.append(-chance)
    best = [min(tried, key=lambda losses: float(losses[validation].mean())) for tried in (narrow, wide)]
    return best[0], best[1]
