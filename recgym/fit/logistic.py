"""Logistic regression with slopes and with effects of users, items and contexts, by penalised likelihood."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from recgym.arrays import Array, Bools, Codes, Doubles, Floats
from recgym.numerics import mean_of

SOLVER = {"maxiter": 200, "ftol": 1e-11, "gtol": 1e-7}
ROWS = 1 << 21  # in a block: sums over the rows of a log of no more are those of one pass
NEAR_ROWS = 1 << 14  # whose values stay in the processor's cache


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
    flag: Array, dense: Doubles | Sequence[Array], sides: Sequence[Side], weight: Doubles | None = None
) -> Logistic:
    """Penalised maximum likelihood by L-BFGS in float64; `weight` (rows,) of the rows, None: 1.

    `dense` is (rows, F), or its F columns (rows,). Parameters are scaled by the curvature at equal rates, as effects of
    rare items have less of it than the bias. Passes over the rows are in blocks, which make no array of all rows.
    """
    inputs = _with_ones(dense, len(flag))
    del dense
    rate = float(np.clip(np.average(flag, weights=weight), 1e-6, 1 - 1e-6))
    parts = _placed(sides, inputs.shape[1])
    curved = _diagonal(inputs, parts, rate * (1 - rate), weight, len(flag)) / len(flag)
    curved[curved == 0.0] = 1.0  # an input of zeros has no curvature, and keeps its start
    scale = 1.0 / np.sqrt(curved)
    logit, losses, residual = np.empty((3, min(len(flag), ROWS)))  # of a block, filled in each step
    ones = np.ones(len(logit))

    def objective(scaled: Doubles) -> tuple[float, Doubles]:
        values = scaled * scale
        effects, sums = [part.effect(values) for part in parts], [part.zeros() for part in parts]
        loss, slope = 0.0, np.zeros(inputs.shape[1])
        for rows in _blocks(len(flag), ROWS):
            num = rows.stop - rows.start
            inside = _of_block(inputs, rows)
            np.dot(inside, values[: len(slope)], out=logit[:num])
            for near in _blocks(num, NEAR_ROWS):
                far = slice(rows.start + near.start, rows.start + near.stop)
                for part, effect in zip(parts, effects, strict=True):
                    logit[near] += np.take(effect, part.side.which[far])
                _losses_and_residuals(logit[near], flag[far], losses[near], residual[near])
            weights = ones[:num] if weight is None else weight[rows]
            loss += float(weights @ losses[:num])
            residual[:num] *= weights
            slope += residual[:num] @ inside
            for part, total in zip(parts, sums, strict=True):
                add_sums(total, part.side.which[rows], residual[:num])
        loss += sum(part.penalty(values) for part in parts)
        gradient = [slope, *(part.gradient(values, total) for part, total in zip(parts, sums, strict=True))]
        return loss / len(flag), np.concatenate(gradient) * scale / len(flag)

    start = np.zeros(len(scale))
    start[0] = np.log(rate / (1 - rate)) / scale[0]
    solved = minimize(objective, start, jac=True, method="L-BFGS-B", options=SOLVER).x * scale
    found = {part.number: part for part in parts}
    zeros = [np.zeros(len(side.table)) for side in sides]
    return Logistic(
        float(solved[0]),
        solved[1 : inputs.shape[1]],
        tuple(found[k].effect(solved) if k in found else zero for k, zero in enumerate(zeros)),
        tuple(found[k].expected(solved) if k in found else zero for k, zero in enumerate(zeros)),
    )


def _with_ones(dense: Doubles | Sequence[Array], rows: int) -> Doubles:
    """(rows, 1 + F) inputs, the first of them 1; where F is 0, those of one block, as all blocks are alike."""
    columns = [dense] if isinstance(dense, np.ndarray) else list(dense)
    if not columns or columns[0].size == 0:
        return np.ones((min(rows, ROWS), 1))
    return np.column_stack([np.broadcast_to(1.0, rows), *columns])


def _of_block(inputs: Doubles, rows: slice) -> Doubles:
    """The inputs of the rows of a block."""
    first = rows.start % len(inputs)
    return inputs[first : first + rows.stop - rows.start]


def _diagonal(
    inputs: Doubles, parts: Sequence["_Effects"], curvature: float, weight: Doubles | None, num: int
) -> Doubles:
    """Diagonal of the Hessian where each of `num` rows has the same curvature, times its weight."""
    square, sums = np.zeros(inputs.shape[1]), [part.zeros() for part in parts]
    for rows in _blocks(num, ROWS):
        size = rows.stop - rows.start
        curved = np.full(size, curvature) if weight is None else curvature * weight[rows]
        square += curved @ np.square(_of_block(inputs, rows))
        for part, total in zip(parts, sums, strict=True):
            add_sums(total, part.side.which[rows], curved)
    return np.concatenate([square, *(part.diagonal(total) for part, total in zip(parts, sums, strict=True))])


def add_sums(total: Doubles, code: Codes, value: Doubles) -> None:
    """Adds the values (rows,) of each code to `total`, as `np.bincount` adds them: one after the other."""
    for rows in _blocks(len(code), NEAR_ROWS):
        np.add.at(total, code[rows].astype(np.intp), value[rows])


def _blocks(rows: int, size: int) -> Iterator[slice]:
    return (slice(begin, min(begin + size, rows)) for begin in range(0, rows, size))


def _losses_and_residuals(logit: Doubles, flag: Array, losses: Doubles, out: Doubles) -> None:
    """(rows,) log-losses, and probabilities less flags, into `losses` and `out`."""
    small = np.abs(logit)
    np.exp(np.negative(small, out=small), out=small)
    np.maximum(logit, 0.0, out=losses)
    losses -= np.multiply(flag, logit, out=out)
    losses += np.log1p(small, out=out)
    np.copyto(out, small)
    np.copyto(out, 1.0, where=logit >= 0.0)
    small += 1.0
    out /= small
    out -= flag


class _Effects(NamedTuple):
    """A side whose parameters, own effects and slopes with finite penalties, are a part of all parameters."""

    side: Side
    number: int  # of the side
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

    def zeros(self) -> Doubles:
        """(size of the side,), to which values of rows are added."""
        return np.zeros(len(self.side.table))

    def penalty(self, values: Doubles) -> float:
        """Of the log-likelihood."""
        own, slopes = self.split(values)
        ridges = (own, self.side.ridge), (slopes, self.side.slope_ridge)
        return sum(0.5 * ridge * float(part @ part) for part, ridge in ridges if len(part))

    def gradient(self, values: Doubles, total: Doubles) -> Doubles:
        """Gradient of the loss and the penalty; `total` (size of the side,) is that of the loss by the effects."""
        own, slopes = self.split(values)
        parts = [total + self.side.ridge * own] if self.has_own else []
        parts += [total @ self.side.table + self.side.slope_ridge * slopes] if self.has_slopes else []
        return np.concatenate(parts)

    def diagonal(self, total: Doubles) -> Doubles:
        """Diagonal of the Hessian where the rows of each user, item or context have this curvature together."""
        parts = [total + self.side.ridge] if self.has_own else []
        parts += [total @ np.square(self.side.table) + self.side.slope_ridge] if self.has_slopes else []
        return np.concatenate(parts)


def _placed(sides: Sequence[Side], first: int) -> list[_Effects]:
    """Sides that have parameters, with the places of these after the first ones."""
    parts = []
    for number, side in enumerate(sides):
        has = (
            np.isfinite(ridge) and size
            for ridge, size in zip((side.ridge, side.slope_ridge), side.table.shape, strict=True)
        )
        part = _Effects(side._replace(table=side.table.astype(np.float64)), number, first, *map(bool, has))
        parts += [part] if part.size else []
        first += part.size
    return parts
