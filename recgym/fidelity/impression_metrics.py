"""Figures of logs of impressions: rates, log-loss, AUC, calibration, variance between users, autocorrelation.

Axes: R rows, D draws of the simulator.
"""

from functools import partial

import numpy as np

from recgym.arrays import Bools, Doubles, Ints
from recgym.fidelity.baselines import ROW_BASELINES, constant, user_item_rates
from recgym.fidelity.calibration import (
    bins_of,
    calibration_error,
    calibration_gaps,
    calibration_slope,
    reliability,
    total,
)
from recgym.fidelity.card_metrics import Figure, figure, loss_figure
from recgym.fidelity.evaluation import Evaluation, LackingError
from recgym.fidelity.indexed_log import IndexedLog
from recgym.numerics import auc, auc_of_codes, log_losses, logit

MIN_ROWS_OF_USER = 3  # for the variance between users
MIN_USERS = 100  # for that variance, exclusive
MAX_POSITIONS = 10  # of a slate, that are groups of rows
MIN_ROWS = 100  # of a group, and with a previous row in the session, exclusive
RUN = 3  # responses
MIN_ROWS_AFTER_RUN = 20  # after responses in one category, and after mixed ones
RARE = ("comment", "share", "follow", "hate")  # too rare to be judged one by one: judged as a sum


def rates(evaluation: Evaluation) -> list[Figure]:
    """Rate of each event when the log's slates are shown to simulated users."""
    found = [
        rate_of(
            evaluation, "rate", (name,), flag, evaluation.simulated(name), evaluation.baseline(constant, name)
        )
        for name, flag in evaluation.log.events.items()
    ]
    names = [name for name in RARE if name in evaluation.log.events]
    if len(names) > 1:
        flags = sum(evaluation.log.events[name].astype(np.float64) for name in names)
        drawn = sum(evaluation.simulated(name).astype(np.float64) for name in names)
        baseline = sum(evaluation.baseline(constant, name) for name in names)
        label = (" + ".join(names),)
        found.append(
            rate_of(
                evaluation, "rare_rate", label, np.asarray(flags), np.asarray(drawn), np.asarray(baseline)
            )
        )
    return found


def rate_of(
    evaluation: Evaluation,
    metric: str,
    labels: tuple[str, ...],
    flag: Bools | Doubles,
    drawn: Bools | Doubles,
    baseline: Doubles,
    part: Bools | None = None,
) -> Figure:
    """A rate over the rows in `part` (all by default) beside that of draws (D, R)."""
    part = np.ones(len(flag), bool) if part is None else part
    spread = evaluation.rows.of_ratio(flag * part, part)
    return figure(
        metric, *labels, log=float(flag[part].mean()), world=float(drawn[:, part].mean()),
        baselines={"constant rate": float(baseline[part].mean())}, spread=spread, n=int(part.sum()),
    )  # fmt: skip


def rates_by_context(evaluation: Evaluation) -> list[Figure]:
    """Rates of the first two events by part of the day, by duration, position and category of the item."""
    found = []
    for name in list(evaluation.log.events)[:2]:
        flag, drawn = evaluation.log.events[name], evaluation.simulated(name)
        baseline = evaluation.baseline(constant, name)
        for label, part in contexts(evaluation).items():
            found.append(rate_of(evaluation, "context_rate", (name, label), flag, drawn, baseline, part))
    return found


def contexts(evaluation: Evaluation, most: int = 4) -> dict[str, Bools]:
    """Groups of rows by facts that are known before the response; those with more than MIN_ROWS rows."""
    log, world = evaluation.log, evaluation.world
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
    if log.has_positions:
        groups |= {f"position {k + 1}": log.place == k for k in range(MAX_POSITIONS)}
    share = np.bincount(log.category, minlength=len(world.categories))
    groups |= {
        f"category {world.categories[c]}": log.category == c
        for c in np.argsort(-share)[:most]
        if len(world.categories) > 1
    }
    return {label: part for label, part in groups.items() if part.sum() > MIN_ROWS}


def ranking(evaluation: Evaluation) -> list[Figure]:
    """Log-loss, AUC and calibration of the forecasts of the first two events."""
    found = []
    for name in list(evaluation.log.events)[:2]:
        flag, chance = evaluation.log.events[name], evaluation.chance(name)
        baselines = {label: evaluation.baseline(model, name) for label, model in ROW_BASELINES.items()}
        losses = log_losses(flag, chance)
        others = {label: log_losses(flag, other) for label, other in baselines.items()}
        found.append(
            loss_figure("log_loss", name, loss=losses, baselines=others, spread=evaluation.rows.of_ratio)
        )
        code = np.unique(chance, return_inverse=True)[1]
        found.append(figure(
            "auc", name, world=auc(flag, chance), n=len(flag),
            spread=evaluation.rows.of(partial(auc_of_codes, flag, code)),
            baselines={label: auc(flag, other) for label, other in baselines.items()},
        ))  # fmt: skip
        curves = evaluation.curves.setdefault("reliability", {})
        curves[name] = reliability(flag, chance, evaluation.rows.of_ratio)
        found += calibration(evaluation, name, flag, chance, baselines["user x item rates"])
    return found


def calibration(
    evaluation: Evaluation, name: str, flag: Bools, chance: Doubles, baseline: Doubles
) -> list[Figure]:
    """Calibration error over equal-mass bins, and calibration slope."""
    code = bins_of(chance)
    spread = evaluation.rows.of_distance(partial(calibration_gaps, flag, chance, code), total)
    slope = calibration_slope(flag, logit(chance))[1]
    return [
        figure(
            "calibration_error", name, world=calibration_error(flag, chance, code), spread=spread, n=len(flag),
            baselines={"user x item rates": calibration_error(flag, baseline, bins_of(baseline))},
        ),
        figure("calibration_slope", name, log=1.0, world=slope, n=len(flag)),
    ]  # fmt: skip


def user_spread(evaluation: Evaluation) -> list[Figure]:
    """Variance between users of their share of responses."""
    log, name = evaluation.log, next(iter(evaluation.log.events))
    users = np.unique(log.user, return_inverse=True)[1]
    rows = np.bincount(users)
    kept = rows >= MIN_ROWS_OF_USER
    if kept.sum() <= MIN_USERS:
        raise LackingError(f"at most {MIN_USERS} users have {MIN_ROWS_OF_USER} rows")

    def of(flag: Bools | Doubles, weight: Doubles) -> float:
        return _weighted_variance(np.bincount(users, weights=flag) / rows, weight * kept)

    ones = np.ones(len(rows))
    first = np.full(len(rows), len(users))
    np.minimum.at(first, users, np.arange(len(users)))
    rng = np.random.default_rng(evaluation.seed)
    drawn = rng.random((len(evaluation.draws), len(users))) < evaluation.baseline(constant, name)
    return [figure(
        "user_variance", name, log=of(log.response, ones),
        world=float(np.mean([of(draw, ones) for draw in evaluation.simulated(name)])),
        baselines={"constant rate": float(np.mean([of(draw, ones) for draw in drawn]))},
        spread=evaluation.rows.of(lambda w: of(log.response, w[first])), n=int(kept.sum()),
    )]  # fmt: skip


def autocorrelation(evaluation: Evaluation) -> list[Figure]:
    """Correlation of a response with that of the previous row of the session.

    The world's figure is computed from its forecasts under teacher forcing: free-running, the logged slates would
    depend on logged responses that the simulated users did not give.
    """
    log, name = evaluation.log, next(iter(evaluation.log.events))
    second = np.flatnonzero((log.visit[1:] == log.visit[:-1]) & (log.step[1:] != log.step[:-1])) + 1
    if len(second) <= MIN_ROWS:
        raise LackingError(f"at most {MIN_ROWS} rows have a previous row in their session")
    flag = log.response.astype(np.float64)

    def correlation(chance: Doubles, weight: Doubles) -> float:
        return _weighted_correlation(chance[second], flag[second - 1], weight[second])

    def scaled(chance: Doubles) -> float:
        """Correlation of independent draws with these probabilities."""
        mean = chance[second].mean()
        return correlation(chance, ones) * float(chance[second].std() / np.sqrt(mean * (1 - mean)))

    ones = np.ones(len(log.step))
    return [figure(
        "autocorrelation", name, log=correlation(flag, ones), world=scaled(evaluation.chance(name)),
        baselines={"user x item rates": scaled(evaluation.baseline(user_item_rates, name))},
        spread=evaluation.rows.of(lambda w: correlation(flag, w)), n=len(second),
    )]  # fmt: skip


def after_runs(evaluation: Evaluation) -> list[Figure]:
    """Response rate after RUN responses in one category, less that after mixed ones; see `autocorrelation`."""
    log, name = evaluation.log, next(iter(evaluation.log.events))
    after = _last_responses(log, log.response)
    one, mixed = after == 1, after == 2
    counts = int(one.sum()), int(mixed.sum())
    if min(counts) < MIN_ROWS_AFTER_RUN:
        raise LackingError(
            f"{counts[0]} rows follow {RUN} responses in one category, {counts[1]} follow mixed ones; "
            f"each needs {MIN_ROWS_AFTER_RUN}"
        )

    def difference(value: Doubles, weight: Doubles) -> float:
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(
                (weight * one) @ value / (weight @ one) - (weight * mixed) @ value / (weight @ mixed)
            )

    ones, flag = np.ones(len(log.step)), log.response.astype(np.float64)
    return [figure(
        "after_run", name, RUN, log=difference(flag, ones),
        world=difference(evaluation.chance(name), ones), n=sum(counts),
        baselines={"user x item rates": difference(evaluation.baseline(user_item_rates, name), ones)},
        spread=evaluation.rows.of(lambda w: difference(flag, w)),
    )]  # fmt: skip


def _last_responses(log: IndexedLog, flag: Bools) -> Ints:
    """(R,) the session's last RUN responses before the row: 1 in one category, 2 in several, 0 there are fewer."""
    rows = np.flatnonzero(flag)
    category, visit = log.category[rows], log.visit[rows]
    same, enough = np.ones(len(rows), bool), np.ones(len(rows), bool)
    for back in range(1, RUN):
        same &= np.roll(category, back) == category
        enough &= (np.roll(visit, back) == visit) & (np.arange(len(rows)) >= back)
    last = np.cumsum(flag) - flag - 1  # number of the last response before the row
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
