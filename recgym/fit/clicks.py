"""A log of clicks without refusals -> a world with one choice a page and fitted leaving."""

from typing import Any

import numpy as np
import torch

from recgym.events import EVENTS
from recgym.fit import choice, fidelity
from recgym.fit.assemble import Arrays, Ledger, build_world, card_head, plain_arrays, rewards_assumed
from recgym.fit.choice import Choice, ChoiceModel, Report
from recgym.fit.config import FitConfig, assumed
from recgym.fit.exposure import fit_stay
from recgym.fit.frame import TEST, TRAIN, VALIDATION, Frame, make_frame
from recgym.fit.heads import fit_events
from recgym.fit.leaving import fit_leaving, hazard_rows
from recgym.fit.visits import can_leave, leaving_figures, leaving_terms
from recgym.logs import Log
from recgym.sim.world import World


def fit_clicks(
    log: Log, name: str, config: FitConfig, seed: int, device: torch.device, report: Report
) -> World:
    """Train on the earlier periods, judge on the test period; the shipped numbers come from train and validation."""
    frame = make_frame(log, config, positives_only=True)
    model, epochs = trained(frame, config, seed, device, report)
    known = choice.evaluate(model, choice.layout(frame, device), _batches(frame, device, TRAIN, VALIDATION))
    test = choice.evaluate(model, choice.layout(frame, device), _batches(frame, device, TEST))
    ledger = Ledger(frame.domain)
    arrays = plain_arrays(frame, config.dim)
    rate = assumed(frame.domain, "answer_rate")
    outside = float(known.page_sum.mean() + np.log((1 - rate) / rate))
    numbers = affinity_terms(frame, model, arrays, ledger) | {"outside": outside}
    ledger.assumed("outside", outside, f"set so that a logged page is answered with a click at rate {rate}")
    x = np.full(len(frame.item), np.nan)
    x[known.row] = known.x - outside
    fit_events(frame, x, ledger, arrays)
    ledger.fitted(
        f"event:{EVENTS[frame.domain][0].name}",
        "multinomial logit",
        "which item of its page; how often a page is answered is `outside`, which is assumed",
    )
    report("leaving", 0, 1, "")
    rows = hazard_rows(frame)
    hazard = fit_leaving(frame, rows, (TRAIN, VALIDATION)) if can_leave(frame, log) else None
    numbers |= leaving_terms(hazard, False, arrays, ledger)
    past = np.isin(frame.row_period, (TRAIN, VALIDATION))
    arrays["logged_stay"] = np.array([fit_stay(frame, past)])
    ledger.fitted(
        "logged_stay", float(arrays["logged_stay"][0]), "categories of neighbouring clicks (logging policy)"
    )
    ledger.assumed("exposure", "share of clicks", "no page views are logged: clicks stand for them")
    ledger.fitted("population", f"{frame.num_users} users or segments", "shares of visits")
    report("card", 0, 1, "")
    figures = choice_figures(frame, test, config) + (
        leaving_figures(rows, frame, hazard, config) if hazard else []
    )
    card = card_head(log, frame, name, config, seed) | {
        "terms": ledger.finish(),
        "figures": figures,
        "epochs": epochs,
    }
    card["rewards_assumed"] = rewards_assumed(ledger)
    return build_world(name, frame, arrays, numbers, card)


def trained(
    frame: Frame, config: FitConfig, seed: int, device: torch.device, report: Report
) -> tuple[ChoiceModel, int]:
    """The model of train and validation, after as many epochs as were best on validation."""
    place, judged = choice.layout(frame, device), _batches(frame, device, VALIDATION)
    losses: list[float] = []

    def judge(model: ChoiceModel, epoch: int) -> None:
        losses.append(float(choice.evaluate(model, place, judged).on_page.mean()))

    choice.train(frame, config, (TRAIN,), config.epochs, seed, device, report, judge)
    best = int(np.argmin(losses)) + 1
    return choice.train(frame, config, (TRAIN, VALIDATION), best, seed, device, report), best


def _batches(frame: Frame, device: torch.device, *periods: int) -> list[Any]:
    return frame.batches(frame.sessions(*periods), 8192, device, np.random.default_rng(0))


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


def choice_figures(frame: Frame, test: Choice, config: FitConfig) -> list[fidelity.Figure]:
    """The next click on the test period, beside a Markov table."""
    cluster, count = frame.session[test.row], config.bootstrap
    narrow, wide = choice.markov_losses(frame, frame.row_period == TRAIN)
    stay = frame.items.category[frame.item] == frame.items.category[np.roll(frame.item, 1)]
    later = (frame.step > 0)[test.row]
    past = (frame.row_period != TEST) & (frame.step > 0)
    return [
        fidelity.mean_figure("log-loss of the clicked item on its page", "users", test.on_page, cluster, count,
                             toy=narrow[test.row], toy_name="Markov table"),
        fidelity.mean_figure("log-loss of the clicked item over the catalogue", "logging policy", test.catalogue,
                             cluster, count, toy=wide[test.row], toy_name="Markov table"),
        fidelity.rate_figure("clicked item is the likeliest on its page", "users", test.top.astype(float),
                             test.top_chance, cluster, count),
        fidelity.rate_figure("next click stays in the category", "logging policy", stay[test.row][later].astype(float),
                             test.stay_chance[later], cluster[later], count, toy=float(stay[past].mean()),
                             toy_name="earlier periods"),
    ]  # fmt: skip
