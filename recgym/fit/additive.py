"""The convex part of a response: user, item, context and place effects and tastes for categories, by ridge regression.

A taste is the effect of a user and a category together: a random slope (Laird and Ware, 1982) with mean 0.

The problem is convex, so each run gives the same solution; the towers then fit the interactions alone.
"""

from typing import NamedTuple

import numpy as np

from recgym.arrays import Bools, Codes, Doubles, Floats, Ints
from recgym.fit import baseline_guard
from recgym.fit.baseline_guard import beats, held_out, search, visit_folds, weights
from recgym.fit.dataset import Dataset, sample
from recgym.fit.logistic import Side, fit_logistic
from recgym.fit.place_terms import known_places, place_side
from recgym.logs.splits import TRAIN, VALIDATION
from recgym.numerics import log_loss, mean_of

PRESET_ID_RIDGES = (2.0, 4.0, 8.0, 16.0)
FEATURE_RIDGES = (30.0, 100.0, 300.0)  # of the slopes of features
WIDE_FEATURES = (30.0, 300.0, np.inf)  # where fits are averaged
CONTEXT_RIDGE = 30.0
TASTE_RIDGES = (1.0, 4.0, 16.0)  # of tastes of standard deviation 1, 1/2 and 1/4 logits
MAX_TASTES = 20_000_000  # users x categories
GUARD = 2.0  # standard errors of the gain of effects of places
MAX_ROWS = 500_000  # to choose ridges; of more, a random sample


class Ridges(NamedTuple):
    """Ridge penalties on id effects of users and items, on slopes of features, and on tastes."""

    user: float = 4.0
    item: float = 4.0
    features: float = 100.0
    taste: float = np.inf
    place: bool = False  # whether the place in the visit has an effect


class Blend(NamedTuple):
    """Ridges whose fits are averaged, with their weights."""

    shares: dict[Ridges, float]
    logits: Doubles | None = None  # (rows,) out-of-fold logits, NaN in the test period; None without folds
    tastes: "Blend | None" = None  # the same with tastes among the ridges, for a world without towers
    by_visit: Doubles | None = (
        None  # (rows,) as `logits`, of folds of visits under the default ridges, of any log
    )


class Additive(NamedTuple):
    """logit = user + item + context + place + taste of the user for the category of the item."""

    user: Doubles  # (U,)
    item: Doubles  # (N,) with the overall mean
    context: Doubles  # (X,)
    taste: Doubles  # (U, C), or (U, 0) without tastes
    place: Doubles  # (O,) beside the first step; (1,) without effects of places
    expected: Doubles  # (U,) part of `user` that is of the users' columns

    def logits(self, dataset: Dataset, rows: Bools | slice = slice(None)) -> Doubles:
        """(rows,) logit of some rows of the dataset, by default of all."""
        user, item, context = dataset.user[rows], dataset.item[rows], _contexts(dataset)[rows]
        value: Doubles = self.user[user] + self.item[item] + self.context[context]
        value = value + self.place[np.minimum(dataset.place[rows], len(self.place) - 1)]
        if self.taste.shape[1]:
            value = value + self.taste[user, dataset.items.category[item]]
        return value


def _contexts(dataset: Dataset) -> Codes:
    """(rows,) context of the session of each row, which is that of its first row."""
    return np.repeat(dataset.context[dataset.starts], dataset.lengths)


def choose_ridges(dataset: Dataset, user_features: Floats, item_features: Floats, wide: bool = True) -> Blend:
    """Chooses ridges by the loss on held-out rows, that of the features first.

    `wide`: separate ridges for items and users from a wider grid, by cross-validation where the log is small; the fits
    are averaged with weights by their losses; tastes need most of the weight. Towers are trained on top of a part
    without tastes: they find more than tastes for categories, which would hide how responses move the intent.
    """
    parts = held_out(dataset, np.ones(len(dataset.item), bool), MAX_ROWS, wide)
    found: dict[Ridges, Doubles] = {}

    def loss(ridges: Ridges) -> float:
        total, logits = 0.0, np.full(len(dataset.item) if len(parts) > 1 else 0, np.nan)
        for known, judged in parts:
            x = fit_additive(dataset, known, user_features, item_features, ridges).logits(dataset, judged)
            weight = None if dataset.weight is None else dataset.weight[judged]
            total += float(judged.sum()) * log_loss(dataset.positive[judged].astype(np.float64), x, weight)
            if len(parts) > 1:
                logits[judged] = x
        if len(parts) > 1:
            found[ridges] = logits
        return total

    if not wide:
        both = [{"user": value, "item": value} for value in PRESET_ID_RIDGES]
        tried = search(Ridges(), ([{"features": value} for value in FEATURE_RIDGES], both), loss)
        return Blend({next(iter(tried)): 1.0})
    varies = bool(np.ptp(item_features, axis=0).any() or np.ptp(user_features, axis=0).any())
    sides = [[{side: value} for value in baseline_guard.ID_RIDGES] for side in ("item", "user")]
    features = [{"features": value} for value in (WIDE_FEATURES if varies else (np.inf,))]

    def blend(tried: dict[Ridges, float]) -> Blend:
        shares = weights(tried)
        return Blend(
            shares, mean_of([found[each] for each in shares], list(shares.values())) if found else None
        )

    place, by_visit = place_matters(dataset, user_features, item_features)
    start = Ridges(place=place)
    tried = search(start, (features, *sides), loss)
    chosen = blend(tried)._replace(by_visit=by_visit)
    if not has_tastes(dataset):
        return chosen
    best = next(iter(tried))
    found_tastes = blend(
        tried | {each: loss(each) for each in (best._replace(taste=r) for r in TASTE_RIDGES)}
    )
    share = sum(share for ridges, share in found_tastes.shares.items() if np.isfinite(ridges.taste))
    return chosen._replace(tastes=found_tastes) if share > 0.5 else chosen


def place_matters(
    dataset: Dataset, user_features: Floats, item_features: Floats
) -> tuple[bool, Doubles | None]:
    """Whether effects of places improve the loss on held-out visits by GUARD standard errors, and out-of-fold logits.

    The effect is small beside those of users and items: it needs the visits of train and validation, in folds. The
    logits (rows,) are None where no visit has an order.
    """
    past = sample(dataset.rows_of(TRAIN, VALIDATION), MAX_ROWS)
    if not dataset.place[past].any():
        return False, None
    flag = dataset.positive[past].astype(np.float64)
    weight = np.ones(len(flag)) if dataset.weight is None else dataset.weight[past]
    losses, logits = np.zeros((2, len(flag))), np.full((2, len(flag)), np.nan)
    for known, judged in visit_folds(dataset, past):
        inside = judged[past]
        for number, ridges in enumerate((Ridges(place=True), Ridges())):
            x = fit_additive(dataset, known, user_features, item_features, ridges).logits(dataset, judged)
            logits[number, inside] = x
            losses[number, inside] = weight[inside] * (np.logaddexp(0.0, x) - flag[inside] * x)
    matters = beats(losses[0], losses[1], dataset.session[past], GUARD)
    found = np.full(len(past), np.nan)
    found[past] = logits[0 if matters else 1]
    return matters, found


def fit_blend(
    dataset: Dataset, rows: Bools, user_features: Floats, item_features: Floats, blend: Blend
) -> Additive:
    """The weighted mean of the fits to these rows under each of the ridges."""
    fits = [fit_additive(dataset, rows, user_features, item_features, ridges) for ridges in blend.shares]
    shares = list(blend.shares.values())
    width = max(fit.taste.shape[1] for fit in fits)
    fits = [
        fit if fit.taste.shape[1] else fit._replace(taste=np.zeros((dataset.num_users, width)))
        for fit in fits
    ]
    return Additive(*(mean_of(parts, shares) for parts in zip(*fits, strict=True)))


def has_tastes(dataset: Dataset) -> bool:
    """Whether users can differ in their tastes: there are several categories, and users with several known rows."""
    cells = dataset.num_users * len(dataset.items.categories)
    repeated = np.bincount(dataset.user[dataset.known]).max(initial=0) > 1
    return bool(len(dataset.items.categories) > 1 and repeated and cells <= MAX_TASTES)


def fit_additive(
    dataset: Dataset,
    rows: Bools,
    user_features: Floats,
    item_features: Floats,
    ridges: Ridges,
) -> Additive:
    """Fits to these rows. The context of a session is that of its first row."""
    nothing = np.zeros((len(dataset.contexts), 0), np.float32)
    sides = (
        Side(dataset.user, user_features, ridges.user, ridges.features),
        Side(dataset.item, item_features, ridges.item, ridges.features),
        Side(_contexts(dataset), nothing, CONTEXT_RIDGE, np.inf),
    )
    num = len(dataset.items.categories) if np.isfinite(ridges.taste) else 0
    cells, cell = _cells(dataset, rows, num)
    tastes = Side(cell, np.zeros((len(cells), 0), np.float32), ridges.taste, np.inf)
    weight = None if dataset.weight is None else dataset.weight[rows]
    every = [
        *(side.at(rows) for side in sides),
        tastes,
        *([place_side(dataset).at(rows)] if ridges.place else []),
    ]
    fitted = fit_logistic(dataset.positive[rows], (), every, weight)
    of_user, of_item, of_context, of_cell, *of_place = fitted.effects
    taste = np.zeros((dataset.num_users, num))
    if num:
        taste.flat[cells] = of_cell
    place = of_place[0][: known_places(dataset)] if of_place else np.zeros(1)
    bias = fitted.bias + float(place[0])
    return Additive(of_user, of_item + bias, of_context, taste, place - place[0], fitted.expected[0])


def _cells(dataset: Dataset, rows: Bools, num: int) -> tuple[Ints, Codes]:
    """Cells of a table of users and `num` categories that the rows have, and (rows,) theirs; none where `num` is 0."""
    if not num:
        return np.zeros(0, np.int64), np.zeros(0, np.int32)
    category = dataset.items.category[dataset.item[rows]]
    return np.unique(dataset.user[rows].astype(np.int64) * num + category, return_inverse=True)
