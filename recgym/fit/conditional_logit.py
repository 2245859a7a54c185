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

from recgym.arrays import Doubles
from recgym.fit.config import FitConfig
from recgym.fit.dataset import Batches, Dataset
from recgym.fit.memory_terms import MemoryTerms
from recgym.fit.session_model import SessionModel
from recgym.fit.torch_session import Batch, SessionTerms, affinities, logged_affinity, seen_among, seen_logged
from recgym.fit.training_loop import Average, Budget, descend, step_rows
from recgym.logs.splits import TRAIN

LARGE, SAMPLE = 3_000, 256  # a catalogue of more items is sampled in training, so many of it for a batch
CELLS, SCORED = (
    20_000_000,
    100_000_000,
)  # rows x items: of a batch that scores, of all such batches together
Report = Callable[[str, int, int, str], None]  # stage, done, of, figures


Judge = Callable[["ChoiceModel", Budget], bool]


class ChoiceModel(SessionModel):
    """The session model with terms of navigation."""

    on_shelf: Tensor  # (shelves, N) means over a shelf's items
    in_category: Tensor  # (C, shelves) means over a category's shelves
    base_access: Tensor  # (shelves,)
    way: Tensor  # () in [0, 1]: 0 leaves the navigation that it began with

    def __init__(self, frame: Dataset, config: FitConfig, periods: tuple[int, ...] = (TRAIN,)) -> None:
        features = np.zeros((frame.num_users, 0), np.float32)
        memory = MemoryTerms.of(frame, config, is_choice=True)
        super().__init__(frame, features, config, drift=memory.push, fixed=memory.fixed())
        shelves = int(frame.items.shelf.max()) + 1
        # what shifts all items alike is no part of a choice: trained, it would drift with the optimiser's noise
        self.bias.requires_grad_(False)
        self.context_bias.requires_grad_(False)
        self.access = nn.Parameter(torch.zeros(shelves))
        self.same_page = nn.Parameter(torch.tensor(0.0))
        self.next_page = nn.Parameter(torch.tensor(0.0))
        place = layout(frame, torch.device("cpu"))
        self.register_buffer("on_shelf", mean_matrix(place.shelf, shelves))
        category = torch.zeros(shelves, dtype=torch.int64).scatter(0, place.shelf, place.category)
        self.register_buffer("in_category", mean_matrix(category, self.num_categories))
        self.register_buffer("base_access", torch.zeros(shelves))
        self.register_buffer("way", torch.ones(()))
        if config.start == "counts":
            self._start_at(popularity(frame, np.isin(frame.row_period, periods)))

    def _start_at(self, popular: Doubles) -> None:
        """Begin at these logits: what sets the pages of a category apart is navigation's, the rest the items'."""
        logit = torch.as_tensor(popular, dtype=torch.float32)
        of_shelf = self.on_shelf @ logit
        of_shelf = of_shelf - (self.in_category.T > 0).float() @ (self.in_category @ of_shelf)
        self.base_access.copy_(of_shelf)
        self.base_item.copy_(logit - (self.on_shelf.T > 0).float() @ of_shelf)

    def terms(self, of: Tensor | None = None) -> SessionTerms:
        """As of any session, but no user likes everything more: a choice does not tell."""
        terms = super().terms(of)
        return terms._replace(user_bias=torch.zeros_like(terms.user_bias))

    def reach(self) -> Tensor:
        """(shelves,) how easily a page is reached, compared with the others of its category."""
        learnt = self.access - (self.in_category.T > 0).float() @ (self.in_category @ self.access)
        return self.base_access + self.way * learnt

    def page_spread(self, x: Tensor) -> Tensor:
        """Mean square of how pages of one category differ in mean affinity: navigation is to carry that."""
        means = self.on_shelf @ x.mean(0)
        return (means - (self.in_category.T > 0).float() @ (self.in_category @ means)).square().mean()


class Catalogue(NamedTuple):
    """Where the items stand, (N,) int64 each."""

    shelf: Tensor
    page: Tensor
    category: Tensor


def layout(frame: Dataset, device: torch.device) -> Catalogue:
    """The frame's items as tensors."""
    items = frame.items
    return Catalogue(*(torch.as_tensor(v, device=device) for v in (items.shelf, items.page, items.category)))


def mean_matrix(code: Tensor, size: int) -> Tensor:
    """(size, len(code)) that takes means over the entries of each code."""
    hot = nn.functional.one_hot(code, size).float().T
    return hot / hot.sum(1, keepdim=True).clamp(min=1.0)


def navigation(model: ChoiceModel, place: Catalogue, previous: Tensor, item: Tensor) -> Tensor:
    """(rows, M) terms of the shopper's way through the shop to `item`, (1 or rows, M), after `previous` (-1: none)."""
    known = (previous >= 0)[:, None]
    last, shelf = previous.clamp(min=0)[:, None], place.shelf[item]
    same = known & (place.shelf[last] == shelf)
    follows = known & (place.category[last] == place.category[item])
    follows = follows & (place.page[last] + 1 == place.page[item])
    return model.reach()[shelf] + model.way * (model.same_page * same + model.next_page * follows)


class ChoiceSet(NamedTuple):
    """What a row's item is compared with, beside itself: M items of the catalogue, the same for all rows."""

    item: Tensor  # (M,) int64
    weight: Tensor  # (M,) log of how many items each stands for


def options(place: Catalogue, share: Tensor | None) -> ChoiceSet:
    """The whole catalogue, or a sample of it by `share` (N,).

    A sampled item counts as 1 / (M share), which makes the sums over the catalogue and over a page unbiased
    (importance sampling of the softmax: Bengio and Senecal, 2008).
    """
    if share is None:
        every = torch.arange(len(place.shelf), device=place.shelf.device)
        return ChoiceSet(every, torch.zeros_like(every, dtype=torch.float32))
    drawn = torch.multinomial(share, SAMPLE, replacement=True)
    return ChoiceSet(drawn, -(SAMPLE * share[drawn]).log())


class Losses(NamedTuple):
    """Of the rows of a batch, (rows,) each, and the affinities of all options (rows, M)."""

    on_page: Tensor  # log-loss of the item on its page
    page: Tensor  # ... of the page, navigation included
    page_sum: Tensor  # logsumexp of the page's affinities
    own: Tensor  # affinity of the item
    x: Tensor

    @property
    def catalogue(self) -> Tensor:
        """Log-loss of the item over the catalogue, navigation included."""
        return self.on_page + self.page


def row_losses(model: ChoiceModel, place: Catalogue, batch: Batch, against: ChoiceSet) -> Losses:
    """How likely the logged items were among the options.

    Which pages people come back to is navigation: it moves no `rho`, which says what they click again on a page.
    """
    terms, batch = model.part(batch)
    chosen = batch.mask > 0
    fresh, item = terms._replace(rho=torch.zeros_like(terms.rho)), batch.item[chosen]
    previous = torch.cat([torch.full_like(batch.item[:, :1], -1), batch.item[:, :-1]], dim=1)[chosen]
    seen, again = seen_among(batch, against.item)[chosen], seen_logged(batch)[chosen]
    x, own = affinities(fresh, batch, against.item)[chosen], logged_affinity(fresh, batch)[chosen]
    twice = item[:, None] == against.item
    away = place.shelf[item][:, None] != place.shelf[against.item]

    def sums(rho: Tensor, way: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        """Affinity of the item, and logsumexp over its page, or over the catalogue with the way there."""
        mine, other = own + rho * again, (x + rho * seen + against.weight).masked_fill(twice, -torch.inf)
        if way is None:
            other = other.masked_fill(away, -torch.inf)
        else:
            mine, other = mine + way[0], other + way[1]
        return mine, torch.logsumexp(torch.cat([other, mine[:, None]], dim=1), 1)

    mine, page_sum = sums(terms.rho, None)
    ways = [navigation(model, place, previous, to) for to in (item[:, None], against.item[None])]
    still = terms.rho.detach()
    page = sums(still, (ways[0][:, 0], ways[1]))[1] - sums(still, None)[1] - ways[0][:, 0]
    return Losses(page_sum - mine, page, page_sum, mine, x + terms.rho * seen)


def some_batches(frame: Dataset, device: torch.device, *periods: int) -> Batches:
    """Batches of these periods to score over the whole catalogue; of many visits SCORED cells are drawn."""
    rng = np.random.default_rng(0)
    sessions = rng.permutation(frame.sessions(*periods))
    rows = np.cumsum(frame.lengths[sessions])
    kept = sessions[: max(1, int(np.searchsorted(rows, SCORED / frame.num_items)))]
    return frame.batches(np.sort(kept), max(64, min(8192, CELLS // frame.num_items)), device, rng)


def mean_loss(model: ChoiceModel, place: Catalogue, batches: Batches) -> float:
    """Mean log-loss of the clicked item on its page."""
    return float(losses_of(model, place, batches)[0].mean())


def losses_of(model: ChoiceModel, place: Catalogue, batches: Batches) -> tuple[Tensor, Tensor, Tensor]:
    """Log-losses of the item on its page and of the page, and the row of the frame, (rows,) each."""
    with torch.no_grad():
        every = options(place, None)
        found = [(row_losses(model, place, batch, every), batch.row[batch.mask > 0]) for batch in batches]
        parts = [(losses.on_page, losses.page, row) for losses, row in found]
        on_page, page, row = (torch.cat(part) for part in zip(*parts, strict=True))
        return on_page, page, row


def popularity(frame: Dataset, rows: NDArray[np.bool_]) -> Doubles:
    """(N,) log of how often each item was clicked and once more, 0 on average over clicks."""
    logit: Doubles = np.log(np.bincount(frame.item[rows], minlength=frame.num_items) + 1.0)
    logit -= logit[frame.item[rows]].mean()
    return logit


def score(
    model: ChoiceModel, frame: Dataset, place: Catalogue, rows: NDArray[np.bool_], device: torch.device
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Affinities of the items of `rows`, whole visits, and logsumexp over their pages where drawn; NaN elsewhere."""
    x, page_sum = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    periods = tuple(np.unique(frame.row_period[rows]).tolist())
    with torch.no_grad():
        terms, every = model.terms(), options(place, None)
        for batch in frame.batches(frame.sessions(*periods), 8192, device, np.random.default_rng(0)):
            there = batch.mask > 0
            x[batch.row[there].cpu().numpy()] = logged_affinity(terms, batch)[there].cpu().numpy()
        for batch in some_batches(frame, device, *periods):
            drawn = batch.row[batch.mask > 0].cpu().numpy()
            page_sum[drawn] = row_losses(model, place, batch, every).page_sum.cpu().numpy()
    return x, page_sum


def train(
    frame: Dataset, config: FitConfig, periods: tuple[int, ...], rounds: int | None, seed: int, device: torch.device,
    report: Report, judge: Judge | None = None,
) -> ChoiceModel:  # fmt: skip
    """The mean of a model over its last round, after so many, or as many as the plan allows.

    `judge(mean)` sees it before the first round and after each; training ends where it says so.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = ChoiceModel(frame, config, periods).to(device)
    place = layout(frame, device)
    large = frame.num_items > LARGE
    rows = int(np.isin(frame.row_period, periods).sum())
    size = step_rows(config, rows, CELLS // (SAMPLE if large else frame.num_items))
    batches = frame.batches(frame.sessions(*periods), size, device, rng)
    share = torch.as_tensor(0.5 * frame.items.exposure + 0.5 / frame.num_items, dtype=torch.float32)
    share, whole = share.to(device), options(place, None)

    def loss_of(batch: Batch) -> Tensor:
        found = row_losses(model, place, batch, options(place, share) if large else whole)
        loss = found.on_page.mean() + config.navigation * found.page.mean()
        return loss + model.ridge(config, rows) + (0.0 if large else model.page_spread(found.x))

    plan = Budget.of(config, len(batches))
    mean, rounds = Average(model, plan.epochs * len(batches)), plan.rounds if rounds is None else rounds
    if judge is not None and judge(mean.model, plan):
        return mean.model
    for number, loss in descend(model.groups(config), batches, loss_of, config, rounds, rng, mean.follow):
        report("choice", number, rounds, f"loss {loss:.3f}")
        if judge is not None and judge(mean.model, plan):
            break
    return mean.model
