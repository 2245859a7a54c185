"""Recipe for user-item pairs without impressions: independent responses and a static profile.

Profiles and factors are fitted by a multinomial likelihood over the catalogue (`recgym.fit.autoencoder`):
P(item | user) = softmax over items of <p_u, q_i> + b_i. Response rates to shown items follow from two assumptions:
exposure grows as popularity to a power, and a base rate.
"""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from recgym.arrays import Arrays, Bools, Codes, Doubles, Ints
from recgym.events import EVENTS
from recgym.fit.autoencoder import FactorModel, WeightedPairs, fit_autoencoder
from recgym.fit.baseline_guard import best_share
from recgym.fit.conditional_logit import Report
from recgym.fit.config import ASSUMED, SHARED, FitConfig, assumed
from recgym.fit.dataset import Dataset, make_dataset
from recgym.fit.event_rates import assume_event
from recgym.fit.graph_terms import Pairs, acceptance_rate, graph_terms
from recgym.fit.popularity_rates import popularity_shifts
from recgym.fit.provenance import (
    Provenance,
    assumed_leaving,
    build_world,
    card_head,
    plain_arrays,
    rewards_assumed,
)
from recgym.fit.training_loop import Budget
from recgym.logs import Log
from recgym.logs.splits import TEST, TRAIN, VALIDATION, split_pairs
from recgym.numerics import mean_kept_bias
from recgym.sim.world import World

CALIBRATION_DRAWS = 20_000
MAX_CELLS = 5_000_000  # users x items over which expected responses are summed


def fit_pairs(
    log: Log, name: str, config: FitConfig, seed: int, device: torch.device, report: Report
) -> World:
    """Fits a world to the 90 % of pairs of train and validation; the others are test."""
    if config.period is not None or config.split is not None:
        raise ValueError(
            f"{'split' if config.period is None else 'period'}: the log shows pairs of users and items, of which a "
            "tenth is held out, not days"
        )
    all_pairs = Pairs(*split_pairs(log, seed))
    _refuse_few(all_pairs)
    log, known, dropped = without_rare_items(log, config.min_listeners, known_rows(log, all_pairs))
    dataset = make_dataset(log, replace(config, resample=None), positives_only=True, known=known)
    pairs = numbered(all_pairs, dataset)
    known_pairs = Pairs(*(part[pairs.period != TEST] for part in pairs))
    weight = bootstrap_weights(len(known_pairs.user), config.resample)
    factor_model, chosen = fit_factors(known_pairs, weight, dataset, config, seed, device, report)
    provenance, arrays = (
        Provenance(dataset.domain),
        plain_arrays(dataset, config.dim) | {"choice": np.ones(1)},
    )
    numbers = factor_terms(
        dataset, factor_model, seed, arrays, provenance, popular_rates=config.popular_rates
    ) | assumed_leaving(provenance, arrays)
    provenance.assumed("exposure", "share of pairs", "no exposures are logged: popularity is used instead")
    numbers |= graph_terms(log, dataset, factor_model, known_pairs, seed, arrays, provenance)
    provenance.fitted("population", f"{dataset.num_users} users", "equal shares of users, or by visits")
    card = card_head(log, dataset, name, config, seed) | chosen
    card["rows"] = {
        label: int((pairs.period == k).sum()) for k, label in enumerate(("train", "validation", "test"))
    }
    card["period"] = (
        "no clock: 80/10/10 % of the pairs at random"
        if np.isnan(log.column("time")).any()
        else card["period"]
    )
    card["notes"] += [f"{dropped} items of fewer than {config.min_listeners} users left out"] * bool(dropped)
    card["rewards_assumed"] = rewards_assumed(provenance)
    world = acceptance_rate(build_world(name, dataset, arrays, numbers, card), provenance)
    return world.with_card(terms=provenance.finish())


def _refuse_few(pairs: Pairs) -> None:
    """ValueError where one user has all pairs, or a period has none."""
    if len(np.unique(pairs.user)) < 2:
        raise ValueError(
            "the log has one user; a world of pairs needs users who share items: say which column names the user"
        )
    for period, name in ((TRAIN, "learn from"), (VALIDATION, "validate"), (TEST, "judge")):
        if not (pairs.period == period).any():
            raise ValueError(
                f"the log has {len(pairs.user)} distinct pairs of user and item: too few to {name}"
            )


def fit_factors(
    known_pairs: Pairs, weight: Ints, dataset: Dataset, config: FitConfig, seed: int, device: torch.device,
    report: Report,
) -> tuple[FactorModel, dict[str, float]]:  # fmt: skip
    """The model fitted to train and validation, with the number of rounds that is best on validation, and the choices.

    `weight` (P,) is the weight of each pair in the likelihood.
    """
    losses: list[float] = []
    best: list[FactorModel] = []

    def part(*periods: int) -> WeightedPairs:
        chosen = np.isin(known_pairs.period, periods) & (weight > 0)
        user, item = known_pairs.user[chosen], known_pairs.item[chosen]
        return WeightedPairs(user, item, weight[chosen], dataset.num_users, dataset.num_items)

    def judge(model: FactorModel, plan: Budget) -> bool:
        losses.append(float(pair_losses(model.scores(), known_pairs, VALIDATION).mean()))
        if losses[-1] == min(losses):
            best[:] = [model]
        report("choosing the number of epochs", len(losses) - 1, plan.rounds, f"loss {losses[-1]:.3f}")
        return plan.ends(losses)

    def shown(model: FactorModel, plan: Budget) -> bool:
        report("fitting profiles", 1, 1, "")
        return False

    train = part(TRAIN)
    fit_autoencoder(train, config, None, seed, device, judge)
    rounds, share = int(np.argmin(losses)), 1.0
    if config.guard is not None:
        popular = popularity(train.item, train.num_items)
        user = known_pairs.user[known_pairs.period == VALIDATION]
        share = best_share(
            lambda share: pair_losses(best[0].shrunk(share, popular).scores(), known_pairs, VALIDATION),
            user,
            config.guard,
        )
    past = part(TRAIN, VALIDATION)
    model = fit_autoencoder(past, config, rounds, seed, device, shown)
    if share < 1.0:
        model = model.shrunk(share, popularity(past.item, past.num_items))
    return model, {"epochs": rounds} | ({} if config.guard is None else {"kept": share})


def popularity(item: Ints, num_items: int) -> Doubles:
    """(N,) centred log of 1 + the number of distinct pairs of each item."""
    logit: Doubles = np.log(np.bincount(item, minlength=num_items) + 1.0)
    logit -= logit.mean()
    return logit


def bootstrap_weights(num: int, resample: int | None) -> Ints:
    """(P,) weights of pairs: 1, or Poisson(1) draws for a bootstrap. Source: Chamandy et al. (2012)."""
    if resample is None:
        return np.ones(num, np.int64)
    return np.random.default_rng(resample).poisson(1.0, num).astype(np.int64)


def known_rows(log: Log, pairs: Pairs) -> Bools:
    """(rows,) rows of the log whose pair is not held out."""
    size = np.int64(log.num_items)
    code = pairs.user * size + pairs.item  # ascending
    row = np.searchsorted(code, log.column("user") * size + log.column("item"))
    known: Bools = pairs.period[row] != TEST
    return known


def numbered(pairs: Pairs, dataset: Dataset) -> Pairs:
    """The pairs whose user and item are in the dataset, with the numbers of the dataset."""
    sizes = (int(pairs.user.max()) + 1, int(pairs.item.max()) + 1)
    number = [np.full(size, -1) for size in sizes]
    for numbers, rows in zip(number, (dataset.user_row, dataset.item_row), strict=True):
        numbers[rows] = np.arange(len(rows))
    user, item = number[0][pairs.user], number[1][pairs.item]
    is_known = (user >= 0) & (item >= 0)
    return Pairs(user[is_known], item[is_known], pairs.period[is_known])


def pair_losses(score: NDArray[np.float64], pairs: Pairs, period: int) -> Doubles:
    """(pairs,) log-loss of each pair of a period."""
    part = pairs.period == period
    loss: Doubles = -score[pairs.user[part], pairs.item[part]]
    return loss


def rate_shifts(dataset: Dataset, model: FactorModel, power: float, rng: np.random.Generator) -> Doubles:
    """(N,) shifts of the item biases, over all users or a sample of MAX_CELLS / N."""
    users = rng.permutation(dataset.num_users)[: max(MAX_CELLS // dataset.num_items, 1)]
    exposure = np.maximum(dataset.items.exposure, 1e-12)
    share = np.where(dataset.items.exposure > 0, exposure**power, 0.0)
    score = model.profile[users].astype(np.float64) @ model.factors.T.astype(np.float64) + model.item_bias
    rate = assumed(dataset.domain, "answer_rate")
    return popularity_shifts(score, power * np.log(exposure), share / share.sum(), rate)


def factor_terms(
    dataset: Dataset, factor_model: FactorModel, seed: int, arrays: Arrays, provenance: Provenance, *,
    popular_rates: bool = False,
) -> dict[str, float]:  # fmt: skip
    """Writes profiles, factors and biases into `arrays` and their provenance; returns the numbers.

    The item bias is corrected for the assumed exposure, and with `popular_rates` so that responses to shown items have
    the popularity of the model; the outside option gives the assumed base rate.
    """
    arrays["profile"], arrays["factors"] = factor_model.profile, factor_model.factors
    power = assumed(dataset.domain, "exposure_power")
    bias = factor_model.item_bias - power * np.log(np.maximum(dataset.items.exposure, 1e-12))
    rng = np.random.default_rng(seed)
    if popular_rates:
        bias += rate_shifts(dataset, factor_model, power, rng)
    user = rng.integers(dataset.num_users, size=CALIBRATION_DRAWS)
    item = rng.choice(dataset.num_items, size=CALIBRATION_DRAWS, p=dataset.items.exposure)

    def logit(users: Codes, items: Codes) -> Doubles:
        value: Doubles = (arrays["profile"][users] * arrays["factors"][items]).sum(1) + bias[items]
        return value

    shift = mean_kept_bias(logit(user, item), assumed(dataset.domain, "answer_rate"))
    arrays["item_bias"] = bias
    shape, response = f"{factor_model.factors.shape[1]} factors", EVENTS[dataset.domain][0].name
    for term in ("profile", "factors"):
        if arrays["profile"].any():
            provenance.fitted(term, shape, f"static: pairs of user and item with a {response}")
        else:
            provenance.absent(term, "profiles did not improve validation over popularity: all are 0")
    provenance.from_table("item_bias", "exposure_power")
    provenance.assumed("outside", -shift, ASSUMED[dataset.domain]["answer_rate"].reason)
    provenance.fitted(
        f"event:{response}",
        "logistic",
        "pairs of user and item; the mean rate is set by `outside`, which is assumed",
    )
    for index in range(1, len(EVENTS[dataset.domain])):
        assume_event(
            provenance, arrays, index, logit(dataset.user[dataset.known], dataset.item[dataset.known]) + shift
        )
    for term in ("sigma", "eta", "pull", "push"):
        provenance.absent(term, "a static log: responses have no order")
    provenance.assumed("examine", *SHARED["examine"])
    dynamics: dict[str, float] = {
        name: provenance.from_table(name) for name in ("kappa", "rho") if name in ASSUMED[dataset.domain]
    }
    dynamics["outside"] = -shift
    provenance.assumed("decay", *SHARED["decay"])
    return dynamics


def without_rare_items(log: Log, min_rows: int, known: Bools) -> tuple[Log, Bools, int]:
    """The log without items of fewer than `min_rows` known rows; its known rows; the number of items left out."""
    counts = np.bincount(log.column("item")[known], minlength=log.num_items)
    keep = counts[log.column("item")] >= min_rows
    dropped = int(((counts > 0) & (counts < min_rows)).sum())
    return replace(log, rows=log.rows.filter(pa.array(keep))), known[keep], dropped
