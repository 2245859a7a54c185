"""Figures of leaving and session lengths, of logs with whole sessions. Axes: S steps.

Hazards are forecast under teacher forcing. The distribution of lengths is the product-limit estimate from the mean
hazard of the sessions at risk at each step. Source: Kaplan and Meier (1958), JASA 53.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from recgym.arrays import Bools, Doubles, Ints
from recgym.fidelity.calibration import (
    bins_of,
    calibration_error,
    calibration_gaps,
    calibration_slope,
    largest,
    total,
)
from recgym.fidelity.card_metrics import Figure, figure, loss_figure
from recgym.fidelity.evaluation import Evaluation, LackingError
from recgym.fidelity.indexed_log import IndexedLog
from recgym.numerics import auc, auc_of_codes, log_losses

STEPS = (1, 2, 3, 5, 10, 20)  # whose leaving rates are on the card
MAX_RUN_LENGTH = 12  # responses in a row in one category
MAX_CURVE_STEP = 20  # of the curve of leaving by step
MAX_LENGTH = 60  # [steps] of the curve of session lengths
MIN_STEPS = 100  # of a group, exclusive


def open_steps(log: IndexedLog) -> Bools:
    """(S,) steps that are not censored: those before the horizon of a sampled log."""
    clock = log.clock[log.lead]
    return np.asarray((clock < log.cut) if log.cut else np.ones(len(clock), bool))


def whole(evaluation: Evaluation) -> tuple[Bools, Doubles, Doubles]:
    """(S,) steps that are not censored; whether each ended its session, and the world's hazard, of these alone."""
    if not evaluation.log.is_whole:
        raise LackingError(
            "the log does not show whole visits: at the end of a visit the user need not have left"
        )
    if not any(
        log.left[open_steps(log)].any() for log in (evaluation.log, evaluation.past) if log is not None
    ):
        raise LackingError("no visit of the log ends before the last step of the longest: leaving is assumed")
    part = open_steps(evaluation.log)
    return part, evaluation.log.left[part], evaluation.forecast.left[part]


def leaving(evaluation: Evaluation) -> list[Figure]:
    """Log-loss, AUC and calibration of the hazard; the baselines are one rate, and one rate a step."""
    part, left, chance = whole(evaluation)
    log, clock = evaluation.log, evaluation.log.clock[evaluation.log.lead][part]
    known = evaluation.past or log
    seen = open_steps(known)
    gone, when = known.left[seen], known.clock[known.lead][seen]
    by_step = (np.bincount(when, gone) + 1.0) / (np.bincount(when) + 7.0)
    by_number = by_step[np.minimum(clock, len(by_step) - 1)]
    baselines = {"constant rate": np.full(len(left), gone.mean()), "step number": by_number}
    losses, code, bins = log_losses(left, chance), np.unique(chance, return_inverse=True)[1], bins_of(chance)
    spread = evaluation.steps(part)
    others = {name: log_losses(left, other) for name, other in baselines.items()}
    found = [
        loss_figure("log_loss", "leaving", loss=losses, baselines=others, spread=spread.of_ratio),
        figure("auc", "leaving", world=auc(left, chance), n=len(left),
               spread=spread.of(lambda w: auc_of_codes(left, code, w)),
               baselines={name: auc(left, other) for name, other in baselines.items()}),
        figure("calibration_error", "leaving", n=len(left), world=calibration_error(left, chance, bins),
               spread=spread.of_distance(partial(calibration_gaps, left, chance, bins), total),
               baselines={"step number": calibration_error(left, by_number, bins_of(by_number))}),
        figure("calibration_slope", "leaving", log=1.0, n=len(left),
               world=calibration_slope(left, np.log(chance / (1 - chance)))[1]),
    ]  # fmt: skip
    return found + _rates(evaluation, part, left, chance)


def _rates(evaluation: Evaluation, part: Bools, left: Doubles, chance: Doubles) -> list[Figure]:
    """Leaving rates by step, run length and repeat, beside those of the earlier part of the log."""
    log, spread = evaluation.log, evaluation.steps(part)
    clock, run = log.clock[log.lead][part], log.run[part]
    before = _earlier(evaluation)
    found = [
        figure(*labels, log=float(left[group].mean()), world=float(chance[group].mean()),
               baselines=before.get(labels), spread=spread.of_ratio(left * group, group), n=int(group.sum()))
        for labels, group in _groups(clock, run, log.repeat[part]).items() if group.sum() > MIN_STEPS
    ]  # fmt: skip
    lengths = [r for r in range(1, MAX_RUN_LENGTH + 1) if (run == r).sum() > MIN_STEPS]

    def gaps(other: Doubles, weight: Doubles) -> Doubles:
        return np.array([_mean(left - other, weight * (run == r)) for r in lengths])

    if lengths:
        flat, ones = np.full(len(left), left.mean()), np.ones(len(left))
        found.append(figure(
            "leaving_run_gap", MAX_RUN_LENGTH, n=len(left),
            baselines={"constant rate": largest(gaps(flat, ones))}, world=largest(gaps(chance, ones)),
            spread=spread.of_distance(partial(gaps, chance), largest),
        ))  # fmt: skip
    _curves(evaluation, clock, run, left, chance, part)
    return found


def _groups(clock: Ints, run: Ints, again: Bools) -> dict[tuple[str, ...], Bools]:
    """Groups of steps by metric and label."""
    found: dict[tuple[str, ...], Bools] = {("leaving_rate",): np.ones(len(clock), bool)}
    found |= {("leaving_after_step", str(t)): clock == t for t in STEPS}
    found |= {("leaving_at_run", str(r)): run == r for r in range(1, MAX_RUN_LENGTH + 1)}
    return found | {("leaving_after_repeat",): again, ("leaving_after_new",): ~again & (run > 0)}


def _mean(value: Doubles, weight: Doubles) -> float:
    return float(np.sum(value * weight) / max(np.sum(weight), 1e-12))


def _earlier(evaluation: Evaluation) -> dict[tuple[str, ...], dict[str, float]]:
    """The same rates in the earlier part of the log, as baselines."""
    if evaluation.past is None:
        return {}
    log = evaluation.past
    part = open_steps(log)
    left, groups = log.left[part], _groups(log.clock[log.lead][part], log.run[part], log.repeat[part])
    return {
        labels: {"earlier periods": float(left[group].mean())}
        for labels, group in groups.items()
        if group.any()
    }


def _curves(
    evaluation: Evaluation, clock: Ints, run: Ints, left: Doubles, chance: Doubles, part: Bools
) -> None:
    """Leaving by step and by run length, for the picture: place, log, low, high, world, n."""
    spread = evaluation.steps(part)
    for name, code, longest in (
        ("leaving_by_step", clock, MAX_CURVE_STEP),
        ("leaving_by_run", run, MAX_RUN_LENGTH),
    ):
        rows = []
        for value in range(1, longest + 1):
            group = code == value
            if group.sum() > MIN_STEPS:
                bounds = spread.of_ratio(left * group, group)
                rows.append(
                    [
                        value,
                        left[group].mean(),
                        bounds.low,
                        bounds.high,
                        chance[group].mean(),
                        int(group.sum()),
                    ]
                )
        evaluation.curves[name] = rows


def lengths(evaluation: Evaluation) -> list[Figure]:
    """Mean, quantiles and distribution of session lengths, in steps."""
    part, left, chance = whole(evaluation)
    clock = evaluation.log.clock[evaluation.log.lead][part]
    spread, ones = evaluation.steps(part), np.ones(len(left))
    known = evaluation.past or evaluation.log
    rate = float(known.left[open_steps(known)].mean())
    ours, theirs = survival(clock, left, ones), survival(clock, chance, ones)
    baseline: Doubles = np.power(1.0 - rate, np.arange(1, len(ours) + 1))
    evaluation.curves["length"] = [
        [t + 1, ours[t], theirs[t], baseline[t]] for t in range(min(MAX_LENGTH, len(ours)))
    ]
    found = [
        figure("length", name, log=measure(ours), world=measure(theirs), n=len(evaluation.log.visits.user),
               baselines={"constant rate": measure(baseline)},
               spread=spread.of(partial(_measured, measure, clock, left)))
        for name, measure in MEASURES.items()
    ]  # fmt: skip
    return [*found, figure(
        "length_distance", world=largest(ours - theirs),
        baselines={"constant rate": largest(ours - baseline)}, n=len(evaluation.log.visits.user),
        spread=spread.of_distance(lambda w: survival(clock, left, w) - survival(clock, chance, w), largest),
    )]  # fmt: skip


def _measured(measure: Callable[[Doubles], float], clock: Ints, left: Doubles, weight: Doubles) -> float:
    return measure(survival(clock, left, weight))


def survival(clock: Ints, hazard: Doubles, weight: Doubles) -> Doubles:
    """Survival function at steps 1, 2, ...: the product of 1 - mean hazard of the sessions at risk."""
    risk = np.bincount(clock, weight)[1:]
    ends = np.bincount(clock, weight * hazard)[1:]
    return np.asarray(np.cumprod(1.0 - ends / np.maximum(risk, 1e-12)), np.float64)


def _quantile(share: float) -> Callable[[Doubles], float]:
    def measure(goes_on: Doubles) -> float:
        reached = np.flatnonzero(goes_on <= 1.0 - share + 1e-12)
        return float(reached[0] + 1 if len(reached) else len(goes_on) + 1)  # longer than all observed

    return measure


MEASURES: dict[str, Callable[[Doubles], float]] = {
    "mean": lambda goes_on: 1.0 + float(goes_on.sum()),
    "median": _quantile(0.5),
    "90th percentile": _quantile(0.9),
    "99th percentile": _quantile(0.99),
}
