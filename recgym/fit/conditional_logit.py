"""Multinomial logit of the clicked item over the items of its page. Source: McFadden (1974).

The choice over the catalogue factors into the choice of a page and of an item on it. The choice of an item is the
user's. The choice of a page depends on the sum over its items and on navigation terms (access to page n, staying on a
page, going to the next one). Navigation belongs to the logging policy and is left out of the world.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recgym.fit.choice_model import Catalogue, ChoiceModel, Past, layout
from recgym.fit.config import FitConfig
from recgym.fit.dataset import Dataset
from recgym.fit.session_batches import Batches
from recgym.fit.torch_session import (
    Batch,
    affinities,
    logged_affinity,
    returns_among,
    returns_logged,
    seen_among,
    seen_logged,
    with_returns,
)
from recgym.fit.training_loop import Average, Budget, descend, step_rows

LARGE_CATALOGUE = 3_000  # items; a larger catalogue is sampled in training
SAMPLED_ITEMS = 256  # of a large catalogue, for each batch
MAX_BATCH_CELLS = 20_000_000  # rows x items of a batch
MAX_SCORED_CELLS = 100_000_000  # rows x items of all batches that are scored
Report = Callable[[str, int, int, str], None]  # stage, done, of, figures
Judge = Callable[["ChoiceModel", Budget], bool]


def navigation(model: ChoiceModel, place: Catalogue, previous: Tensor, item: Tensor) -> Tensor:
    """(rows, M) navigation terms of `item` (1 or rows, M) after `previous` (rows,), -1 for none."""
    known = (previous >= 0)[:, None]
    last, category_page = previous.clamp(min=0)[:, None], place.category_page[item]
    same = known & (place.category_page[last] == category_page)
    follows = known & (place.category[last] == place.category[item])
    follows = follows & (place.page[last] + 1 == place.page[item])
    moves = model.same_page * same + model.next_page * follows
    return model.reach()[category_page] + model.navigation_share * moves


class ChoiceSet(NamedTuple):
    """The M alternatives of a batch, beside the chosen items."""

    item: Tensor  # (M,) int64
    weight: Tensor  # (M,) log of its importance weight


def options(place: Catalogue, share: Tensor | None) -> ChoiceSet:
    """The whole catalogue, or a sample of it by the probabilities `share` (N,).

    A sampled item has the importance weight 1 / (M share), so that sums over the catalogue and over a page are
    unbiased. Source: Bengio and Senecal (2008).
    """
    if share is None:
        every = torch.arange(len(place.category_page), device=place.category_page.device)
        return ChoiceSet(every, torch.zeros_like(every, dtype=torch.float32))
    drawn = torch.multinomial(share, SAMPLED_ITEMS, replacement=True)
    return ChoiceSet(drawn, -(SAMPLED_ITEMS * share[drawn]).log())


class Losses(NamedTuple):
    """Losses of the rows of a batch."""

    on_page: Tensor  # (rows,) log-loss of the item on its page
    page: Tensor  # (rows,) log-loss of the page, with navigation
    page_sum: Tensor  # (rows,) logsumexp of the affinities of the page
    own: Tensor  # (rows,) affinity of the item
    x: Tensor  # (rows, M) affinities of the alternatives

    @property
    def catalogue(self) -> Tensor:
        """(rows,) log-loss of the item over the catalogue, with navigation."""
        return self.on_page + self.page


def row_losses(
    model: ChoiceModel, place: Catalogue, batch: Batch, against: ChoiceSet, *, leave_one_out: bool = False
) -> Losses:
    """Log-losses of the logged items among the alternatives; `leave_one_out` as in `logged_affinity`.

    `rho` is estimated from choices on a page only. The loss of the page has no gradient in `rho`, because returns to a
    page are navigation.
    """
    terms, batch = model.part(batch)
    chosen = batch.mask > 0
    fresh = terms._replace(rho=torch.zeros_like(terms.rho), returns=None)
    item, returns = batch.item[chosen], terms.returns
    previous = torch.cat([torch.full_like(batch.item[:, :1], -1), batch.item[:, :-1]], dim=1)[chosen]
    seen, again = seen_among(batch, against.item)[chosen], seen_logged(batch)[chosen]
    returned = None if returns is None else returns_among(returns, batch, against.item)[chosen]
    x = affinities(fresh, batch, against.item)[chosen]
    own = logged_affinity(fresh, batch, leave_one_out=leave_one_out)[chosen]
    is_chosen = item[:, None] == against.item
    off_page = place.category_page[item][:, None] != place.category_page[against.item]

    def sums(rho: Tensor, moves: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        """Affinity of the item, and logsumexp over its page, or over the catalogue with navigation terms."""
        logit, others = own + rho * again, x + rho * seen
        if returns is not None and returned is not None:
            logit = with_returns(logit, returns_logged(returns, batch)[chosen])
            others = with_returns(others, returned)
        others = others + against.weight
        others = others.masked_fill(is_chosen, -torch.inf)
        if moves is None:
            others = others.masked_fill(off_page, -torch.inf)
        else:
            logit, others = logit + moves[0], others + moves[1]
        return logit, torch.logsumexp(torch.cat([others, logit[:, None]], dim=1), 1)

    of_item, page_sum = sums(terms.rho, None)
    moves = [navigation(model, place, previous, to) for to in (item[:, None], against.item[None])]
    constant_rho = terms.rho.detach()
    page = sums(constant_rho, (moves[0][:, 0], moves[1]))[1] - sums(constant_rho, None)[1] - moves[0][:, 0]
    return Losses(page_sum - of_item, page, page_sum, of_item, x + terms.rho * seen)


def scoring_batches(dataset: Dataset, device: torch.device, *periods: int) -> Batches:
    """Batches of these periods to score over the whole catalogue: all sessions, or a sample of MAX_SCORED_CELLS."""
    rng = np.random.default_rng(0)
    sessions = rng.permutation(dataset.sessions(*periods))
    rows = np.cumsum(dataset.lengths[sessions])
    kept = sessions[: max(1, int(np.searchsorted(rows, MAX_SCORED_CELLS / dataset.num_items)))]
    return dataset.batches(
        np.sort(kept), max(64, min(8192, MAX_BATCH_CELLS // dataset.num_items)), device, rng
    )


def mean_loss(model: ChoiceModel, place: Catalogue, batches: Batches) -> float:
    """Mean log-loss of the clicked item on its page."""
    return float(losses_of(model, place, batches)[0].mean())


def losses_of(model: ChoiceModel, place: Catalogue, batches: Batches) -> tuple[Tensor, Tensor, Tensor]:
    """Log-losses of the item on its page and of the page, and the row of the dataset, (rows,) each."""
    with torch.no_grad():
        every = options(place, None)
        found = [(row_losses(model, place, batch, every), batch.row[batch.mask > 0]) for batch in batches]
        parts = [(losses.on_page, losses.page, row) for losses, row in found]
        on_page, page, row = (torch.cat(part) for part in zip(*parts, strict=True))
        return on_page, page, row


def score(
    model: ChoiceModel, dataset: Dataset, place: Catalogue, rows: NDArray[np.bool_], device: torch.device
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(rows,) affinities of `rows`, whole sessions, and logsumexp over their pages; NaN elsewhere.

    The sums are computed for the sessions of `scoring_batches` only.
    """
    x, page_sum = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    periods = tuple(np.unique(dataset.row_period[rows]).tolist())
    with torch.no_grad():
        terms, every = model.terms(), options(place, None)
        for batch in dataset.batches(dataset.sessions(*periods), 8192, device, np.random.default_rng(0)):
            there = batch.mask > 0
            x[batch.row[there].cpu().numpy()] = logged_affinity(terms, batch)[there].cpu().numpy()
        for batch in scoring_batches(dataset, device, *periods):
            drawn = batch.row[batch.mask > 0].cpu().numpy()
            page_sum[drawn] = row_losses(model, place, batch, every).page_sum.cpu().numpy()
    return x, page_sum


def train(
    dataset: Dataset, config: FitConfig, past: Past, rounds: int | None, seed: int, device: torch.device,
    report: Report, judge: Judge | None = None,
) -> ChoiceModel:  # fmt: skip
    """Trains for `rounds` rounds, or as many as the budget allows; returns the Polyak average over the last round.

    `judge` is called with the average before the first round and after each; training stops where it returns True.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = ChoiceModel(dataset, config, past).to(device)
    place = layout(dataset, device)
    large = dataset.num_items > LARGE_CATALOGUE
    rows = int(np.isin(dataset.row_period, past.periods).sum())
    size = step_rows(config, rows, MAX_BATCH_CELLS // (SAMPLED_ITEMS if large else dataset.num_items))
    batches = dataset.batches(dataset.sessions(*past.periods), size, device, rng)
    share = torch.as_tensor(0.5 * dataset.items.exposure + 0.5 / dataset.num_items, dtype=torch.float32)
    share, whole = share.to(device), options(place, None)

    def loss_of(batch: Batch) -> Tensor:
        found = row_losses(model, place, batch, options(place, share) if large else whole, leave_one_out=True)
        loss = found.on_page.mean() + config.navigation * found.page.mean()
        return loss + model.ridge(config, rows) + (0.0 if large else model.page_spread(found.x))

    plan = Budget.of(config, len(batches))
    mean, rounds = Average(model, plan.epochs * len(batches)), plan.rounds if rounds is None else rounds
    if judge is not None and judge(mean.model, plan):
        return mean.model
    for number, loss in descend(model.groups(config), batches, loss_of, config, rounds, rng, mean.update):
        report("fitting choices", number, rounds, f"loss {loss:.3f}")
        if judge is not None and judge(mean.model, plan):
            break
    return mean.model
