"""Classifier two-sample test of logged against simulated rows: an AUC of .5 is best.

Source: Lopez-Paz and Oquab (2017), Revisiting classifier two-sample tests, ICLR.

Both samples share users, slates and contexts; they differ in the responses. Features: all columns of a row with its
events and watch time, rates of users and items, and the earlier steps of the session. Rates are computed within each
sample and fold, because a rate over all folds would identify its sample. The rate of an item with more than
MAX_ROWS_OF_RATE rows in a fold would, too: it is left out, and the number of the item is a feature. The same limit
holds for users if one user's sessions are in several folds.

The reported figure is .5 + |AUC - .5|: an AUC below .5 separates the samples as well as one above .5.

Impressions: a sample is one draw of the responses to the logged slates. Clicks of a shop: navigation follows the logged
click, so each row is drawn one step ahead of the logged session; its few items need no rates, their numbers are
features. Simulated watch times are rounded down to whole ms, as in logs.

Axes: R rows, F features.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Doubles, Ints
from recgym.fidelity.card_metrics import Figure, figure
from recgym.fidelity.evaluation import Evaluation, LackingError, visit_seed
from recgym.fidelity.indexed_log import IndexedLog
from recgym.fidelity.resampling import Spread
from recgym.logs.kinds import CHOICES
from recgym.numerics import auc, auc_of_codes
from recgym.one_thread import one_thread
from recgym.sim.schema import BY_RULES, params
from recgym.sim.session import clicks_are_long_views
from recgym.sim.teacher_forcing import simulate
from recgym.sim.world import World

FOLDS = 5
MIN_ROWS = 500  # of either sample
MAX_ROWS = 60_000  # of either sample; a larger one is a random sample of clusters
MAX_ROWS_OF_RATE = 20  # of an item in a fold, or of a user whose sessions are in several folds
MAX_RESAMPLES = 100
SCORE_EDGES = np.linspace(0.0, 1.0, 31)  # of the histogram of scores
_BASELINE_NAMES = ("constant rate", "popularity, constant leaving")


def classifier(evaluation: Evaluation) -> list[Figure]:
    """AUC of log against world; the baseline is a constant-rate simulator, the noise two draws of the world."""
    is_choice = evaluation.kind == CHOICES
    pick = _within(evaluation.log.cluster, MAX_ROWS, evaluation.seed)
    if pick.sum() < MIN_ROWS:
        raise LackingError(f"fewer than {MIN_ROWS} rows: too few for a classifier test")
    cluster = np.unique(evaluation.log.cluster, return_inverse=True)[1]
    if cluster.max() + 1 < FOLDS:
        raise LackingError(f"fewer than {FOLDS} visits: too few for a classifier test")
    fold = (np.random.default_rng(evaluation.seed).permutation(cluster.max() + 1) % FOLDS)[cluster]
    drawn = _choice_samples if is_choice else _impression_samples
    real, ours, again, baseline = (table[pick] for table in drawn(evaluation, fold))
    cluster, fold = cluster[pick], fold[pick]
    found = {name: _scores(a, b, fold, evaluation.seed) for name, (a, b) in {
        "world": (real, ours), "toy": (real, baseline), "noise": (ours, again),
    }.items()}  # fmt: skip
    flag = np.repeat([1.0, 0.0], len(cluster))
    areas = {name: above_half(auc(flag, score)) for name, score in found.items()}
    evaluation.curves["classifier"] = {name: _curve(flag, found[name]) for name in ("world", "toy")} | {
        "scores": [np.histogram(found["world"][flag == side], SCORE_EDGES)[0].tolist() for side in (1.0, 0.0)]
    }
    low, high = _interval(flag, found["world"], cluster, evaluation)
    return [figure(
        "classifier_auc", world=areas["world"], baselines={_BASELINE_NAMES[is_choice]: areas["toy"]},
        n=2 * len(cluster), spread=Spread(low, high, areas["noise"]),
    )]  # fmt: skip


def _interval(flag: Doubles, score: Doubles, cluster: Ints, evaluation: Evaluation) -> tuple[float, float]:
    """95 % bootstrap interval of .5 + |AUC - .5| over clusters."""
    code, num = np.unique(score, return_inverse=True)[1], cluster.max() + 1
    rng, draws = np.random.default_rng(evaluation.seed), []
    for _ in range(min(evaluation.resamples, MAX_RESAMPLES)):
        count = np.bincount(rng.integers(num, size=num), minlength=num)
        draws.append(auc_of_codes(flag, code, np.tile(count[cluster].astype(np.float64), 2)))
    return above_half_interval(draws)


def above_half_interval(areas: Sequence[float]) -> tuple[float, float]:
    """95 % interval of .5 + |AUC - .5| by resampled AUCs; it starts at .5 where these are on both sides of .5."""
    bounds = np.quantile(areas, [0.025, 0.975]).tolist()
    low = 0.5 if bounds[0] <= 0.5 <= bounds[1] else min(map(above_half, bounds))
    return float(low), float(max(map(above_half, bounds)))


def above_half(area: float) -> float:
    """.5 + |AUC - .5|."""
    return 0.5 + abs(area - 0.5)


def _scores(one: Doubles, other: Doubles, fold: Ints, seed: int) -> Doubles:
    """(2 R,) out-of-fold score of being a row of `one`."""
    return held_out_scores(np.vstack([one, other]), np.repeat([1, 0], len(one)), np.tile(fold, 2), seed)


@one_thread("sklearn.ensemble")
def held_out_scores(table: Doubles, flag: Ints | Doubles, fold: Ints, seed: int) -> Doubles:
    """(R,) out-of-fold score of `flag` (R,) by boosted trees on the features (R, F)."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    score = np.empty(len(flag))
    for number in np.unique(fold):
        model = HistGradientBoostingClassifier(
            max_iter=80, learning_rate=0.08, max_leaf_nodes=15, min_samples_leaf=40, l2_regularization=1.0,
            early_stopping=False, random_state=seed,
        ).fit(table[fold != number], flag[fold != number])  # fmt: skip
        score[fold == number] = model.predict_proba(table[fold == number])[:, 1]
    return score


def _curve(flag: Doubles, score: Doubles, points: int = 41) -> list[list[float]]:
    """ROC curve: false and true positive rates at `points` thresholds."""
    order = np.argsort(-score, kind="stable")
    yes, no = np.cumsum(flag[order]) / flag.sum(), np.cumsum(1 - flag[order]) / (1 - flag).sum()
    at = np.unique(np.linspace(0, len(order) - 1, points).astype(int))
    return [[0.0, 0.0], *np.stack([no[at], yes[at]], axis=1).tolist()]


def _within(cluster: Ints, limit: int, seed: int) -> NDArray[np.bool_]:
    """(R,) rows of a random subset of clusters, of about `limit` rows in all."""
    users = np.unique(cluster, return_inverse=True)[1]
    order = np.random.default_rng(seed).permutation(users.max() + 1)
    total = np.cumsum(np.bincount(users)[order])
    kept = np.zeros(len(order), bool)
    kept[order[: max(2, int((total <= limit).sum()))]] = True
    return kept[users]


def _impression_samples(evaluation: Evaluation, fold: Ints) -> list[Doubles]:
    """Features of the log, two draws of the world and one of a constant-rate simulator: impressions."""
    log, world = evaluation.log, evaluation.world
    names = list(log.events)
    real = np.stack([log.events[name] for name in names], axis=1).astype(np.float64)
    with_watch = bool(world.arrays.watch[0]) and bool(np.isfinite(log.watch).all())
    tables = [_row_features(evaluation, fold, real, log.watch if with_watch else None)]
    for number, simulator in ((0, world), (1, world), (0, constant_world(evaluation))):
        out = simulate(simulator, log.visits, visit_seed(evaluation.seed, number))
        bits = out.events[log.step, log.place]
        flags = np.stack([(bits >> evaluation.index(name)) & 1 for name in names], axis=1).astype(np.float64)
        watch = np.floor(out.watch[log.step, log.place].astype(np.float64))
        tables.append(_row_features(evaluation, fold, flags, watch if with_watch else None))
    return tables


def _row_features(evaluation: Evaluation, fold: Ints, flags: Doubles, watch: Doubles | None) -> Doubles:
    """(R, F) features of one sample, from its events (R, E) and watch times (R,)."""
    log, arrays = evaluation.log, evaluation.world.arrays
    duration = arrays.duration[log.item].astype(np.float64)
    users, items = log.user * FOLDS + fold, log.item * FOLDS + fold
    columns = [log.clock, log.place, log.category, log.item, duration, arrays.price[log.item],
               log.visits.context[log.visit], *flags.T]  # fmt: skip
    if watch is not None:
        columns += [watch, watch / np.maximum(duration, 1.0)]
        flags = np.column_stack([flags, np.log1p(watch)])
    for column in flags[:, : 2 if watch is None else flags.shape[1]].T:
        columns += [
            _rates(users, column, np.inf if log.by_user else MAX_ROWS_OF_RATE),
            _rates(items, column, MAX_ROWS_OF_RATE),
        ]
    same = log.visit[1:] == log.visit[:-1]
    for back in (1, 2):
        same = log.visit[back:] == log.visit[:-back]
        for column in flags.T:
            columns.append(np.r_[np.full(back, -1.0), np.where(same, column[:-back], -1.0)])
    before = np.cumsum(flags[:, 0]) - flags[:, 0]
    first = np.searchsorted(log.visit, log.visit)
    columns.append(before - before[first])  # responses so far in the session
    return np.column_stack(columns).astype(np.float64)


def _rates(code: Ints, value: Doubles, most: float) -> Doubles:
    """(R,) mean of a column over the rows of the same code; -1 for a code with more than `most` rows."""
    count = np.bincount(code)[code]
    return np.asarray(np.where(count <= most, np.bincount(code, value)[code] / count, -1.0), np.float64)


def constant_world(evaluation: Evaluation) -> World:
    """The world with constant rates: those of the earlier part of the log, or of the log if there is no such part."""
    world, known = evaluation.world, evaluation.past or evaluation.log
    arrays = world.arrays
    rates = {name: float(np.clip(flag.mean(), 1e-6, 1 - 1e-6)) for name, flag in known.events.items()}
    names = [event.name for event in world.events]
    first = rates[names[0]]
    rate_given_needed = {
        name: float(np.clip(flag[_possible(known, world, name)].mean(), 1e-6, 1 - 1e-6))
        for name, flag in known.events.items()
    }
    bias = np.array(
        [
            np.log(rate_given_needed[name] / (1 - rate_given_needed[name]))
            if name in rate_given_needed
            else -30.0
            for name in names
        ]
    )
    zeros = {name: np.zeros_like(getattr(arrays, name)) for name in (
        "profile", "user_bias", "factors", "push", "event_item", "event_user", "context_bias", "event_gain",
        "event_link",
    )}  # fmt: skip
    flat: dict[str, Any] = zeros | {
        "item_bias": np.full(world.num_items, np.log(first / (1 - first))),
        "event_bias": bias,
        "examine": np.ones(len(arrays.examine)),
    }
    keep = {name: world.params[name] for name in ("leave_bias",)}
    return world.with_arrays(**flat, params=params(**keep), choice=np.ones(1))


def _possible(log: IndexedLog, world: World, name: str) -> NDArray[np.bool_]:
    """(R,) rows on which an event is possible: those with the event that it needs."""
    event = next(event for event in world.events if event.name == name)
    needed = log.events.get(event.needs or "", np.ones(len(log.step), bool))
    if world.arrays.watch[0] == BY_RULES and name == world.events[1].name:
        needed = needed & ~clicks_are_long_views(world.arrays.duration[log.item])
    return needed if needed.any() else np.ones(len(log.step), bool)


def _choice_samples(evaluation: Evaluation, _: Ints) -> list[Doubles]:
    """As `_impression_samples`, for clicks of a shop: each click is drawn given the logged clicks before it."""
    log, options = evaluation.log, evaluation.options
    click = np.repeat(np.arange(len(log.item)), np.diff(options.begin))
    tables = [_click_features(evaluation, log.item, log.left)]
    size = np.diff(options.begin)
    popular = np.bincount((evaluation.past or log).item, minlength=evaluation.world.num_items) + 1.0
    flat = popular[options.item] / np.repeat(np.add.reduceat(popular[options.item], options.begin[:-1]), size)
    rate = (evaluation.past or log).left.mean()
    for number, chance, left in (
        (0, evaluation.forecast.chance, evaluation.forecast.left),
        (1, evaluation.forecast.chance, evaluation.forecast.left),
        (0, flat, np.full(len(log.item), rate)),
    ):
        rng = np.random.default_rng(visit_seed(evaluation.seed, number))
        key = np.log(np.maximum(chance, 1e-300)) + rng.gumbel(size=len(chance))  # Gumbel-max trick
        best = np.lexsort((-key, click))[options.begin[:-1]]
        tables.append(
            _click_features(evaluation, options.item[best], (rng.random(len(left)) < left).astype(np.float64))
        )
    return tables


def _click_features(evaluation: Evaluation, item: Ints, left: Doubles) -> Doubles:
    """(R, F) features of one sample: the clicked item, whether the visit ended, and the logged clicks before."""
    log, arrays, visit = evaluation.log, evaluation.world.arrays, evaluation.log.visit
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
