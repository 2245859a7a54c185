"""A log of clicks without refusals -> a world with one choice a page and fitted leaving."""

import numpy as np
import torch

from recgym.events import EVENTS
from recgym.fit import choice
from recgym.fit.assemble import Arrays, Ledger, build_world, card_head, plain_arrays, rewards_assumed
from recgym.fit.choice import ChoiceModel, Report
from recgym.fit.config import FitConfig, assumed
from recgym.fit.exposure import fit_stay
from recgym.fit.frame import TRAIN, VALIDATION, Doubles, Frame, make_frame
from recgym.fit.heads import fit_events
from recgym.fit.leaving import fit_leaving, hazard_rows
from recgym.fit.visits import can_leave, leaving_terms
from recgym.logs import Log
from recgym.sim.world import World


def fit_clicks(
    log: Log, name: str, config: FitConfig, seed: int, device: torch.device, report: Report
) -> World:
    """Train on the earlier periods, judge on the test period; the shipped numbers come from train and validation."""
    frame = make_frame(log, config, positives_only=True)
    model, epochs = trained(frame, config, seed, device, report)
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
    arrays["logged_stay"] = np.array([fit_stay(frame, past)])
    ledger.fitted(
        "logged_stay", float(arrays["logged_stay"][0]), "categories of neighbouring clicks (logging policy)"
    )
    ledger.assumed("exposure", "share of clicks", "no page views are logged: clicks stand for them")
    ledger.fitted("population", f"{frame.num_users} users or segments", "shares of visits")
    card = card_head(log, frame, name, config, seed) | {
        "terms": ledger.finish(),
        "epochs": epochs,
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
) -> tuple[ChoiceModel, int]:
    """The model of train and validation, after as many epochs as were best on validation."""
    place, judged = choice.layout(frame, device), choice.some_batches(frame, device, VALIDATION)
    losses: list[float] = []

    def judge(model: ChoiceModel, epoch: int) -> None:
        losses.append(choice.mean_loss(model, place, judged))

    choice.train(frame, config, (TRAIN,), config.epochs, seed, device, report, judge)
    best = int(np.argmin(losses)) + 1
    return choice.train(frame, config, (TRAIN, VALIDATION), best, seed, device, report), best


def navigation(model: ChoiceModel) -> dict[str, float | list[float]]:
    """The shopper's way through the shop, which no world holds: for the card, to forecast the page that comes next."""
    with torch.no_grad():
        reach = [round(value, 4) for value in model.reach().tolist()]
    steps = {"same_page": model.same_page, "next_page": model.next_page}
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
        numbers = {key: float(model.number(key)) for key in ("kappa", "rho", "pull", "decay")} | {
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
