"""What a fit of choices keeps, by validation: pages, the Markov table, rounds of training, shares of what was trained.

Where a log has categories and no pages, its categories are pages unless a choice among all items forecasts the next
item better. Receipts, whose rows have no order, show no pages.
"""

import copy
import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from recgym.arrays import Doubles, Ints
from recgym.fit import conditional_logit
from recgym.fit.baseline_guard import beats, best_share
from recgym.fit.choice_model import Catalogue, ChoiceModel, Past, layout
from recgym.fit.conditional_logit import Report
from recgym.fit.config import FitConfig
from recgym.fit.dataset import Dataset
from recgym.fit.markov import POPULARITY, Weights
from recgym.fit.markov_choice import choose_markov
from recgym.fit.session_batches import Batches
from recgym.fit.shown_pages import chain_losses
from recgym.fit.training_loop import Budget
from recgym.logs.splits import TRAIN, VALIDATION


class Selection(NamedTuple):
    """What is kept, as chosen on validation."""

    dataset: Dataset  # of the pages that were chosen
    model: ChoiceModel  # learnt from train
    weights: Weights | None  # of the Markov table beside it
    rounds: int
    found: dict[str, float]  # entries of the card
    kept: tuple[float, float]  # shares of the trained item terms and of trained navigation

    def trained(self, config: FitConfig, seed: int, device: torch.device, report: Report) -> ChoiceModel:
        """The model fitted to train and validation."""
        past = Past((TRAIN, VALIDATION), self.weights)
        model = conditional_logit.train(self.dataset, config, past, self.rounds, seed, device, report)
        return shrunk(model, *self.kept)


def select(
    dataset: Dataset, config: FitConfig, seed: int, device: torch.device, report: Report
) -> tuple[Selection, str]:
    """The best model on validation, and why categories are pages or are not; empty where that was no question."""
    items = dataset.items
    if items.page.any() or len(np.unique(items.category)) < 2:
        return select_terms(dataset, config, seed, device, report), ""
    whole = select_terms(replace(dataset, items=replace(items, one_page=True)), config, seed, device, report)
    if not (dataset.follows & dataset.known).any():
        return whole, "no row of a visit is known to follow another"
    paged = select_terms(dataset, config, seed, device, report)
    row, among_all = item_losses(whole, device)
    by_page = item_losses(paged, device)[1] + chain_losses(dataset, row)
    are_pages = not beats(among_all, by_page, dataset.session[row], config.guard or 0.0)
    words = (
        f"log-loss of the next item on validation {by_page.mean():.3f} with categories as pages, "
        f"{among_all.mean():.3f} among all items"
    )
    return paged if are_pages else whole, words


def item_losses(selection: Selection, device: torch.device) -> tuple[Ints, Doubles]:
    """Rows of validation, ascending, and the log-loss (rows,) of the item of each on its page."""
    dataset = selection.dataset
    judged = conditional_logit.scoring_batches(dataset, device, VALIDATION)
    loss, _, row = conditional_logit.losses_of(selection.model, layout(dataset, device), judged)
    order = np.argsort(row.cpu().numpy())
    return row.cpu().numpy()[order], loss.double().cpu().numpy()[order]


def select_terms(
    dataset: Dataset, config: FitConfig, seed: int, device: torch.device, report: Report
) -> Selection:
    """The rounds and shares that are best on validation, with the pages of the dataset."""
    place = layout(dataset, device)
    judged = conditional_logit.scoring_batches(dataset, device, VALIDATION)
    table = choose_markov(dataset, judged, config)
    # between pages, transitions are navigation, which is left out of the world; categories may say as much as a table
    known = dataset.items.one_page or int(place.category_page.max()) > 0
    weights = None if table is None or known else table.weights
    best, losses = search_rounds(dataset, config, weights, place, judged, seed, device, report)
    if table is not None and known and (dataset.items.one_page or table.loss < min(losses)):
        beside = search_rounds(dataset, config, table.weights, place, judged, seed, device, report)
        if min(beside[1]) < min(losses):
            weights, (best, losses) = table.weights, beside
    rounds = int(np.argmin(losses))
    if config.guard is None or config.start != "counts":
        kept = float(rounds > 0), float(rounds > 0)
        return Selection(dataset, shrunk(best, *kept), weights, rounds, {"epochs": rounds}, kept)
    kept = choose_shrinkage(dataset, best, place, judged, config.guard)
    found = {"epochs": rounds, "kept": kept[0], "kept_navigation": kept[1]}
    if weights is not None:
        found |= {"markov_weight": weights.after}
        found |= {"markov_weight_first": weights.first} if weights.first < POPULARITY else {}
        found |= {"markov_half_life": weights.half_life} if math.isfinite(weights.half_life) else {}
    return Selection(dataset, shrunk(best, *kept), weights, rounds, found, kept)


def search_rounds(
    dataset: Dataset, config: FitConfig, weights: Weights | None, place: Catalogue,
    judged: Batches, seed: int, device: torch.device, report: Report,
) -> tuple[ChoiceModel, list[float]]:  # fmt: skip
    """The model of least loss on validation, of those after each round on train; and the losses of all."""
    losses: list[float] = []
    best: list[ChoiceModel] = []

    def judge(model: ChoiceModel, plan: Budget) -> bool:
        losses.append(conditional_logit.mean_loss(model, place, judged))
        if losses[-1] == min(losses):
            best[:] = [copy.deepcopy(model)]
        return plan.ends(losses)

    past = Past((TRAIN,), weights)
    conditional_logit.train(dataset, config, past, None, seed, device, report, judge)
    return best[0], losses


def choose_shrinkage(
    dataset: Dataset, model: ChoiceModel, place: Catalogue, judged: Batches, guard: float
) -> tuple[float, float]:
    """Shares of the trained item terms and of trained navigation that are kept; the rest is popularity."""

    def losses(kept: float, navigation_share: float, part: int) -> Doubles:
        found = conditional_logit.losses_of(shrunk(model, kept, navigation_share), place, judged)
        return found[part].double().cpu().numpy()

    rows = conditional_logit.losses_of(model, place, judged)[2].cpu().numpy()
    visit = dataset.session[rows]
    kept = best_share(lambda share: losses(share, 0.0, 0), visit, guard)
    return kept, best_share(lambda share: losses(kept, share, 1), visit, guard)


def shrunk(model: ChoiceModel, kept: float, navigation_share: float) -> ChoiceModel:
    """Sets the shares of the trained item terms and of trained navigation; returns the model."""
    model.shrinkage.fill_(kept)
    model.navigation_share.fill_(navigation_share)
    return model
