"""Examination of the positions of a slate: how often each is seen, from a log of slates whose positions are known.

An item at position k has a response with probability eps_k sigmoid(x). The logits x were fitted as if every position
was seen, so effects of items have taken up a part of those of the positions where the logging policy puts some items
higher up. Both are fitted anew, by penalised maximum likelihood over random intercepts: eps_k, an effect of each item,
and a slope on what x has beside effects of items. The same without positions says what of it is due to them, and only
that is added to the logits. Positions are told from items by the rows of one item at several positions.

Source: Wang et al. (2018), Position bias estimation for unbiased learning to rank in personal search, WSDM.

Axes: R rows, K positions, N items.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from recgym.arrays import Bools, Doubles, Ints
from recgym.fit.baseline_guard import beats, held_out
from recgym.fit.dataset import Dataset, sample
from recgym.fit.level_drift import at_the_end
from recgym.logs.splits import TRAIN
from recgym.numerics import hermite_nodes, sigmoid

MAX_ROWS = 100_000  # of more, a random sample
MIN_ROWS = 100  # at a position with a probability of its own; those behind the last such one share that one's
PRIOR = 1.0  # precision [1 / logit^2] of effects of items and of the log slope
STEP_PRIOR = 4.0  # ... of the differences of log eps_k between neighbouring positions
NODES = 7  # of a quadrature over random intercepts
MOST_ABOVE = 0.7  # log eps_k of a position beside that of the one it is compared with, at most
ROUNDS = 50  # of Newton's method
TINY = 1e-12


class Examination(NamedTuple):
    """How often positions are examined, and the logits `slope * x + item[i] + level` of an examined item."""

    examine: Doubles  # (K,) in (0, 1], the largest is 1
    slope: float
    item: Doubles  # (N,)
    level: float
    gain: float  # [nats a row] on left-out visits
    of_items: float  # share of the variance of positions that is between items, in [0, 1]

    @property
    def common(self) -> float:
        """Slope of what all items have in common: as of the rest."""
        return self.slope

    def rivals(self, dataset: Dataset, x: Doubles) -> None:
        """The other items of the slate: they have no effect."""

    def seen(self, dataset: Dataset) -> Doubles:
        """(R,) probability that the row is examined."""
        return at_positions(self.examine, positions_of(dataset))

    def logits(self, dataset: Dataset, x: Doubles) -> Doubles:
        """(R,) logits of an examined item, from those without positions."""
        return self.slope * x + self.item[dataset.item] + self.level

    def table(self, length: int) -> Doubles:
        """(length,) the probabilities, of positions behind the last one that of the last."""
        return at_positions(self.examine, np.arange(length))


def positions_of(dataset: Dataset) -> Ints:
    """(R,) place of the row among those of its slate, from 0."""
    return np.arange(len(dataset.item)) - dataset.step_starts


def fit_examination(dataset: Dataset, x: Doubles, spread: Doubles, guard: float) -> Examination | None:
    """Fits to train and validation; None where left-out visits, see `held_out`, are not forecast better by the guard.

    Args:
        dataset: of a log with positions.
        x: (R,) logits at a random intercept of 0, NaN where unknown.
        spread: (R,) standard deviation of the random intercept.
        guard: standard errors by which they are to be forecast better.
    """
    ordered = np.repeat(dataset.ordered, dataset.lengths)
    usable = sample(dataset.known & np.isfinite(x) & ordered, MAX_ROWS)
    position = positions_of(dataset)
    few = np.flatnonzero(np.bincount(position[usable & dataset.rows_of(TRAIN)]) < MIN_ROWS)
    last = (int(few[0]) if len(few) else int(position[usable].max(initial=0)) + 1) - 1
    if last < 1:
        return None
    position = np.minimum(position, last)

    def rows(part: Bools) -> PositionRows:
        return PositionRows.of(dataset, part, position, x, spread)

    losses = np.full((2, len(x)), np.nan)
    for known, judged in held_out(dataset, usable, MAX_ROWS, folds=True):
        train, unseen = rows(known), rows(judged)
        losses[:, judged] = [unseen.losses(train.fitted(last + 1, free)) for free in (False, True)]
    judged = np.isfinite(losses[0])
    plain, placed = losses[:, judged]
    if not judged.any() or not beats(placed, plain, dataset.session[judged], guard):
        return None
    every = rows(usable)
    without, found = (every.fitted(last + 1, free) for free in (False, True))
    slope = found.slope / without.slope
    own = every.item_means()
    more = (1.0 - slope) * own + found.item - without.item
    result = Examination(found.examine, slope, more, 0.0, float((plain - placed).mean()), every.of_items())
    return result._replace(level=_level(dataset, result, np.flatnonzero(usable), x, spread))


def _level(dataset: Dataset, found: Examination, rows: Ints, x: Doubles, spread: Doubles) -> float:
    """The level at which the mean probability is the rate of the rows, at the end of the period; Newton's method."""
    weight, deviate = _weights(dataset, rows), found.slope * spread[rows]
    logit, seen = found.logits(dataset, x)[rows], found.seen(dataset)[rows]

    def solved(level: float, wanted: Doubles) -> float:
        for _ in range(ROUNDS):
            chance, curve = _over_intercepts(level + logit, deviate)[:2]
            lacking = float((weight * (wanted - seen * chance)).sum())
            level += lacking / max(float((weight * seen * curve).sum()), 1e-9)
        return level

    flag = dataset.positive[rows].astype(np.float64)
    level = solved(float(-logit.mean()), flag)
    return solved(level, at_the_end(dataset, rows, flag, seen * _over_intercepts(level + logit, deviate)[0]))


def at_positions(values: Doubles, position: Ints) -> Doubles:
    """Values (K,) at some positions from 0; behind the last one, that of the last."""
    return values[np.minimum(position, len(values) - 1)]


def mean_by_item(dataset: Dataset, x: Doubles) -> Doubles:
    """(N,) means of logits (R,) over the known rows of each item, of items without such rows over all of them."""
    known = dataset.known & np.isfinite(x)
    count = np.bincount(dataset.item[known], minlength=dataset.num_items)
    mean = np.bincount(dataset.item[known], x[known], dataset.num_items) / np.maximum(count, 1)
    return np.where(count > 0, mean, x[known].mean())


def spread_over_items(values: Doubles, item: Ints, num_items: int) -> Doubles:
    """(N,) values (R,) of the rows' items; of items without rows, their mean."""
    out = np.full(num_items, float(values.mean()))
    out[item] = values
    return out


def _weights(dataset: Dataset, rows: Bools | Ints) -> Doubles:
    return np.ones(len(dataset.item[rows])) if dataset.weight is None else dataset.weight[rows]


def _over_intercepts(
    logit: Doubles, deviate: Doubles, by: Doubles | float = 0.0
) -> tuple[Doubles, Doubles, Doubles]:
    """Means of sigmoid(logit + deviate v) over v, of its slope, and of the slope times (by + deviate v)."""
    total, curve, moved = (np.zeros(len(logit)) for _ in range(3))
    nodes = hermite_nodes(NODES) if deviate.any() else (np.zeros(1), np.ones(1))
    for node, weight in zip(*nodes, strict=True):
        chance = sigmoid(logit + deviate * node)
        slope = weight * chance * (1.0 - chance)
        total += weight * chance
        curve += slope
        moved += slope * (by + deviate * node)
    return total, curve, moved


class PositionFit(NamedTuple):
    """A fitted model; effects of items are 0 for those without rows."""

    level: float
    slope: float
    examine: Doubles  # (K,)
    item: Doubles  # (N,)


@dataclass(frozen=True)
class PositionRows:
    """Rows from which positions are fitted."""

    flag: Bools  # (R,)
    own: Doubles  # (R,) logits less the mean of their item
    mean: Doubles  # (R,) mean of the item
    spread: Doubles  # (R,)
    position: Ints  # (R,)
    item: Ints  # (R,)
    weight: Doubles  # (R,)
    num_items: int  # N

    @classmethod
    def of(cls, dataset: Dataset, part: Bools, position: Ints, x: Doubles, spread: Doubles) -> "PositionRows":
        """Those of a part of the rows of a dataset; the means of items are over all of its known rows."""
        mean, item = mean_by_item(dataset, x), dataset.item[part].astype(np.int64)
        return cls(
            dataset.positive[part], x[part] - mean[item], mean[item], spread[part], position[part], item,
            _weights(dataset, part), dataset.num_items,
        )  # fmt: skip

    def item_means(self) -> Doubles:
        """(N,) mean logit of each item, of those without rows that of all rows."""
        return spread_over_items(self.mean, self.item, self.num_items)

    def of_items(self) -> float:
        """Share of the variance of positions that is between items."""
        count = np.bincount(self.item, minlength=self.num_items)
        mean = np.bincount(self.item, self.position, self.num_items) / np.maximum(count, 1)
        return float(mean[self.item].var() / max(float(self.position.var()), TINY))

    def losses(self, fit: PositionFit) -> Doubles:
        """(R,) negative log-likelihoods, times the weights."""
        logit = fit.level + fit.slope * self.own + fit.item[self.item]
        chance = fit.examine[self.position] * _over_intercepts(logit, fit.slope * self.spread)[0]
        likely = np.clip(np.where(self.flag, chance, 1.0 - chance), TINY, 1.0)
        return np.asarray(-self.weight * np.log(likely), np.float64)

    def fitted(self, num: int, free: bool) -> PositionFit:
        """The model of `num` positions, or with `free` False the one in which all are seen.

        One position has eps 1: the one with most responses, or one that turns out to be seen more often.
        """
        rate = np.bincount(self.position, self.weight * self.flag, num)
        top = int(rate.argmax())
        centre = float(self.mean.mean())
        values = np.r_[centre, 0.0, np.zeros(num), self.item_means() - centre]
        for _ in range(num):
            high = np.where(free & (np.arange(num) != top), MOST_ABOVE, 0.0)
            bounds = [(None, None), (-1.0, 2.0), *zip(np.where(high > 0, -8.0, 0.0), high, strict=True)]
            bounds += [(None, None)] * self.num_items
            values = minimize(self._loss, values, args=(num,), jac=True, bounds=bounds, method="L-BFGS-B").x
            seen = values[2 : 2 + num]
            if seen.max() <= 0.0:
                break
            top = int(seen.argmax())
            values[0] += seen[top]
            values[2 : 2 + num] -= seen[top]
        examine = np.exp(values[2 : 2 + num])
        return PositionFit(
            float(values[0]), float(np.exp(values[1])), examine / examine.max(), values[2 + num :]
        )

    def _loss(self, values: Doubles, num: int) -> tuple[float, Doubles]:
        """Penalised negative log-likelihood, and its gradient, at level, log slope, log eps (K,), items (N,)."""
        level, slope, log_seen, item = values[0], np.exp(values[1]), values[2 : 2 + num], values[2 + num :]
        seen = np.exp(log_seen)[self.position]
        logit = level + slope * self.own + item[self.item]
        chance, curve, moved = _over_intercepts(logit, slope * self.spread, slope * self.own)
        p = np.clip(seen * chance, TINY, 1.0 - 1e-9)
        loss = -float(self.weight @ np.log(np.where(self.flag, p, 1.0 - p)))
        by = self.weight * np.where(self.flag, -1.0 / p, 1.0 / (1.0 - p))
        gradient = np.r_[
            by @ (seen * curve), by @ (seen * moved), np.bincount(self.position, by * p, num),
            np.bincount(self.item, by * seen * curve, self.num_items),
        ]  # fmt: skip
        held, step = PRIOR * np.r_[0.0, values[1], np.zeros(num), item], STEP_PRIOR * np.diff(log_seen)
        held[2 : 2 + num] = np.r_[0.0, step] - np.r_[step, 0.0]
        prior = PRIOR * (values[1] ** 2 + item @ item) + step @ step / STEP_PRIOR
        return loss + 0.5 * float(prior), gradient + held
