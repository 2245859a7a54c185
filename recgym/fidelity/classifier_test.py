"""Can a boosted-tree classifier tell the log's rows from simulated ones? At .5 it cannot (Lopez-Paz and Oquab, 2017).

Both halves share users, slates and contexts; they differ in the answers alone. The features are pinned: all columns of
a row with its events and watch time, rates of users and items, and what came before in the visit. Rates are computed
within each half and fold in the same way: one over all folds would be a fingerprint of its half. Of an item with many
rows it would be one within the fold: its number, a feature as well, serves. So it would of a user whose visits lie in
several folds, as where users are few.

What is reported is .5 and the distance of the area from .5: scores that put the log below the world tell them apart as
well as scores that put it above, and an area below .5 would look as good as none.

Impressions: a half is one free-running draw. A shop's clicks: navigation follows the logged click, so each row is
drawn one step ahead of the logged visit; its few items need no rates, the classifier learns them by their numbers.
Simulated watch times are cut to whole ms, as logs are.

Axes: R rows, F features.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Doubles, Ints
from recgym.fidelity.evaluation import Evaluation, LackingError, visit_seed
from recgym.fidelity.indexed_log import IndexedLog
from recgym.fidelity.resampling import USERS, Figure, figure
from recgym.logs.kinds import CHOICES
from recgym.numerics import auc, auc_of_codes
from recgym.sim.schema import params
from recgym.sim.teacher_forcing import simulate
from recgym.sim.world import World

FOLDS = 5
MAX_ROWS = 60_000  # of either half; of more, whole users are drawn
LARGE = 20  # rows of an item, or of one of few users, in a fold
EDGES = np.linspace(0.0, 1.0, 31)  # of the scores' histogram


def classifier(case: Evaluation) -> list[Figure]:
    """Area under the classifier's curve: log against world, against a constant-rate simulator, world against itself."""
    drawn = _chosen if case.kind == CHOICES else _answered
    pick = _within(case.log.cluster, MAX_ROWS, case.seed)
    if pick.sum() < 500:
        raise LackingError("fewer than 500 rows: too few to tell real from simulated")
    cluster = np.unique(case.log.cluster, return_inverse=True)[1]
    fold = (np.random.default_rng(case.seed).permutation(cluster.max() + 1) % FOLDS)[cluster]
    real, ours, again, toy = (table[pick] for table in drawn(case, fold))
    cluster, fold = cluster[pick], fold[pick]
    found = {name: _told_apart(a, b, fold, case.seed) for name, (a, b) in {
        "world": (real, ours), "toy": (real, toy), "noise": (ours, again),
    }.items()}  # fmt: skip
    flag = np.repeat([1.0, 0.0], len(cluster))
    areas = {name: _told(auc(flag, score)) for name, score in found.items()}
    code = np.unique(found["world"], return_inverse=True)[1]
    rng, draws = np.random.default_rng(case.seed), []
    for _ in range(min(case.resamples, 100)):
        count = np.bincount(
            rng.integers(cluster.max() + 1, size=cluster.max() + 1), minlength=cluster.max() + 1
        )
        draws.append(auc_of_codes(flag, code, np.tile(count[cluster].astype(np.float64), 2)))
    bounds = np.quantile(draws, [0.025, 0.975]).tolist()
    low, high = 0.5 if bounds[0] <= 0.5 <= bounds[1] else min(map(_told, bounds)), max(map(_told, bounds))
    case.curves["classifier"] = {name: _curve(flag, found[name]) for name in ("world", "toy")} | {
        "scores": [np.histogram(found["world"][flag == side], EDGES)[0].tolist() for side in (1.0, 0.0)]
    }
    name = "AUC of a classifier of log against world"
    row = figure(
        name,
        USERS,
        world=areas["world"],
        toys={_TOY_NAMES[case.kind == CHOICES]: areas["toy"]},
        n=2 * len(cluster),
    )
    return [
        row | {"low": round(float(low), 5), "high": round(float(high), 5), "noise": round(areas["noise"], 5)}
    ]


def _told(area: float) -> float:
    return 0.5 + abs(area - 0.5)


_TOY_NAMES = ("constant rate", "popularity, constant leaving")


def _told_apart(one: Doubles, other: Doubles, fold: Ints, seed: int) -> Doubles:
    """(2 R,) out-of-fold score of being a row of `one`; the folds are by user, by visit in a shop."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    table, flag = np.vstack([one, other]), np.repeat([1, 0], len(one))
    fold = np.tile(fold, 2)
    score = np.empty(len(flag))
    for number in range(FOLDS):
        model = HistGradientBoostingClassifier(
            max_iter=80, learning_rate=0.08, max_leaf_nodes=15, min_samples_leaf=40, l2_regularization=1.0,
            early_stopping=False, random_state=seed,
        ).fit(table[fold != number], flag[fold != number])  # fmt: skip
        score[fold == number] = model.predict_proba(table[fold == number])[:, 1]
    return score


def _curve(flag: Doubles, score: Doubles, points: int = 41) -> list[list[float]]:
    """ROC: shares of false and of true alarms at `points` thresholds."""
    order = np.argsort(-score, kind="stable")
    yes, no = np.cumsum(flag[order]) / flag.sum(), np.cumsum(1 - flag[order]) / (1 - flag).sum()
    at = np.unique(np.linspace(0, len(order) - 1, points).astype(int))
    return [[0.0, 0.0], *np.stack([no[at], yes[at]], axis=1).tolist()]


def _within(cluster: Ints, limit: int, seed: int) -> NDArray[np.bool_]:
    """(R,) rows of as many clusters, drawn at random, as have about `limit` rows."""
    users = np.unique(cluster, return_inverse=True)[1]
    order = np.random.default_rng(seed).permutation(users.max() + 1)
    total = np.cumsum(np.bincount(users)[order])
    kept = np.zeros(len(order), bool)
    kept[order[: max(2, int((total <= limit).sum()))]] = True
    return kept[users]


def _answered(case: Evaluation, fold: Ints) -> list[Doubles]:
    """Features of the log, two draws of the world and one of a constant-rate simulator: impressions."""
    log, world = case.log, case.world
    names = list(log.events)
    real = np.stack([log.events[name] for name in names], axis=1).astype(np.float64)
    with_watch = bool(world.arrays.watch[0]) and bool(np.isfinite(log.watch).all())
    tables = [_row_features(case, fold, real, log.watch if with_watch else None)]
    for number, simulator in ((0, world), (1, world), (0, constant_world(case))):
        out = simulate(simulator, log.visits, visit_seed(case.seed, number))
        bits = out.events[log.step, log.place]
        flags = np.stack([(bits >> case.index(name)) & 1 for name in names], axis=1).astype(np.float64)
        watch = np.floor(out.watch[log.step, log.place].astype(np.float64))
        tables.append(_row_features(case, fold, flags, watch if with_watch else None))
    return tables


def _row_features(case: Evaluation, fold: Ints, flags: Doubles, watch: Doubles | None) -> Doubles:
    """(R, F) of one half, from its events (R, E) and watch times."""
    log, arrays = case.log, case.world.arrays
    duration = arrays.duration[log.item].astype(np.float64)
    users, items = log.user * FOLDS + fold, log.item * FOLDS + fold
    columns = [log.clock, log.place, log.category, log.item, duration, arrays.price[log.item],
               log.visits.context[log.visit], *flags.T]  # fmt: skip
    if watch is not None:
        columns += [watch, watch / np.maximum(duration, 1.0)]
        flags = np.column_stack([flags, np.log1p(watch)])
    for column in flags[:, : 2 if watch is None else flags.shape[1]].T:
        columns += [_rates(users, column, np.inf if log.by_user else LARGE), _rates(items, column, LARGE)]
    same = log.visit[1:] == log.visit[:-1]
    for back in (1, 2):
        same = log.visit[back:] == log.visit[:-back]
        for column in flags.T:
            columns.append(np.r_[np.full(back, -1.0), np.where(same, column[:-back], -1.0)])
    before = np.cumsum(flags[:, 0]) - flags[:, 0]
    first = np.searchsorted(log.visit, log.visit)
    columns.append(before - before[first])  # answers so far in the visit
    return np.column_stack(columns).astype(np.float64)


def _rates(code: Ints, value: Doubles, most: float) -> Doubles:
    """(R,) mean of a column over the rows of the same code, the row itself among them; -1 where they are more."""
    count = np.bincount(code)[code]
    return np.asarray(np.where(count <= most, np.bincount(code, value)[code] / count, -1.0), np.float64)


def constant_world(case: Evaluation) -> World:
    """The world with one rate for all: the earlier part's, or the log's own where there is none."""
    world, known = case.world, case.past or case.log
    arrays = world.arrays
    rates = {name: float(np.clip(flag.mean(), 1e-6, 1 - 1e-6)) for name, flag in known.events.items()}
    names = [event.name for event in world.events]
    looked = float(arrays.examine[case.log.place].mean())
    first = min(rates[names[0]] / looked, 1 - 1e-6)
    given = {
        name: float(np.clip(flag[_can(known, world, name)].mean(), 1e-6, 1 - 1e-6))
        for name, flag in known.events.items()
    }
    bias = np.array([np.log(given[name] / (1 - given[name])) if name in given else -30.0 for name in names])
    zeros = {name: np.zeros_like(getattr(arrays, name)) for name in (
        "profile", "user_bias", "factors", "push", "event_item", "event_user", "context_bias", "event_gain",
        "event_link",
    )}  # fmt: skip
    flat: dict[str, Any] = zeros | {
        "item_bias": np.full(world.num_items, np.log(first / (1 - first))),
        "event_bias": bias,
    }
    keep = {name: world.params[name] for name in ("leave_bias",)}
    return world.with_arrays(**flat, params=params(**keep), choice=np.ones(1))


def _can(log: IndexedLog, world: World, name: str) -> NDArray[np.bool_]:
    """(R,) rows on which an event could happen, for its rate: those with the event that it needs."""
    event = next(event for event in world.events if event.name == name)
    needed = log.events.get(event.needs or "", np.ones(len(log.step), bool))
    if world.arrays.watch[0] and name == world.events[1].name:
        needed = needed & (world.arrays.duration[log.item] > 7_000.0)
    return needed if needed.any() else np.ones(len(log.step), bool)


def _chosen(case: Evaluation, _: Ints) -> list[Doubles]:
    """As `_answered`, for a shop's clicks, each one step ahead of the logged visit."""
    log, options = case.log, case.options
    click = np.repeat(np.arange(len(log.item)), np.diff(options.begin))
    tables = [_click_features(case, log.item, log.left)]
    size = np.diff(options.begin)
    popular = np.bincount((case.past or log).item, minlength=case.world.num_items) + 1.0
    flat = popular[options.item] / np.repeat(np.add.reduceat(popular[options.item], options.begin[:-1]), size)
    rate = (case.past or log).left.mean()
    for number, chance, left in (
        (0, case.forecast.chance, case.forecast.left),
        (1, case.forecast.chance, case.forecast.left),
        (0, flat, np.full(len(log.item), rate)),
    ):
        rng = np.random.default_rng(visit_seed(case.seed, number))
        key = np.log(np.maximum(chance, 1e-300)) + rng.gumbel(
            size=len(chance)
        )  # the largest is a draw by chance
        best = np.lexsort((-key, click))[options.begin[:-1]]
        tables.append(
            _click_features(case, options.item[best], (rng.random(len(left)) < left).astype(np.float64))
        )
    return tables


def _click_features(case: Evaluation, item: Ints, left: Doubles) -> Doubles:
    """(R, F) of one half: the clicked item and whether the visit ended; what came before is the log's."""
    log, arrays, visit = case.log, case.world.arrays, case.log.visit
    columns: list[Any] = [
        log.clock,
        log.category,
        arrays.page[item],
        item,
        arrays.price[item],
        log.user,
        left,
    ]
    for name in ("region", "colour", "photo"):
        if name in log.columns:
            code = np.unique([str(value) for value in log.columns[name]], return_inverse=True)[1]
            columns.append(code[item])
    for back in (1, 2):
        same = np.r_[np.zeros(back, bool), visit[back:] == visit[:-back]]
        last = np.where(same, np.roll(log.item, back), -1)
        columns += [
            last,
            np.where(same, arrays.price[last], 9.0),
            last == item,
            np.where(same, item - last, 999),
        ]
    run_before = np.where(log.clock > 1, np.roll(log.run, 1), 0)
    return np.column_stack([*columns, run_before, log.run]).astype(np.float64)
