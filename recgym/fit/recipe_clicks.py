"""Recipe for clicks without impressions: a multinomial logit over the page, and a fitted hazard of leaving."""

import math

import numpy as np
import torch

from recgym.arrays import Arrays
from recgym.events import EVENTS
from recgym.fit import conditional_logit
from recgym.fit.choice_model import ChoiceModel, layout
from recgym.fit.choice_selection import select
from recgym.fit.conditional_logit import Report
from recgym.fit.config import SHARED, FitConfig, assumed
from recgym.fit.dataset import Dataset, make_dataset
from recgym.fit.event_models import fit_events
from recgym.fit.exposure_terms import exposure_terms
from recgym.fit.graph_terms import no_graph
from recgym.fit.leaving_terms import leaving, leaving_terms
from recgym.fit.markov import exported
from recgym.fit.memory_terms import TOO_FEW_ROWS, MemoryTerms
from recgym.fit.provenance import Provenance, build_world, card_head, plain_arrays, rewards_assumed
from recgym.fit.shown_pages import attraction, chain_terms, outside_logit, within_category
from recgym.fit.temporal_split import before_test
from recgym.fit.visit_calibration import calibrated_leaving
from recgym.logs import Log
from recgym.logs.splits import TRAIN, VALIDATION
from recgym.sim.world import World

VECTORS = {
    "profile": "first clicks; deviations of a user or segment from the mean are shrunk",
    "factors": "deep tower of item id and public columns",
    "push": "next clicks after a click",
}  # the data of each estimate
MEMORY = {
    "kappa": "next clicks; a positive slope keeps users in a category",
    "decay": "next clicks",
    "pull": "next clicks",
    "rho": "items clicked earlier in the visit, on their own page",
}


def fit_clicks(
    log: Log, name: str, config: FitConfig, seed: int, device: torch.device, report: Report
) -> World:
    """Fits a world to train and validation; hyperparameters are chosen on validation."""
    dataset = make_dataset(log, config, positives_only=True)
    selection, why_pages = select(dataset, config, seed, device, report)
    dataset, model = selection.dataset, selection.trained(config, seed, device, report)
    place = layout(dataset, device)
    past = np.isin(dataset.row_period, (TRAIN, VALIDATION))
    x, page_sum = conditional_logit.score(model, dataset, place, past, device)
    provenance = Provenance(dataset.domain)
    arrays = plain_arrays(dataset, config.dim)
    numbers = affinity_terms(dataset, model, config, arrays, provenance)
    logit = attraction(dataset, page_sum)
    outside = numbers["outside"] = outside_logit(dataset, logit, provenance)
    fit_events(dataset, x - outside, provenance, arrays, config.guard is not None, config.item_rates)
    provenance.fitted(
        f"event:{EVENTS[dataset.domain][0].name}",
        "multinomial logit",
        "choice of the item on its page; the click rate of a page is set by `outside`, which is assumed"
        + (
            "; the catalogue sampled in training"
            if dataset.num_items > conditional_logit.LARGE_CATALOGUE
            else ""
        ),
    )
    report("fitting when users leave", 0, 1, "")
    hazard = leaving(dataset, before_test(log, config), config)
    numbers |= leaving_terms(hazard, False, arrays, provenance)
    exposure_terms(log, dataset, past, arrays, provenance)
    chain_terms(dataset, logit, outside, arrays, provenance, why_pages)
    arrays["page_items"] = np.array([assumed(dataset.domain, "page_items")])
    arrays["one_page"] = np.array([dataset.items.one_page])
    if not isinstance(hazard, str):
        world = build_world(name, dataset, arrays, numbers, {})
        numbers |= calibrated_leaving(world, dataset, provenance, seed)
    provenance.fitted("population", f"{dataset.num_users} users or segments", "shares of visits")
    no_graph(log, 0, provenance)
    card = card_head(log, dataset, name, config, seed) | {
        "terms": provenance.finish(),
        **selection.found,
        "navigation": navigation(model),
    }
    card["rewards_assumed"] = rewards_assumed(provenance)
    return build_world(name, dataset, arrays, numbers, card)


def navigation(model: ChoiceModel) -> dict[str, float | list[float]]:
    """Navigation terms on the card: they forecast the next page, but are not part of the world."""
    with torch.no_grad():
        reach = [round(value, 4) for value in model.reach().tolist()]
    steps = {
        "same_page": model.navigation_share * model.same_page,
        "next_page": model.navigation_share * model.next_page,
    }
    return {"reach": reach, **{name: round(float(value.detach()), 4) for name, value in steps.items()}}


def affinity_terms(
    dataset: Dataset, model: ChoiceModel, config: FitConfig, arrays: Arrays, provenance: Provenance
) -> dict[str, float]:
    """Writes the terms of the model into `arrays` and their provenance; returns its numbers."""
    with torch.no_grad():
        terms = model.terms()
        total = terms.item_bias.cpu().double().numpy()
        theta = dataset.items.price_slope(total)
        parts = {"profile": terms.profile, "factors": terms.factors, "push": terms.push}
        arrays |= {key: value.cpu().double().numpy() for key, value in parts.items()}
        arrays["item_bias"] = total - theta * dataset.items.price_z
        if terms.transitions is not None:
            arrays |= exported(terms.transitions)
        if terms.returns is not None:
            arrays["return_logit"] = terms.returns.logit.cpu().double().numpy()
            arrays["return_decay"] = np.array([float(terms.returns.decay)])
        numbers = {key: float(getattr(terms, key)) for key in ("kappa", "rho", "pull", "decay")} | {
            "theta": theta
        }
    provenance.fitted("item_bias", "one value an item", "choices on the page")
    provenance.fitted("theta", numbers["theta"], "between items; the price of an item is constant")
    if not bool(model.price.any()):
        provenance.absent("theta", "prices are missing or equal")
        numbers["theta"] = 0.0
    if model.transitions is not None:
        again = float((model.shrinkage * model.again).detach())
        provenance.fitted(
            "transitions",
            f"{len(model.transitions.code)} pairs of items",
            "counts of next clicks, shrunk to item popularity on validation"
            + (f"; of half weight after {model.half_life:.0f} visits" if model.half_life < math.inf else "")
            + (f"; the last item again by {again:+.2f}, trained" if again else ""),
        )
    _enter_returns(model, provenance)
    numbers = _learnt_terms(dataset, model, config, numbers, arrays, provenance)
    provenance.absent(
        "mood", "a shift of all items of a page against no click; pages without a click are not logged"
    )
    provenance.absent(
        "sigma",
        "no spread of first intents is fitted: figures of the card give what one adds to the loss of held-out visits",
    )
    provenance.assumed(
        "examine",
        SHARED["examine"].value,
        "each item has one position on its page: position and item effects are not identified separately",
    )
    return numbers


def _enter_returns(model: ChoiceModel, provenance: Provenance) -> None:
    """Adds the provenance of returns to items of the visit."""
    found = model.found_returns
    if found is None:
        base = (
            "transitions"
            if model.transitions is not None
            else "the other terms: the world has no transitions"
        )
        provenance.absent("returns", f"no gain on held-out visits over {base}")
        return
    equal = "weights by item" if np.ptp(found.weight) > 0.0 else "one weight for all items"
    provenance.fitted(
        "returns",
        found.share,
        f"share of the clicks that go back to an item of the visit without a transition; {equal}; a click weighs "
        f"{found.decay:g} times as much as the one after it",
    )


def _learnt_terms(
    dataset: Dataset,
    model: ChoiceModel,
    config: FitConfig,
    numbers: dict[str, float],
    arrays: Arrays,
    provenance: Provenance,
) -> dict[str, float]:
    """Adds the provenance of vectors and memory terms; returns the numbers, those of absent terms set to 0."""
    memory = MemoryTerms.of(dataset, config, is_choice=True)
    base = "item popularity" if model.transitions is None else "transitions"
    reason = (
        None
        if float(model.shrinkage) > 0
        else f"did not improve validation over {base}{within_category(dataset)}"
    )
    for name, source in VECTORS.items():
        if reason is None and (name != "push" or memory.push):
            provenance.fitted(name, f"{model.dim} factors", source)
        else:
            arrays[name] = np.zeros_like(arrays[name])
            provenance.absent(name, reason or TOO_FEW_ROWS)
    return memory.enter(numbers, MEMORY, reason, provenance)
