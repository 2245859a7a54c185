"""A log of impressions with and without an answer -> a world in which every shown item is answered by itself."""

import numpy as np
import torch

from recgym.arrays import Arrays
from recgym.fit.autoencoder import Taste
from recgym.fit.conditional_logit import Report
from recgym.fit.config import FitConfig
from recgym.fit.dataset import Dataset, make_dataset
from recgym.fit.event_models import fit_events, has_watch, keep_rates, watch_quantiles
from recgym.fit.exposure_terms import exposure_terms
from recgym.fit.graph_terms import Pairs, acceptance_rate, graph_terms
from recgym.fit.leaving_terms import leaving, leaving_terms
from recgym.fit.memory_terms import FEW, MemoryTerms
from recgym.fit.provenance import Provenance, build_world, card_head, plain_arrays, rewards_assumed
from recgym.fit.response_model import Response, fit_response
from recgym.logs import Log
from recgym.logs.splits import TRAIN, VALIDATION
from recgym.sim.world import World

NO_BETTER = "no better on validation than effects of users, items and contexts"
MEMORY = {
    "kappa": "responses later in the visit, as far as the log's visits go",
    "decay": "responses later in the visit",
    "pull": "next responses",
    "rho": "items responded to before in the visit",
}  # what each number is estimated from


def fit_impressions(
    log: Log, name: str, config: FitConfig, seed: int, device: torch.device, report: Report
) -> World:
    """Train on the earlier periods, judge on the test period; the shipped numbers come from train and validation."""
    frame = make_dataset(log, config, positives_only=False)
    response, x = fit_response(frame, config, seed, device, report)
    ledger = Provenance(frame.domain)
    arrays = plain_arrays(frame, config.dim) | {"choice": np.ones(1)}
    numbers = response_terms(frame, response, config, arrays, ledger)
    report("events", 0, 1, "")
    past = frame.row_period <= VALIDATION
    if has_watch(frame):
        arrays |= {"watch": np.ones(1), "watch_quantiles": watch_quantiles(frame, past)}
        ledger.fitted(
            "watch", "quantiles of three pieces", "skipped, click, long view; shares of what the item lasts"
        )
    fit_events(frame, x, ledger, arrays, config.guard is not None)
    keep_rates(frame, arrays, x, response.mood)
    report("leaving", 0, 1, "")
    numbers |= leaving_terms(leaving(frame, log, config), True, arrays, ledger)
    exposure_terms(log, frame, past, arrays, ledger)
    ledger.fitted("population", f"{frame.num_users} users", "shares of visits")
    numbers |= friends_terms(log, frame, seed, arrays, ledger)
    card = card_head(log, frame, name, config, seed) | {"epochs": response.epochs}
    card |= {} if config.guard is None else {"kept": response.kept}
    card["rewards_assumed"] = rewards_assumed(ledger)
    world = acceptance_rate(build_world(name, frame, arrays, numbers, card), ledger)
    return world.with_card(terms=ledger.finish())


def friends_terms(
    log: Log, frame: Dataset, seed: int, arrays: Arrays, ledger: Provenance
) -> dict[str, float]:
    """The graph of the log's friends, who have what they responded to; see `graph_terms`.

    An item is in a library as often as it is shown and responded to: taste with the log of exposure.
    """
    shown = np.log(np.maximum(frame.items.exposure, 1e-12))
    taste = Taste(arrays["profile"], arrays["factors"], arrays["item_bias"] + shown)
    rows = frame.known & frame.positive
    user, item = np.unique(np.stack([frame.user[rows], frame.item[rows]]), axis=1)
    had = Pairs(user.astype(np.int64), item.astype(np.int64), np.full(len(user), TRAIN))
    return graph_terms(log, frame, taste, had, seed, arrays, ledger)


def response_terms(
    frame: Dataset, response: Response, config: FitConfig, arrays: Arrays, ledger: Provenance
) -> dict[str, float]:
    """Write the calibrated terms of the response into `arrays`; returns its numbers."""
    model, scale = response.model, response.scale
    with torch.no_grad():
        terms = model.terms()
        total = terms.item_bias.cpu().double().numpy()
        theta = frame.items.price_slope(total)
        parts = {"factors": terms.factors, "push": terms.push, "profile": scale * terms.profile}
        parts |= {
            "user_bias": scale * terms.user_bias,
        }
        parts |= {"context_bias": scale * terms.context_bias}
        arrays |= {key: value.cpu().double().numpy() for key, value in parts.items()}
        arrays["item_bias"] = scale * (total - theta * frame.items.price_z) + response.shift
        numbers = {key: float(getattr(terms, key)) for key in ("kappa", "rho", "pull", "decay")}
    memory = MemoryTerms.of(frame, config, is_choice=False)
    numbers |= {key: scale * numbers[key] for key in ("kappa", "rho") if getattr(memory, key)}
    lacks = None if response.kept > 0 and response.epochs > 0 else NO_BETTER
    _enter_effects(frame, arrays, ledger)
    _enter_vectors(memory, config, lacks, arrays, ledger)
    arrays["push"] = scale * arrays["push"]
    numbers = memory.enter(numbers, MEMORY, lacks, ledger)
    numbers |= {"theta": scale * theta if model.price.any() else 0.0, "mood": response.mood}
    if model.price.any():
        ledger.fitted("theta", numbers["theta"], "between items")
    else:
        ledger.absent("theta", "no prices")
    if response.mood > 0.0:
        ledger.fitted("mood", response.mood, "marginal likelihood of the validation period's visits")
    else:
        ledger.absent("mood", "visits do not differ by more than chance, on validation")
    ledger.absent("sigma", "spread of first intents is not fitted yet")
    ledger.absent("patience", "not fitted from a log with unanswered items")
    ledger.absent("outside", "every item is answered by itself: the item bias holds it")
    ledger.assumed("examine", 1.0, "no positions are used: every shown item is looked at")
    return numbers


def _enter_effects(frame: Dataset, arrays: Arrays, ledger: Provenance) -> None:
    """Enter the additive part into the card."""
    for term, what in (("user_bias", "user"), ("item_bias", "item")):
        spread = float(arrays[term].std())
        if term == "user_bias" and spread == 0.0:
            ledger.absent(term, "users do not differ by more than chance, on validation")
        else:
            ledger.fitted(term, spread, f"standard deviation; additive effect of the {what}, by ridge")
    if len(frame.contexts) > 1:
        ledger.fitted("context_bias", float(arrays["context_bias"].std()), "standard deviation over hours")
    else:
        ledger.absent("context_bias", "this log has no context that is used")


def _enter_vectors(
    memory: MemoryTerms, config: FitConfig, lacks: str | None, arrays: Arrays, ledger: Provenance
) -> None:
    """Enter profile, factors and push into the card, switched off where nothing that was trained is kept."""
    shape = f"{config.dim} factors"
    for term, side in (("profile", "user"), ("factors", "item")):
        if lacks is None:
            words = f"deep tower of {side} id and public columns, on top of additive effects"
            ledger.fitted(term, shape, words)
        else:
            arrays[term] = np.zeros_like(arrays[term])
            ledger.absent(term, lacks)
    if lacks is None and memory.push:
        ledger.fitted("push", shape, "next responses after a response")
        return
    arrays["push"] = np.zeros_like(arrays["push"])
    off = "weak: it did not help on validation" if not config.drift else FEW
    ledger.absent("push", off if lacks is None else lacks)
