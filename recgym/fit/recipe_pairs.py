"""Pairs of users and items without exposures -> a world of independent answers with a static profile.

Taste is fitted by a multinomial likelihood over the catalogue (`recgym.fit.autoencoder`): P(item | user) is a softmax
of <p_u, q_i> + b_i. What a shown item is answered with follows only by assuming how often it was shown: exposure
grows as popularity to an assumed power, and a base rate is assumed.
"""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from recgym.arrays import Arrays, Bools, Codes, Doubles, Ints
from recgym.events import EVENTS
from recgym.fit.autoencoder import Taste, fit_taste
from recgym.fit.baseline_guard import best_share
from recgym.fit.conditional_logit import Report
from recgym.fit.config import ASSUMED, FitConfig, assumed
from recgym.fit.dataset import Dataset, few_listeners_dropped, make_dataset
from recgym.fit.event_models import assume_event
from recgym.fit.graph_terms import Pairs, acceptance_rate, graph_terms
from recgym.fit.provenance import (
    Provenance,
    assumed_leaving,
    build_world,
    card_head,
    mean_kept_bias,
    plain_arrays,
    rewards_assumed,
)
from recgym.fit.training_loop import Budget
from recgym.logs import Log
from recgym.logs.splits import TEST, TRAIN, VALIDATION, split_pairs
from recgym.sim.world import World

CALIBRATION_DRAWS = 20_000


def fit_pairs(
    log: Log, name: str, config: FitConfig, seed: int, device: torch.device, report: Report
) -> World:
    """Train on 80 % of the pairs, judge on 10 %; the shipped numbers come from all but the test pairs."""
    every = Pairs(*split_pairs(log, seed))
    _refuse_few(every)
    log, known, dropped = few_listeners_dropped(log, config.min_listeners, known_rows(log, every))
    frame = make_dataset(log, replace(config, resample=None), positives_only=True, known=known)
    pairs = numbered(every, frame)
    had = Pairs(*(part[pairs.period != TEST] for part in pairs))
    weight = drawn(len(had.user), config.resample)
    taste, chosen = learnt(had, weight, (frame.num_users, frame.num_items), config, seed, device, report)
    ledger, arrays = Provenance(frame.domain), plain_arrays(frame, config.dim) | {"choice": np.ones(1)}
    numbers = taste_terms(frame, taste, seed, arrays, ledger) | assumed_leaving(ledger, arrays)
    ledger.assumed("exposure", "share of pairs", "no exposures are logged: popularity stands for them")
    numbers |= graph_terms(log, frame, taste, had, seed, arrays, ledger)
    ledger.fitted("population", f"{frame.num_users} users", "every user as often as the others, or by visits")
    card = card_head(log, frame, name, config, seed) | chosen
    card["rows"] = {
        label: int((pairs.period == k).sum()) for k, label in enumerate(("train", "validation", "test"))
    }
    card["period"] = (
        "no clock: 80/10/10 % of the pairs at random"
        if np.isnan(log.column("time")).any()
        else card["period"]
    )
    card["notes"] += [f"{dropped} items of fewer than {config.min_listeners} users left out"]
    card["rewards_assumed"] = rewards_assumed(ledger)
    world = acceptance_rate(build_world(name, frame, arrays, numbers, card), ledger)
    return world.with_card(terms=ledger.finish())


def _refuse_few(pairs: Pairs) -> None:
    """ValueError where pairs tell no taste, or where none is held out."""
    if len(np.unique(pairs.user)) < 2:
        raise ValueError(
            "the log has one user; a world of pairs needs users who share items: say which column names the user"
        )
    for period, name in ((TRAIN, "learn from"), (VALIDATION, "validate"), (TEST, "judge")):
        if not (pairs.period == period).any():
            raise ValueError(
                f"the log has {len(pairs.user)} distinct pairs of user and item: too few to {name}"
            )


def learnt(
    had: Pairs, weight: Ints, sizes: tuple[int, int], config: FitConfig, seed: int, device: torch.device,
    report: Report,
) -> tuple[Taste, dict[str, float]]:  # fmt: skip
    """The taste of train and validation after as many rounds as were best on validation, and what was chosen there."""
    losses: list[float] = []
    best: list[Taste] = []

    def part(*periods: int) -> tuple[Ints, Ints, Ints]:
        chosen = np.isin(had.period, periods) & (weight > 0)
        return had.user[chosen], had.item[chosen], weight[chosen]

    def judge(taste: Taste, plan: Budget) -> bool:
        losses.append(float(pair_losses(taste.scores(), had, VALIDATION).mean()))
        if losses[-1] == min(losses):
            best[:] = [taste]
        report("choosing the number of epochs", len(losses) - 1, plan.rounds, f"loss {losses[-1]:.3f}")
        return plan.ends(losses)

    def seen(taste: Taste, plan: Budget) -> bool:
        report("taste", 1, 1, "")
        return False

    known = part(TRAIN)
    fit_taste(*known, sizes, config, None, seed, device, judge)
    rounds, share = int(np.argmin(losses)), 1.0
    if config.guard is not None:
        popular = popularity(known[1], sizes[1])
        user = had.user[had.period == VALIDATION]
        share = best_share(
            lambda share: pair_losses(best[0].shrunk(share, popular).scores(), had, VALIDATION),
            user,
            config.guard,
        )
    every = part(TRAIN, VALIDATION)
    taste = fit_taste(*every, sizes, config, rounds, seed, device, seen)
    if share < 1.0:
        taste = taste.shrunk(share, popularity(every[1], sizes[1]))
    return taste, {"epochs": rounds} | ({} if config.guard is None else {"kept": share})


def popularity(item: Ints, num_items: int) -> Doubles:
    """(N,) log of how often each item occurs among distinct pairs and once more, 0 on average."""
    logit: Doubles = np.log(np.bincount(item, minlength=num_items) + 1.0)
    logit -= logit.mean()
    return logit


def drawn(num: int, resample: int | None) -> Ints:
    """How often each pair counts: once, or Poisson of mean 1 for a bootstrap world (Chamandy et al., 2012)."""
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


def numbered(pairs: Pairs, frame: Dataset) -> Pairs:
    """The pairs of the frame's users and items, by their numbers in it."""
    sizes = (int(pairs.user.max()) + 1, int(pairs.item.max()) + 1)
    number = [np.full(size, -1) for size in sizes]
    for numbers, rows in zip(number, (frame.user_row, frame.item_row), strict=True):
        numbers[rows] = np.arange(len(rows))
    user, item = number[0][pairs.user], number[1][pairs.item]
    there = (user >= 0) & (item >= 0)
    return Pairs(user[there], item[there], pairs.period[there])


def pair_losses(score: NDArray[np.float64], pairs: Pairs, period: int) -> Doubles:
    """Of the pairs of one period."""
    part = pairs.period == period
    loss: Doubles = -score[pairs.user[part], pairs.item[part]]
    return loss


def taste_terms(
    frame: Dataset, taste: Taste, seed: int, arrays: Arrays, ledger: Provenance
) -> dict[str, float]:
    """Write taste into `arrays`, with the base rate and exposure that are assumed; returns its numbers."""
    arrays["profile"], arrays["factors"] = taste.profile, taste.factors
    power = assumed(frame.domain, "exposure_power")
    bias = taste.item_bias - power * np.log(np.maximum(frame.items.exposure, 1e-12))
    rng = np.random.default_rng(seed)
    user = rng.integers(frame.num_users, size=CALIBRATION_DRAWS)
    item = rng.choice(frame.num_items, size=CALIBRATION_DRAWS, p=frame.items.exposure)

    def logit(users: Codes, items: Codes) -> Doubles:
        value: Doubles = (arrays["profile"][users] * arrays["factors"][items]).sum(1) + bias[items]
        return value

    shift = mean_kept_bias(logit(user, item), assumed(frame.domain, "answer_rate"))
    arrays["item_bias"] = bias
    shape, response = f"{taste.factors.shape[1]} factors", EVENTS[frame.domain][0].name
    ledger.fitted("profile", shape, f"static: who has which {response}")
    ledger.fitted("factors", shape, f"static: who has which {response}")
    ledger.from_table("item_bias", "exposure_power")
    ledger.assumed("outside", -shift, ASSUMED[frame.domain]["answer_rate"].reason)
    ledger.fitted(
        f"event:{response}",
        "logistic",
        "who answers what; how often anybody answers is `outside`, which is assumed",
    )
    for index in range(1, len(EVENTS[frame.domain])):
        assume_event(ledger, arrays, index, logit(frame.user[frame.known], frame.item[frame.known]) + shift)
    for term in ("sigma", "eta", "pull", "push"):
        ledger.absent(term, "a static log: no order of answers")
    ledger.assumed("examine", 1.0, "no positions are logged: every shown item is looked at")
    dynamics: dict[str, float] = {
        name: ledger.from_table(name) for name in ("kappa", "rho") if name in ASSUMED[frame.domain]
    }
    dynamics["outside"] = -shift
    ledger.assumed("decay", 0.8, "a step leaves 80 % of a category's satiation")
    return dynamics
