"""The additive part of a response: user + item + context effects, each from ids and features, by ridge.

It is convex, so it is the same on every run; the deep towers then learn only what users and items do together.
"""

from typing import NamedTuple

import numpy as np

from recgym.fit.frame import TRAIN, VALIDATION, Bools, Doubles, Floats, Frame, sample
from recgym.fit.logistic import Side, fit_logistic, log_loss

OWN_RIDGES = (2.0, 4.0, 8.0, 16.0)
FEATURE_RIDGES = (30.0, 100.0, 300.0)  # features have many rows behind them, but they come in many columns
WIDE_OWN, WIDE_FEATURES = (32.0, 100.0, np.inf), (1_000.0, np.inf)  # infinite: left out
CONTEXT_RIDGE = 30.0
MAX_ROWS = 500_000  # of more, so many drawn at random choose the ridges


class Ridges(NamedTuple):
    """Weights on the squares: of what an id adds by itself, of the slopes of features."""

    own: float = 4.0
    features: float = 100.0


class Additive(NamedTuple):
    """logit = user + item + context."""

    user: Doubles  # (U,)
    item: Doubles  # (N,) the general mean is in it
    context: Doubles  # (X,)

    def logits(self, frame: Frame) -> Doubles:
        """Of every row of the frame."""
        context = frame.context[frame.starts][frame.session]
        value: Doubles = self.user[frame.user] + self.item[frame.item] + self.context[context]
        return value


def choose_ridges(frame: Frame, user_features: Floats, item_features: Floats, wide: bool = True) -> Ridges:
    """The ridges that are best on the validation period, that of the features first; `wide`: stronger ones, too."""
    train, judged = (sample(frame.row_period == k, MAX_ROWS) for k in (TRAIN, VALIDATION))
    flag = frame.positive.astype(np.float64)[judged]

    def loss(ridges: Ridges) -> float:
        fitted = fit_additive(frame, train, user_features, item_features, ridges)
        return log_loss(flag, fitted.logits(frame)[judged])

    groups = (("features", FEATURE_RIDGES, WIDE_FEATURES), ("own", OWN_RIDGES, WIDE_OWN))
    best = Ridges()
    for name, usual, more in groups:
        best = min((best._replace(**{name: value}) for value in (*usual, *(more if wide else ()))), key=loss)
    return best


def fit_additive(
    frame: Frame,
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
        Side(frame.user, user_features, ridges.own, ridges.features),
        Side(frame.item, item_features, ridges.own, ridges.features),
        Side(context, nothing, CONTEXT_RIDGE, np.inf),
    )
    flag = frame.positive[rows].astype(np.float64)
    fitted = fit_logistic(flag, np.zeros((len(flag), 0)), [side.at(rows) for side in sides])
    of_user, of_item, of_context = fitted.effects
    return Additive(of_user, of_item + fitted.bias, of_context)
