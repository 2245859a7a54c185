"""Boosted trees on the inputs of the world's forecasts: the reference for its AUC and log-loss.

A forecast of each row, without a simulator. Features are the user, the item, the context, the response rates of user
and item so far, and the earlier steps of the session. Rates of training rows are those of other folds of sessions, so
that no row contributes to its own features (target encoding: Micci-Barreca, 2001; folds as in scikit-learn's
TargetEncoder). Gradient boosting over histograms (Friedman, 2001; Ke et al., 2017); the number of trees is chosen on
the last tenth of the training rows.

Axes: R rows, S steps, F features.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from recgym.arrays import Array, Bools, Doubles, Ints
from recgym.fidelity.card_metrics import Figure, figure
from recgym.fidelity.evaluation import Evaluation, LackingError
from recgym.fidelity.indexed_log import IndexedLog
from recgym.numerics import auc, auc_of_codes, log_losses
from recgym.one_thread import one_thread
from recgym.sim.world import World

FOLDS = 10  # of sessions, for rates
PRIOR = 5.0  # [rows] at the overall rate that are added to every rate
MIN_TRAINING_ROWS = 500
MAX_TRAINING_ROWS = 100_000  # of more, the latest sessions
MAX_TREES, TREES_AT_ONCE = 600, 60
NUM_MODELS = 3  # whose probabilities are averaged; they differ in the random subset of features of each tree
MAX_CATEGORIES = 255  # distinct words of a column of features


def reference(evaluation: Evaluation) -> list[Figure]:
    """Gain of the world over the trees in AUC and log-loss of the first two events, with paired intervals."""
    if not has_training_rows(evaluation):
        raise LackingError(f"fewer than {MIN_TRAINING_ROWS} rows for the trees to learn from")
    found = []
    for name in list(evaluation.log.events)[:2]:
        flag, ours = evaluation.log.events[name], evaluation.chance(name)
        theirs = evaluation.baseline(partial(boosted, evaluation.world), name)
        codes = [np.unique(chance, return_inverse=True)[1] for chance in (ours, theirs)]
        areas = [auc(flag, chance) for chance in (ours, theirs)]
        losses = [log_losses(flag, chance) for chance in (ours, theirs)]
        paired = losses[1] - losses[0]

        def gain(weight: Doubles, flag: Bools = flag, codes: list[Ints] = codes) -> float:
            first, second = (auc_of_codes(flag, code, weight) for code in codes)
            return first - second

        found += [
            figure("trees_auc_gain", name, world=areas[0] - areas[1], n=len(flag),
                   baselines={"boosted trees": areas[1]}, spread=evaluation.rows.of(gain)),
            figure("trees_log_loss_gain", name, world=float(paired.mean()), n=len(flag),
                   baselines={"boosted trees": float(losses[1].mean())}, spread=evaluation.rows.of_ratio(paired)),
        ]  # fmt: skip
    return found


def has_training_rows(evaluation: Evaluation) -> bool:
    """Whether there are enough rows for the trees; of one visit alone there is no other half to learn from."""
    known = evaluation.past or evaluation.log
    return len(known.step) >= MIN_TRAINING_ROWS and (evaluation.past is not None or known.visit[-1] > 0)


@one_thread("sklearn.ensemble")
def boosted(world: World, known: IndexedLog, asked: IndexedLog, event: str) -> Doubles:
    """(R,) probabilities of an event for the rows of `asked`, by trees trained on `known`."""
    fold = np.random.default_rng(0).permutation(int(known.visit[-1]) + 1)[known.visit] % FOLDS
    begin = 0
    if len(fold) > MAX_TRAINING_ROWS:
        begin = int(np.searchsorted(known.visit, known.visit[-MAX_TRAINING_ROWS - 1], side="right"))
    mine, theirs = features(world, known, known, fold, begin), features(world, known, asked, None)
    flag = known.events[event][begin:]
    first = np.arange(len(flag)) < 0.9 * len(flag)  # nine tenths of the latest rows
    trees = _best_number(mine, flag, first, ~first)
    models = [_model(trees, random_state=seed).fit(mine, flag) for seed in range(NUM_MODELS)]
    return np.asarray(np.mean([fitted.predict_proba(theirs)[:, 1] for fitted in models], axis=0), np.float64)


def _best_number(table: Doubles, flag: Bools, known: Bools, judged: Bools) -> int:
    """The number of trees of the lowest log-loss on `judged`; stops where TREES_AT_ONCE more bring no gain."""
    model, best, trees = _model(0, warm_start=True, random_state=0), 0, 0
    while trees - best < TREES_AT_ONCE and trees < MAX_TREES:
        trees += TREES_AT_ONCE
        model.set_params(max_iter=trees).fit(table[known], flag[known])
        stages = model.staged_predict_proba(table[judged])
        best = int(np.argmin([log_losses(flag[judged], chance[:, 1]).mean() for chance in stages])) + 1
    return best


def _model(trees: int, **more: Any) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=trees, learning_rate=0.07, max_leaf_nodes=15, min_samples_leaf=40, l2_regularization=5.0,
        max_features=0.3, early_stopping=False, **more,
    )  # fmt: skip


def features(
    world: World, known: IndexedLog, asked: IndexedLog, fold: Ints | None, begin: int = 0
) -> Doubles:
    """(R - begin, F) features of `asked` from row `begin` on.

    `fold` (R,) of its rows where they are the training rows, else None.
    """
    arrays, item, user = world.arrays, asked.item[begin:], asked.user[begin:]
    columns: list[Any] = [
        asked.clock[begin:],
        asked.place[begin:],
        asked.visits.context[asked.visit[begin:]],
        asked.category[begin:],
        arrays.page[item],
        arrays.price[item],
        arrays.duration[item],
    ]
    people = ((name, asked.users[name].to_pylist()) for name in asked.users.column_names)
    columns += [code[user] for code in _coded(people)]
    columns += [code[item] for code in _coded(asked.columns.items())]
    for column in chain(_rates(known, asked, fold, len(world.categories)), _earlier_steps(asked)):
        columns.append(column[begin:].copy())  # not a view, which would keep the column of all rows
    return np.column_stack(columns).astype(np.float64)


def _coded(table: Iterable[tuple[str, list[Any]]]) -> Iterator[Doubles]:
    """Columns as numbers, words by their sorted number; without ids, lists and columns of too many words."""
    for name, values in table:
        if name == "id" or name.endswith("_id") or any(isinstance(value, list) for value in values):
            continue
        if not any(isinstance(value, str) for value in values):
            yield np.array([np.nan if value is None else float(value) for value in values])
            continue
        words, code = np.unique([str(value) for value in values], return_inverse=True)
        if len(words) <= MAX_CATEGORIES:
            yield code.astype(np.float64)


def _rates(known: IndexedLog, asked: IndexedLog, fold: Ints | None, categories: int) -> Iterator[Doubles]:
    """Numbers of rows, and rates of all events, of users, of items and of users in a category, (R,) each."""
    for mine, theirs in (
        (known.user, asked.user),
        (known.item, asked.item),
        (known.user * categories + known.category, asked.user * categories + asked.category),
    ):
        size = int(max(mine.max(), theirs.max())) + 1
        own = None if fold is None else np.unique(mine * FOLDS + fold, return_inverse=True)[1]
        rows = _before(mine, theirs, own, np.ones(len(mine)), size)
        yield rows
        for flag in known.events.values():
            value = flag.astype(np.float64)
            total = _before(mine, theirs, own, value, size)
            yield (total + PRIOR * value.mean()) / (rows + PRIOR)


def _before(mine: Ints, theirs: Ints, own: Ints | None, value: Doubles, size: int) -> Doubles:
    """(R,) sum of a training column over the rows of the same code, without those of the same fold, of code `own`."""
    total = np.bincount(mine, value, size)[theirs]
    if own is None:
        return np.asarray(total, np.float64)
    return np.asarray(total - np.bincount(own, value)[own], np.float64)


def _earlier_steps(asked: IndexedLog) -> Iterator[Array]:
    """Features of the session's earlier steps, (R,) each, -1 where there is none."""
    lead, step = asked.lead, np.unique(asked.step, return_inverse=True)[1]
    visit = asked.visit[lead]
    begin = np.searchsorted(visit, visit)
    for flag in asked.events.values():
        responses = np.zeros(len(lead))
        np.maximum.at(responses, step, flag.astype(np.float64))
        for back in (1, 2):
            yield _shifted(responses, visit, back)[step]
        total = np.cumsum(responses) - responses
        yield (total - total[begin])[step]
    category = asked.category[lead].astype(np.float64)
    for back in (1, 2):
        yield _shifted(category, visit, back)[step]
    yield _shifted(asked.run.astype(np.float64), visit, 1)[step]
    yield _shifted(category, visit, 1)[step] == asked.category


def _shifted(value: Doubles, visit: Ints, back: int) -> Doubles:
    """(S,) the value `back` steps earlier in the session, -1 where there is none."""
    same = np.r_[np.zeros(back, bool), visit[back:] == visit[:-back]]
    return np.where(same, np.roll(value, back), -1.0)
