"""Likelihood of a discrete-time hazard with slopes, tables of penalised effects, and a frailty of the session.

The frailty v ~ N(0, spread^2) of a session is constant, so the likelihood of a whole session is averaged over v by
Gauss-Hermite quadrature (Vaupel et al., 1979). A session ends once, so the posterior of v is wide and few nodes are
accurate. All terms are fitted jointly: slopes that are fitted without v contain its selection (sessions with a high v
end first), and v would then be estimated near 0.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recgym.arrays import Array, Bools, Doubles, Ints
from recgym.numerics import hermite_nodes

NODES = 15
ROWS_AT_ONCE = 2048  # whose nodes fit in the processor's cache
MAX_STEPS = 150  # of L-BFGS


class EffectTable(NamedTuple):
    """Effects by code with a ridge penalty; an infinite one leaves them out."""

    code: NDArray[np.integer[Any]]  # (rows,)
    size: int
    ridge: float


class VisitRows(NamedTuple):
    """Rows of whole sessions, one session after the other."""

    left: Bools  # (rows,) at the last row of a session
    starts: Ints  # (sessions,)


@dataclass(frozen=True)
class Hazard:
    """logit = bias + dense @ slopes + effects of the tables + v, v ~ N(0, spread^2) by session."""

    bias: float
    slopes: Doubles  # (F,)
    tables: list[Doubles]
    spread: float

    def logits(self, dense: Doubles, tables: list[EffectTable]) -> Doubles:
        """(rows,) logit at a frailty of 0."""
        value: Doubles = self.bias + dense @ self.slopes
        for effect, table in zip(self.tables, tables, strict=True):
            value = value + effect[table.code]
        return value


def nodes() -> tuple[Doubles, Doubles]:
    """Nodes and log-weights of the Gauss-Hermite rule of a standard normal, (NODES,) each."""
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
    """Penalised maximum likelihood by L-BFGS in float64; without `frail` the spread is 0.

    `start` is a hazard of the same inputs that is the initial value.
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
    initial = [value for value, table in zip(start.tables, tables, strict=True) if np.isfinite(table.ridge)]
    effects = [
        (torch.as_tensor(v) / scale).requires_grad_() for v, scale in zip(initial, scales, strict=True)
    ]
    solver = torch.optim.LBFGS(
        [slopes, *effects], max_iter=MAX_STEPS, history_size=20, line_search_fn="strong_wolfe",
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
        if effects:  # else the penalty has no gradient
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
    """(size,) units in which the effects of a table have about equal curvature, as a preconditioner."""
    curve = np.bincount(table.code, minlength=table.size) * rate * (1 - rate) + table.ridge
    return torch.as_tensor(np.sqrt(len(table.code) / np.maximum(curve, 1e-9)) * 0.1)


def _loss(visits: VisitRows, logit: Doubles, spread: float, frail: bool) -> tuple[float, Doubles, float]:
    """Mean negative log-likelihood per row, and its gradients in the logits and in the spread."""
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
        largest = joint.max(1, keepdims=True)
        weight = np.exp(joint - largest)
        mass = weight.sum(1, keepdims=True)
        total -= float((np.log(mass) + largest).sum())
        lengths = np.diff(np.append(starts, end - begin))
        residual = np.repeat(weight / mass, lengths, axis=0) * (_sigmoid(shifted) - left)
        by_logit[begin:end] = residual.sum(1)
        slope += float((residual @ place).sum())
    return total / rows, by_logit / rows, slope / rows


def chances(logit: Doubles, starts: Ints, spread: float) -> Doubles:
    """(rows,) hazard after each row, averaged over the posterior of v given that the session has not ended."""
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


def log_loss(flag: Array, logit: Doubles) -> float:
    """Mean log-loss of a flag under a logit."""
    return float(np.mean(_softplus(logit) - flag * logit))


def marginal_loss(visits: VisitRows, logit: Doubles, spread: float) -> float:
    """Mean log-loss per row of `chances`."""
    return _loss(visits, logit, spread, spread > 0)[0]


def _chunks(starts: Ints, rows: int) -> list[tuple[int, int]]:
    """Ranges of whole sessions of about ROWS_AT_ONCE rows."""
    cuts = np.unique(np.searchsorted(starts, np.arange(0, rows, ROWS_AT_ONCE)))
    edges = np.append(cuts[cuts < len(starts)], len(starts))
    return [(int(a), int(b)) for a, b in pairwise(edges)]


def _sigmoid(x: Doubles) -> Doubles:
    value: Doubles = torch.from_numpy(x).sigmoid().numpy()
    return value


def _softplus(x: Doubles) -> Doubles:
    """log(1 + exp(x)); by torch, which is several times as fast as numpy."""
    value: Doubles = torch.nn.functional.softplus(torch.from_numpy(x)).numpy()
    return value
