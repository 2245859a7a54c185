"""Users who choose one item of a slate, or none, from a log whose slates have one response at most.

An item i at position k has the response with probability eps_k exp(x_i) / (1 + sum over the slate of eps exp(x)). The
logits x were fitted as if items were independent. Fitted anew, by penalised maximum likelihood over random intercepts:
the weights eps_k, an effect of each item, and two slopes, on what all items of a slate have in common (users, contexts,
steps), which decides whether there is a response, and on the rest. The same for independent items says what of slopes
and effects is due to the choice, and only that is added to the logits.

Source: McFadden (1974), Conditional logit analysis of qualitative choice behavior.

Axes: R rows, S slates, K positions, N items.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import logsumexp

from recgym.arrays import Bools, Doubles, Ints
from recgym.fit.baseline_guard import beats, held_out
from recgym.fit.dataset import Dataset
from recgym.fit.event_rates import latest
from recgym.fit.examination import (
    MIN_ROWS,
    NODES,
    PRIOR,
    STEP_PRIOR,
    PositionRows,
    at_positions,
    mean_by_item,
    positions_of,
    spread_over_items,
)
from recgym.logs.splits import TRAIN
from recgym.numerics import hermite_nodes, sigmoid

MAX_ROWS = 100_000  # of whole slates; of more, a random sample
MIN_SLATES = 200  # from which choices are fitted
MAX_LEVEL = 20.0  # logits by which the level may move
TINY = 1e-12


class SlateChoice(NamedTuple):
    """Weights of positions, and logits `slope (x - shared) + common shared + item[i] + level` of a choice."""

    examine: Doubles  # (K,) in (0, 1], the largest is 1
    slope: float
    common: float
    item: Doubles  # (N,)
    level: float
    shared: Doubles  # (R,) the part of x that all items have in common
    gain: float  # [nats a slate] on left-out visits, over independent items

    def seen(self, dataset: Dataset) -> Doubles:
        """(R,) weight of the row's position."""
        return at_positions(self.examine, positions_of(dataset))

    def logits(self, dataset: Dataset, x: Doubles) -> Doubles:
        """(R,) logits of a choice from those of independent items."""
        own = self.slope * (x - self.shared) + self.common * self.shared
        return np.asarray(own + self.item[dataset.item] + self.level, np.float64)

    def rivals(self, dataset: Dataset, x: Doubles) -> Doubles:
        """(R,) summed weights of the other items of the slate, from the logits of the choice."""
        weight, begins = self.seen(dataset) * np.exp(x), dataset.step_starts
        total = np.bincount(begins, weight, len(x))[begins]
        return np.asarray(np.maximum(total - weight, 0.0), np.float64)

    def table(self, length: int) -> Doubles:
        """(length,) the weights, of positions behind the last one that of the last."""
        return at_positions(self.examine, np.arange(length))


class _ChoiceFit(NamedTuple):
    """A fitted model; effects of items are 0 for those without rows."""

    level: float
    slope: float
    common: float
    seen: Doubles  # (K,) log of the weights
    item: Doubles  # (N,)


def fit_slate_choice(
    dataset: Dataset, x: Doubles, shared: Doubles, spread: Doubles, guard: float, has_positions: bool
) -> SlateChoice | None:
    """Fits to train and validation; None where left-out slates are not forecast better than independent items are.

    Args:
        dataset: of a log of slates.
        x: (R,) logits of independent items at a random intercept of 0, NaN where unknown.
        shared: (R,) their part that all items have in common.
        spread: (R,) standard deviation of the random intercept.
        guard: standard errors by which slates are to be forecast better.
        has_positions: whether the order of the rows of a slate is that of its positions.
    """
    usable = _whole_slates(dataset, np.isfinite(x) & dataset.known)
    if len(np.unique(dataset.step_starts[usable])) < MIN_SLATES:
        return None
    position = positions_of(dataset)
    few = np.flatnonzero(np.bincount(position[usable & dataset.rows_of(TRAIN)]) < MIN_ROWS)
    last = max((int(few[0]) if len(few) else int(position[usable].max()) + 1) - 1, 0)
    position = np.minimum(position, last)
    forms = (False, True) if has_positions and last > 0 else (False,)

    def rows(part: Bools) -> "_ChoiceRows":
        return _ChoiceRows.of(dataset, part, position, x, shared, spread)

    losses = np.full((2, len(forms), len(x)), np.nan)  # of independent items and of a choice, at first rows
    for known, judged in held_out(dataset, usable, MAX_ROWS, folds=True):
        train, unseen = rows(known), rows(judged)
        first = np.flatnonzero(judged)[unseen.begin]
        alone, single = (PositionRows.of(dataset, part, position, x, spread) for part in (known, judged))
        for at, free in enumerate(forms):
            of_rows = single.losses(alone.fitted(last + 1, free))
            losses[0, at, first] = np.add.reduceat(of_rows, unseen.begin)
            losses[1, at, first] = unseen.losses(train.fitted(last + 1, free))
    judged = np.isfinite(losses[0, 0])
    cluster, losses = dataset.session[judged], losses[:, :, judged]
    plain = losses[0, np.argmin(losses[0].mean(1))]
    free = len(forms) > 1 and beats(losses[1, 1], losses[1, 0], cluster, guard)
    if not beats(losses[1, int(free)], plain, cluster, guard):
        return None
    every = rows(usable)
    without, found = every.fitted(last + 1, free, choice=False), every.fitted(last + 1, free)
    slope = found.slope / without.slope
    result = SlateChoice(
        np.exp(found.seen), slope, found.common / without.common,
        (1.0 - slope) * every.item_means() + found.item - without.item, 0.0, shared,
        float((plain - losses[1, int(free)]).mean()),
    )  # fmt: skip
    return result._replace(level=_level(dataset, result, usable, x, spread))


def _whole_slates(dataset: Dataset, rows: Bools) -> Bools:
    """(R,) rows of slates of which all rows are in `rows`, no item twice and one response at most, of MAX_ROWS rows."""
    begins, num = dataset.step_starts, len(rows)
    ordered = np.repeat(dataset.ordered, dataset.lengths)
    responses = np.bincount(begins, dataset.positive, num)
    code = np.stack([begins, dataset.item.astype(np.int64)])
    first = np.unique(code, axis=1, return_index=True)[1]
    again = np.ones(num, bool)
    again[first] = False
    bad = np.bincount(begins, ~rows | ~ordered | again, num) + (responses > 1)
    good = bad[begins] == 0
    share = MAX_ROWS / max(int(good.sum()), 1)
    if share < 1.0:
        good &= (np.random.default_rng(0).random(num) < share)[begins]
    return np.asarray(good, bool)


def _level(dataset: Dataset, found: SlateChoice, usable: Bools, x: Doubles, spread: Doubles) -> float:
    """The level at which the mean probability of a response to a slate is the share of the latest slates."""
    shown = latest(dataset, dataset.positive)
    rows = usable if shown is None or not (usable & shown).any() else usable & shown
    begin = np.flatnonzero(np.r_[True, np.diff(dataset.step_starts[rows]) > 0])
    logit = np.where(rows, found.logits(dataset, np.where(rows, x, 0.0)), 0.0)[rows]
    total = np.log(np.add.reduceat(found.seen(dataset)[rows] * np.exp(logit), begin))
    deviate = found.common * spread[rows][begin]
    wanted = float(np.clip(dataset.positive[rows].sum() / len(begin), 1e-6, 1.0 - 1e-6))

    def gap(level: float) -> float:
        return (
            sum(
                float(weight * sigmoid(total + level + deviate * node).mean())
                for node, weight in _nodes(deviate)
            )
            - wanted
        )

    return float(brentq(gap, -MAX_LEVEL, MAX_LEVEL, xtol=1e-9))


def _nodes(deviate: Doubles) -> list[tuple[float, float]]:
    return list(zip(*hermite_nodes(NODES), strict=True)) if deviate.any() else [(0.0, 1.0)]


@dataclass(frozen=True)
class _ChoiceRows:
    """Rows of whole slates, in their order, from which choices are fitted."""

    flag: Bools  # (R,)
    rest: Doubles  # (R,) logits less what is shared, less the mean of their item
    shared: Doubles  # (R,) less its mean
    mean: Doubles  # (R,) mean of the item
    spread: Doubles  # (R,)
    position: Ints  # (R,)
    item: Ints  # (R,)
    num_items: int  # N
    begin: Ints  # (S,) first row of each slate

    @classmethod
    def of(
        cls, dataset: Dataset, part: Bools, position: Ints, x: Doubles, shared: Doubles, spread: Doubles
    ) -> "_ChoiceRows":
        """Those of a part of the rows of a dataset; the means of items are over all of its known rows."""
        known, own = dataset.known & np.isfinite(x), x - shared
        mean = mean_by_item(dataset, own)
        item, begins = dataset.item[part].astype(np.int64), dataset.step_starts[part]
        return cls(
            dataset.positive[part].astype(bool), own[part] - mean[item], shared[part] - shared[known].mean(),
            mean[item], spread[part], position[part], item, dataset.num_items,
            np.flatnonzero(np.r_[True, np.diff(begins) > 0]),
        )  # fmt: skip

    def item_means(self) -> Doubles:
        """(N,) mean logit of each item, of those without rows that of all rows."""
        return spread_over_items(self.mean, self.item, self.num_items)

    def losses(self, fit: _ChoiceFit) -> Doubles:
        """(S,) negative log-likelihoods of the slates."""
        return self._choice(self._logits(fit), fit.common * self.spread)[0]

    def _logits(self, fit: _ChoiceFit) -> Doubles:
        logit = fit.level + fit.slope * self.rest + fit.common * self.shared + fit.item[self.item]
        return np.asarray(logit + fit.seen[self.position], np.float64)

    def _choice(self, logit: Doubles, deviate: Doubles) -> tuple[Doubles, list[tuple[float, Doubles]]]:
        """(S,) losses of a choice, and by node their slopes on the logits (R,)."""
        size, nodes = np.diff(np.r_[self.begin, len(logit)]), _nodes(deviate)
        likely, chances = [], []
        for node, weight in nodes:
            at = logit + deviate * node
            top = np.maximum(np.maximum.reduceat(at, self.begin), 0.0)
            odds = np.exp(at - np.repeat(top, size))
            total = np.exp(-top) + np.add.reduceat(odds, self.begin)
            chosen = np.add.reduceat(np.where(self.flag, at, 0.0), self.begin)
            likely.append(np.log(weight) + chosen - top - np.log(total))
            chances.append(odds / np.repeat(total, size))
        loss = -logsumexp(likely, axis=0)
        slopes = [
            (node, np.repeat(np.exp(own + loss), size) * (chance - self.flag))
            for (node, _), own, chance in zip(nodes, likely, chances, strict=True)
        ]
        return np.asarray(loss, np.float64), slopes

    def _independent(self, logit: Doubles, deviate: Doubles) -> tuple[Doubles, list[tuple[float, Doubles]]]:
        """The same of independent items: (R,) losses."""
        nodes = _nodes(deviate)
        chances = [sigmoid(logit + deviate * node) for node, _ in nodes]
        p = sum(
            (weight * each for (_, weight), each in zip(nodes, chances, strict=True)), np.zeros(len(logit))
        )
        p = np.clip(p, TINY, 1.0 - TINY)
        by = np.where(self.flag, -1.0 / p, 1.0 / (1.0 - p))
        slopes = [
            (node, by * weight * each * (1.0 - each))
            for (node, weight), each in zip(nodes, chances, strict=True)
        ]
        return -np.log(np.where(self.flag, p, 1.0 - p)), slopes

    def fitted(self, num: int, free: bool, *, choice: bool = True) -> _ChoiceFit:
        """The model of `num` positions, or with `free` False the one in which all have weight 1.

        With `choice` False it is that of independent items, without weights of positions.
        """
        free = free and choice
        top = int(np.bincount(self.position, self.flag, num).argmax())
        centre = float(self.mean.mean())
        start = np.r_[centre, 0.0, 0.0, np.zeros(num), self.item_means() - centre]
        held = [(-8.0, 8.0) if free and k != top else (0.0, 0.0) for k in range(num)]
        bounds = [(None, None), (-2.0, 2.0), (-2.0, 2.0), *held, *[(None, None)] * self.num_items]
        values = minimize(self._loss, start, args=(num, choice), jac=True, bounds=bounds, method="L-BFGS-B").x
        seen = values[3 : 3 + num]
        return _ChoiceFit(
            float(values[0] + seen.max()), float(np.exp(values[1])), float(np.exp(values[2])), seen - seen.max(),
            values[3 + num :],
        )  # fmt: skip

    def _loss(self, values: Doubles, num: int, choice: bool) -> tuple[float, Doubles]:
        """Penalised negative log-likelihood, and its gradient, at level, log slopes, log eps (K,), items (N,)."""
        seen, item = values[3 : 3 + num], values[3 + num :]
        slope, common = np.exp(values[1:3])
        fit, deviate = _ChoiceFit(values[0], slope, common, seen, item), common * self.spread
        losses, slopes = (self._choice if choice else self._independent)(self._logits(fit), deviate)
        total = sum((by for _, by in slopes), np.zeros(len(self.flag)))
        shared = sum(float(by @ (common * self.shared + deviate * node)) for node, by in slopes)
        gradient = np.r_[
            total.sum(), total @ (slope * self.rest), shared, np.bincount(self.position, total, num),
            np.bincount(self.item, total, self.num_items),
        ]  # fmt: skip
        step = STEP_PRIOR * np.diff(seen)
        held = PRIOR * np.r_[0.0, values[1:3], np.zeros(num), item]
        held[3 : 3 + num] = np.r_[0.0, step] - np.r_[step, 0.0]
        prior = PRIOR * (values[1:3] @ values[1:3] + item @ item) + step @ step / STEP_PRIOR
        return float(losses.sum()) + 0.5 * float(prior), gradient + held
