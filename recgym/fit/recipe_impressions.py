"""Recipe for a log of impressions with and without a response: an independent logit for each shown item."""

import math

import numpy as np
import torch

from recgym.arrays import Arrays, Bools
from recgym.fit.autoencoder import FactorModel
from recgym.fit.conditional_logit import Report
from recgym.fit.config import FitConfig
from recgym.fit.dataset import Dataset, make_dataset
from recgym.fit.event_models import fit_events
from recgym.fit.event_rates import keep_rates
from recgym.fit.exposure_terms import exposure_terms
from recgym.fit.graph_terms import Pairs, acceptance_rate, graph_terms
from recgym.fit.leaving_terms import is_record, leaving, leaving_terms
from recgym.fit.memory_terms import TOO_FEW_ROWS, MemoryTerms
from recgym.fit.personal_exposure import personal_exposure
from recgym.fit.place_terms import sum_of_steps
from recgym.fit.provenance import (
    ABSENT,
    ASSUMED_STATUS,
    Provenance,
    build_world,
    card_head,
    plain_arrays,
    rewards_assumed,
)
from recgym.fit.repeat_effect import is_repeated, repeat_effect
from recgym.fit.response_model import Response, fit_response
from recgym.fit.single_visits import with_rows_held_out
from recgym.fit.slate_choice import SlateChoice
from recgym.fit.slate_places import enter_examination, examined, one_response, rates_by_place
from recgym.fit.streaks import Streak, of_visits, with_streak
from recgym.fit.temporal_split import before_test
from recgym.fit.user_features import known_users
from recgym.fit.user_variance import UserVariance
from recgym.fit.watch_model import watch_terms
from recgym.logs import Log
from recgym.logs.splits import TRAIN, VALIDATION
from recgym.logs.whole_visits import is_rated
from recgym.sim.world import World

NO_BETTER = "did not improve validation over effects of users, items and contexts"
MEMORY = {
    "kappa": "later responses of the visit",
    "decay": "later responses of the visit",
    "pull": "next responses",
    "rho": "items with an earlier response in the visit",
}  # the data of each estimate


def fit_impressions(
    log: Log, name: str, config: FitConfig, seed: int, device: torch.device, report: Report
) -> World:
    """Fits a world to train and validation; hyperparameters are chosen on validation."""
    dataset = make_dataset(log, config, positives_only=False)
    learnt, before = dataset, before_test(log, config)
    if config.guard is not None and is_rated(log) and is_record(dataset, before):
        learnt = with_rows_held_out(dataset)
    response, x = fit_response(learnt, config, seed, device, report)
    again = 0.0
    if config.dynamics and config.guard is not None and not config.assume_rho:
        level, again = repeat_effect(learnt, x, config.guard)
        x = x + level + again * is_repeated(learnt)
        response = response._replace(shift=response.shift + level)
    slates = examined(before, learnt, x, response, config)
    if slates is not None:
        x, again = slates.logits(learnt, x), slates.slope * again
        response = response.moved(slates.slope, slates.level, slates.common)
    provenance = Provenance(dataset.domain)
    arrays = plain_arrays(dataset, config.dim) | {"choice": np.ones(1)}
    numbers = response_terms(learnt, response, config, arrays, provenance)
    if again:
        numbers["rho"] += again
        provenance.fitted("rho", numbers["rho"], MEMORY["rho"])
    numbers |= enter_examination(before, slates, config, arrays, provenance)
    report("fitting events", 0, 1, "")
    past = dataset.rows_of(TRAIN, VALIDATION)
    watch_terms(dataset, arrays, provenance)
    fit_events(learnt, x, provenance, arrays, config.guard is not None)
    logits = x + response.above
    seen = (None, None) if slates is None else (slates.seen(learnt), slates.rivals(learnt, logits))
    keep_rates(learnt, arrays, logits, response.deviate_sd(learnt), *seen, drifts=config.dynamics)
    report("fitting when users leave", 0, 1, "")
    numbers |= leaving_terms(leaving(dataset, before, config, arrays["user_bias"]), True, arrays, provenance)
    if config.leave_idle is not None and provenance.status("leave_idle") == ASSUMED_STATUS:
        numbers["leave_idle"] = config.leave_idle
        words = f"odds of leaving {math.exp(config.leave_idle):.1f} times as high after a skipped item"
        provenance.assumed("leave_idle", config.leave_idle, words)
    shown = config.dynamics and not is_rated(log)
    personal = personal_exposure(dataset) if shown else ""
    exposure_terms(log, dataset, past, arrays, provenance, repeats=config.dynamics, personal=personal)
    provenance.fitted("population", f"{dataset.num_users} users", "shares of visits")
    numbers |= friends_terms(log, dataset, seed, arrays, provenance)
    card = card_head(log, dataset, name, config, seed) | {"epochs": response.epochs}
    card |= {} if config.guard is None else {"kept": response.kept, "population": population_words(response)}
    card |= {"place_rates": places} if (places := rates_by_place(before)) else {}
    card |= {"one_response": words} if (words := one_response(before)) else {}
    card |= {"not_modelled": not_modelled(dataset, past, personal)} if shown else {}
    card |= {"one_of_slate": True} if isinstance(slates, SlateChoice) else {}
    card["rewards_assumed"] = rewards_assumed(provenance)
    world = acceptance_rate(build_world(name, dataset, arrays, numbers, card), provenance)
    return world.with_card(terms=provenance.finish())


def not_modelled(dataset: Dataset, past: Bools, personal: str) -> list[str]:
    """What a log of impressions may show and the world lacks, in words; `personal`: of `personal_exposure`."""
    none = 1.0 - float(dataset.positive[past].mean())
    found = [
        f"that some items drive users away who do not respond to them: after a row without a response, as {none:.0%} "
        "are, the chance of leaving is the same for all items"
    ]
    if personal:
        found.append(
            f"that the log shows users what they like ({personal}): the world's logging policy shows all users the "
            "same items, so that responses may be fewer when it runs"
        )
    return found


def friends_terms(
    log: Log, dataset: Dataset, seed: int, arrays: Arrays, provenance: Provenance
) -> dict[str, float]:
    """Terms of the graph of friends, see `graph_terms`; a library holds items with a response.

    The logit of an item in a library is its affinity plus the log of its exposure.
    """
    shown = np.log(np.maximum(dataset.items.exposure, 1e-12))
    factor_model = FactorModel(arrays["profile"], arrays["factors"], arrays["item_bias"] + shown)
    rows = dataset.known & dataset.positive
    user, item = np.unique(np.stack([dataset.user[rows], dataset.item[rows]]), axis=1)
    known_pairs = Pairs(user.astype(np.int64), item.astype(np.int64), np.full(len(user), TRAIN))
    return graph_terms(log, dataset, factor_model, known_pairs, seed, arrays, provenance)


def response_terms(
    dataset: Dataset, response: Response, config: FitConfig, arrays: Arrays, provenance: Provenance
) -> dict[str, float]:
    """Writes the calibrated terms of the response into `arrays` and their provenance; returns its numbers."""
    model, scale = response.model, response.scale
    with torch.no_grad():
        terms = model.terms()
        total = terms.item_bias.cpu().double().numpy()
        theta = dataset.items.price_slope(total)
        parts = {"factors": terms.factors, "push": terms.push, "profile": scale * terms.profile}
        common = scale * response.common
        parts |= {"user_bias": common * terms.user_bias, "context_bias": common * terms.context_bias}
        arrays |= {key: value.cpu().double().numpy() for key, value in parts.items()}
        place = common * terms.place_bias.cpu().double().numpy()
        arrays["place_bias"] = sum_of_steps(place, response.steps)
        arrays["item_bias"] = scale * (total - theta * dataset.items.price_z) + response.shift
        numbers = {key: float(getattr(terms, key)) for key in ("kappa", "rho", "pull", "decay")}
    memory = MemoryTerms.of(dataset, config, is_choice=False)
    numbers |= {key: scale * numbers[key] for key in ("kappa", "rho") if getattr(memory, key)}
    reason = None if response.kept > 0 and response.epochs > 0 else NO_BETTER
    _enter_effects(dataset, arrays, provenance)
    _enter_vectors(memory, config, reason, arrays, provenance)
    _enter_tastes(dataset, config, arrays, provenance)
    enter_posterior(dataset, response.variance, arrays, provenance)
    arrays["tastes_keep_rates"] = np.array([int(config.dynamics)])
    arrays["push"] = scale * arrays["push"]
    numbers = memory.enter(numbers, MEMORY, reason, provenance)
    numbers |= {"theta": scale * theta if model.price.any() else 0.0, "mood": response.random_intercept_sd}
    if model.price.any():
        provenance.fitted("theta", numbers["theta"], "between items")
    else:
        provenance.absent("theta", "no prices")
    if response.random_intercept_sd > 0.0:
        provenance.fitted(
            "mood", response.random_intercept_sd, "marginal likelihood of the visits of the validation period"
        )
    elif response.single_visits_sd > 0.0:
        provenance.absent("mood", "each user has one visit: what its rows share is the level of the user")
    else:
        provenance.absent("mood", "no variance between visits beyond chance, on validation")
    provenance.absent("sigma", "the variance of initial intents is not fitted")
    provenance.absent("patience", "not fitted from a log of impressions")
    provenance.absent("outside", "items are independent: it is part of the item bias")
    if response.streak.gain:
        numbers["pull"] = _enter_streak(dataset, response.streak, arrays, provenance)
    return numbers


def _enter_streak(dataset: Dataset, streak: Streak, arrays: Arrays, provenance: Provenance) -> float:
    """Writes a streak into `arrays` and adds its provenance; returns the pull of the world."""
    arrays |= with_streak(arrays, streak, of_visits(dataset, streak.pull)[1])
    words = f"{streak.gain:.2f} logits after a response, in a factor that all items have; marginal likelihood of visits"
    others = provenance.rows["push"]
    moved = "" if others["status"] == ABSENT else f"; {others['value']}: {others['source']}"
    provenance.fitted("push", round(streak.gain, 4), words + moved)
    if provenance.status("pull") == ABSENT:
        provenance.fitted(
            "pull", streak.pull, "share of a streak that a step takes back, of three that were tried"
        )
    provenance.fitted("eta", 1.0, "the scale is in the push vectors")
    if arrays["place_bias"].any():
        last = len(arrays["place_bias"])
        why = f"at step {last} beside the first; less the mean of streaks at the step"
        provenance.fitted("place_bias", float(arrays["place_bias"][-1]), why)
    return streak.pull


def enter_posterior(dataset: Dataset, variance: UserVariance, arrays: Arrays, provenance: Provenance) -> None:
    """Writes the posterior standard deviations of users into `arrays`; tastes that have no columns yet get them."""
    arrays["user_bias_sd"] = np.sqrt(variance.level)
    users, num = variance.taste.shape
    hot = np.eye(len(dataset.items.categories))[dataset.items.category]
    if num and not np.array_equal(arrays["factors"][:, -num:], hot):
        for term, more in (
            ("factors", hot),
            ("push", np.zeros_like(hot)),
            ("profile", np.zeros((users, num))),
        ):
            known = arrays[term] if arrays["profile"].any() else arrays[term][:, :0]
            arrays[term] = np.concatenate([known, more], axis=1)
        if provenance.status("profile") == ABSENT:
            words = f"tastes for categories, means 0; users who play are drawn, sd {np.sqrt(variance.taste.mean()):.2f}"
            provenance.fitted("profile", f"{num} categories", words)
            provenance.fitted("factors", f"{num} categories", "the category of the item")
    arrays["profile_sd"] = np.zeros_like(arrays["profile"])
    if num:
        arrays["profile_sd"][:, -num:] = np.sqrt(variance.taste)


def population_words(response: Response) -> str:
    """How the population varies, and which figures use it."""
    found, tastes = response.variance.found, response.variance.tastes
    if response.single_visits_sd > 0.0:
        return (
            f"standard deviation of users' levels {response.single_visits_sd:.2f} logits, from the one visit that each "
            "has; simulated users are drawn from their posterior, forecasts one step ahead use the means"
        )
    if found is None or tastes is None:
        return "users have their posterior means: too few pairs of rows show how they vary"
    level, taste = (
        f"{value:.2f} [{low:.2f}, {high:.2f}]"
        for value, (low, high) in ((found.level, found.interval(1)), (tastes.taste, tastes.interval(0)))
    )
    return (
        f"standard deviation of users' levels {level} logits"
        + (f", of their tastes for categories {taste}" if tastes.taste > 0.0 else "")
        + (", the latter of long views before the log" if tastes is not found and tastes.taste > 0.0 else "")
        + "; simulated users are drawn from their posterior, forecasts one step ahead use the means"
    )


def _enter_effects(dataset: Dataset, arrays: Arrays, provenance: Provenance) -> None:
    """Adds the provenance of the additive effects."""
    for term, what in (("user_bias", "user"), ("item_bias", "item")):
        spread = float(arrays[term][known_users(dataset) if what == "user" else dataset.items.shown].std())
        if term == "user_bias" and spread == 0.0:
            provenance.absent(term, "no variance between users beyond chance, on validation")
        else:
            provenance.fitted(term, spread, f"standard deviation; additive effect of the {what}, by ridge")
    if arrays["place_bias"].any():
        last = len(arrays["place_bias"])
        words = f"at step {last} beside the first; a slope on log t and a shift of each step, by ridge"
        provenance.fitted("place_bias", float(arrays["place_bias"][-1]), words)
    if len(dataset.contexts) > 1:
        provenance.fitted(
            "context_bias", float(arrays["context_bias"].std()), "standard deviation over hours"
        )
    else:
        provenance.absent("context_bias", "this log has no context that is used")


def _enter_vectors(
    memory: MemoryTerms, config: FitConfig, reason: str | None, arrays: Arrays, provenance: Provenance
) -> None:
    """Adds the provenance of profile, factors and push; sets them to 0 where trained terms are left out."""
    shape = f"{config.dim} factors"
    for term, side in (("profile", "user"), ("factors", "item")):
        if reason is None:
            words = f"deep tower of {side} id and public columns, on top of additive effects"
            provenance.fitted(term, shape, words)
        else:
            arrays[term][:, : config.dim] = 0.0  # the rest are tastes
            provenance.absent(term, reason)
    if reason is None and memory.push:
        provenance.fitted("push", shape, "next responses after a response")
        return
    arrays["push"] = np.zeros_like(arrays["push"])
    off = "it did not improve validation" if not config.drift else TOO_FEW_ROWS
    provenance.absent("push", off if reason is None else reason)


def _enter_tastes(dataset: Dataset, config: FitConfig, arrays: Arrays, provenance: Provenance) -> None:
    """Adds the provenance of tastes, which take the place of the towers' factors where these are left out."""
    num = arrays["factors"].shape[1] - config.dim
    if not num:
        return
    for term in ("profile", "factors", "push"):
        arrays[term] = arrays[term][:, config.dim :]
    spread = float(arrays["profile"][dataset.user, dataset.items.category[dataset.item]].std())
    words = f"tastes for categories, by ridge; their standard deviation over the rows is {spread:.2f}"
    provenance.fitted("profile", f"{num} categories", words)
    provenance.fitted("factors", f"{num} categories", "the category of the item")
