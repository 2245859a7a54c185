"""Classifier two-sample tests on rows and on whole visits of two tables; see `classifier_test`.

Rows and features are those of the table alone: no user, no rate over several visits.

Axes: R rows, V visits, F features.
"""

from typing import NamedTuple

import numpy as np

from recgym.arrays import Array, Doubles, Ints
from recgym.fidelity.classifier_test import above_half, above_half_interval, held_out_scores
from recgym.fidelity.visit_statistics import seen_earlier
from recgym.fidelity.visit_table import VisitTable
from recgym.logs.visit_history import runs
from recgym.numerics import auc, auc_of_codes
from recgym.sim.world import World

FOLDS = 3
NUM_EVENTS = 2  # whose earlier values are features of a row
MAX_ROWS = 20_000  # of either sample; of more, visits at random
MAX_VISITS = 20_000  # of either sample
NUM_DRAWS = 60  # of a bootstrap over visits


class Area(NamedTuple):
    """.5 + |AUC - .5| of a classifier, with its 95 % bootstrap interval over visits."""

    value: float
    low: float
    high: float


def rows_area(
    world: World, one: VisitTable, other: VisitTable, rank: Ints, *, ordered: bool, seed: int
) -> Area:
    """Classifier of the rows of two tables."""
    rng = np.random.default_rng(seed)
    tables = [_fewer(table, MAX_ROWS, rng) for table in (one, other)]
    with_watch = all(bool(np.isfinite(table.watch).all()) for table in tables)
    features = [row_features(world, table, rank, ordered=ordered, with_watch=with_watch) for table in tables]
    return _area(features, [table.visit for table in tables], seed)


def visits_area(
    world: World, one: VisitTable, other: VisitTable, rank: Ints, *, ordered: bool, seed: int
) -> Area:
    """Classifier of the visits with rows of two tables."""
    rng = np.random.default_rng(seed)
    tables = [
        table.visits(rng.permutation(np.flatnonzero(table.length > 0))[:MAX_VISITS]) for table in (one, other)
    ]
    with_watch = all(bool(np.isfinite(table.watch).all()) for table in tables)
    features = [
        visit_features(world, table, rank, ordered=ordered, with_watch=with_watch) for table in tables
    ]
    return _area(features, [np.arange(table.num) for table in tables], seed)


def _fewer(table: VisitTable, limit: int, rng: np.random.Generator) -> VisitTable:
    """Random visits that have about `limit` rows together."""
    order = rng.permutation(table.num)
    total = np.cumsum(np.bincount(table.visit, minlength=table.num)[order])
    return table.visits(order[: max(2, int((total <= limit).sum()))])


def _area(features: list[Doubles], visits: list[Ints], seed: int) -> Area:
    """Area of held-out scores; folds are of whole visits, of either sample."""
    rng = np.random.default_rng(seed)
    fold = np.concatenate([(rng.permutation(int(visit[-1]) + 1) % FOLDS)[visit] for visit in visits])
    flag = np.repeat([1.0, 0.0], [len(visit) for visit in visits])
    score = held_out_scores(np.vstack(features), flag, fold, seed)
    code, draws = np.unique(score, return_inverse=True)[1], []
    for _ in range(NUM_DRAWS):
        weight = [
            np.bincount(rng.integers(visit[-1] + 1, size=visit[-1] + 1), minlength=visit[-1] + 1)[visit]
            for visit in visits
        ]
        draws.append(auc_of_codes(flag, code, np.concatenate(weight).astype(np.float64)))
    return Area(above_half(auc(flag, score)), *above_half_interval(draws))


def row_features(world: World, table: VisitTable, rank: Ints, *, ordered: bool, with_watch: bool) -> Doubles:
    """(R, F) item, context and events of a row; with an order also its place, the two rows before, the visit so far."""
    arrays, item, visit = world.arrays, table.item, table.visit
    category = arrays.category[item].astype(np.int64)
    flags = np.stack([flag.astype(np.float64) for flag in table.events.values()], axis=1)
    columns = [rank[item], category, arrays.page[item], arrays.price[item], arrays.duration[item],
               table.context[visit], *flags.T]  # fmt: skip
    flags = flags[:, :NUM_EVENTS]
    if with_watch:
        flags = np.column_stack([flags, np.log1p(table.watch)])
        columns += [table.watch, table.watch / np.maximum(arrays.duration[item], 1.0)]
    if ordered:
        columns += [table.place, seen_earlier(visit, item), runs(visit, category, table.response)]
        shown = np.column_stack([flags, rank[item], category, item])
        for back in (1, 2):
            same = np.r_[np.zeros(back, bool), visit[back:] == visit[:-back]][: len(visit)]
            before = np.where(same[:, None], np.roll(shown, back, axis=0), -1.0)
            columns += [*before.T, before[:, -1] == item, before[:, -2] == category]
        so_far = np.cumsum(flags[:, 0]) - flags[:, 0]
        columns.append(so_far - so_far[np.searchsorted(visit, visit)])
    return np.column_stack(columns).astype(np.float64)


def visit_features(
    world: World, table: VisitTable, rank: Ints, *, ordered: bool, with_watch: bool
) -> Doubles:
    """(V, F) counts, rates, popularity and variety of a visit; with an order also first, last, places and runs."""
    arrays, item, visit, num = world.arrays, table.item, table.visit, table.num
    category, popularity = arrays.category[item].astype(np.int64), np.log1p(rank[item])
    count = np.bincount(visit, minlength=num).astype(np.float64)

    def mean(values: Array) -> Doubles:
        return np.asarray(np.bincount(visit, values, num) / count, np.float64)

    first = np.searchsorted(visit, np.arange(num))
    last = first + count.astype(np.int64) - 1
    centre = mean(popularity)
    columns: list[Array] = [
        count,
        table.length,
        table.context,
        centre,
        mean((popularity - centre[visit]) ** 2),
    ]
    columns += [np.minimum.reduceat(popularity, first), np.maximum.reduceat(popularity, first)]
    columns += [mean(arrays.price[item]), mean(arrays.duration[item])]
    columns += [mean(~seen_earlier(visit, code)) * count for code in (item, category)]  # distinct
    for flag in table.events.values():
        columns += [mean(flag) * count, mean(flag)]
    if with_watch:
        columns += [mean(table.watch), mean(np.log1p(table.watch))]
    if ordered:
        ends = [values[at] for values in (popularity, category, item, table.response) for at in (first, last)]
        columns += [*ends, *_sequence_features(table, category, first)]
    return np.column_stack(columns).astype(np.float64)


def _sequence_features(table: VisitTable, category: Ints, first: Ints) -> list[Array]:
    """(V,) each: longest run; first, last and mean place of responses; neighbours of one category, of one response."""
    visit, num, response = table.visit, table.num, table.response
    count = np.maximum(np.bincount(visit, response, num), 1.0)
    middle = (table.length[visit] + 1) / 2.0
    same = np.r_[False, visit[1:] == visit[:-1]]
    alike = [same & (values == np.roll(values, 1)) for values in (category, response)]
    return [
        np.maximum.reduceat(runs(visit, category, response), first).astype(np.float64),
        np.minimum.reduceat(np.where(response, table.place, 1_000), first).astype(np.float64),
        np.maximum.reduceat(np.where(response, table.place, 0), first).astype(np.float64),
        np.bincount(visit, response * (table.place - middle), num) / count,
        *(np.bincount(visit, pairs, num) for pairs in alike),
    ]
