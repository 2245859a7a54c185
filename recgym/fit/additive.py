"""The additive part of a response: user + item + context effects, each from ids and features, by ridge.

It is convex, so it is the same on every run; the deep towers then learn only what users and items do together.
"""

from typing import NamedTuple

import numpy as np

from recgym.arrays import Bools, Doubles, Floats
from recgym.fit import baseline_guard
from recgym.fit.baseline_guard import held_out, mean_of, search, weights
from recgym.fit.dataset import Dataset
from recgym.fit.logistic import Side, fit_logistic
from recgym.numerics import log_loss

OWN_RIDGES = (2.0, 4.0, 8.0, 16.0)
FEATURE_RIDGES = (30.0, 100.0, 300.0)  # features have many rows behind them, but they come in many columns
WIDE_FEATURES = (30.0, 300.0, np.inf)  # those that are averaged may be fewer
CONTEXT_RIDGE = 30.0
MAX_ROWS = 500_000  # of more, so many drawn at random choose the ridges


class Ridges(NamedTuple):
    """Weights on the squares: of what a user's or an item's id adds by itself, of the slopes of features."""

    user: float = 4.0
    item: float = 4.0
    features: float = 100.0


class Blend(NamedTuple):
    """Ridges whose fits are averaged."""

    shares: dict[Ridges, float]
    logits: Doubles | None = (
        None  # (rows,) of fits to other folds of visits, NaN in the test; None without folds
    )


class Additive(NamedTuple):
    """logit = user + item + context."""

    user: Doubles  # (U,)
    item: Doubles  # (N,) the general mean is in it
    context: Doubles  # (X,)

    def logits(self, frame: Dataset) -> Doubles:
        """Of every row of the frame."""
        context = frame.context[frame.starts][frame.session]
        value: Doubles = self.user[frame.user] + self.item[frame.item] + self.context[context]
        return value


def choose_ridges(frame: Dataset, user_features: Floats, item_features: Floats, wide: bool = True) -> Blend:
    """The ridges that are best on rows that they were not fitted to, that of the features first.

    `wide`: weaker and stronger ones are tried, too, one for items and one for users, on folds where the log is small,
    and averaged.
    """
    parts = held_out(frame, np.ones(len(frame.item), bool), MAX_ROWS, wide)
    flag = frame.positive.astype(np.float64)
    found: dict[Ridges, Doubles] = {}

    def loss(ridges: Ridges) -> float:
        total, logits = 0.0, np.full(len(flag), np.nan)
        for known, judged in parts:
            fitted = fit_additive(frame, known, user_features, item_features, ridges)
            logits[judged] = fitted.logits(frame)[judged]
            total += float(judged.sum()) * log_loss(flag[judged], logits[judged])
        if len(parts) > 1:
            found[ridges] = logits
        return total

    if not wide:
        both = [{"user": value, "item": value} for value in OWN_RIDGES]
        tried = search(Ridges(), ([{"features": value} for value in FEATURE_RIDGES], both), loss)
        return Blend({next(iter(tried)): 1.0})
    varies = bool(np.ptp(item_features, axis=0).any() or np.ptp(user_features, axis=0).any())
    sides = [[{side: value} for value in baseline_guard.OWN_RIDGES] for side in ("item", "user")]
    features = [{"features": value} for value in (WIDE_FEATURES if varies else (np.inf,))]
    shares = weights(search(Ridges(), (features, *sides), loss))
    logits = mean_of([found[each] for each in shares], list(shares.values())) if found else None
    return Blend(shares, logits)


def fit_blend(
    frame: Dataset, rows: Bools, user_features: Floats, item_features: Floats, blend: Blend
) -> Additive:
    """The mean of the fits on these rows under each of the ridges."""
    fits = [fit_additive(frame, rows, user_features, item_features, ridges) for ridges in blend.shares]
    shares = list(blend.shares.values())
    return Additive(*(mean_of(parts, shares) for parts in zip(*fits, strict=True)))


def fit_additive(
    frame: Dataset,
    rows: Bools,
    user_features: Floats,
    item_features: Floats,
    ridges: Ridges,
    users: bool = True,
) -> Additive:
    """Fitted on these rows. A visit's context is that of its first row."""
    context = frame.context[frame.starts][frame.session]
    nothing = np.zeros((len(frame.contexts), 0), np.float32)
    sides = (
        Side(frame.user, user_features, ridges.user, ridges.features),
        Side(frame.item, item_features, ridges.item, ridges.features),
        Side(context, nothing, CONTEXT_RIDGE, np.inf),
    )
    flag = frame.positive[rows].astype(np.float64)
    fitted = fit_logistic(flag, np.zeros((len(flag), 0)), [side.at(rows) for side in sides])
    of_user, of_item, of_context = fitted.effects
    return Additive(of_user, of_item + fitted.bias, of_context)
