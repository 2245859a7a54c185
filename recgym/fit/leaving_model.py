"""The hazard of leaving: a discrete-time logit, by penalised likelihood. Source: Singer and Willett (1993).

The last row of a session counts as leaving, except where a horizon cut it: that row says nothing of leaving. Effects:
the item with the response, the run of its category and a repeat; a row without a response has one effect in place of
these, as in the simulator. Time and run are slopes on the logarithm, with free effects of the first steps. The weights
of the ridge penalties and whether there is frailty are chosen on the validation period. Page and category effects are
added to the item effect: the world has no other term for them, and a click log does not distinguish an item that
causes leaving from an item that users see last.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Bools, Codes, Doubles, Indices, Ints
from recgym.fit.dataset import Dataset
from recgym.fit.hazard import EffectTable, Hazard, VisitRows, chances, fit_hazard, marginal_loss
from recgym.logs.splits import TRAIN, VALIDATION
from recgym.logs.visit_history import repeats, runs
from recgym.sim.state import MEMORY

MAX_STEP, MAX_RUN = 200, 40  # lengths of the world's leaving tables, in steps and responses
FREE_TIMES, FREE_RUNS = 3, 3  # steps, run lengths with a free effect; one more effect for all longer ones
PAGE_RIDGE = 1.0
MAX_ROWS = {"choose": 200_000, "fit": 500_000}  # of more rows, a random sample of whole sessions
MIN_PATIENCE = 0.05  # a smaller standard deviation is set to 0: it changes no hazard by 2 %


@dataclass(frozen=True)
class HazardRows:
    """Covariates and outcome of the rows of whole sessions, one session after the other."""

    step: Indices  # 1 at the first row of a session
    run: Indices  # responses in a row in one category, 0 without a response
    repeat: Bools  # where the item had an earlier response in the session
    no_response: Bools
    item: Codes  # N without a response
    context: Codes
    left: Bools  # at the last row of a session
    session: Indices
    level: Doubles  # of the user, in logits of a response

    @property
    def starts(self) -> Ints:
        """(sessions,) first row of each session."""
        return np.flatnonzero(self.step == 1)


class Choices(NamedTuple):
    """Settings chosen on validation: ridge penalties of effects, infinite where effects are left out."""

    item: float = 10.0
    shape: float = 3.0  # of the free effects of first steps and runs
    context: float = np.inf
    frail: bool = False
    steps: int = FREE_TIMES  # with a free effect

    @property
    def is_plain(self) -> bool:
        """Whether the hazard depends on the step number alone."""
        return self == Choices(np.inf, np.inf, np.inf)


TRIED: tuple[tuple[dict[str, Any], ...], ...] = (
    tuple({"item": ridge} for ridge in (3.0, 10.0, 30.0, 100.0, np.inf)),
    tuple({"context": ridge} for ridge in (10.0, 100.0, np.inf)),
    tuple({"shape": shape, "frail": frail} for frail in (False, True) for shape in (3.0, np.inf)),
)
"""Groups are searched one after the other, each at the best of the groups before it."""


@dataclass(frozen=True)
class Leaving:
    """The fitted hazard in terms of the world; see `recgym.sim.session.leave_logit`."""

    bias: float  # logit after the first slate, other terms 0
    time_slope: float  # on log t
    time: Doubles  # (MAX_STEP,) added after slate t = 1, 2, ..., 0 at the first
    run_slope: float
    run: Doubles  # (MAX_RUN,) ... at run length 1, 2, ..., 0 at the first
    repeat: float
    no_response: float
    item: Doubles  # (N,) with page and category effects, mean 0 over rows with a response
    context: Doubles  # (X,)
    patience: float  # standard deviation of the frailty, 0 where it does not improve validation
    joint_patience: float  # its largest joint estimate on the train period
    choices: Choices
    validation: dict[Choices, float]  # marginal log-loss per row of each setting
    level: float = 0.0  # slope on the user's level

    def logits(self, rows: HazardRows) -> Doubles:
        """(rows,) logit of leaving after each row, at a frailty of 0."""
        value = self.bias + self.time[np.minimum(rows.step, MAX_STEP) - 1] + self.context[rows.context]
        value = value + self.level * rows.level
        response = self.run[np.clip(rows.run, 1, MAX_RUN) - 1] + self.repeat * rows.repeat
        response = response + np.append(self.item, 0.0)[rows.item]
        return np.asarray(value + np.where(rows.no_response, self.no_response, response), np.float64)

    def chances(self, rows: HazardRows) -> Doubles:
        """(rows,) hazard after each row, frailty integrated out."""
        return chances(self.logits(rows), rows.starts, self.patience)

    def tables(self) -> dict[str, Doubles]:
        """The world's arrays."""
        return {
            "leave_time": self.time,
            "leave_run": self.run,
            "leave_item": self.item,
            "leave_context": self.context,
            "leave_level": np.array([self.level]),
        }


def hazard_rows(dataset: Dataset, level: Doubles | None = None) -> HazardRows:
    """Covariates and outcome of every row of the dataset; `level` (U,) of users, None: 0."""
    responded = dataset.positive.astype(bool)
    left = np.zeros(len(dataset.item), bool)
    ended = dataset.lengths != dataset.cut
    left[(dataset.starts + dataset.lengths - 1)[ended]] = True
    return HazardRows(
        (dataset.step + 1).astype(np.int32),
        runs(dataset.session, dataset.items.category[dataset.item], responded).astype(np.int32),
        repeats(dataset.session, dataset.item, responded, MEMORY) & responded,
        ~responded,
        np.where(responded, dataset.item, np.int32(dataset.num_items)),
        dataset.context,
        left,
        dataset.session.astype(np.int32),
        np.broadcast_to(0.0, len(left)) if level is None else level[dataset.user],
    )


def open_rows(rows: HazardRows, cut: int) -> Bools:
    """(rows,) that are not censored: those before the `cut`-th of their session; 0: all."""
    return np.asarray(rows.step < cut if cut else np.ones(len(rows.step), bool))


def take(rows: HazardRows, keep: NDArray[np.bool_]) -> HazardRows:
    """The rows in `keep` (rows,), of whole sessions or of all their rows that are not censored; not copied if all."""
    if keep.all():
        return rows
    return HazardRows(*(getattr(rows, name)[keep] for name in HazardRows.__dataclass_fields__))


def fit_leaving(
    dataset: Dataset, rows: HazardRows, periods: tuple[int, ...], choices: Choices | None = None
) -> Leaving:
    """Fits to the sessions of these periods, without censored rows; by default with the choices best on validation."""
    is_open = open_rows(rows, dataset.cut)
    if choices is not None:
        search = Search(choices, {}, None, 0.0)
    else:
        train = drawn(take(rows, is_open & dataset.rows_of(TRAIN)), MAX_ROWS["choose"])
        search = _choose(dataset, train, take(rows, is_open & dataset.rows_of(VALIDATION)))
    known = drawn(take(rows, is_open & dataset.rows_of(*periods)), MAX_ROWS["fit"])
    fitted = _in_terms(_fit(dataset, known, search.best, search.start), dataset, known, search.best)
    return replace(fitted, validation=search.tried, joint_patience=search.patience or fitted.patience)


class Search(NamedTuple):
    """Result of the search on validation."""

    best: Choices
    tried: dict[Choices, float]
    start: Hazard | None  # the fit of the best on the train period
    patience: float  # largest joint estimate


def _choose(dataset: Dataset, train: HazardRows, judged: HazardRows) -> Search:
    best = Choices()
    fits: dict[Choices, Hazard] = {}
    tried: dict[Choices, float] = {}
    visits = VisitRows(judged.left, judged.starts)
    for group in TRIED:
        for changes in group:
            choices = best._replace(**changes)
            if choices in tried or ("context" in changes and len(dataset.contexts) == 1):
                continue
            fits[choices] = _fit(dataset, train, choices, fits.get(best))
            patience = fits[choices].spread
            if not choices.frail or patience >= MIN_PATIENCE:
                logits = _in_terms(fits[choices], dataset, train, choices).logits(judged)
                tried[choices] = marginal_loss(visits, logits, patience)
        best = min(tried, key=lambda choices: tried[choices])
    frail = [found.spread for choices, found in fits.items() if choices.frail]
    return Search(best, tried, fits[best], max(frail))


def drawn(rows: HazardRows, limit: int) -> HazardRows:
    """All rows; of more than `limit`, those of a random sample of whole sessions."""
    if len(rows.step) <= limit:
        return rows
    kept = np.random.default_rng(0).random(len(rows.starts)) < limit / len(rows.step)
    return take(rows, np.repeat(kept, np.diff(np.append(rows.starts, len(rows.step)))))


def _fit(dataset: Dataset, rows: HazardRows, choices: Choices, start: Hazard | None = None) -> Hazard:
    dense, tables = _design(dataset, rows, choices)
    return fit_hazard(VisitRows(rows.left, rows.starts), dense, tables, frail=choices.frail, start=start)


def _design(dataset: Dataset, rows: HazardRows, choices: Choices) -> tuple[Doubles, list[EffectTable]]:
    """Covariates log t, log run, repeat, no response, level; tables of items, pages, first steps, runs, contexts.

    Rows without a response have an item, a page and a run of their own.
    """
    columns = [np.log(rows.step), np.log(np.maximum(rows.run, 1)), rows.repeat, rows.no_response]
    dense = np.stack([*columns, rows.level] if rows.level.any() else columns, axis=1)
    shelf = np.append(dataset.items.shelf, dataset.items.shelf.max() + 1)
    run = np.where(rows.no_response, FREE_RUNS + 1, np.minimum(rows.run, FREE_RUNS + 1) - 1)
    return dense, [
        EffectTable(rows.item, dataset.num_items + 1, choices.item),
        EffectTable(
            shelf[rows.item],
            int(shelf.max()) + 1,
            PAGE_RIDGE if np.isfinite(choices.item) else np.inf,
        ),
        EffectTable(np.minimum(rows.step, choices.steps + 1) - 1, choices.steps + 1, choices.shape),
        EffectTable(run, FREE_RUNS + 2, choices.shape),
        EffectTable(rows.context, len(dataset.contexts), choices.context),
    ]


def _in_terms(fitted: Hazard, dataset: Dataset, rows: HazardRows, choices: Choices) -> Leaving:
    time_slope, run_slope, repeat, no_response, *level = fitted.slopes.tolist()
    items, page_effects, first, run, context = fitted.tables
    item = items[:-1] + page_effects[dataset.items.shelf]
    responded = rows.item < dataset.num_items
    mean = float(item[rows.item[responded]].mean()) if responded.any() else 0.0
    mean_context = float(context[rows.context].mean())
    clock, lengths = np.arange(1, MAX_STEP + 1), np.arange(1, MAX_RUN + 1)
    response = float(mean + run[0])
    return Leaving(
        fitted.bias + first[0] + response + mean_context,
        time_slope,
        time_slope * np.log(clock) + first[np.minimum(clock, choices.steps + 1) - 1] - first[0],
        run_slope,
        run_slope * np.log(lengths) + run[np.minimum(lengths, FREE_RUNS + 1) - 1] - run[0],
        repeat,
        no_response + float(items[-1] + page_effects[-1] + run[-1]) - response,
        item - mean,
        context - mean_context,
        fitted.spread,
        fitted.spread,
        choices,
        {},
        sum(level),
    )
