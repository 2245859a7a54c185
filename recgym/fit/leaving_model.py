"""When a visit ends: a discrete-time hazard (Singer and Willett, 1993), fitted by penalised likelihood.

A visit's last row counts as leaving, but where a horizon cut it. What was answered moves it: the item, the run of its
category, a repeat; a row that nobody answered has one effect of its own, as in the simulator. Time and run are slopes
on the logarithm with the first steps free. All effects are shrunk by ridges whose weights are chosen on the validation
period, and so is whether visits differ in patience. Page and category effects end in the item effect: the world has no
other place for them, and a click log does not tell an item that drives people away from one at the end of the way.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Codes, Doubles, Ints
from recgym.fit.dataset import Dataset
from recgym.fit.hazard import EffectTable, Hazard, VisitRows, chances, fit_hazard, marginal_loss
from recgym.logs.splits import TRAIN, VALIDATION
from recgym.logs.visit_history import cut_length, repeats, runs
from recgym.sim.state import MEMORY

TIMES, RUNS = 200, 40  # lengths of the world's leaving tables
FREE_TIMES, FREE_RUNS = 3, 3  # steps, run lengths with an effect of their own; one more for all that follow
SHELF_RIDGE = 1.0
MAX_ROWS = {
    "choose": 200_000,
    "fit": 500_000,
}  # of more, whole visits are drawn: these tell a hazard well enough
LEAST_PATIENCE = 0.05  # a smaller spread changes no hazard by one part in fifty: it is called none


@dataclass(frozen=True)
class Rows:
    """What the hazard sees of every row, whole visits one after the other."""

    step: Ints  # 1 at a visit's first row
    run: Ints  # answers in a row of one category, 0 where there was no answer
    repeat: Doubles  # 1 where the answered item was answered before in the visit
    idle: Doubles  # 1 where there was no answer
    item: Codes  # N where there was no answer
    context: Codes
    left: Doubles  # 1 at the last row of a visit
    session: Ints

    @property
    def starts(self) -> Ints:
        """(visits,) row at which each visit begins."""
        return np.flatnonzero(self.step == 1)


class Choices(NamedTuple):
    """What validation decides: weights on the squares of effects, infinite where they are left out."""

    item: float = 10.0
    shape: float = 3.0  # on what the free steps and runs add to the slopes
    context: float = np.inf
    frail: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether nothing but the step number moves leaving."""
        return self == Choices(np.inf, np.inf, np.inf)


TRIED: tuple[tuple[dict[str, Any], ...], ...] = (
    tuple({"item": ridge} for ridge in (3.0, 10.0, 30.0, 100.0, np.inf)),
    tuple({"context": ridge} for ridge in (10.0, 100.0, np.inf)),
    tuple({"shape": shape, "frail": frail} for frail in (False, True) for shape in (3.0, np.inf)),
)
"""One group after the other, each at the best of those before it."""


@dataclass(frozen=True)
class Leaving:
    """The fitted hazard, in the world's terms; see `recgym.sim.session.leave_logit`."""

    bias: float  # logit after the first slate, other terms 0
    time_slope: float  # on log t
    time: Doubles  # (TIMES,) added after slate t = 1, 2, ..., 0 at the first
    run_slope: float
    run: Doubles  # (RUNS,) ... at run length 1, 2, ..., 0 at the first
    repeat: float
    idle: float
    item: Doubles  # (N,) page and category effects included, mean 0 over answered rows
    context: Doubles  # (X,)
    patience: float  # standard deviation of a visit's own shift, where it helps on validation
    joint_patience: float  # its largest joint estimate on the train period, helpful or not
    choices: Choices
    validation: dict[Choices, float]  # log-loss a row of what was tried, v averaged out

    def logits(self, rows: Rows) -> Doubles:
        """Leaving logit after every row, for a visit of average patience."""
        value = self.bias + self.time[np.minimum(rows.step, TIMES) - 1] + self.context[rows.context]
        moved = self.run[np.clip(rows.run, 1, RUNS) - 1] + self.repeat * rows.repeat
        moved = moved + np.append(self.item, 0.0)[rows.item]
        return np.asarray(value + np.where(rows.idle > 0, self.idle, moved), np.float64)

    def chances(self, rows: Rows) -> Doubles:
        """Chance of leaving after every row, given that the visit has lasted so far."""
        return chances(self.logits(rows), rows.starts, self.patience)

    def tables(self) -> dict[str, Doubles]:
        """The world's arrays."""
        return {
            "leave_time": self.time,
            "leave_run": self.run,
            "leave_item": self.item,
            "leave_context": self.context,
        }


def hazard_rows(frame: Dataset) -> Rows:
    """Covariates and outcome of every row of the frame."""
    answered = frame.positive.astype(bool)
    left = np.zeros(len(frame.item))
    ended = frame.lengths != cut_length(frame.lengths[frame.period <= VALIDATION])
    left[(frame.starts + frame.lengths - 1)[ended]] = 1.0
    return Rows(
        frame.step + 1,
        runs(frame.session, frame.items.category[frame.item], answered),
        (repeats(frame.session, frame.item, answered, MEMORY) & answered).astype(np.float64),
        1.0 - answered,
        np.where(answered, frame.item, frame.num_items),
        frame.context,
        left,
        frame.session,
    )


def take(rows: Rows, keep: NDArray[np.bool_]) -> Rows:
    """The rows where `keep`; whole visits."""
    return Rows(*(getattr(rows, name)[keep] for name in Rows.__dataclass_fields__))


def fit_leaving(
    frame: Dataset, rows: Rows, periods: tuple[int, ...], choices: Choices | None = None
) -> Leaving:
    """Fit on the sessions of these periods; without `choices`, those best on the validation period are made."""
    period = frame.row_period
    if choices is not None:
        search = Search(choices, {}, None, 0.0)
    else:
        train = _drawn(take(rows, period == TRAIN), MAX_ROWS["choose"])
        search = _choose(frame, train, take(rows, period == VALIDATION))
    known = _drawn(take(rows, np.isin(period, periods)), MAX_ROWS["fit"])
    fitted = _in_terms(_fit(frame, known, search.best, search.start), frame, known, search.best)
    return replace(fitted, validation=search.tried, joint_patience=search.patience or fitted.patience)


class Search(NamedTuple):
    """What validation said."""

    best: Choices
    tried: dict[Choices, float]
    start: Hazard | None  # the best one's fit on the train period
    patience: float  # the largest joint estimate


def _choose(frame: Dataset, train: Rows, judged: Rows) -> Search:
    best = Choices()
    fits: dict[Choices, Hazard] = {}
    tried: dict[Choices, float] = {}
    visits = VisitRows(judged.left, judged.starts)
    for group in TRIED:
        for changes in group:
            choices = best._replace(**changes)
            if choices in tried or ("context" in changes and len(frame.contexts) == 1):
                continue
            fits[choices] = _fit(frame, train, choices, fits.get(best))
            patience = fits[choices].spread
            if not choices.frail or patience >= LEAST_PATIENCE:
                logits = _in_terms(fits[choices], frame, train, choices).logits(judged)
                tried[choices] = marginal_loss(visits, logits, patience)
        best = min(tried, key=lambda choices: tried[choices])
    frail = [found.spread for choices, found in fits.items() if choices.frail]
    return Search(best, tried, fits[best], max(frail))


def _drawn(rows: Rows, limit: int) -> Rows:
    """All rows, or about `limit` of them in whole visits drawn at random."""
    if len(rows.step) <= limit:
        return rows
    kept = np.random.default_rng(0).random(len(rows.starts)) < limit / len(rows.step)
    return take(rows, np.repeat(kept, np.diff(np.append(rows.starts, len(rows.step)))))


def _fit(frame: Dataset, rows: Rows, choices: Choices, start: Hazard | None = None) -> Hazard:
    dense, tables = _design(frame, rows, choices)
    return fit_hazard(VisitRows(rows.left, rows.starts), dense, tables, frail=choices.frail, start=start)


def _design(frame: Dataset, rows: Rows, choices: Choices) -> tuple[Doubles, list[EffectTable]]:
    """Slopes on log t, log run, repeat, idle; tables of items, shelves, first steps, runs, contexts.

    A row without an answer has an item, a shelf and a run of its own.
    """
    dense = np.stack([np.log(rows.step), np.log(np.maximum(rows.run, 1)), rows.repeat, rows.idle], axis=1)
    shelf = np.append(frame.items.shelf, frame.items.shelf.max() + 1)
    run = np.where(rows.idle > 0, FREE_RUNS + 1, np.minimum(rows.run, FREE_RUNS + 1) - 1)
    return dense, [
        EffectTable(rows.item, frame.num_items + 1, choices.item),
        EffectTable(
            shelf[rows.item], int(shelf.max()) + 1, SHELF_RIDGE if np.isfinite(choices.item) else np.inf
        ),
        EffectTable(np.minimum(rows.step, FREE_TIMES + 1) - 1, FREE_TIMES + 1, choices.shape),
        EffectTable(run, FREE_RUNS + 2, choices.shape),
        EffectTable(rows.context, len(frame.contexts), choices.context),
    ]


def _in_terms(fitted: Hazard, frame: Dataset, rows: Rows, choices: Choices) -> Leaving:
    time_slope, run_slope, repeat, idle = fitted.slopes.tolist()
    items, shelves, first, run, context = fitted.tables
    item = items[:-1] + shelves[frame.items.shelf]
    answered = rows.item < frame.num_items
    mean = float(item[rows.item[answered]].mean()) if answered.any() else 0.0
    usual = float(context[rows.context].mean())
    clock, lengths = np.arange(1, TIMES + 1), np.arange(1, RUNS + 1)
    moved = float(mean + run[0])
    return Leaving(
        fitted.bias + first[0] + moved + usual,
        time_slope,
        time_slope * np.log(clock) + first[np.minimum(clock, FREE_TIMES + 1) - 1] - first[0],
        run_slope,
        run_slope * np.log(lengths) + run[np.minimum(lengths, FREE_RUNS + 1) - 1] - run[0],
        repeat,
        idle + float(items[-1] + shelves[-1] + run[-1]) - moved,
        item - mean,
        context - usual,
        fitted.spread,
        fitted.spread,
        choices,
        {},
    )
