"""How visits end: whether a log tells it, and the world's leaving terms."""

from dataclasses import replace

import numpy as np

from recgym.arrays import Arrays
from recgym.fit.config import FitConfig
from recgym.fit.dataset import MIN_EVIDENCE, Dataset
from recgym.fit.hazard_baseline import fit_lengths, is_better
from recgym.fit.leaving_model import Leaving, fit_leaving, hazard_rows, take
from recgym.fit.provenance import Provenance, assumed_leaving
from recgym.logs import Log
from recgym.logs.kinds import is_sampled
from recgym.logs.splits import TRAIN, VALIDATION
from recgym.logs.visit_history import cut_length

MIN_VISITS = 200  # known visits of two rows or more that a fitted hazard asks for


def can_leave(frame: Dataset, log: Log) -> bool:
    """Whether the log shows whole visits, one row a step: a shop's sessions end, the feeds' logs here have holes."""
    session, step = log.column("session"), log.column("step")  # in order
    together = (session[1:] == session[:-1]) & (step[1:] == step[:-1])
    several = (frame.lengths > 1) & (frame.period <= VALIDATION)
    return frame.domain == "ecommerce" and not together.any() and int(several.sum()) >= MIN_VISITS


def leaving(frame: Dataset, log: Log, config: FitConfig) -> Leaving | None:
    """How visits end, of train and validation; None where the log does not tell.

    A hazard of all terms is fitted where there are visits enough, and kept where it beats the plainest one on
    validation (`config.guard`; None: it is kept).
    """
    rows, known, full = hazard_rows(frame), (TRAIN, VALIDATION), can_leave(frame, log)
    if config.guard is None:
        return fit_leaving(frame, rows, known) if full else None
    if not shows_whole_visits(log) or frame.known.sum() < MIN_EVIDENCE:
        return None
    cut = cut_length(frame.lengths[frame.period <= VALIDATION])
    size = frame.num_items, len(frame.contexts)
    early, judged, past = (
        take(rows, np.isin(frame.row_period, part)) for part in ((TRAIN,), (VALIDATION,), known)
    )
    plain = fit_lengths(*size, early, cut)
    if not full or plain is None or not early.left.any():
        return fit_lengths(*size, past, cut)
    fitted = fit_leaving(frame, rows, (TRAIN,))
    if not is_better(fitted, plain, judged, cut, config.guard):
        return fit_lengths(*size, past, cut)
    again = fit_leaving(frame, rows, known, fitted.choices)
    return replace(again, validation=fitted.validation, joint_patience=fitted.joint_patience)


def shows_whole_visits(log: Log) -> bool:
    """Whether where a visit ends its user left: in a shop's log of a row a step, and in one sampled from a world."""
    session, step = log.column("session"), log.column("step")  # in order
    single = not bool(((session[1:] == session[:-1]) & (step[1:] == step[:-1])).any())
    return single and (log.domain == "ecommerce" or is_sampled(log))


def leaving_terms(hazard: Leaving | None, idle: bool, arrays: Arrays, ledger: Provenance) -> dict[str, float]:
    """Write leaving into `arrays`; returns its numbers. `idle`: the log has rows without an answer."""
    if hazard is None:
        return assumed_leaving(ledger, arrays)
    if not hazard.validation and hazard.choices.is_plain:
        return _plain_terms(hazard, idle, arrays, ledger)
    arrays |= hazard.tables()
    free = "the first steps are free" if np.isfinite(hazard.choices.shape) else "nothing beside it helped"
    ledger.fitted("leave_bias", hazard.bias, "ends of visits; an end is leaving")
    ledger.fitted("leave_time", hazard.time_slope, f"slope on log t; {free}")
    ledger.fitted("leave_run", hazard.run_slope, f"slope on log run length; {free}")
    ledger.fitted("leave_repeat", hazard.repeat, "answers to an item answered before in the visit")
    _patience(hazard, ledger)
    spread = float(hazard.item.std())
    ledger.fitted("leave_item", spread, "standard deviation; with page and category, shrunk on validation")
    _contexts(hazard, ledger)
    if idle:
        ledger.fitted("leave_idle", hazard.idle, "rows without an answer, in place of item, run and repeat")
    numbers = {"leave_bias": hazard.bias, "leave_repeat": hazard.repeat, "patience": hazard.patience}
    return numbers | {"leave_idle": hazard.idle if idle else ledger.from_table("leave_idle")}


def _plain_terms(hazard: Leaving, idle: bool, arrays: Arrays, ledger: Provenance) -> dict[str, float]:
    """Of a rate by step number: nothing else moves it."""
    arrays |= hazard.tables()
    flat = not bool(hazard.time.any())
    ledger.fitted("leave_bias", hazard.bias, "ends of visits; an end is leaving")
    if flat:
        ledger.absent("leave_time", "rates by step did no better than one rate")
    else:
        ledger.fitted(
            "leave_time", float(hazard.time.std()), "standard deviation; a rate a step, shrunk to one rate"
        )
    for term in ("leave_run", "leave_repeat", "leave_item", "leave_context", "leave_idle", "patience"):
        ledger.absent(term, "too few visits, or no better on validation than the step number alone")
    return {"leave_bias": hazard.bias, "leave_idle": 0.0 if idle else ledger.from_table("leave_idle")}


def _patience(hazard: Leaving, ledger: Provenance) -> None:
    if hazard.choices.frail:
        reason = "joint likelihood of whole visits with normal shifts; better on validation than none"
        ledger.fitted("patience", hazard.patience, reason)
        return
    ledger.assumed(
        "patience",
        0.0,
        f"the joint estimate is {hazard.joint_patience:.2f} and no better on validation; a visit ends once, so its "
        "patience and the shape of time are told apart by their assumed forms alone (Heckman and Singer, 1984)",
    )


def _contexts(hazard: Leaving, ledger: Provenance) -> None:
    if np.isfinite(hazard.choices.context):
        spread = float(hazard.context.std())
        ledger.fitted("leave_context", spread, "standard deviation over contexts, shrunk on validation")
    elif len(hazard.context) > 1:
        ledger.absent("leave_context", "contexts did not help on validation")
    else:
        ledger.absent("leave_context", "this log has no context that is used")
