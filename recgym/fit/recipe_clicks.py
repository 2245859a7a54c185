"""A log of clicks without refusals -> a world with one choice a page and fitted leaving."""

import copy

import numpy as np
import torch

from recgym.arrays import Arrays, Doubles
from recgym.events import EVENTS
from recgym.fit import conditional_logit
from recgym.fit.baseline_guard import beats, best_share
from recgym.fit.conditional_logit import ChoiceModel, Report
from recgym.fit.config import FitConfig, assumed
from recgym.fit.dataset import Batches, Dataset, make_dataset
from recgym.fit.event_models import fit_events
from recgym.fit.exposure_terms import exposure_terms
from recgym.fit.graph_terms import no_graph
from recgym.fit.leaving_terms import leaving, leaving_terms
from recgym.fit.markov import MOST_ITEMS, WEIGHTS, MarkovModel
from recgym.fit.memory_terms import FEW, MemoryTerms
from recgym.fit.provenance import Provenance, build_world, card_head, plain_arrays, rewards_assumed
from recgym.fit.training_loop import Budget
from recgym.logs import Log
from recgym.logs.splits import TRAIN, VALIDATION
from recgym.sim.world import World

VECTORS = {
    "profile": "first clicks; what a user or segment adds to the mean is shrunk",
    "factors": "deep tower of item id and public columns",
    "push": "next clicks after a click",
}  # what each is estimated from
MEMORY = {
    "kappa": "next clicks; a positive slope holds people in a category",
    "decay": "next clicks",
    "pull": "next clicks",
    "rho": "items clicked before in the visit, on the page they stand on",
}


def fit_clicks(
    log: Log, name: str, config: FitConfig, seed: int, device: torch.device, report: Report
) -> World:
    """Train on the earlier periods, judge on the test period; the shipped numbers come from train and validation."""
    frame = make_dataset(log, config, positives_only=True)
    model, chosen = trained(frame, config, seed, device, report)
    place = conditional_logit.layout(frame, device)
    past = np.isin(frame.row_period, (TRAIN, VALIDATION))
    x, page_sum = conditional_logit.score(model, frame, place, past, device)
    ledger = Provenance(frame.domain)
    arrays = plain_arrays(frame, config.dim)
    numbers = affinity_terms(frame, model, config, arrays, ledger)
    outside = numbers["outside"] = _outside(frame, page_sum, ledger)
    fit_events(frame, x - outside, ledger, arrays, config.guard is not None)
    ledger.fitted(
        f"event:{EVENTS[frame.domain][0].name}",
        "multinomial logit",
        "which item of its page; how often a page is answered is `outside`, which is assumed"
        + ("; the catalogue sampled in training" if frame.num_items > conditional_logit.LARGE else ""),
    )
    report("leaving", 0, 1, "")
    numbers |= leaving_terms(leaving(frame, log, config), False, arrays, ledger)
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


def _outside(frame: Dataset, page_sum: Doubles, ledger: Provenance) -> float:
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
    frame: Dataset, config: FitConfig, seed: int, device: torch.device, report: Report
) -> tuple[ChoiceModel, dict[str, float]]:
    """The model of train and validation after as many rounds as were best on validation, and what was chosen there."""
    place, judged = (
        conditional_logit.layout(frame, device),
        conditional_logit.some_batches(frame, device, VALIDATION),
    )
    losses: list[float] = []
    best: list[ChoiceModel] = []

    def judge(model: ChoiceModel, plan: Budget) -> bool:
        losses.append(conditional_logit.mean_loss(model, place, judged))
        if losses[-1] == min(losses):
            best[:] = [copy.deepcopy(model)]
        return plan.ends(losses)

    conditional_logit.train(frame, config, (TRAIN,), None, seed, device, report, judge)
    rounds = int(np.argmin(losses))
    model = conditional_logit.train(frame, config, (TRAIN, VALIDATION), rounds, seed, device, report)
    if config.guard is None or config.start != "counts":
        return shrunk(model, float(rounds > 0), float(rounds > 0)), {"epochs": rounds}
    kept, way = choose_shrinkage(frame, best[0], place, judged, config.guard)
    weight = choose_markov(frame, shrunk(best[0], kept, way), place, judged, config, device)
    if weight is not None:
        table = MarkovModel(frame, config, (TRAIN, VALIDATION), weight).to(device)
        return shrunk(table, 0.0, 0.0), {
            "epochs": 0,
            "kept": 0.0,
            "kept_navigation": 0.0,
            "markov_weight": weight,
        }
    return shrunk(model, kept, way), {"epochs": rounds, "kept": kept, "kept_navigation": way}


def choose_markov(
    frame: Dataset,
    model: ChoiceModel,
    place: conditional_logit.Catalogue,
    judged: Batches,
    config: FitConfig,
    device: torch.device,
) -> float | None:
    """The weight of shares in a table of what follows what, where it beats popularity and `model`; else None."""
    if frame.num_items > MOST_ITEMS or config.guard is None:
        return None

    def losses(model: ChoiceModel) -> Doubles:
        found: Doubles = conditional_logit.losses_of(model, place, judged)[0].double().cpu().numpy()
        return found

    tables = {weight: MarkovModel(frame, config, (TRAIN,), weight).to(device) for weight in WEIGHTS}
    tried = {weight: losses(shrunk(table, 0.0, 0.0)) for weight, table in tables.items()}
    best = min(tried, key=lambda weight: tried[weight].mean())
    trained = losses(model)
    kept = float(model.shrinkage)
    popular = losses(shrunk(model, 0.0, 0.0))
    model.shrinkage.fill_(kept)
    visit = frame.session[conditional_logit.losses_of(model, place, judged)[2].cpu().numpy()]
    wins = tried[best].mean() < trained.mean() and beats(tried[best], popular, visit, config.guard)
    return best if wins else None


def choose_shrinkage(
    frame: Dataset, model: ChoiceModel, place: conditional_logit.Catalogue, judged: Batches, guard: float
) -> tuple[float, float]:
    """How much of what was learnt of items, and of navigation, is kept beside the counts."""

    def losses(kept: float, way: float, part: int) -> Doubles:
        found = conditional_logit.losses_of(shrunk(model, kept, way), place, judged)
        return found[part].double().cpu().numpy()

    rows = conditional_logit.losses_of(model, place, judged)[2].cpu().numpy()
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


def affinity_terms(
    frame: Dataset, model: ChoiceModel, config: FitConfig, arrays: Arrays, ledger: Provenance
) -> dict[str, float]:
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
    ledger.fitted("item_bias", "a number an item", "choices on the page")
    ledger.fitted("theta", numbers["theta"], "between items only, prices never change")
    if not bool(model.price.any()):
        ledger.absent("theta", "no prices that differ")
        numbers["theta"] = 0.0
    numbers = _learnt_terms(frame, model, config, numbers, arrays, ledger)
    ledger.absent("sigma", "spread of first intents within a segment is not fitted yet")
    ledger.assumed(
        "examine", 1.0, "each item has one place on its page: position cannot be told from the item"
    )
    return numbers


def _learnt_terms(
    frame: Dataset,
    model: ChoiceModel,
    config: FitConfig,
    numbers: dict[str, float],
    arrays: Arrays,
    ledger: Provenance,
) -> dict[str, float]:
    """Enter what moves affinity beside the items' biases; returns the numbers, what is absent switched off."""
    if isinstance(model, MarkovModel):
        return _table_terms(model, numbers, ledger)
    memory = MemoryTerms.of(frame, config, is_choice=True)
    lacks = None if float(model.shrinkage) > 0 else "no better on validation than how often items are clicked"
    for name, source in VECTORS.items():
        if lacks is None and (name != "push" or memory.push):
            ledger.fitted(name, f"{model.dim} factors", source)
        else:
            arrays[name] = np.zeros_like(arrays[name])
            ledger.absent(name, lacks or FEW)
    return memory.enter(numbers, MEMORY, lacks, ledger)


def _table_terms(model: MarkovModel, numbers: dict[str, float], ledger: Provenance) -> dict[str, float]:
    """Enter a table of what follows what: it has no users, and the last click alone counts."""
    shape = f"{model.table_push.shape[1]} factors"
    for name in ("factors", "push"):
        ledger.fitted(name, shape, "counts of what follows what, shrunk to the items' shares on validation")
    ledger.fitted("eta", 1.0, "the scale is in the push vectors")
    ledger.assumed("pull", numbers["pull"], "the last click alone counts")
    for name in ("profile", "kappa", "decay", "rho"):
        ledger.absent(name, "no better on validation than counts of what follows what")
    return numbers
