"""Boosted trees on what the world's forecasts are given: the reference beside which the world's ranking stands.

No simulator, only a forecast of each row: who looks at it, what is shown and when, how often this user and this item
answered before, what happened in the visit's earlier steps. Rates of rows to learn from are those of other visits, so
that no row tells its own answer (Micci-Barreca, 2001; folds as in scikit-learn's TargetEncoder). Gradient boosting over
histograms (Friedman, 2001; Ke et al., 2017), the number of trees chosen on the last tenth of what it learns from.

Axes: R rows, S steps, F features.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

from recgym.arrays import Bools, Doubles, Ints
from recgym.fidelity.evaluation import Evaluation, LackingError
from recgym.fidelity.indexed_log import IndexedLog
from recgym.fidelity.resampling import USERS, Figure, figure
from recgym.numerics import auc, auc_of_codes, log_losses
from recgym.sim.world import World

FOLDS = 10  # of visits, for rates
PRIOR = 5.0  # rows of the general rate that every rate is shrunk by
LEAST = 500  # rows to learn from
MOST = 100_000  # ... of more, the latest visits
MOST_TREES, STEP = 600, 60
MACHINES = 3  # whose chances are averaged; they differ in the features that a tree may look at
CODES = 255  # values of a column of words or codes that trees can split


def reference(case: Evaluation) -> list[Figure]:
    """What the world gains on the trees in the first two events, with the interval of the paired difference."""
    known = case.past or case.log
    if len(known.step) < LEAST:
        raise LackingError(f"fewer than {LEAST} rows for the trees to learn from")
    found = []
    for name in list(case.log.events)[:2]:
        flag, ours = case.log.events[name], case.chance(name)
        theirs = case.toy(partial(boosted, case.world), name)
        codes = [np.unique(chance, return_inverse=True)[1] for chance in (ours, theirs)]
        areas = [auc(flag, chance) for chance in (ours, theirs)]
        losses = [log_losses(flag, chance) for chance in (ours, theirs)]

        def gain(weight: Doubles, flag: Bools = flag, codes: list[Ints] = codes) -> float:
            first, second = (auc_of_codes(flag, code, weight) for code in codes)
            return first - second

        found += [
            figure(f"AUC of {name}, gain on boosted trees", USERS, world=areas[0] - areas[1], n=len(flag),
                   toys={"boosted trees": areas[1]}, spread=case.rows.of(gain)),
            figure(f"log-loss of {name}, gain on boosted trees", USERS, n=len(flag),
                   world=float((losses[1] - losses[0]).mean()), spread=case.rows.of_ratio(losses[1] - losses[0]),
                   toys={"boosted trees": float(losses[1].mean())}),
        ]  # fmt: skip
    return found


def boosted(world: World, known: IndexedLog, asked: IndexedLog, event: str) -> Doubles:
    """(R,) chances of an event by trees that learnt from `known`."""
    fold = np.random.default_rng(0).permutation(int(known.visit[-1]) + 1)[known.visit] % FOLDS
    mine, theirs = features(world, known, known, fold), features(world, known, asked, None)
    latest = known.visit > known.visit[-MOST - 1] if len(fold) > MOST else np.ones(len(fold), bool)
    flag = known.events[event]
    first = np.cumsum(latest) - 1 < 0.9 * latest.sum()  # nine tenths of the latest rows
    trees = _best_number(mine, flag, latest & first, latest & ~first)
    machines = [
        _machine(trees, random_state=seed).fit(mine[latest], flag[latest]) for seed in range(MACHINES)
    ]
    return np.asarray(
        np.mean([machine.predict_proba(theirs)[:, 1] for machine in machines], axis=0), np.float64
    )


def _best_number(table: Doubles, flag: Bools, known: Bools, judged: Bools) -> int:
    """The number of trees that forecasts the rows `judged` best; ends where STEP more brought nothing."""
    model, best, trees = _machine(0, warm_start=True, random_state=0), 0, 0
    while trees - best < STEP and trees < MOST_TREES:
        trees += STEP
        model.set_params(max_iter=trees).fit(table[known], flag[known])
        stages = model.staged_predict_proba(table[judged])
        best = int(np.argmin([log_losses(flag[judged], chance[:, 1]).mean() for chance in stages])) + 1
    return best


def _machine(trees: int, **more: Any) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=trees, learning_rate=0.07, max_leaf_nodes=15, min_samples_leaf=40, l2_regularization=5.0,
        max_features=0.3, early_stopping=False, **more,
    )  # fmt: skip


def features(world: World, known: IndexedLog, asked: IndexedLog, fold: Ints | None) -> Doubles:
    """(R, F); `fold` (R,) of the rows, where those asked about are those learnt from."""
    arrays = world.arrays
    columns: dict[str, Any] = {
        "step": asked.clock,
        "place": asked.place,
        "context": asked.visits.context[asked.visit],
        "category": asked.category,
        "page": arrays.page[asked.item],
        "price": arrays.price[asked.item],
        "duration": arrays.duration[asked.item],
    }
    people = ((name, asked.users[name].to_pylist()) for name in asked.users.column_names)
    columns |= {f"user {name}": code[asked.user] for name, code in _coded(people)}
    columns |= {f"item {name}": code[asked.item] for name, code in _coded(asked.columns.items())}
    columns |= _rates(known, asked, fold, len(world.categories))
    columns |= _earlier_steps(asked)
    return np.column_stack(list(columns.values())).astype(np.float64)


def _coded(table: Iterable[tuple[str, list[Any]]]) -> Iterator[tuple[str, Doubles]]:
    """Columns as numbers: those of words by the number of the word; ids, lists and too many words are left out."""
    for name, values in table:
        if name == "id" or name.endswith("_id") or any(isinstance(value, list) for value in values):
            continue
        if not any(isinstance(value, str) for value in values):
            yield name, np.array([np.nan if value is None else float(value) for value in values])
            continue
        words, code = np.unique([str(value) for value in values], return_inverse=True)
        if len(words) <= CODES:
            yield name, code.astype(np.float64)


def _rates(known: IndexedLog, asked: IndexedLog, fold: Ints | None, categories: int) -> dict[str, Doubles]:
    """How often users, items and users in a category answered before, and out of how many rows."""
    sides = {
        "user": (known.user, asked.user),
        "item": (known.item, asked.item),
        "user, category": (
            known.user * categories + known.category,
            asked.user * categories + asked.category,
        ),
    }
    found = {}
    for side, (mine, theirs) in sides.items():
        size = int(max(mine.max(), theirs.max())) + 1
        ones = np.ones(len(mine))
        rows = _before(mine, theirs, fold, ones, size)
        found[f"rows of {side}"] = rows
        for name, flag in known.events.items():
            value = flag.astype(np.float64)
            total = _before(mine, theirs, fold, value, size)
            found[f"{name} of {side}"] = (total + PRIOR * value.mean()) / (rows + PRIOR)
    return found


def _before(mine: Ints, theirs: Ints, fold: Ints | None, value: Doubles, size: int) -> Doubles:
    """(R,) sum of a known column over the rows with the code asked about, but those of the same fold."""
    total = np.bincount(mine, value, size)[theirs]
    if fold is None:
        return np.asarray(total, np.float64)
    own = np.unique(mine * FOLDS + fold, return_inverse=True)[1]
    return np.asarray(total - np.bincount(own, value)[own], np.float64)


def _earlier_steps(asked: IndexedLog) -> dict[str, Doubles]:
    """What a visit's earlier steps tell of the one asked about, -1 where there is none."""
    lead, step = asked.lead, np.unique(asked.step, return_inverse=True)[1]
    visit = asked.visit[lead]
    begin = np.searchsorted(visit, visit)
    found = {}
    for name, flag in asked.events.items():
        answered = np.zeros(len(lead))
        np.maximum.at(answered, step, flag.astype(np.float64))
        for back in (1, 2):
            found[f"{name}, {back} steps ago"] = _shifted(answered, visit, back)[step]
        total = np.cumsum(answered) - answered
        found[f"{name} so far"] = (total - total[begin])[step]
    category = asked.category[lead].astype(np.float64)
    for back in (1, 2):
        found[f"category, {back} steps ago"] = _shifted(category, visit, back)[step]
    found["run"] = _shifted(asked.run.astype(np.float64), visit, 1)[step]
    found["same category"] = found["category, 1 steps ago"] == asked.category
    return found


def _shifted(value: Doubles, visit: Ints, back: int) -> Doubles:
    """(S,) the value so many steps ago in the visit."""
    same = np.r_[np.zeros(back, bool), visit[back:] == visit[:-back]]
    return np.where(same, np.roll(value, back), -1.0)
