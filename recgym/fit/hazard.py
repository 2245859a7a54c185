"""The likelihood of when visits end: a logistic hazard with slopes, tables of shrunk effects and a visit's own shift.

A visit's shift v ~ N(0, spread^2) (frailty: Vaupel et al., 1979) holds through the visit, so the likelihood of a whole
visit is averaged over v, by Gauss-Hermite quadrature. A visit ends once, so what it tells of its own v is little, the
posterior stays wide, and few nodes are exact. All terms are fitted jointly: slopes that were fitted without v and kept
would already hold its selection (the impatient leave first), and v would come out near 0.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recgym.arrays import Doubles, Ints
from recgym.numerics import hermite_nodes

NODES = 15
CHUNK = 2048  # rows whose nodes are worked on at once: they stay in the cache
STEPS = 150  # of L-BFGS, at most


class EffectTable(NamedTuple):
    """An effect by code; `ridge` weighs on its squares, an infinite one leaves it out."""

    code: NDArray[np.integer[Any]]  # (rows,)
    size: int
    ridge: float


class VisitRows(NamedTuple):
    """Rows of whole visits, one after the other."""

    left: Doubles  # (rows,) 1 at the last row of a visit
    starts: Ints  # (visits,)


@dataclass(frozen=True)
class Hazard:
    """logit = bias + dense @ slopes + the tables' effects + v, v ~ N(0, spread^2) by visit."""

    bias: float
    slopes: Doubles  # (F,)
    tables: list[Doubles]
    spread: float

    def logits(self, dense: Doubles, tables: list[EffectTable]) -> Doubles:
        """Per row, for a visit of average patience."""
        value: Doubles = self.bias + dense @ self.slopes
        for effect, table in zip(self.tables, tables, strict=True):
            value = value + effect[table.code]
        return value


def nodes() -> tuple[Doubles, Doubles]:
    """Places and log-weights of a standard normal's Gauss-Hermite rule, (NODES,) each."""
    node, weight = hermite_nodes(NODES)
    return node, np.log(weight)


def fit_hazard(
    visits: VisitRows,
    dense: Doubles,
    tables: list[EffectTable],
    *,
    frail: bool = False,
    start: Hazard | None = None,
) -> Hazard:
    """Penalised maximum likelihood by L-BFGS in float64, the same on every run; without `frail` the spread is 0.

    `start` is a hazard of the same inputs to begin at.
    """
    kept = [table for table in tables if np.isfinite(table.ridge)]
    inputs = torch.as_tensor(dense)
    codes = [torch.as_tensor(table.code, dtype=torch.int64) for table in kept]
    rate = float(np.clip(visits.left.mean(), 1e-6, 1 - 1e-6))
    if start is None:
        zeros = [np.zeros(table.size) for table in tables]
        start = Hazard(float(np.log(rate / (1 - rate))), np.zeros(dense.shape[1]), zeros, 0.0)
    slopes = torch.tensor(
        np.r_[start.bias, start.slopes, (start.spread or 0.5) if frail else 0.0], requires_grad=True
    )
    scales = [_scale(table, rate) for table in kept]
    begun = [value for value, table in zip(start.tables, tables, strict=True) if np.isfinite(table.ridge)]
    effects = [(torch.as_tensor(v) / scale).requires_grad_() for v, scale in zip(begun, scales, strict=True)]
    solver = torch.optim.LBFGS(
        [slopes, *effects], max_iter=STEPS, history_size=20, line_search_fn="strong_wolfe",
        tolerance_grad=1e-7, tolerance_change=1e-9,
    )  # fmt: skip

    def closure() -> Tensor:
        solver.zero_grad()
        logit = inputs @ slopes[1:-1] + slopes[0]
        penalty = torch.zeros((), dtype=torch.float64)
        for effect, scale, code, table in zip(effects, scales, codes, kept, strict=True):
            logit = logit + (effect * scale)[code]
            penalty = penalty + 0.5 * table.ridge * (effect * scale).square().sum()
        loss, by_logit, by_spread = _loss(visits, logit.detach().numpy(), slopes[-1].item(), frail)
        if effects:  # else there is nothing to shrink
            (penalty / len(visits.left)).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        logit.backward(torch.as_tensor(by_logit))  # type: ignore[no-untyped-call]
        assert slopes.grad is not None
        slopes.grad[-1] += by_spread
        return penalty.detach() / len(visits.left) + loss

    solver.step(closure)  # type: ignore[no-untyped-call]
    values = slopes.detach().numpy()
    found = iter([(effect * scale).detach().numpy() for effect, scale in zip(effects, scales, strict=True)])
    filled = [next(found) if np.isfinite(table.ridge) else np.zeros(table.size) for table in tables]
    return Hazard(float(values[0]), values[1:-1], filled, abs(float(values[-1])))


def _scale(table: EffectTable, rate: float) -> Tensor:
    """Units in which all effects of a table are about equally curved, so that the solver needs few steps."""
    curve = np.bincount(table.code, minlength=table.size) * rate * (1 - rate) + table.ridge
    return torch.as_tensor(np.sqrt(len(table.code) / np.maximum(curve, 1e-9)) * 0.1)


def _loss(visits: VisitRows, logit: Doubles, spread: float, frail: bool) -> tuple[float, Doubles, float]:
    """Mean negative log-likelihood a row, and its slopes on every logit and on the spread."""
    rows = len(logit)
    if not frail:
        chance = _sigmoid(logit)
        return log_loss(visits.left, logit), (chance - visits.left) / rows, 0.0
    place, log_weight = nodes()
    total, slope, by_logit = 0.0, 0.0, np.empty(rows)
    for first, last in _chunks(visits.starts, rows):
        begin, end = int(visits.starts[first]), int(np.append(visits.starts, rows)[last])
        starts, left = visits.starts[first:last] - begin, visits.left[begin:end, None]
        shifted = logit[begin:end, None] + spread * place
        joint = np.add.reduceat(left * shifted - _softplus(shifted), starts) + log_weight
        top = joint.max(1, keepdims=True)
        weight = np.exp(joint - top)
        mass = weight.sum(1, keepdims=True)
        total -= float((np.log(mass) + top).sum())
        lengths = np.diff(np.append(starts, end - begin))
        miss = np.repeat(weight / mass, lengths, axis=0) * (_sigmoid(shifted) - left)
        by_logit[begin:end] = miss.sum(1)
        slope += float((miss @ place).sum())
    return total / rows, by_logit / rows, slope / rows


def chances(logit: Doubles, starts: Ints, spread: float) -> Doubles:
    """(rows,) chance of leaving after each row, given that the visit has lasted so far: v by its posterior."""
    if spread == 0.0:
        return _sigmoid(logit)
    place, log_weight = nodes()
    out = np.empty(len(logit))
    for first, last in _chunks(starts, len(logit)):
        begin, end = int(starts[first]), int(np.append(starts, len(logit))[last])
        shifted = logit[begin:end, None] + spread * place
        stayed = -_softplus(shifted)
        before = np.cumsum(stayed, axis=0) - stayed
        lengths = np.diff(np.append(starts[first:last], end))
        survived = before - np.repeat(before[starts[first:last] - begin], lengths, axis=0) + log_weight
        weight = np.exp(survived - survived.max(1, keepdims=True))
        out[begin:end] = (weight * _sigmoid(shifted)).sum(1) / weight.sum(1)
    return out


def log_loss(flag: Doubles, logit: Doubles) -> float:
    """Mean log-loss of a flag under a logit."""
    return float(np.mean(_softplus(logit) - flag * logit))


def marginal_loss(visits: VisitRows, logit: Doubles, spread: float) -> float:
    """Mean log-loss a row of `chances`."""
    return _loss(visits, logit, spread, spread > 0)[0]


def _chunks(starts: Ints, rows: int) -> list[tuple[int, int]]:
    """Ranges of whole visits of about CHUNK rows."""
    cuts = np.unique(np.searchsorted(starts, np.arange(0, rows, CHUNK)))
    edges = np.append(cuts[cuts < len(starts)], len(starts))
    return [(int(a), int(b)) for a, b in pairwise(edges)]


def _sigmoid(x: Doubles) -> Doubles:
    value: Doubles = torch.from_numpy(x).sigmoid().numpy()
    return value


def _softplus(x: Doubles) -> Doubles:
    """log(1 + exp(x)); torch's is several times as fast as numpy's."""
    value: Doubles = torch.nn.functional.softplus(torch.from_numpy(x)).numpy()
    return value
