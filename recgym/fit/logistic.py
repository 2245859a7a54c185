"""Logistic regression with slopes and with effects of users, items and contexts, by penalised likelihood."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from recgym.arrays import Bools, Codes, Doubles, Floats
from recgym.numerics import mean_of

SOLVER = {"maxiter": 200, "ftol": 1e-11, "gtol": 1e-7}


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
    expected: tuple[Doubles, ...] = ()  # ... the part of their columns

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
    """Penalised maximum likelihood by L-BFGS in float64; `weight` (rows,) of the rows, None: 1.

    Parameters are scaled by the curvature at equal rates, as effects of rare items have less of it than the bias.
    """
    flag, weights = flag.astype(np.float64), np.ones(len(flag)) if weight is None else weight
    inputs = np.column_stack([np.ones(len(flag)), dense])
    rate = float(np.clip(np.average(flag, weights=weights), 1e-6, 1 - 1e-6))
    parts = _placed(sides, inputs.shape[1])
    curvature = rate * (1 - rate) * weights
    diagonal = [curvature @ np.square(inputs), *(part.diagonal(curvature) for part in parts)]
    curved = np.concatenate(diagonal) / len(flag)
    curved[curved == 0.0] = 1.0  # an input of zeros has no curvature, and keeps its start
    scale = 1.0 / np.sqrt(curved)

    logit, *work = np.empty(
        (4, len(flag))
    )  # filled in each step, as new arrays cost more than the arithmetic

    def objective(scaled: Doubles) -> tuple[float, Doubles]:
        values = scaled * scale
        np.dot(inputs, values[: inputs.shape[1]], out=logit)
        for part in parts:
            if part.size:
                np.add(logit, part.of_rows(values, work[0]), out=logit)
        losses, residual = _losses_and_residuals(logit, flag, *work)
        loss = weights @ losses + sum(part.penalty(values) for part in parts)
        residual *= weights
        gradient = np.concatenate([residual @ inputs, *(part.gradient(values, residual) for part in parts)])
        return float(loss) / len(flag), gradient * scale / len(flag)

    start = np.zeros(len(scale))
    start[0] = np.log(rate / (1 - rate)) / scale[0]
    solved = minimize(objective, start, jac=True, method="L-BFGS-B", options=SOLVER).x * scale
    return Logistic(
        float(solved[0]),
        solved[1 : inputs.shape[1]],
        tuple(part.effect(solved) for part in parts),
        tuple(part.expected(solved) for part in parts),
    )


def _losses_and_residuals(
    logit: Doubles, flag: Doubles, small: Doubles, losses: Doubles, out: Doubles
) -> tuple[Doubles, Doubles]:
    """(rows,) log-losses, and probabilities less flags, in `losses` and `out`; `small` is overwritten."""
    np.exp(np.negative(np.abs(logit, out=small), out=small), out=small)
    np.maximum(logit, 0.0, out=losses)
    losses -= np.multiply(flag, logit, out=out)
    losses += np.log1p(small, out=out)
    np.copyto(out, small)
    np.copyto(out, 1.0, where=logit >= 0.0)
    small += 1.0
    out /= small
    out -= flag
    return losses, out


class _Effects(NamedTuple):
    """A side whose parameters, own effects and slopes with finite penalties, are a part of all parameters."""

    side: Side
    first: int  # place of its first parameter
    has_own: bool
    has_slopes: bool

    @property
    def size(self) -> int:
        """Number of parameters."""
        effects, slopes = self.side.table.shape
        return int(self.has_own * effects + self.has_slopes * slopes)

    def split(self, values: Doubles) -> tuple[Doubles, Doubles]:
        """Own effects and slopes in all parameters; empty where they are left out."""
        part = values[self.first : self.first + self.size]
        own = self.has_own * len(self.side.table)
        return part[:own], part[own:]

    def effect(self, values: Doubles) -> Doubles:
        """(size of the side,)."""
        own = self.split(values)[0]
        return own + self.expected(values) if self.has_own else self.expected(values)

    def expected(self, values: Doubles) -> Doubles:
        """(size of the side,) part of the columns."""
        slopes = self.split(values)[1]
        return self.side.table @ slopes if self.has_slopes else np.zeros(len(self.side.table))

    def of_rows(self, values: Doubles, out: Doubles) -> Doubles:
        """(rows,) effect on each row, in `out`."""
        return np.take(
            self.effect(values), self.side.which, out=out, mode="clip"
        )  # by default it copies `out`

    def penalty(self, values: Doubles) -> float:
        """Of the log-likelihood."""
        own, slopes = self.split(values)
        ridges = (own, self.side.ridge), (slopes, self.side.slope_ridge)
        return sum(0.5 * ridge * float(part @ part) for part, ridge in ridges if len(part))

    def gradient(self, values: Doubles, residual: Doubles) -> Doubles:
        """Gradient of the loss and the penalty; `residual` (rows,) is that of the loss by the logits."""
        if not self.size:
            return np.zeros(0)
        own, slopes = self.split(values)
        total = np.bincount(self.side.which, residual, len(self.side.table))
        parts = [total + self.side.ridge * own] if self.has_own else []
        parts += [total @ self.side.table + self.side.slope_ridge * slopes] if self.has_slopes else []
        return np.concatenate(parts)

    def diagonal(self, curvature: Doubles) -> Doubles:
        """Diagonal of the Hessian where rows have this curvature."""
        total = np.bincount(self.side.which, curvature, len(self.side.table))
        parts = [total + self.side.ridge] if self.has_own else []
        parts += [total @ np.square(self.side.table) + self.side.slope_ridge] if self.has_slopes else []
        return np.concatenate([np.zeros(0), *parts])


def _placed(sides: Sequence[Side], first: int) -> list[_Effects]:
    """Sides with the places of their parameters after the first ones."""
    parts = []
    for side in sides:
        has = (
            np.isfinite(ridge) and size
            for ridge, size in zip((side.ridge, side.slope_ridge), side.table.shape, strict=True)
        )
        side = side._replace(which=side.which.astype(np.intp), table=side.table.astype(np.float64))
        parts.append(_Effects(side, first, *map(bool, has)))
        first += parts[-1].size
    return parts
