"""How visits end: whether a log tells it, and the world's leaving terms."""

import numpy as np

from recgym.fit.assemble import Arrays, Ledger, assumed_leaving
from recgym.fit.frame import VALIDATION, Frame
from recgym.fit.leaving import Leaving
from recgym.logs import Log

MIN_VISITS = 200  # known visits of two rows or more that a fitted hazard asks for


def can_leave(frame: Frame, log: Log) -> bool:
    """Whether the log shows whole visits, one row a step: a shop's sessions end, the feeds' logs here have holes."""
    session, step = log.column("session"), log.column("step")  # in order
    together = (session[1:] == session[:-1]) & (step[1:] == step[:-1])
    several = (frame.lengths > 1) & (frame.period <= VALIDATION)
    return frame.domain == "ecommerce" and not together.any() and int(several.sum()) >= MIN_VISITS


def leaving_terms(hazard: Leaving | None, idle: bool, arrays: Arrays, ledger: Ledger) -> dict[str, float]:
    """Write leaving into `arrays`; returns its numbers. `idle`: the log has rows without an answer."""
    if hazard is None:
        return assumed_leaving(ledger, arrays)
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


def _patience(hazard: Leaving, ledger: Ledger) -> None:
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


def _contexts(hazard: Leaving, ledger: Ledger) -> None:
    if np.isfinite(hazard.choices.context):
        spread = float(hazard.context.std())
        ledger.fitted("leave_context", spread, "standard deviation over contexts, shrunk on validation")
    elif len(hazard.context) > 1:
        ledger.absent("leave_context", "contexts did not help on validation")
    else:
        ledger.absent("leave_context", "this log has no context that is used")
