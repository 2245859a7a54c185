"""A log of clicks without refusals -> a world with one choice a page and fitted leaving."""

import copy

import numpy as np
import torch

from recgym.events import EVENTS
from recgym.fit import choice
from recgym.fit.assemble import Arrays, Ledger, build_world, card_head, plain_arrays, rewards_assumed
from recgym.fit.choice import ChoiceModel, Report
from recgym.fit.config import FitConfig, assumed
from recgym.fit.exposure import exposure_terms
from recgym.fit.frame import TRAIN, VALIDATION, Batches, Doubles, Frame, make_frame
from recgym.fit.graph import no_graph
from recgym.fit.guard import best_share
from recgym.fit.heads import fit_events
from recgym.fit.leaving import fit_leaving, hazard_rows
from recgym.fit.training import Plan
from recgym.fit.visits import can_leave, leaving_terms
from recgym.logs import Log
from recgym.sim.world import World


def fit_clicks(
    log: Log, name: str, config: FitConfig, seed: int, device: torch.device, report: Report
) -> World:
    """Train on the earlier periods, judge on the test period; the shipped numbers come from train and validation."""
    frame = make_frame(log, config, positives_only=True)
    model, chosen = trained(frame, config, seed, device, report)
    place = choice.layout(frame, device)
    past = np.isin(frame.row_period, (TRAIN, VALIDATION))
    x, page_sum = choice.score(model, frame, place, past, device)
    ledger = Ledger(frame.domain)
    arrays = plain_arrays(frame, config.dim)
    numbers = affinity_terms(frame, model, arrays, ledger)
    outside = numbers["outside"] = _outside(frame, page_sum, ledger)
    fit_events(frame, x - outside, ledger, arrays)
    ledger.fitted(
        f"event:{EVENTS[frame.domain][0].name}",
        "multinomial logit",
        "which item of its page; how often a page is answered is `outside`, which is assumed"
        + ("; the catalogue sampled in training" if frame.num_items > choice.LARGE else ""),
    )
    report("leaving", 0, 1, "")
    rows = hazard_rows(frame)
    hazard = fit_leaving(frame, rows, (TRAIN, VALIDATION)) if can_leave(frame, log) else None
    numbers |= leaving_terms(hazard, False, arrays, ledger)
    exposure_terms(log, frame, past, arrays, ledger)
    ledger.fitted("population", f"{frame.num_users} users or segments", "shares of visits")
    no_graph(log, 0, ledger)
    card = card_head(log, frame, name, config, seed) | {
        "terms": ledger.finish(),
        **chosen,
        "navigation": navigation(model),
    }
    card["rewards_assumed"] = rewards_assumed(ledger)
    return build_world(name, frame, arrays, numbers, card)


def _outside(frame: Frame, page_sum: Doubles, ledger: Ledger) -> float:
    """Logit of taking nothing at which a logged page is answered at the assumed rate.

    A shelf of more items than a page holds is no page: such a page has its share of the shelf's weight.
    """
    rate, most = assumed(frame.domain, "answer_rate"), assumed(frame.domain, "page_items")
    shelf = frame.items.shelf
    pages = np.maximum(np.bincount(shelf) / most, 1.0)[shelf[frame.item]]
    outside = float(np.nanmean(page_sum - np.log(pages)) + np.log((1 - rate) / rate))
    drawn = "" if (pages == 1.0).all() else f" of {most:g} items"
    ledger.assumed("outside", outside, f"set so that a page{drawn} is answered with a click at rate {rate}")
    return outside


def trained(
    frame: Frame, config: FitConfig, seed: int, device: torch.device, report: Report
) -> tuple[ChoiceModel, dict[str, float]]:
    """The model of train and validation after as many rounds as were best on validation, and what was chosen there."""
    place, judged = choice.layout(frame, device), choice.some_batches(frame, device, VALIDATION)
    losses: list[float] = []
    best: list[ChoiceModel] = []

    def judge(model: ChoiceModel, plan: Plan) -> bool:
        losses.append(choice.mean_loss(model, place, judged))
        if losses[-1] == min(losses):
            best[:] = [copy.deepcopy(model)]
        return plan.ends(losses)

    choice.train(frame, config, (TRAIN,), None, seed, device, report, judge)
    rounds = int(np.argmin(losses))
    model = choice.train(frame, config, (TRAIN, VALIDATION), rounds, seed, device, report)
    if config.guard is None or config.start != "counts":
        return model, {"epochs": rounds}
    kept, way = choose_shrinkage(frame, best[0], place, judged, config.guard)
    return shrunk(model, kept, way), {"epochs": rounds, "kept": kept, "kept_navigation": way}


def choose_shrinkage(
    frame: Frame, model: ChoiceModel, place: choice.Layout, judged: Batches, guard: float
) -> tuple[float, float]:
    """How much of what was learnt of items, and of navigation, is kept beside the counts."""

    def losses(kept: float, way: float, part: int) -> Doubles:
        found = choice.losses_of(shrunk(model, kept, way), place, judged)
        return found[part].double().cpu().numpy()

    rows = choice.losses_of(model, place, judged)[2].cpu().numpy()
    visit = frame.session[rows]
    kept = best_share(lambda share: losses(share, 0.0, 0), visit, guard)
    return kept, best_share(lambda share: losses(kept, share, 1), visit, guard)


def shrunk(model: ChoiceModel, kept: float, way: float) -> ChoiceModel:
    """The model with so much of what it learnt of items and of navigation."""
    model.shrinkage.fill_(kept)
    model.way.fill_(way)
    return model


def navigation(model: ChoiceModel) -> dict[str, float | list[float]]:
    """The shopper's way through the shop, which no world holds: for the card, to forecast the page that comes next."""
    with torch.no_grad():
        reach = [round(value, 4) for value in model.reach().tolist()]
    steps = {"same_page": model.way * model.same_page, "next_page": model.way * model.next_page}
    return {"reach": reach, **{name: round(float(value.detach()), 4) for name, value in steps.items()}}


def affinity_terms(frame: Frame, model: ChoiceModel, arrays: Arrays, ledger: Ledger) -> dict[str, float]:
    """Write the model's terms into `arrays`; returns its numbers."""
    with torch.no_grad():
        terms = model.terms()
        total = terms.item_bias.cpu().double().numpy()
        theta = frame.items.price_slope(total)
        parts = {"profile": terms.profile, "factors": terms.factors, "push": terms.push}
        arrays |= {key: value.cpu().double().numpy() for key, value in parts.items()}
        arrays["item_bias"] = total - theta * frame.items.price_z
        numbers = {key: float(getattr(terms, key)) for key in ("kappa", "rho", "pull", "decay")} | {
            "theta": theta
        }
    shape = f"{model.dim} factors"
    ledger.fitted("profile", shape, "first clicks; what a user or segment adds to the mean is shrunk")
    ledger.fitted("factors", shape, "deep tower of item id and public columns")
    ledger.fitted("push", shape, "next clicks after a click")
    ledger.fitted("item_bias", "a number an item", "choices on the page")
    ledger.fitted("eta", 1.0, "the scale is in the push vectors")
    reasons = {
        "kappa": "next clicks; a positive slope holds people in a category",
        "rho": "items clicked before in the visit, on the page they stand on",
        "theta": "between items only, prices never change",
        "pull": "next clicks",
        "decay": "next clicks",
    }
    for key, reason in reasons.items():
        ledger.fitted(key, numbers[key], reason)
    if not bool(model.price.any()):
        ledger.absent("theta", "no prices that differ")
        numbers["theta"] = 0.0
    ledger.absent("sigma", "spread of first intents within a segment is not fitted yet")
    ledger.assumed(
        "examine", 1.0, "each item has one place on its page: position cannot be told from the item"
    )
    return numbers
