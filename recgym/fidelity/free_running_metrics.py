"""Figures of the free-running world: whole visits under its logging policy against unseen visits of the log.

Where the log shows whole visits, the world's visits end where its users leave. Where it does not, they are cut to the
lengths of the log's for all figures but those of length and of responses a visit. Where a visit is a user's library,
the world's users do not leave, visits have the lengths of the log's, and there are no figures of length. A classifier
of samples with common lengths sees no length: both are truncated to the same ones.

Noise is the difference of two random halves of the log; of a distance or classifier, its value for two halves.

Axes: V visits.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from recgym.arrays import Ints
from recgym.fidelity.card_metrics import BOTH, POLICY, USERS, Figure, figure
from recgym.fidelity.evaluation import LackingError
from recgym.fidelity.free_run import FreeRun
from recgym.fidelity.resampling import Spread
from recgym.fidelity.visit_classifier import FOLDS, Area, rows_area, visits_area
from recgym.fidelity.visit_statistics import Distributions, VisitStatistics, distances
from recgym.fidelity.visit_table import VisitTable, common_lengths

BASELINE = "popularity, constant rates"
MIN_ROWS = 500  # of the log at a step of the visit, and of a classifier
OF_PAIRS = (
    "free_spread", "free_neighbours", "free_same_category", "free_same_page", "free_transition_distance",
)  # fmt: skip
MIN_PAIRED = 20  # visits of the log with two rows, for figures of pairs of rows
MAX_BATCHES = 10  # of drawn visits, each of as many as the log has
OWN_LENGTH = (
    "free_responses",
    "free_responding",
    "free_length",
    "free_length_distance",
    "free_responses_distance",
)
SHOWN = (
    "free_repeats", "free_gini", "free_top_items", "free_popularity_distance", "free_same_category",
    "free_same_page", "free_transition_distance",
)  # fmt: skip


def statistics(evaluation: Any) -> list[Figure]:
    """Rates, lengths, runs, popularity, spread, neighbours and transitions, and distances of their distributions."""
    free: FreeRun = evaluation.free
    log = free.statistics(free.logged)
    own, cut = free.statistics(free.drawn), free.statistics(free.cut(free.drawn))
    flat_own, flat_cut = free.statistics(free.baseline), free.statistics(free.cut(free.baseline))
    found = log()
    world, baseline = (_in_batches(*pair, free.logged.num) for pair in ((own, cut), (flat_own, flat_cut)))
    spreads = _spreads(log, found, free)
    rows = _rows_at(free.logged)
    figures = [
        _figure(free, name, world=world.get(name, float("nan")), baseline=baseline.get(name), log=value,
                spread=spreads[name])
        for name, value in found.items()
        if np.isfinite(value) and _is_shown(name, rows) and _has_pairs(free, name)
        and not (free.is_library and _has_own_length(name))
    ]  # fmt: skip
    apart = _distances(log.distributions(), own, cut, free)
    flat = _distances(log.distributions(), flat_own, flat_cut, free)
    noise = _noise_of_distances(log, free)
    return figures + [
        _figure(
            free, name, world=value, baseline=flat[name], log=None, spread=Spread(None, None, noise[name])
        )
        for name, value in apart.items()
        if _has_pairs(free, name) and not (free.is_library and _has_own_length(name))
    ]


def _figure(
    free: FreeRun, name: str, *, world: float, baseline: float | None, log: float | None, spread: Spread
) -> Figure:
    metric, _, label = name.partition("/")
    judges = USERS if metric not in SHOWN else BOTH if free.form.responses_only else POLICY
    judges = BOTH if metric == "free_rate_position" else judges
    return figure(
        metric, *([label] if label else []), judges=judges, log=log, world=world, spread=spread,
        n=_paired(free) if metric in OF_PAIRS else free.logged.num,
        baselines=None if baseline is None or not np.isfinite(baseline) else {BASELINE: baseline},
    )  # fmt: skip


def _paired(free: FreeRun) -> int:
    """Visits of the log with two rows or more."""
    return int((np.bincount(free.logged.visit) > 1).sum())


def _has_pairs(free: FreeRun, name: str) -> bool:
    """Whether the log has enough visits with a pair of rows for a figure; True for others."""
    return name not in OF_PAIRS or _paired(free) >= MIN_PAIRED


def _rows_at(log: VisitTable) -> dict[str, Ints]:
    """Rows at each step of a visit, and at each position of a slate, by the metric that needs them."""
    numbers = {"free_rate_at": log.place, "free_rate_position": log.position}
    return {metric: np.bincount(number) for metric, number in numbers.items() if number is not None}


def _is_shown(name: str, rows: dict[str, Ints]) -> bool:
    """Whether a figure has enough rows of the log, see `_rows_at`."""
    metric = name.partition("/")[0]
    return metric not in rows or rows[metric][int(name.rpartition("/")[2])] >= MIN_ROWS


def _in_batches(own: VisitStatistics, cut: VisitStatistics, size: int) -> dict[str, float]:
    """Mean statistics over batches of `size` visits: inequality depends on the size of a sample."""
    num = own.table.num
    batch = np.arange(num) // min(size, num)
    found = []
    for number in range(min(num // min(size, num), MAX_BATCHES)):
        weight = (batch == number).astype(np.float64)
        found.append({
            **cut(weight), **{name: value for name, value in own(weight).items() if _has_own_length(name)},
        })  # fmt: skip
    names = {name for entry in found for name in entry}
    return {name: _finite_mean([entry.get(name, float("nan")) for entry in found]) for name in names}


def _has_own_length(name: str) -> bool:
    return name.partition("/")[0] in OWN_LENGTH


def _finite_mean(values: list[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def _spreads(log: VisitStatistics, found: dict[str, float], free: FreeRun) -> dict[str, Spread]:
    """Interval of each statistic of the log, and the 95 % quantile of the difference of two halves.

    The interval has the log's value where the draws have their median: a bootstrap sample repeats visits, and so
    inequality is higher in it. The mean of draws of a whole number, as of a quantile, may lie outside their interval.
    """
    draws, code = free.resampling, free.resampling.code
    values = [log(weight[code]) for weight in draws.counts]
    halves = [(log(half[code]), log(1.0 - half[code])) for half in draws.halves]
    spreads = {}
    for name, own in found.items():
        drawn = np.array([each.get(name, np.nan) for each in values])
        apart = np.abs([one.get(name, np.nan) - other.get(name, np.nan) for one, other in halves])
        drawn, apart = drawn[np.isfinite(drawn)], apart[np.isfinite(apart)]
        if not len(drawn) or not len(apart):
            spreads[name] = Spread(None, None, None)
            continue
        low, high = own + np.quantile(drawn, [0.025, 0.975]) - np.median(drawn)
        spreads[name] = Spread(float(low), float(high), float(np.quantile(apart, 0.95)))
    return spreads


def _distances(
    log: Distributions, own: VisitStatistics, cut: VisitStatistics, free: FreeRun
) -> dict[str, float]:
    lengths, others = (distances(log, table.distributions(), ordered=free.ordered) for table in (own, cut))
    return {name: lengths[name] if _has_own_length(name) else value for name, value in others.items()}


def _noise_of_distances(log: VisitStatistics, free: FreeRun) -> dict[str, float]:
    """95 % quantiles of the distances of two halves of the log."""
    code = free.resampling.code
    found = [
        distances(*(log.distributions(side[code]) for side in (half, 1.0 - half)), ordered=free.ordered)
        for half in free.resampling.halves
    ]
    return {name: float(np.quantile([each[name] for each in found], 0.95)) for name in found[0]}


class _Test(NamedTuple):
    """A classifier figure: its label, its function, and whether lengths are common."""

    label: str
    area: Callable[..., Area]
    common: bool


_TESTS = (
    _Test("rows, common lengths", rows_area, True),
    _Test("visits, common lengths", visits_area, True),
    _Test("visits", visits_area, False),
    _Test("rows", rows_area, False),  # only where the log shows whole visits
)


def classifiers(evaluation: Any) -> list[Figure]:
    """AUC of classifiers of log against world, on rows and on whole visits; noise is that of two halves of the log."""
    free: FreeRun = evaluation.free
    if min(len(free.logged.visit), len(free.drawn.visit)) < MIN_ROWS:
        raise LackingError(f"fewer than {MIN_ROWS} rows: too few for a classifier test")
    if free.resampling.num < 2 * FOLDS:
        raise LackingError(f"fewer than {2 * FOLDS} visits: too few for a classifier test of two halves")
    half = free.resampling.halves[0][free.resampling.code]
    halves = [free.logged.visits(np.flatnonzero(half == side)) for side in (0, 1)]
    floors: dict[Callable[..., Area], float] = {}
    figures = []
    for test in _TESTS[: 4 if free.is_whole else 3]:
        if test.area not in floors:
            floors[test.area] = _area(free, test, *halves).value
        world = _area(free, test, free.logged, free.drawn)
        figures.append(figure(
            "free_classifier", test.label, judges=BOTH, world=world.value, n=free.logged.num,
            baselines={BASELINE: _area(free, test, free.logged, free.baseline).value},
            spread=Spread(world.low, world.high, floors[test.area]),
        ))  # fmt: skip
    return figures


def _area(free: FreeRun, test: _Test, one: VisitTable, other: VisitTable) -> Area:
    tables = common_lengths(one, other, free.rng(4)) if test.common else _equal_numbers(one, other, free)
    return test.area(free.world, *tables, free.rank, ordered=free.ordered, seed=free.seed)


def _equal_numbers(one: VisitTable, other: VisitTable, free: FreeRun) -> tuple[VisitTable, VisitTable]:
    """As many random visits with rows of one table as of the other."""
    rng, chosen = free.rng(5), [np.flatnonzero(table.length > 0) for table in (one, other)]
    num = min(map(len, chosen))
    first, second = (
        table.visits(rng.permutation(rows)[:num]) for table, rows in zip((one, other), chosen, strict=True)
    )
    return first, second
