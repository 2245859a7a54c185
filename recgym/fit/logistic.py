"""Logistic regression with slopes and with effects of users, items and contexts, by penalised likelihood."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from recgym.arrays import Bools, Codes, Doubles, Floats
from recgym.numerics import mean_of


class Side(NamedTuple):
    """Users, items or contexts: the one of each row, and feature columns of all.

    effect = own + columns @ slopes, with the penalties `ridge` on own and `slope_ridge` on slopes; a part with an
    infinite penalty is left out.
    """

    which: Codes  # (rows,)
    table: Floats  # (size, F), F may be 0
    ridge: float
    slope_ridge: float

    def at(self, rows: Bools) -> "Side":
        """The side of some rows."""
        return self._replace(which=self.which[rows])


class Logistic(NamedTuple):
    """logit = bias + dense @ slopes + the effects of all sides."""

    bias: float
    slopes: Doubles  # (F,)
    effects: tuple[Doubles, ...]  # (size,) for each side

    def logits(self, dense: Doubles, which: Sequence[Codes]) -> Doubles:
        """(rows,) logit; `which` holds (rows,) for each side."""
        value: Doubles = self.bias + dense @ self.slopes
        for effect, one in zip(self.effects, which, strict=True):
            value = value + effect[one]
        return value


def mean_logistic(fits: Sequence[Logistic], shares: Sequence[float]) -> Logistic:
    """The regression whose logit is the weighted mean of those of `fits`, of the same inputs."""
    return Logistic(
        float(mean_of([np.array(fit.bias) for fit in fits], shares)),
        mean_of([fit.slopes for fit in fits], shares),
        tuple(mean_of(effects, shares) for effects in zip(*(fit.effects for fit in fits), strict=True)),
    )


def fit_logistic(
    flag: Doubles, dense: Doubles, sides: Sequence[Side], weight: Doubles | None = None
) -> Logistic:
    """Penalised maximum likelihood by L-BFGS in float64; `weight` (rows,) of the rows, None: 1."""
    weights = None if weight is None else torch.as_tensor(weight)
    left = torch.as_tensor(flag.astype(np.float64))
    inputs = torch.as_tensor(np.column_stack([np.ones(len(flag)), dense]))
    rate = float(np.clip(np.average(flag, weights=weight), 1e-6, 1 - 1e-6))
    slopes = torch.zeros(inputs.shape[1], dtype=torch.float64)
    slopes[0] = float(np.log(rate / (1 - rate)))
    parts = [_Effects(side) for side in sides]
    penalised = [pair for part in parts for pair in part.penalised]
    parameters = [value.requires_grad_() for value in (slopes, *(value for value, _ in penalised))]
    solver = torch.optim.LBFGS(parameters, max_iter=80, line_search_fn="strong_wolfe", tolerance_grad=1e-7,
                               tolerance_change=1e-10)  # fmt: skip

    def closure() -> torch.Tensor:
        solver.zero_grad()
        logit = inputs @ slopes
        for part in parts:
            if part.penalised:
                logit = logit + part.effect()[part.which]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logit, left, weights, reduction="sum")
        for value, weight in penalised:
            loss = loss + 0.5 * weight * value.square().sum()
        loss = loss / len(left)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return loss

    solver.step(closure)  # type: ignore[no-untyped-call]
    values = slopes.detach().numpy()
    return Logistic(float(values[0]), values[1:], tuple(part.effect().detach().numpy() for part in parts))


class _Effects:
    """A side as tensors."""

    def __init__(self, side: Side) -> None:
        self.which = torch.as_tensor(side.which, dtype=torch.int64)
        self.table = torch.as_tensor(side.table.astype(np.float64))
        self.own, self.slopes = (torch.zeros(size, dtype=torch.float64) for size in side.table.shape)
        pairs = ((self.own, side.ridge), (self.slopes, side.slope_ridge))
        self.penalised = [(value, ridge) for value, ridge in pairs if np.isfinite(ridge) and len(value)]

    def effect(self) -> torch.Tensor:
        """(size,)."""
        return self.own + self.table @ self.slopes
