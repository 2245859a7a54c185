"""Whether a log identifies the hazard of leaving, and the leaving terms of the world."""

from dataclasses import replace

import numpy as np

from recgym.arrays import Arrays, Doubles
from recgym.fit.config import FitConfig
from recgym.fit.dataset import MIN_EVIDENCE, Dataset
from recgym.fit.hazard_baseline import better_effects, fit_lengths, is_better
from recgym.fit.leaving_model import HazardRows, Leaving, fit_leaving, hazard_rows, open_rows, take
from recgym.fit.provenance import Provenance, assumed_leaving
from recgym.fit.slate_steps import of_steps
from recgym.logs import Log
from recgym.logs.kinds import is_sampled
from recgym.logs.splits import TRAIN, UNUSED, VALIDATION, has_times
from recgym.logs.whole_visits import has_slates, shows_whole_visits

MAX_VISIT_MS = 86_400_000.0  # length of a median visit that is none: a day
FREE_STEPS = 20  # steps with a free effect on leaving, where that is better
MIN_VISITS = 200  # known sessions of two rows or more that a fitted hazard needs


def can_leave(dataset: Dataset, log: Log, config: FitConfig) -> bool:
    """Whether the log has enough sessions with one row a step; those of feeds are to be shown whole, see `leaving`."""
    several = (dataset.lengths > 1) & (dataset.period <= VALIDATION) & dataset.ordered
    is_one = dataset.domain == "ecommerce" or (config.dynamics and config.guard is not None)
    return is_one and not has_slates(log) and int(several.sum()) >= MIN_VISITS


def leaving(dataset: Dataset, log: Log, config: FitConfig, level: Doubles | None = None) -> Leaving | str:
    """The hazard of leaving, fitted to train and validation; in words why the log does not identify it, else.

    `log` is that before the test: it says whether visits are whole, and whether they have slates.
    The words are empty where the reasons of the table of assumed values hold.

    A hazard with all terms is fitted where there are enough sessions, and kept where its validation loss is below that
    of rates by step number (by `config.guard`; None: it is always kept), which may depend on having a response and on
    the users' `level` (U,). Of slates, rates by step number alone are fitted.
    """
    slates = has_slates(log)
    if log.domain == "ecommerce" and slates and (config.guard is None or dataset.positive.all()):
        return "leaving is not fitted where a step of a visit has several rows"
    dataset = of_steps(dataset) if slates else dataset
    rows, known, full = hazard_rows(dataset, level), (TRAIN, VALIDATION), can_leave(dataset, log, config)
    if config.guard is None:
        return fit_leaving(dataset, rows, known) if full else ""
    if not shows_whole_visits(log, config.dynamics) or dataset.known.sum() < MIN_EVIDENCE:
        return ""
    if reason := never_ends(dataset, log, rows):
        return reason
    every, cut, size = dataset, dataset.cut, (dataset.num_items, len(dataset.contexts))
    effects = better_effects(size, _open(dataset, rows, known), cut, config.guard) if config.dynamics else ()
    if "level" not in effects:
        rows = replace(rows, level=np.broadcast_to(0.0, len(rows.step)))
    plain = fit_lengths(*size, _open(dataset, rows, (TRAIN,)), cut, effects)
    if not full or plain is None or not rows.left[dataset.rows_of(TRAIN)].any():
        return fit_lengths(*size, _open(dataset, rows, known), cut, effects) or ""
    if not dataset.ordered.all():  # runs, repeats and places of the others are unknown
        dataset = replace(dataset, period=np.where(dataset.ordered, dataset.period, UNUSED).astype(np.int8))
    judged = take(rows, dataset.rows_of(VALIDATION))
    fitted = _with_free_steps(dataset, rows, judged, fit_leaving(dataset, rows, (TRAIN,)), config.guard)
    if not is_better(fitted, plain, judged, cut, config.guard):
        return fit_lengths(*size, _open(every, rows, known), cut, effects) or ""
    again = fit_leaving(dataset, rows, known, fitted.choices)
    return replace(again, validation=fitted.validation, joint_patience=fitted.joint_patience)


def _open(dataset: Dataset, rows: HazardRows, periods: tuple[int, ...]) -> HazardRows:
    """The rows of some periods that are not censored; made where they are used, as a copy has the size of the log."""
    return take(rows, dataset.rows_of(*periods) & open_rows(rows, dataset.cut))


def _with_free_steps(
    dataset: Dataset, rows: HazardRows, judged: HazardRows, fitted: Leaving, guard: float
) -> Leaving:
    """The hazard with a free effect of more steps, where it beats `fitted` on the rows `judged`; else `fitted`."""
    strong, weak = (
        fit_leaving(dataset, rows, (TRAIN,), fitted.choices._replace(steps=FREE_STEPS, shape=ridge))
        for ridge in (30.0, 3.0)
    )
    freer = weak if is_better(weak, strong, judged, dataset.cut, 0.0) else strong
    if not is_better(freer, fitted, judged, dataset.cut, guard):
        return fitted
    return replace(freer, validation=fitted.validation, joint_patience=fitted.joint_patience)


def never_ends(dataset: Dataset, log: Log, rows: HazardRows) -> str:
    """Why the ends of the log's visits are no leaves, in words; empty where they may be."""
    if not rows.left[dataset.known].any():
        return "every visit of the log is cut at one length, none is known to have ended"
    return is_record(dataset, log)


def is_record(dataset: Dataset, log: Log) -> str:
    """Why each visit is all that is known of its user, in words; empty where it may be a visit.

    A visit that is all that is known of its user is a record, not a visit, where it has no times or lasts for days.
    """
    visits = dataset.starts[dataset.period <= VALIDATION]
    if len(np.unique(dataset.user[visits])) < len(visits) or is_sampled(log):
        return ""
    if not has_times(log):
        return "each visit is the whole record of a user, without times: no end of a visit is seen"
    starts, time = log.session_starts(), np.asarray(log.column("time"), np.float64)
    spans = np.diff(np.append(starts, len(time))) > 1
    long = (np.maximum.reduceat(time, starts) - np.minimum.reduceat(time, starts))[spans]
    if len(long) and np.nanmedian(long) > MAX_VISIT_MS:
        return "each visit is the whole record of a user, over days: no end of a visit is seen"
    return ""


def leaving_terms(
    hazard: Leaving | str, no_response: bool, arrays: Arrays, provenance: Provenance
) -> dict[str, float]:
    """Writes the leaving terms, the result of `leaving`, into `arrays` and their provenance; returns the numbers.

    `no_response`: the log has rows without a response.
    """
    if isinstance(hazard, str):
        return assumed_leaving(provenance, arrays, reason=hazard)
    if not hazard.validation and hazard.choices.is_plain:
        return _plain_terms(hazard, no_response, arrays, provenance)
    arrays |= hazard.tables()
    free = (
        f"free effects of the first {hazard.choices.steps} steps"
        if np.isfinite(hazard.choices.shape)
        else "free effects did not improve validation"
    )
    provenance.fitted("leave_bias", hazard.bias, "ends of visits, which count as leaving")
    provenance.fitted("leave_time", hazard.time_slope, f"slope on log t; {free}")
    provenance.fitted("leave_run", hazard.run_slope, f"slope on log run length; {free}")
    provenance.fitted(
        "leave_repeat", hazard.repeat, "responses to an item with an earlier response in the visit"
    )
    _patience(hazard, provenance)
    spread = float(hazard.item.std())
    provenance.fitted(
        "leave_item", spread, "standard deviation; with page and category, shrunk on validation"
    )
    _contexts(hazard, provenance)
    _level(hazard, no_response, provenance)
    if no_response:
        provenance.fitted(
            "leave_idle", hazard.no_response, "rows without a response, in place of item, run and repeat"
        )
    numbers = {"leave_bias": hazard.bias, "leave_repeat": hazard.repeat, "patience": hazard.patience}
    return numbers | {
        "leave_idle": hazard.no_response if no_response else provenance.from_table("leave_idle")
    }


def _plain_terms(
    hazard: Leaving, no_response: bool, arrays: Arrays, provenance: Provenance
) -> dict[str, float]:
    """Leaving terms of a rate by step number."""
    arrays |= hazard.tables()
    flat = not bool(hazard.time.any())
    provenance.fitted("leave_bias", hazard.bias, "ends of visits, which count as leaving")
    if flat:
        provenance.absent("leave_time", "rates by step did not improve validation over one rate")
    else:
        provenance.fitted(
            "leave_time", float(hazard.time.std()), "standard deviation; a rate a step, shrunk to one rate"
        )
    _level(hazard, no_response, provenance)
    idle = no_response and hazard.no_response != 0.0
    if idle:
        provenance.fitted("leave_idle", hazard.no_response, "rows without a response, beside those with one")
    for term in ("leave_run", "leave_repeat", "leave_item", "leave_context", "leave_idle", "patience"):
        if term != "leave_idle" or not idle:
            provenance.absent(term, "too few visits, or no better on validation than the step number alone")
    return {
        "leave_bias": hazard.bias,
        "leave_idle": hazard.no_response if no_response else provenance.from_table("leave_idle"),
    }


def _level(hazard: Leaving, no_response: bool, provenance: Provenance) -> None:
    if hazard.level != 0.0:
        words = (
            "for each logit of the user's level of response; users who respond more stay longer if negative"
        )
        provenance.fitted("leave_level", hazard.level, words)
    elif no_response:
        provenance.absent("leave_level", "users who respond more leave no sooner and no later, on validation")


def _patience(hazard: Leaving, provenance: Provenance) -> None:
    if hazard.choices.frail:
        reason = "marginal likelihood of whole visits with normal frailty; lower validation loss than without"
        provenance.fitted("patience", hazard.patience, reason)
        return
    provenance.assumed(
        "patience",
        0.0,
        f"the joint estimate is {hazard.joint_patience:.2f} and does not improve validation; a visit ends once, so "
        "frailty and time dependence are identified by their functional forms alone (Heckman and Singer, 1984)",
    )


def _contexts(hazard: Leaving, provenance: Provenance) -> None:
    if np.isfinite(hazard.choices.context):
        spread = float(hazard.context.std())
        provenance.fitted("leave_context", spread, "standard deviation over contexts, shrunk on validation")
    elif len(hazard.context) > 1:
        provenance.absent("leave_context", "contexts did not help on validation")
    else:
        provenance.absent("leave_context", "this log has no context that is used")
