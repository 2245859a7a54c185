"""A smoothed Markov table as a term of affinity, beside which the other terms are trained.

The table P(j | i) = (C_ij + k p_j) / (n_i + k), with p the items' shares, equals p_j (1 + C_ij / (k p_j)) up to a
factor of its row. So item biases log p and a term log(1 + C_ij / (k p_j)) of the pairs that the log has are that table.
The first click of a visit has a row of its own. The sums of the rows are their levels, which the world subtracts:
counts do not say how often nothing was clicked.

Where the popularity of items drifts, older rows count less: half after so many visits.

Users return to items of their visit more often than transitions say: see `recgym.fit.visit_returns`. Then the table
counts each row by the probability that it is a transition.

A row's own transition is in the counts. In training its own term is without it (leave-one-out), so that what is trained
beside the table does not see it as better than it is.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from recgym.arrays import Arrays, Bools, Doubles, Ints
from recgym.fit.dataset import Dataset
from recgym.fit.pair_terms import Transitions
from recgym.fit.visit_returns import Chances, Returned, VisitReturns, estimate

POPULARITY = 1e12  # [clicks] k, with which a row is popularity
WEIGHTS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)  # [clicks] k, weight of the items' shares


def item_before(dataset: Dataset) -> Ints:
    """(rows,) item of the row before in the visit; N at its first row; -1 where the order of its rows is not known."""
    known = np.repeat(dataset.ordered, dataset.lengths)
    before = np.where(dataset.step > 0, np.roll(dataset.item.astype(np.int64), 1), dataset.num_items)
    return np.where(known, before, -1)


class Weights(NamedTuple):
    """k of the rows of a table [clicks], and settings of returns."""

    after: float  # a click
    first: float = POPULARITY  # of the first click of a visit
    decay: float = 0.0  # of returns; 0: there are none
    prior: float = 0.0  # of the weights of returns
    half_life: float = math.inf  # [visits] after which a row counts half, by the order of the visits in time

    def of(self, last: Ints, num_items: int) -> Doubles:
        """Weights after each of `last`, N for the first click."""
        return np.where(last < num_items, self.after, self.first)


def recency(dataset: Dataset, known: Bools, half_life: float) -> Doubles:
    """(rows,) weights of rows, 1 in the newest visit of the rows `known` and 1/2 `half_life` visits before it."""
    if dataset.order is None or math.isinf(half_life):
        return np.ones(len(known))
    order = np.repeat(dataset.order, dataset.lengths)
    return np.asarray(0.5 ** (np.maximum(order[known].max(initial=0) - order, 0) / half_life), np.float64)


class Counted:
    """What a table is made of: the rows `known` (rows,), each by the probability that it is a transition."""

    def __init__(self, dataset: Dataset, known: Bools, weights: Weights) -> None:
        self.dataset, self.known, self.before = dataset, known, item_before(dataset)
        recent = recency(dataset, known, weights.half_life)
        self.row = recent  # (rows,) the probability, less with age
        self.returns: Returned | None = None
        if weights.decay > 0.0:
            each, settings = self._left_out(weights), (weights.decay, weights.prior)
            self.returns = estimate(dataset, self.before, known, *settings, lambda row: each(recent * row))
            self.row = recent * self.returns.transition

    @property
    def share(self) -> Doubles:
        """(N,) shares of the items among the rows."""
        num = self.dataset.num_items
        count = np.bincount(self.dataset.item[self.known], self.row[self.known], num) + 1.0
        return np.asarray(count / count.sum(), np.float64)

    def chances(self, row: Ints, to: Ints, weights: Weights) -> Chances:
        """Probabilities of the items `to` and of their pages after the item before each `row`."""
        num, item, page = self.dataset.num_items, self.dataset.item, self.dataset.items.category_page
        share, before, kept = self.share, self.before, np.flatnonzero(self.known & (self.before >= 0))
        pages, total = np.bincount(page, share), np.bincount(before[kept], self.row[kept], num + 1)

        def count(asked: Ints, of: Ints, size: int) -> Doubles:
            """Transitions from the item before each row to `asked`, among `of` (rows of the log,) below `size`."""
            code, place = np.unique(before[kept] * size + of[kept], return_inverse=True)
            if not len(code):
                return np.zeros(len(row))
            often, wanted = np.bincount(place, self.row[kept]), before[row] * size + asked
            at = np.minimum(np.searchsorted(code, wanted), len(code) - 1)
            return np.where((before[row] >= 0) & (code[at] == wanted), often[at], 0.0)

        weight = weights.of(before[row], num)
        scale = np.where(before[row] >= 0, total[before[row]], 0.0) + weight
        own = count(to, item.astype(np.int64), num) + weight * share[to]
        return Chances(
            own / scale, (count(page[to], page[item], len(pages)) + weight * pages[page[to]]) / scale
        )

    def _left_out(self, weights: Weights) -> Callable[[Doubles], Chances]:
        """Chances of the known rows that have one before, each without itself, from the weights of all rows."""
        num, item, page = self.dataset.num_items, self.dataset.item, self.dataset.items.category_page
        row = np.flatnonzero(self.known & (self.before >= 0) & (self.before < num))
        to, on, before = item[row], page[item[row]], self.before[row]
        pair, own_page = (np.unique(before * num + code, return_inverse=True)[1] for code in (to, on))

        def chances(transition: Doubles) -> Chances:
            own, total = transition[row], np.bincount(before, transition[row], num)[before]
            count = np.bincount(item[self.known], transition[self.known], num) + 1.0
            share, pages = count[to] - own, np.bincount(page, count)[on] - own
            scale, k = total - own + weights.after, weights.after / (count.sum() - own)
            return Chances(
                (np.bincount(pair, own)[pair] - own + k * share) / scale,
                (np.bincount(own_page, own)[own_page] - own + k * pages) / scale,
            )

        return chances


def markov_table(counted: Counted, weights: Weights) -> Transitions | None:
    """The term from the transitions of the counted rows, None where there is none; each item has a pair with itself."""
    dataset, share, before = counted.dataset, counted.share, counted.before
    num, second = dataset.num_items, np.flatnonzero(counted.known & (before >= 0))
    if not len(second):
        return None
    pairs = np.append(before[second] * num + dataset.item[second], np.arange(num) * (num + 1))
    code, place = np.unique(pairs, return_inverse=True)
    place, row = place[: len(second)], counted.row[second]
    first, (count, rows) = code // num, (np.bincount(place, w, len(code)) for w in (row, np.ones(len(row))))
    scale = weights.of(first, num) * share[code % num]
    level = np.bincount(before[second], counted.row[second], num + 1) / weights.of(np.arange(num + 1), num)
    logit, without = (
        torch.as_tensor(np.log1p(part / scale), dtype=torch.float32)
        for part in (count, count * (1.0 - 1.0 / np.maximum(rows, 1.0)))
    )
    return Transitions(
        torch.as_tensor(np.searchsorted(code, np.arange(num + 2) * num)),
        torch.as_tensor(code),
        logit,
        without,
        torch.as_tensor(np.log1p(level), dtype=torch.float32),
    )


def table_losses(counted: Counted, rows: Ints, weights: Weights) -> Doubles:
    """Log-losses of the items of `rows` on their pages, by the table of the counted rows, in closed form."""
    chance = counted.chances(rows, counted.dataset.item[rows].astype(np.int64), weights)
    if counted.returns is None:
        return np.asarray(np.log(chance.page) - np.log(chance.own), np.float64)
    returns = VisitReturns(counted.dataset, counted.before, rows, counted.returns.decay)
    more = returns.of(counted.returns.weight)
    return np.asarray(np.log(chance.page + more.page) - np.log(chance.own + more.own), np.float64)


def exported(table: Transitions) -> Arrays:
    """The arrays of a world with this term."""
    start, code, logit, _, level = (part.cpu().numpy() for part in table)
    return {
        "next_start": start, "next_item": code % (len(start) - 2), "next_logit": logit, "next_level": level,
    }  # fmt: skip
