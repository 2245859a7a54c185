"""Figures of impressions with and without an answer: rates, ranking, calibration, users' differences, memory.

Axes: R rows, D draws of the simulator.
"""

from functools import partial

import numpy as np

from recgym.arrays import Bools, Doubles, Ints
from recgym.fidelity.baselines import ROW_TOYS, constant, user_item_rates
from recgym.fidelity.evaluation import Evaluation, LackingError
from recgym.fidelity.indexed_log import IndexedLog
from recgym.fidelity.resampling import (
    BINS,
    USERS,
    Figure,
    bins_of,
    calibration_error,
    calibration_gaps,
    calibration_slope,
    figure,
    reliability,
    total,
)
from recgym.numerics import auc, auc_of_codes, log_losses, logit

LEAST_ROWS = 3  # of a user whose share of answers is looked at
RUN = 3  # answers
LEAST_AFTER = 20  # rows after such a run, and after a mixed one
RARE = ("comment", "share", "follow", "hate")  # too few to be judged one by one: together


def rates(case: Evaluation) -> list[Figure]:
    """How often each event happens when the log's slates are shown to simulated users."""
    found = [
        rate_of(case, f"rate of {name}", flag, case.simulated(name), toy=case.toy(constant, name))
        for name, flag in case.log.events.items()
    ]
    names = [name for name in RARE if name in case.log.events]
    if len(names) > 1:
        flags = sum(case.log.events[name].astype(np.float64) for name in names)
        drawn = sum(case.simulated(name).astype(np.float64) for name in names)
        toy = sum(case.toy(constant, name) for name in names)
        found.append(
            rate_of(
                case, f"{' + '.join(names)} a row", np.asarray(flags), np.asarray(drawn), toy=np.asarray(toy)
            )
        )
    return found


def rate_of(
    case: Evaluation,
    name: str,
    flag: Bools | Doubles,
    drawn: Bools | Doubles,
    *,
    toy: Doubles,
    part: Bools | None = None,
) -> Figure:
    """A rate over the rows in `part` (all by default) beside that of draws (D, R)."""
    part = np.ones(len(flag), bool) if part is None else part
    spread = case.rows.of_ratio(flag * part, part)
    return figure(
        name, USERS, log=float(flag[part].mean()), world=float(drawn[:, part].mean()),
        toys={"constant rate": float(toy[part].mean())}, spread=spread, n=int(part.sum()),
    )  # fmt: skip


def rates_by_context(case: Evaluation) -> list[Figure]:
    """Of the first two events: by part of the day, by how long items last, by their category."""
    found = []
    for name in list(case.log.events)[:2]:
        flag, drawn, toy = case.log.events[name], case.simulated(name), case.toy(constant, name)
        for label, part in contexts(case).items():
            found.append(rate_of(case, f"rate of {name}, {label}", flag, drawn, toy=toy, part=part))
    return found


def contexts(case: Evaluation, most: int = 4) -> dict[str, Bools]:
    """Groups of rows, by what was known before the answer."""
    log, world = case.log, case.world
    groups: dict[str, Bools] = {}
    if set(world.contexts) == {str(hour) for hour in range(24)}:
        hour = np.array([int(name) for name in world.contexts])[log.visits.context][log.visit]
        for first in range(0, 24, 6):
            groups[f"{first} to {first + 6} h"] = (hour >= first) & (hour < first + 6)
    duration = world.arrays.duration[log.item]
    if len(np.unique(duration)) > most:
        edges = np.quantile(duration, np.linspace(0, 1, most + 1)[1:-1])
        code = np.searchsorted(edges, duration, side="right")
        groups |= {f"duration quarter {k + 1}": code == k for k in range(most)}
    share = np.bincount(log.category, minlength=len(world.categories))
    groups |= {
        f"category {world.categories[c]}": log.category == c
        for c in np.argsort(-share)[:most]
        if len(world.categories) > 1
    }
    return {label: part for label, part in groups.items() if part.sum() > 100}


def ranking(case: Evaluation) -> list[Figure]:
    """Log-loss, area under the curve, calibration of the forecasts of the first two events."""
    found = []
    for name in list(case.log.events)[:2]:
        flag, chance = case.log.events[name], case.chance(name)
        toys = {label: case.toy(toy, name) for label, toy in ROW_TOYS.items()}
        losses = log_losses(flag, chance)
        found.append(figure(
            f"log-loss of {name}", USERS, world=float(losses.mean()), spread=case.rows.of_ratio(losses), n=len(flag),
            toys={label: float(log_losses(flag, toy).mean()) for label, toy in toys.items()},
        ))  # fmt: skip
        code = np.unique(chance, return_inverse=True)[1]
        found.append(figure(
            f"AUC of {name}", USERS, world=auc(flag, chance), n=len(flag), best=max,
            spread=case.rows.of(partial(auc_of_codes, flag, code)),
            toys={label: auc(flag, toy) for label, toy in toys.items()},
        ))  # fmt: skip
        case.curves.setdefault("reliability", {})[name] = reliability(flag, chance, case.rows.of_ratio)
        found += calibration(case, name, flag, chance, toys["user x item rates"])
    return found


def calibration(case: Evaluation, name: str, flag: Bools, chance: Doubles, toy: Doubles) -> list[Figure]:
    """Error over equal-mass bins, and the slope of the logit."""
    code = bins_of(chance)
    spread = case.rows.of_distance(partial(calibration_gaps, flag, chance, code), total)
    slope = calibration_slope(flag, logit(chance))[1]
    return [
        figure(
            f"calibration error of {name}, {BINS} bins", USERS, world=calibration_error(flag, chance, code),
            toys={"user x item rates": calibration_error(flag, toy, bins_of(toy))}, spread=spread, n=len(flag),
        ),
        figure(f"calibration slope of {name}", USERS, log=1.0, world=slope, n=len(flag)),
    ]  # fmt: skip


def user_spread(case: Evaluation) -> list[Figure]:
    """Variance between users of their share of answers."""
    log, name = case.log, next(iter(case.log.events))
    users = np.unique(log.user, return_inverse=True)[1]
    rows = np.bincount(users)
    kept = rows >= LEAST_ROWS
    if kept.sum() <= 100:
        raise LackingError(f"at most 100 users with {LEAST_ROWS} rows")

    def of(flag: Bools | Doubles, weight: Doubles) -> float:
        return _weighted_variance(np.bincount(users, weights=flag) / rows, weight * kept)

    ones = np.ones(len(rows))
    first = np.full(len(rows), len(users))
    np.minimum.at(first, users, np.arange(len(users)))
    toy = np.random.default_rng(case.seed).random((len(case.draws), len(users))) < case.toy(constant, name)
    return [figure(
        f"variance of users' share of {name}", USERS, log=of(log.response, ones),
        world=float(np.mean([of(draw, ones) for draw in case.simulated(name)])),
        toys={"constant rate": float(np.mean([of(draw, ones) for draw in toy]))},
        spread=case.rows.of(lambda w: of(log.response, w[first])), n=int(kept.sum()),
    )]  # fmt: skip


def memory(case: Evaluation) -> list[Figure]:
    """How an answer hangs on the one before it in the visit.

    The world's is that of its forecasts, given the logged visit so far: in a free run the logged slates would go on
    to follow the logged answers, which simulated users did not give.
    """
    log, name = case.log, next(iter(case.log.events))
    second = np.flatnonzero((log.visit[1:] == log.visit[:-1]) & (log.step[1:] != log.step[:-1])) + 1
    if len(second) <= 100:
        raise LackingError("at most 100 rows have one before them in their visit")
    flag = log.response.astype(np.float64)

    def correlation(chance: Doubles, weight: Doubles) -> float:
        return _weighted_correlation(chance[second], flag[second - 1], weight[second])

    def scaled(chance: Doubles) -> float:
        """Of answers that have these chances, each by itself."""
        mean = chance[second].mean()
        return correlation(chance, ones) * float(chance[second].std() / np.sqrt(mean * (1 - mean)))

    ones = np.ones(len(log.step))
    return [figure(
        f"correlation of {name} with that of the row before", USERS, log=correlation(flag, ones),
        world=scaled(case.chance(name)), toys={"user x item rates": scaled(case.toy(user_item_rates, name))},
        spread=case.rows.of(lambda w: correlation(flag, w)), n=len(second),
    )]  # fmt: skip


def after_runs(case: Evaluation) -> list[Figure]:
    """Rate of answers where the visit's last RUN were of one category, less that where they were mixed; as `memory`."""
    log, name = case.log, next(iter(case.log.events))
    after = _last_answers(log, log.response)
    one, mixed = after == 1, after == 2
    counts = int(one.sum()), int(mixed.sum())
    if min(counts) < LEAST_AFTER:
        raise LackingError(
            f"{counts[0]} rows come after {RUN} answers of one category, {counts[1]} after mixed ones; "
            f"each needs {LEAST_AFTER}"
        )

    def difference(value: Doubles, weight: Doubles) -> float:
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(
                (weight * one) @ value / (weight @ one) - (weight * mixed) @ value / (weight @ mixed)
            )

    ones, flag = np.ones(len(log.step)), log.response.astype(np.float64)
    return [figure(
        f"{name} after {RUN} answers of one category, less after mixed ones", USERS, log=difference(flag, ones),
        world=difference(case.chance(name), ones), n=sum(counts),
        toys={"user x item rates": difference(case.toy(user_item_rates, name), ones)},
        spread=case.rows.of(lambda w: difference(flag, w)),
    )]  # fmt: skip


def _last_answers(log: IndexedLog, flag: Bools) -> Ints:
    """(R,) before the row: 1 the visit's last RUN answers were of one category, 2 not, 0 there were fewer."""
    rows = np.flatnonzero(flag)
    category, visit = log.category[rows], log.visit[rows]
    same, enough = np.ones(len(rows), bool), np.ones(len(rows), bool)
    for back in range(1, RUN):
        same &= np.roll(category, back) == category
        enough &= (np.roll(visit, back) == visit) & (np.arange(len(rows)) >= back)
    last = np.cumsum(flag) - flag - 1  # number of the last answer before the row
    known = (last >= 0) & (visit[np.maximum(last, 0)] == log.visit if len(rows) else False)
    last = np.maximum(last, 0)
    out = np.where(known & enough[last], np.where(same[last], 1, 2), 0) if len(rows) else np.zeros(len(flag))
    return np.asarray(out, np.int64)


def _weighted_variance(value: Doubles, weight: Doubles) -> float:
    mean = np.sum(weight * value) / np.sum(weight)
    return float(np.sum(weight * (value - mean) ** 2) / np.sum(weight))


def _weighted_correlation(a: Doubles, b: Doubles, weight: Doubles) -> float:
    share = weight / max(float(weight.sum()), 1e-12)
    a, b = a - share @ a, b - share @ b
    scale = np.sqrt((share @ (a * a)) * (share @ (b * b)))
    return float(share @ (a * b) / scale) if scale > 0 else float("nan")
