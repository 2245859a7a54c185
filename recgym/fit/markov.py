"""A smoothed Markov table as a term of affinity, beside which the other terms are trained.

The table P(j | i) = (C_ij + k p_j) / (n_i + k), with p the items' shares, equals p_j (1 + C_ij / (k p_j)) up to a
factor of its row. So item biases log p and a term log(1 + C_ij / (k p_j)) of the pairs that the log has are that table.
The first click of a visit has a row of its own, which is listed in full: so shifted that a page is as attractive before
the first click as it is on average after one, as counts do not say how many visits end without a click.

Users return to items of their visit more often than transitions say. A return is a click on an item clicked earlier in
the visit, but not last. Its term is `rho`, here in closed form beside the table:

    P(j | i, earlier items) = P(j | i) exp(rho [j is a return]) / (1 + (exp(rho) - 1) P(any return | i))

The world adds `rho` to the last item, too, so the pair of an item with itself has a term less by `rho`.

A row's own transition is in the counts. In training its own term is without it (leave-one-out), so that what is trained
beside the table does not see it as better than it is.
"""

from typing import NamedTuple

import numpy as np
import torch

from recgym.arrays import Arrays, Bools, Doubles, Ints
from recgym.fit.dataset import Dataset
from recgym.fit.pair_terms import Transitions
from recgym.numerics import sigmoid
from recgym.sim.state import MEMORY

POPULARITY = 1e12  # [clicks] k, with which a row is popularity
LARGEST_RHO = 8.0  # [logit]
WEIGHTS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)  # [clicks] k, weight of the items' shares


def item_before(dataset: Dataset) -> Ints:
    """(rows,) item of the row before in the visit; N at its first row; -1 where the order of its rows is not known."""
    known = np.repeat(dataset.ordered, dataset.lengths)
    before = np.where(dataset.step > 0, np.roll(dataset.item.astype(np.int64), 1), dataset.num_items)
    return np.where(known, before, -1)


class Weights(NamedTuple):
    """k of the rows of a table [clicks]."""

    after: float  # a click
    first: float = POPULARITY  # of the first click of a visit
    rho: float = 0.0  # term of a return
    counts_returns: bool = True  # whether the table counts returns as transitions

    def of(self, last: Ints, num_items: int) -> Doubles:
        """Weights after each of `last`, N for the first click."""
        return np.where(last < num_items, self.after, self.first)


class Returns(NamedTuple):
    """Items to which a click may be a return."""

    flag: Bools  # (rows,) whether the row is one
    row: Ints  # (pairs,)
    item: Ints  # (pairs,) items of the row's visit that are among its last MEMORY clicks, but not the last

    @classmethod
    def of(cls, dataset: Dataset) -> "Returns":
        """Of all rows; none where the order of the rows is not known."""
        item, row = dataset.item.astype(np.int64), np.arange(len(dataset.item))
        key = dataset.session * dataset.num_items + item
        order = np.argsort(key, kind="stable")
        again = np.flatnonzero(key[order][1:] == key[order][:-1])
        following = np.full(len(row), len(row))  # next row of the visit with the item
        following[order[again]] = order[again + 1]
        before = item_before(dataset) >= 0
        rows = [row[lag:][before[lag:] & (dataset.step[lag:] >= lag) & (following[:-lag] >= row[lag:])]
                for lag in range(2, min(MEMORY, int(dataset.lengths.max()) - 1) + 1)]  # fmt: skip
        rows = [np.zeros(0, np.int64), *rows]
        items = [item[each - lag] for lag, each in enumerate(rows, 1)]
        found = cls(np.zeros(len(row), np.bool_), np.concatenate(rows), np.concatenate(items))
        found.flag[found.row[found.item == item[found.row]]] = True
        return found


def _counted(dataset: Dataset, rows: Bools, weights: Weights) -> tuple[Bools, Doubles]:
    """Those of `rows` (rows,) that the table counts, and the shares of the items (N,) among them."""
    counted = rows if weights.counts_returns else rows & ~Returns.of(dataset).flag
    num = dataset.num_items
    share = (np.bincount(dataset.item[counted], minlength=num) + 1.0) / (counted.sum() + num)
    return counted, np.asarray(share, np.float64)


def markov_table(dataset: Dataset, rows: Bools, weights: Weights) -> Transitions | None:
    """The term from the transitions among `rows` (rows,), None where there is none."""
    num, item = dataset.num_items, dataset.item.astype(np.int64)
    counted, share = _counted(dataset, rows, weights)
    before = item_before(dataset)
    second = np.flatnonzero(counted & (before >= 0))
    if not len(second):
        return None
    every = np.arange(num)
    listed = [before[second] * num + item[second], num * num + every]
    listed += [every * (num + 1)] if weights.rho else []
    code, count = np.unique(np.concatenate(listed), return_counts=True)
    first, to = code // num, code % num
    count = count - (first == num) - ((first == to) & (weights.rho != 0.0))
    total = np.bincount(before[second], minlength=num + 1)
    level = np.log1p(total / weights.of(np.arange(num + 1), num))  # of the sums over the rows of the table
    later = np.average(level[:num], weights=total[:num]) if total[:num].any() else 0.0
    shift = np.where(first == num, later - level[num], np.where(first == to, -weights.rho, 0.0))
    scale = weights.of(first, num) * share[to]
    return Transitions(
        torch.as_tensor(np.searchsorted(code, np.arange(num + 2) * num)),
        torch.as_tensor(code),
        *(
            torch.as_tensor(shift + np.log1p(part / scale), dtype=torch.float32)
            for part in (count, np.maximum(count - 1, 0))
        ),
    )


class Asked(NamedTuple):
    """What a table says of some rows, on their pages; closed-form terms of the loss with returns."""

    own: Doubles  # (R,) probability of the item, without `rho`
    returns: Doubles  # (R,) of all items of the page that a click would return to
    flag: Bools  # (R,) whether the item is one of them

    def losses(self, rho: float) -> Doubles:
        """(R,) log-losses of the items."""
        more = np.log1p(np.expm1(rho) * self.returns)
        return np.asarray(more - rho * self.flag - np.log(self.own), np.float64)

    def best_rho(self) -> float:
        """The term of returns of least loss, which is convex in it, within LARGEST_RHO; 0 where none is possible."""
        known = self.returns > 0.0
        odds, flag = (
            np.log(self.returns[known] / np.maximum(1.0 - self.returns[known], 1e-12)),
            self.flag[known],
        )
        low, high = -LARGEST_RHO, LARGEST_RHO
        for _ in range(50 if len(odds) else 0):
            middle = 0.5 * (low + high)
            low, high = (low, middle) if sigmoid(odds + middle).sum() > flag.sum() else (middle, high)
        return 0.5 * (low + high)


def ask_table(dataset: Dataset, known: Bools, rows: Ints, weights: Weights) -> Asked:
    """Forecasts of the items of `rows` on their pages, by the table of the rows `known` (rows,), in closed form."""
    num, item, page = dataset.num_items, dataset.item.astype(np.int64), dataset.items.category_page
    counted, share = _counted(dataset, known, weights)
    pages = np.bincount(page, share)
    before = item_before(dataset)
    second = np.flatnonzero(counted & (before >= 0))

    def count(row: Ints, to: Ints, of: Ints, size: int) -> Doubles:
        """Transitions from the item before each `row` to `to`, among `of` (rows of the log,) below `size`."""
        if not len(second):
            return np.zeros(len(row))
        code, often = np.unique(before[second] * size + of[second], return_counts=True)
        asked = before[row] * size + to
        at = np.minimum(np.searchsorted(code, asked), len(code) - 1)
        return np.asarray(np.where((before[row] >= 0) & (code[at] == asked), often[at], 0), np.float64)

    def chance(row: Ints, to: Ints) -> Doubles:
        """Probability of the items `to` on their pages at each `row`."""
        weight = weights.of(before[row], num)
        own = count(row, to, item, num) + weight * share[to]
        return own / (count(row, page[to], page[item], len(pages)) + weight * pages[page[to]])

    found = Returns.of(dataset)
    place = np.full(len(item), -1)
    place[rows] = np.arange(len(rows))
    on_page = (place[found.row] >= 0) & (page[found.item] == page[item[found.row]])
    row, to = found.row[on_page], found.item[on_page]
    returns = np.bincount(place[row], chance(row, to), len(rows))
    return Asked(chance(rows, item[rows]), np.minimum(returns, 1.0), found.flag[rows])


def table_losses(dataset: Dataset, known: Bools, rows: Ints, weights: Weights) -> Doubles:
    """Log-losses of the items of `rows` on their pages, by the table of the rows `known` (rows,), in closed form."""
    return ask_table(dataset, known, rows, weights).losses(weights.rho)


def exported(table: Transitions) -> Arrays:
    """The arrays of a world with this term."""
    start, code, logit = (part.cpu().numpy() for part in table[:3])
    return {"next_start": start, "next_item": code % (len(start) - 2), "next_logit": logit}
