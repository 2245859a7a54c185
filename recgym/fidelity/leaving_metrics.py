"""Figures of how visits end, on a log that shows whole visits. Axes: S steps, V visits.

Everything is given the logged answers: the world says how likely each step was to be the last. Lengths follow from
that by the product limit: the world's mean hazard among the visits that got as far (Kaplan and Meier, 1958).
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from recgym.arrays import Bools, Doubles, Ints
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
    largest,
    total,
)
from recgym.numerics import auc, auc_of_codes, log_losses

STEPS = (1, 2, 3, 5, 10, 20)  # whose rates stand on the card
RUNS = 12  # lengths
TIMES = 60  # steps of a curve


def open_steps(log: IndexedLog) -> Bools:
    """(S,) steps after which the visit could be seen to go on: not those at which a sampled log cut it."""
    clock = log.clock[log.lead]
    return np.asarray((clock < log.cut) if log.cut else np.ones(len(clock), bool))


def whole(case: Evaluation) -> tuple[Bools, Doubles, Doubles]:
    """(S,) which steps count, whether they ended the visit, the world's chance of it."""
    if not case.log.is_whole:
        raise LackingError(
            "the log does not show whole visits: where a visit of it ends, the user need not have left"
        )
    part = open_steps(case.log)
    return part, case.log.left[part], case.forecast.left[part]


def leaving(case: Evaluation) -> list[Figure]:
    """Forecasts of leaving, beside one rate and a rate for every step number."""
    part, left, chance = whole(case)
    log, clock = case.log, case.log.clock[case.log.lead][part]
    known = case.past or log
    seen = open_steps(known)
    gone, when = known.left[seen], known.clock[known.lead][seen]
    by_step = (np.bincount(when, gone) + 1.0) / (np.bincount(when) + 7.0)
    toys = {
        "constant rate": np.full(len(left), gone.mean()),
        "step number": by_step[np.minimum(clock, len(by_step) - 1)],
    }
    losses, code, bins = log_losses(left, chance), np.unique(chance, return_inverse=True)[1], bins_of(chance)
    spread = case.steps(part)
    found = [
        figure("log-loss of leaving", USERS, world=float(losses.mean()), spread=spread.of_ratio(losses), n=len(left),
               toys={name: float(log_losses(left, toy).mean()) for name, toy in toys.items()}),
        figure("AUC of leaving", USERS, world=auc(left, chance), n=len(left), best=max,
               spread=spread.of(lambda w: auc_of_codes(left, code, w)),
               toys={name: auc(left, toy) for name, toy in toys.items()}),
        figure(f"calibration error of leaving, {BINS} bins", USERS, n=len(left),
               world=calibration_error(left, chance, bins),
               spread=spread.of_distance(partial(calibration_gaps, left, chance, bins), total),
               toys={"step number": calibration_error(left, toys["step number"], bins_of(toys["step number"]))}),
        figure("calibration slope of leaving", USERS, log=1.0, n=len(left),
               world=calibration_slope(left, np.log(chance / (1 - chance)))[1]),
    ]  # fmt: skip
    return found + _rates(case, part, left, chance)


def _rates(case: Evaluation, part: Bools, left: Doubles, chance: Doubles) -> list[Figure]:
    """Of leaving by step, run and repeat, beside the earlier part's."""
    log, spread = case.log, case.steps(part)
    clock, run, again = log.clock[log.lead][part], log.run[part], log.repeat[part]
    groups = {"leaving": np.ones(len(left), bool)}
    groups |= {f"leaving after step {t}": clock == t for t in STEPS}
    groups |= {f"leaving at run length {r}": run == r for r in range(1, RUNS + 1)}
    groups |= {"leaving after a repeated item": again, "leaving after a new item": ~again & (run > 0)}
    before = _earlier(case, groups)
    found = [
        figure(name, USERS, log=float(left[group].mean()), world=float(chance[group].mean()), toys=before.get(name),
               spread=spread.of_ratio(left * group, group), n=int(group.sum()))
        for name, group in groups.items() if group.sum() > 100
    ]  # fmt: skip
    lengths = [r for r in range(1, RUNS + 1) if (run == r).sum() > 100]

    def gaps(other: Doubles, weight: Doubles) -> Doubles:
        return np.array([_mean(left - other, weight * (run == r)) for r in lengths])

    if lengths:
        flat, ones = np.full(len(left), left.mean()), np.ones(len(left))
        found.append(figure(
            f"largest gap in leaving over run lengths 1 to {RUNS}", USERS, n=len(left),
            toys={"constant rate": largest(gaps(flat, ones))}, world=largest(gaps(chance, ones)),
            spread=spread.of_distance(partial(gaps, chance), largest),
        ))  # fmt: skip
    _curves(case, clock, run, left, chance, part)
    return found


def _mean(value: Doubles, weight: Doubles) -> float:
    return float(np.sum(value * weight) / max(np.sum(weight), 1e-12))


def _earlier(case: Evaluation, groups: dict[str, Bools]) -> dict[str, dict[str, float]]:
    """The same rates in the earlier part of the log, as toys."""
    if case.past is None:
        return {}
    log = case.past
    part = open_steps(log)
    left, clock, run, again = log.left[part], log.clock[log.lead][part], log.run[part], log.repeat[part]
    found = {"leaving": np.ones(len(left), bool), "leaving after a repeated item": again}
    found |= {"leaving after a new item": ~again & (run > 0)}
    found |= {f"leaving after step {t}": clock == t for t in STEPS}
    found |= {f"leaving at run length {r}": run == r for r in range(1, RUNS + 1)}
    return {
        name: {"earlier periods": float(left[group].mean())} for name, group in found.items() if group.any()
    }


def _curves(case: Evaluation, clock: Ints, run: Ints, left: Doubles, chance: Doubles, part: Bools) -> None:
    """Leaving by step and by run length, for the picture: place, log, low, high, world, n."""
    spread = case.steps(part)
    for name, code, longest in (("leaving_by_step", clock, 20), ("leaving_by_run", run, RUNS)):
        rows = []
        for value in range(1, longest + 1):
            group = code == value
            if group.sum() > 100:
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
        case.curves[name] = rows


def lengths(case: Evaluation) -> list[Figure]:
    """How long visits are, in steps."""
    part, left, chance = whole(case)
    clock = case.log.clock[case.log.lead][part]
    spread, ones = case.steps(part), np.ones(len(left))
    known = case.past or case.log
    rate = float(known.left[open_steps(known)].mean())
    ours, theirs = survival(clock, left, ones), survival(clock, chance, ones)
    toy: Doubles = np.power(1.0 - rate, np.arange(1, len(ours) + 1))
    case.curves["length"] = [[t + 1, ours[t], theirs[t], toy[t]] for t in range(min(TIMES, len(ours)))]
    found = [
        figure(f"visit length, {name}", USERS, log=measure(ours), world=measure(theirs), n=len(case.log.visits.user),
               toys={"constant rate": measure(toy)},
               spread=spread.of(partial(_measured, measure, clock, left)))
        for name, measure in MEASURES.items()
    ]  # fmt: skip
    return [*found, figure(
        "visit length, Kolmogorov-Smirnov distance", USERS, world=largest(ours - theirs),
        toys={"constant rate": largest(ours - toy)}, n=len(case.log.visits.user),
        spread=spread.of_distance(lambda w: survival(clock, left, w) - survival(clock, chance, w), largest),
    )]  # fmt: skip


def _measured(measure: Callable[[Doubles], float], clock: Ints, left: Doubles, weight: Doubles) -> float:
    return measure(survival(clock, left, weight))


def survival(clock: Ints, hazard: Doubles, weight: Doubles) -> Doubles:
    """Share of visits that go on after step 1, 2, ...: products of one less the mean hazard of those that got there."""
    risk = np.bincount(clock, weight)[1:]
    ends = np.bincount(clock, weight * hazard)[1:]
    return np.asarray(np.cumprod(1.0 - ends / np.maximum(risk, 1e-12)), np.float64)


def _quantile(share: float) -> Callable[[Doubles], float]:
    def measure(goes_on: Doubles) -> float:
        reached = np.flatnonzero(goes_on <= 1.0 - share + 1e-12)
        return float(reached[0] + 1 if len(reached) else len(goes_on) + 1)  # longer than all that was seen

    return measure


MEASURES: dict[str, Callable[[Doubles], float]] = {
    "mean": lambda goes_on: 1.0 + float(goes_on.sum()),
    "median": _quantile(0.5),
    "90th percentile": _quantile(0.9),
    "99th percentile": _quantile(0.99),
}
