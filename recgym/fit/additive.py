"""The additive part of a response: user + item + context effects, each from ids and features, by ridge.

It is convex, so it is the same on every run; the deep towers then learn only what users and items do together.
"""

from typing import NamedTuple

import numpy as np

from recgym.arrays import Bools, Doubles, Floats
from recgym.fit.dataset import TRAIN, VALIDATION, Dataset, sample
from recgym.fit.logistic import Side, fit_logistic
from recgym.numerics import log_loss

OWN_RIDGES = (2.0, 4.0, 8.0, 16.0)
FEATURE_RIDGES = (30.0, 100.0, 300.0)  # features have many rows behind them, but they come in many columns
WIDE_OWN, WIDE_FEATURES = (32.0, 100.0, np.inf), (1_000.0, np.inf)  # infinite: left out
CONTEXT_RIDGE = 30.0
MAX_ROWS = 500_000  # of more, so many drawn at random choose the ridges
FOLDS, FOLD_ROWS = 5, 20_000  # of visits, in logs of at most so many rows


class Ridges(NamedTuple):
    """Weights on the squares: of what a user's or an item's id adds by itself, of the slopes of features."""

    user: float = 4.0
    item: float = 4.0
    features: float = 100.0

    def own(self, value: float) -> "Ridges":
        """With this weight on what users and items add by themselves."""
        return self._replace(user=value, item=value)


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


def choose_ridges(frame: Dataset, user_features: Floats, item_features: Floats, wide: bool = True) -> Ridges:
    """The ridges that are best on rows that they were not fitted to, that of the features first.

    `wide`: stronger ones are tried, too, and one for users and one for items, on folds where the log is small: a
    validation period of 200 rows takes chance for users and items that differ.
    """
    parts = _parts(frame, wide)
    flag = frame.positive.astype(np.float64)

    def loss(ridges: Ridges) -> float:
        total = 0.0
        for known, judged in parts:
            fitted = fit_additive(frame, known, user_features, item_features, ridges)
            total += float(judged.sum()) * log_loss(flag[judged], fitted.logits(frame)[judged])
        return total

    features = (*FEATURE_RIDGES, *(WIDE_FEATURES if wide else ()))
    own = (*OWN_RIDGES, *(WIDE_OWN if wide else ()))
    best = min((Ridges(features=value) for value in features), key=loss)
    best = min((best.own(value) for value in own), key=loss)
    if wide:
        best = min((best._replace(user=value) for value in own), key=loss)
        best = min((best._replace(item=value) for value in own), key=loss)
    return best


def _parts(frame: Dataset, folds: bool) -> list[tuple[Bools, Bools]]:
    """Rows to fit to and rows to judge by: of the two periods, or of FOLDS folds of the visits of a small log."""
    past = frame.row_period <= VALIDATION
    if not folds or past.sum() > FOLD_ROWS:
        train, judged = (sample(frame.row_period == k, MAX_ROWS) for k in (TRAIN, VALIDATION))
        return [(train, judged)]
    fold = np.random.default_rng(0).permutation(len(frame.starts))[frame.session] % FOLDS
    return [(past & (fold != k), past & (fold == k)) for k in range(FOLDS) if (past & (fold == k)).any()]


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
