"""The additive part of a response: user, item and context effects from ids and features, by ridge regression.

The problem is convex, so each run gives the same solution; the towers then fit the interactions alone.
"""

from typing import NamedTuple

import numpy as np

from recgym.arrays import Bools, Doubles, Floats
from recgym.fit import baseline_guard
from recgym.fit.baseline_guard import held_out, mean_of, search, weights
from recgym.fit.dataset import Dataset
from recgym.fit.logistic import Side, fit_logistic
from recgym.numerics import log_loss

PRESET_ID_RIDGES = (2.0, 4.0, 8.0, 16.0)
FEATURE_RIDGES = (30.0, 100.0, 300.0)  # of the slopes of features
WIDE_FEATURES = (30.0, 300.0, np.inf)  # where fits are averaged
CONTEXT_RIDGE = 30.0
MAX_ROWS = 500_000  # to choose ridges; of more, a random sample


class Ridges(NamedTuple):
    """Ridge penalties on id effects of users and items, and on slopes of features."""

    user: float = 4.0
    item: float = 4.0
    features: float = 100.0


class Blend(NamedTuple):
    """Ridges whose fits are averaged, with their weights."""

    shares: dict[Ridges, float]
    logits: Doubles | None = None  # (rows,) out-of-fold logits, NaN in the test period; None without folds


class Additive(NamedTuple):
    """logit = user + item + context."""

    user: Doubles  # (U,)
    item: Doubles  # (N,) with the overall mean
    context: Doubles  # (X,)

    def logits(self, dataset: Dataset) -> Doubles:
        """(rows,) logit of every row of the dataset."""
        context = dataset.context[dataset.starts][dataset.session]
        value: Doubles = self.user[dataset.user] + self.item[dataset.item] + self.context[context]
        return value


def choose_ridges(dataset: Dataset, user_features: Floats, item_features: Floats, wide: bool = True) -> Blend:
    """Chooses ridges by the loss on held-out rows, that of the features first.

    `wide`: separate ridges for items and users from a wider grid, by cross-validation where the log is small; the fits
    are averaged with weights by their losses.
    """
    parts = held_out(dataset, np.ones(len(dataset.item), bool), MAX_ROWS, wide)
    flag = dataset.positive.astype(np.float64)
    found: dict[Ridges, Doubles] = {}

    def loss(ridges: Ridges) -> float:
        total, logits = 0.0, np.full(len(flag), np.nan)
        for known, judged in parts:
            fitted = fit_additive(dataset, known, user_features, item_features, ridges)
            logits[judged] = fitted.logits(dataset)[judged]
            total += float(judged.sum()) * log_loss(flag[judged], logits[judged])
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
    shares = weights(search(Ridges(), (features, *sides), loss))
    logits = mean_of([found[each] for each in shares], list(shares.values())) if found else None
    return Blend(shares, logits)


def fit_blend(
    dataset: Dataset, rows: Bools, user_features: Floats, item_features: Floats, blend: Blend
) -> Additive:
    """The weighted mean of the fits to these rows under each of the ridges."""
    fits = [fit_additive(dataset, rows, user_features, item_features, ridges) for ridges in blend.shares]
    shares = list(blend.shares.values())
    return Additive(*(mean_of(parts, shares) for parts in zip(*fits, strict=True)))


def fit_additive(
    dataset: Dataset,
    rows: Bools,
    user_features: Floats,
    item_features: Floats,
    ridges: Ridges,
    users: bool = True,
) -> Additive:
    """Fits to these rows. The context of a session is that of its first row."""
    context = dataset.context[dataset.starts][dataset.session]
    nothing = np.zeros((len(dataset.contexts), 0), np.float32)
    sides = (
        Side(dataset.user, user_features, ridges.user, ridges.features),
        Side(dataset.item, item_features, ridges.item, ridges.features),
        Side(context, nothing, CONTEXT_RIDGE, np.inf),
    )
    flag = dataset.positive[rows].astype(np.float64)
    fitted = fit_logistic(flag, np.zeros((len(flag), 0)), [side.at(rows) for side in sides])
    of_user, of_item, of_context = fitted.effects
    return Additive(of_user, of_item + fitted.bias, of_context)
