"""How visits end: whether a log tells it, the world's leaving terms, and their figures on the card."""

import numpy as np

from recgym.fit import fidelity
from recgym.fit.assemble import Arrays, Ledger, assumed_leaving
from recgym.fit.config import FitConfig
from recgym.fit.frame import TEST, Frame
from recgym.fit.leaving import Leaving, Rows, take
from recgym.logs import Log

MIN_VISITS = 200  # visits of two rows or more that a fitted hazard asks for


def can_leave(frame: Frame, log: Log) -> bool:
    """Whether the log shows whole visits, one row a step: a shop's sessions end, the feeds' logs here have holes."""
    steps = np.unique(np.stack([log.column("session"), log.column("step")]), axis=1)
    whole = frame.domain == "ecommerce" and steps.shape[1] == len(log)
    return whole and int((frame.lengths > 1).sum()) >= MIN_VISITS


def leaving_terms(hazard: Leaving | None, idle: bool, arrays: Arrays, ledger: Ledger) -> dict[str, float]:
    """Write leaving into `arrays`; returns its numbers. `idle`: the log has rows without an answer."""
    if hazard is None:
        return assumed_leaving(ledger, arrays)
    arrays |= hazard.tables()
    ledger.fitted("leave_bias", hazard.first_bias, "ends of visits; an end is leaving")
    ledger.fitted("leave_time", hazard.time, "slope on log(1 + t)")
    ledger.fitted("leave_run", hazard.run, "slope on log run length")
    ledger.fitted("leave_repeat", hazard.repeat, "answers to an item answered before in the visit")
    reason = "a visit ends once: its own patience and the slope on time cannot be told apart (Heckman and Singer, 1984)"
    ledger.assumed("patience", 0.0, reason)
    spread = float(hazard.item.std())
    ledger.fitted("leave_item", spread, "standard deviation; with page and category, shrunk on validation")
    ledger.absent("leave_context", "the calendar did not help on validation")
    if idle:
        ledger.fitted("leave_idle", hazard.idle, "rows without an answer, in place of item, run and repeat")
    numbers = {"leave_bias": hazard.first_bias, "leave_repeat": hazard.repeat}
    return numbers | {"leave_idle": hazard.idle if idle else ledger.from_table("leave_idle")}


def leaving_figures(rows: Rows, frame: Frame, hazard: Leaving, config: FitConfig) -> list[fidelity.Figure]:
    """When visits end on the test period, beside the click number alone."""
    test, past = take(rows, frame.row_period == TEST), take(rows, frame.row_period != TEST)
    logit, count = hazard.logits(test), config.bootstrap
    chance = 1 / (1 + np.exp(-logit))
    ended = np.bincount(np.exp(past.time).astype(np.int64), weights=past.left)
    by_time = (ended + 1) / (np.bincount(np.exp(past.time).astype(np.int64)) + 7)
    toy = by_time[np.minimum(np.exp(test.time).astype(np.int64), len(by_time) - 1)]
    left, session = test.left, test.session
    figures = [
        fidelity.mean_figure("log-loss of leaving", "users", fidelity.log_losses(left, chance), session, count,
                             toy=fidelity.log_losses(left, toy), toy_name="step number"),
        fidelity.auc_figure("AUC of leaving", left, chance, session, count, toy=toy, toy_name="step number"),
        fidelity.rate_figure("rate of leaving", "users", left, chance, session, count,
                             toy=float(past.left.mean()), toy_name="earlier periods"),
    ]  # fmt: skip
    for label, first, last in (("step 1", 1, 1), ("steps 2 to 5", 2, 5), ("steps 6 to 20", 6, 20)):
        clock = np.round(np.exp(test.time)) - 1
        part = (clock >= first) & (clock <= last)
        if part.any():
            figures.append(fidelity.rate_figure(f"leaving after {label}", "users", left[part], chance[part],
                                                session[part], count))  # fmt: skip
    again = test.repeat > 0
    if again.any():
        figures.append(fidelity.rate_figure("leaving after a repeated item", "users", left[again], chance[again],
                                            session[again], count))  # fmt: skip
    slope = fidelity.calibration_slope(left, logit)[1]
    return [
        *figures,
        fidelity.figure("calibration slope of leaving", "users", log=1.0, world=slope, n=len(left)),
    ]
