"""A world judged on a separate test of randomised exposure: its forecasts of responses to items drawn at random.

The logging policy chose what the log shows, so that held-out visits of the log say nothing about other items. A test
whose items were drawn at random does (Schnabel et al., 2016, Recommendations as treatments; Yang et al., 2018, Unbiased
offline recommender evaluation for missing-not-at-random implicit feedback).

Axes: R rows, V visits.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from recgym.arrays import Bools, Doubles
from recgym.checks import require_kind
from recgym.fidelity.baselines import ROW_BASELINES, constant
from recgym.fidelity.calibration import bins_of, calibration_error, calibration_gaps, calibration_slope, total
from recgym.fidelity.card_metrics import RANDOM, Figure, figure, figures_of, loss_figure, undefined_is_none
from recgym.fidelity.evaluation import Evaluation
from recgym.fidelity.figures import evaluation_of
from recgym.fidelity.indexed_log import IndexedLog
from recgym.fidelity.shared_rows import refuse_own_rows
from recgym.logs import Log
from recgym.logs.kinds import IMPRESSIONS, kind_of
from recgym.logs.log import require_logs
from recgym.logs.random_exposure import not_random
from recgym.numerics import auc, auc_of_codes, log_losses, logit
from recgym.sim.logged_visits import LoggedVisits
from recgym.sim.teacher_forcing import predict
from recgym.sim.world import World
from recgym.sim.world_index import MIN_KNOWN_SHARE

IN_VISIT, ALONE = "given the visit's earlier responses", "without them"
NUM_EVENTS = 2  # that are judged
RANKED = "log_loss", "auc"  # beside every baseline
MAX_RATE_ERROR = (
    0.05  # relative, of a validated world's rate, where that is outside the interval of the test's
)
CALIBRATED = "user x item rates"  # the baseline of calibration
OWN = {
    "log_loss": "log-loss",
    "auc": "AUC",
    "calibration_error": "calibration error",
    "calibration_slope": "slope",
}


def check_test(test: Log, log: Log) -> None:
    """ValueError, before the minutes of a fit to `log`, if a test cannot judge the world that it will make."""
    require_logs(test=test, log=log)
    if test.domain != log.domain:
        raise ValueError(f"the randomised test is of domain {test.domain}, the log of {log.domain}")
    _require_impressions(test)
    ids = set(log.items["id"].to_pylist())
    known = np.array([key in ids for key in test.items["id"].to_pylist()])[test.column("item")]
    if known.mean() < MIN_KNOWN_SHARE:
        raise ValueError(
            f"the randomised test shows other items than the log: {int((~known).sum()):,} of {len(known):,} rows"
        )
    refuse_own_rows(test, log)


def _require_kinds(world: World, test: Log, past: Log | None) -> None:
    require_kind(world, World, "world", "World.load(folder)")
    require_logs(test=test, **({} if past is None else {"past": past}))


def _require_impressions(test: Log) -> None:
    if kind_of(test) != IMPRESSIONS:
        raise ValueError(
            "the randomised test has no rows without a response: it must show what was not responded to"
        )


def with_randomised_test(
    world: World, test: Log, past: Log | None = None, *, resamples: int = 200, seed: int = 0
) -> World:
    """The world with the figures of a randomised test on its card, in place of those of an earlier one.

    Args:
        world: with the card of its fit, whose figures of the logging policy's own test visits are named beside.
        test: rows with and without a response, on any users and items; unknown ones are counted in a remark.
        past: the log that the world was fitted on, for baselines; None: the constant rate of the other half of the
            test's visits alone.
        resamples: bootstrap draws of an interval, over users.
        seed: of resampling, and of the draws of unknown users.

    Raises:
        ValueError: the test has no rows without a response, has rows of `past`, or cannot be mapped onto the world's
            users and items.
    """
    _require_kinds(world, test, past)
    _require_impressions(test)
    if past is not None:
        refuse_own_rows(test, past)
    return judged_on_test(world, test, past, resamples=resamples, seed=seed)


def judged_on_test(
    world: World, test: Log, past: Log | None = None, *, resamples: int = 200, seed: int = 0
) -> World:
    """`with_randomised_test` of a test that `check_test` has compared with `past`."""
    _require_kinds(world, test, past)
    evaluation, remarks = evaluation_of(world, test, past, resamples, seed, 1)
    evaluation = replace(
        evaluation,
        log=_by_world_user(world, evaluation.log, 0),
        past=evaluation.past and _by_world_user(world, evaluation.past, test.num_users),
    )
    with undefined_is_none():
        found = [
            row
            for label, forecast in ((IN_VISIT, evaluation.forecast.chance), (ALONE, None))
            for name in list(evaluation.log.events)[:NUM_EVENTS]
            for row in _figures(evaluation, name, label, _chance(evaluation, name, forecast))
        ]
    kept = [row for row in world.card.get("figures", []) if not str(row.get("id", "")).startswith(RANDOM)]
    judged = [line for line in world.card.get("judged", []) if not line.startswith("randomised test:")]
    users = len(np.unique(evaluation.log.user))
    judged += [f"randomised test: {remark}" for remark in (*test.remarks, *remarks)]
    return world.with_card(
        validated=_line(world.card, found, test, f"{len(evaluation.log.step):,} rows of {users:,} users"),
        figures=[*kept, *(row.entry() for row in found)],
        judged=judged,
    )


def _by_world_user(world: World, log: IndexedLog, taken: int) -> IndexedLog:
    """The log with users as the world numbers them, so that those of two logs agree.

    Unknown ones have numbers behind those of the world and `taken` others, one each.
    """
    user = log.visits.user.astype(np.int64)[log.visit]
    return replace(log, user=np.where(user < 0, world.num_users + taken + log.user, user))


def _chance(evaluation: Evaluation, name: str, forecast: Any) -> Doubles:
    """(R,) forecast of an event; with no `forecast`, that of a visit of this row alone."""
    log, event = evaluation.log, evaluation.index(name)
    if forecast is not None:
        return np.asarray(forecast[log.step, log.place, event], np.float64)
    return np.asarray(predict(evaluation.world, _alone(log)).chance[:, 0, event], np.float64)


def _alone(log: IndexedLog) -> LoggedVisits:
    """Each row as a visit of its own."""
    visits, rows = log.visits, np.arange(len(log.step) + 1, dtype=np.int64)
    return LoggedVisits(
        visits.user[log.visit], visits.context[log.visit], rows, log.item[:, None].astype(np.int64),
        visits.events[log.step, log.place][:, None], visits.known,
    )  # fmt: skip


def _figures(evaluation: Evaluation, name: str, label: str, chance: Doubles) -> list[Figure]:
    """Rate, log-loss, AUC and calibration of forecasts (R,) of an event."""
    flag, rows = evaluation.log.events[name], evaluation.rows
    models = ROW_BASELINES if evaluation.past is not None else {"constant rate": constant}
    baselines = {key: evaluation.baseline(model, name) for key, model in models.items()}

    def beside(metric: str, value: Any) -> dict[str, float]:
        return {
            key: float(value(other))
            for key, other in baselines.items()
            if metric.removeprefix(RANDOM) in RANKED or key == CALIBRATED
        }

    code, bins = np.unique(chance, return_inverse=True)[1], bins_of(chance)
    values = (
        ("random_auc", auc(flag, chance), rows.of(partial(auc_of_codes, flag, code)), lambda p: auc(flag, p)),
        (
            "random_calibration_error",
            calibration_error(flag, chance, bins),
            rows.of_distance(partial(calibration_gaps, flag, chance, bins), total),
            lambda p: calibration_error(flag, p, bins_of(p)),
        ),
        (
            "random_calibration_slope",
            _slope(flag, chance, np.ones(len(flag))),
            rows.of(partial(_slope, flag, chance)),
            lambda p: _slope(flag, p, np.ones(len(flag))),
        ),
    )
    rate = float(flag.mean())
    return [
        figure(
            "random_rate",
            name,
            label,
            log=rate,
            world=float(chance.mean()),
            spread=rows.of_ratio(flag),
            n=len(flag),
        ),
        loss_figure(
            "random_log_loss",
            name,
            label,
            loss=log_losses(flag, chance),
            baselines={key: log_losses(flag, other) for key, other in baselines.items()},
            spread=rows.of_ratio,
        ),
        *(
            figure(
                metric, name, label, world=value, baselines=beside(metric, other), spread=spread, n=len(flag)
            )
            for metric, value, spread, other in values
        ),
    ]


def _slope(flag: Bools, chance: Doubles, weight: Doubles) -> float:
    """Calibration slope of rows drawn as often as their weight says."""
    drawn = np.repeat(np.arange(len(flag)), weight.astype(np.int64))
    if not len(drawn) or flag[drawn].all() or not flag[drawn].any():
        return float("nan")
    return calibration_slope(flag[drawn].astype(np.float64), logit(chance[drawn]))[1]


def _line(card: Mapping[str, Any], found: list[Figure], test: Log, size: str) -> str:
    """The card's line on off-policy behaviour, with the figures of the logging policy's own test visits."""
    if words := not_random(test):
        return f"off-policy behaviour not validated: the test that was given has {words}"
    own = {row.id: row for row in figures_of(card)}
    event = found[0].id.split("/")[1]
    parts = []
    for metric, words in OWN.items():
        row = next(row for row in found if row.id == f"{RANDOM}{metric}/{event}/{IN_VISIT}")
        beside = own.get(f"{metric}/{event}")
        text = f"{words} {_value(row)}" + (f" (own test visits {_value(beside)})" if beside else "")
        against = row.baseline is not None and metric in RANKED
        parts.append(text + (f" against {row.baseline:.3f} of {row.baseline_name}" if against else ""))
    return f"off-policy behaviour {_verdict(found, size)}: {event}: {', '.join(parts)}"


def _verdict(found: list[Figure], size: str) -> str:
    """Whether no baseline surely forecasts an event better than the world, at the test's rate; `size` in words."""
    worse = [
        f"{row.id.split('/')[1]} {row.world:.3f} against {row.baseline:.3f} of {row.baseline_name}"
        for row in found
        if row.is_worse and row.id.endswith(f"/{IN_VISIT}")
    ]
    where = f"on randomised exposure, {size}"
    if worse:
        return f"not validated: {where}, the log-loss is worse than a baseline's ({', '.join(worse)})"
    off = [_off_level(row) for row in found if _is_off_level(row) and row.id.endswith(f"/{IN_VISIT}")]
    if off:
        lower = "no baseline's log-loss is surely lower"
        return f"not validated: {where}, {lower}, but the level is off ({', '.join(off)})"
    return f"validated {where}"


def _is_off_level(row: Figure) -> bool:
    """Whether this is a rate outside the interval of the test's, and not near it."""
    if not row.id.startswith(f"{RANDOM}rate/") or not row.is_outside or row.log is None or row.world is None:
        return False
    return abs(row.world - row.log) > MAX_RATE_ERROR * row.log


def _off_level(row: Figure) -> str:
    return f"rate of {row.id.split('/')[1]} {row.world:.3f}, of the test {row.log:.3f} [{row.low:.3f}, {row.high:.3f}]"


def _value(row: Figure) -> str:
    """A figure with its interval, where it has one."""
    if row.world is None:
        return f"none ({row.why})"
    return f"{row.world:.3f}" + (
        "" if row.low is None or row.high is None else f" [{row.low:.3f}, {row.high:.3f}]"
    )
