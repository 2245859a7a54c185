"""When a visit ends: a discrete-time hazard (Singer and Willett, 1993), fitted by penalised likelihood.

A visit's last row counts as leaving. What was answered moves it: the item, the run of its category, a repeat; a row
that nobody answered has one effect of its own, as in the simulator. Item and page effects are shrunk by a ridge whose
weight is chosen on the validation period. Page and category effects end in the item effect: the world has no other
place for them, and a click log does not tell an item that drives people away from one at the end of the way.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recgym.fit.frame import TRAIN, VALIDATION, Doubles, Frame, Ints
from recgym.fit.logistic import fit_logistic, log_loss
from recgym.sim.state import MEMORY

TIMES, RUNS = 200, 40  # lengths of the world's leaving tables
RIDGES = (3.0, 10.0, 30.0, 100.0)


@dataclass(frozen=True)
class Rows:
    """What the hazard sees of every row."""

    time: Doubles  # log(1 + t), t = 1 at the first
    run: Doubles  # log of the answers in a row of one category, 0 where there was no answer
    repeat: Doubles  # 1 where the answered item was answered before in the visit
    idle: Doubles  # 1 where there was no answer
    item: Ints  # N where there was no answer
    left: Doubles  # 1 at the last row of a visit
    session: Ints


@dataclass(frozen=True)
class Leaving:
    """The fitted hazard: logit = bias + time log(1+t) + (run log(run) + repeat + item, where answered, else idle)."""

    bias: float
    time: float
    run: float
    repeat: float
    idle: float
    item: Doubles  # (N,) page and category effects included, mean 0 over answered rows
    ridge: float
    validation: dict[float, float]  # ridge -> log-loss

    def logits(self, rows: Rows) -> Doubles:
        """Leaving logit after every row, for a visit of average patience."""
        value = self.bias + self.time * rows.time + self.run * rows.run + self.repeat * rows.repeat
        value = value + self.idle * rows.idle + np.append(self.item, 0.0)[rows.item]
        return np.asarray(value, np.float64)

    def tables(self) -> dict[str, Doubles]:
        """The world's tables; both begin at 0, `leave_bias` holds the rest."""
        clock, runs = np.arange(1, TIMES + 1), np.arange(1, RUNS + 1)
        time = self.time * (np.log1p(clock) - np.log(2.0))
        return {"leave_time": time, "leave_run": self.run * np.log(runs), "leave_item": self.item}

    @property
    def first_bias(self) -> float:
        """Logit after the first slate, other terms 0."""
        return self.bias + self.time * float(np.log(2.0))


def hazard_rows(frame: Frame) -> Rows:
    """Covariates and outcome of every row of the frame."""
    answered = frame.positive.astype(bool)
    left = np.zeros(len(frame.item))
    left[frame.starts + frame.lengths - 1] = 1.0
    return Rows(
        np.log1p(frame.step + 1.0),
        np.log(np.maximum(runs(frame), 1)) * answered,
        (repeats(frame) & answered).astype(np.float64),
        1.0 - answered,
        np.where(answered, frame.item, frame.num_items),
        left,
        frame.session,
    )


def runs(frame: Frame) -> Ints:
    """At an answer: answers in a row of its category in the visit, itself included; 0 elsewhere."""
    rows = np.flatnonzero(frame.positive)
    session, category = frame.session[rows], frame.items.category[frame.item[rows]]
    place = np.arange(len(rows))
    fresh = (place == 0) | (session != np.roll(session, 1)) | (category != np.roll(category, 1))
    out = np.zeros(len(frame.item), np.int64)
    out[rows] = place - np.maximum.accumulate(np.where(fresh, place, 0)) + 1
    return out


def repeats(frame: Frame) -> NDArray[np.bool_]:
    """Rows whose item was among the last MEMORY positive answers of the visit."""
    count: Ints = np.cumsum(frame.positive) - frame.positive  # answers before the row, over all visits
    key = frame.session * frame.num_items + frame.item
    last: dict[int, int] = {}
    out = np.zeros(len(key), bool)
    for row in range(len(key)):
        code, before = int(key[row]), int(count[row])
        out[row] = before - last.get(code, -MEMORY) < MEMORY
        if frame.positive[row]:
            last[code] = before + 1
    return out


def take(rows: Rows, keep: NDArray[np.bool_]) -> Rows:
    """The rows where `keep`."""
    return Rows(*(getattr(rows, name)[keep] for name in Rows.__dataclass_fields__))


def fit_leaving(frame: Frame, rows: Rows, periods: tuple[int, ...], ridge: float | None = None) -> Leaving:
    """Fit on the sessions of these periods; without `ridge`, the one best on the validation period is chosen."""
    period = frame.row_period
    tried: dict[float, float] = {}
    if ridge is None:
        known, judge = take(rows, period == TRAIN), take(rows, period == VALIDATION)
        for value in RIDGES:
            tried[value] = log_loss(judge.left, _ridge_fit(frame, known, value).logits(judge))
        ridge = min(tried, key=lambda value: tried[value])
    fitted = _ridge_fit(frame, take(rows, np.isin(period, periods)), ridge)
    return Leaving(**{**fitted.__dict__, "validation": tried})


def _ridge_fit(frame: Frame, rows: Rows, ridge: float) -> Leaving:
    dense = np.stack([rows.time, rows.run, rows.repeat, rows.idle], axis=1)
    shelf = np.append(
        frame.items.shelf, frame.items.shelf.max() + 1
    )  # what was not answered has a shelf of its own
    fitted = fit_logistic(rows.left, dense, rows.item, [shelf], frame.num_items + 1, ridge)
    item, nothing = fitted.item[:-1], float(fitted.item[-1])
    answered = rows.item < frame.num_items
    mean = float(item[rows.item[answered]].mean()) if answered.any() else 0.0
    time, run, repeat, idle = fitted.slopes.tolist()
    return Leaving(fitted.bias + mean, time, run, repeat, idle + nothing - mean, item - mean, ridge, {})
