"""The additive part of a response: user + item + context effects, each from ids and public features, by ridge.

It is convex, so it is the same on every run; the deep towers then learn only what users and items do together.
"""

from typing import NamedTuple

import numpy as np
import torch

from recgym.fit.frame import TRAIN, VALIDATION, Bools, Doubles, Floats, Frame
from recgym.fit.logistic import log_loss

RIDGES = (2.0, 4.0, 8.0)
FEATURE_RIDGE = 30.0  # public features have many rows behind them, but they come in many columns


class Additive(NamedTuple):
    """logit = user + item + context."""

    user: Doubles  # (U,)
    item: Doubles  # (N,) the general mean is in it
    context: Doubles  # (X,)

    def logits(self, frame: Frame) -> Doubles:
        """Of every row of the frame."""
        value: Doubles = self.user[frame.user] + self.item[frame.item] + self.context[frame.context]
        return value


def choose_ridge(frame: Frame, user_features: Floats, item_features: Floats) -> float:
    """The ridge on ids that is best on the validation period."""
    judged = frame.row_period == VALIDATION
    flag = frame.positive.astype(np.float64)[judged]

    def loss(ridge: float) -> float:
        fitted = fit_additive(frame, frame.row_period == TRAIN, user_features, item_features, ridge)
        return log_loss(flag, fitted.logits(frame)[judged])

    return min(RIDGES, key=loss)


def fit_additive(
    frame: Frame, rows: Bools, user_features: Floats, item_features: Floats, ridge: float, users: bool = True
) -> Additive:
    """L-BFGS in float64 on these rows; `users=False` leaves users out, for a toy."""
    flag = torch.as_tensor(frame.positive[rows].astype(np.float64))
    user, item, context = (torch.as_tensor(v[rows]) for v in (frame.user, frame.item, frame.context))
    tables = [torch.as_tensor(features.astype(np.float64)) for features in (user_features, item_features)]
    sizes = [frame.num_users, frame.num_items, len(frame.contexts), *(table.shape[1] for table in tables), 1]
    values = [torch.zeros(size, dtype=torch.float64, requires_grad=True) for size in sizes]
    weights = [ridge if users else 1e6, ridge, FEATURE_RIDGE, FEATURE_RIDGE, FEATURE_RIDGE, 0.0]
    solver = torch.optim.LBFGS(
        values, max_iter=60, line_search_fn="strong_wolfe", tolerance_grad=1e-7, tolerance_change=1e-9
    )

    def sums() -> tuple[torch.Tensor, torch.Tensor]:
        of_user, of_item, _, user_slopes, item_slopes, mean = values
        return of_user + tables[0] @ user_slopes, of_item + tables[1] @ item_slopes + mean

    def closure() -> torch.Tensor:
        solver.zero_grad()
        by_user, by_item = sums()
        logit = by_user[user] + by_item[item] + values[2][context]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logit, flag, reduction="sum")
        for value, weight in zip(values, weights, strict=True):
            loss = loss + 0.5 * weight * value.square().sum()
        loss = loss / len(flag)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return loss

    solver.step(closure)  # type: ignore[no-untyped-call]
    by_user, by_item = (value.detach().numpy() for value in sums())
    return Additive(by_user, by_item, values[2].detach().numpy())
