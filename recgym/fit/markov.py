"""A smoothed Markov table as a term of affinity, beside which the other terms are trained.

The table P(j | i) = (C_ij + k p_j) / (n_i + k), with p the items' shares, equals p_j (1 + C_ij / (k p_j)) up to a
factor of its row. So item biases log p and a term log(1 + C_ij / (k p_j)) of the pairs that the log has are that table.
The first click of a visit has a row of its own.

A row's own transition is in the counts. In training its own term is without it (leave-one-out), so that what is trained
beside the table does not see it as better than it is.
"""

from typing import NamedTuple

import numpy as np
import torch

from recgym.arrays import Arrays, Bools, Doubles, Ints
from recgym.fit.dataset import Dataset
from recgym.fit.pair_terms import Transitions

POPULARITY = 1e12  # [clicks] k, with which a row is popularity
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

    def of(self, last: Ints, num_items: int) -> Doubles:
        """Weights after each of `last`, N for the first click."""
        return np.where(last < num_items, self.after, self.first)


def markov_table(dataset: Dataset, rows: Bools, weights: Weights) -> Transitions | None:
    """The term from the transitions among `rows` (rows,), None where there is none."""
    num, item = dataset.num_items, dataset.item.astype(np.int64)
    share: Doubles = (np.bincount(item[rows], minlength=num) + 1.0) / (rows.sum() + num)
    before = item_before(dataset)
    second = np.flatnonzero(rows & (before >= 0))
    code, count = np.unique(before[second] * num + item[second], return_counts=True)
    if not len(code):
        return None
    scale = weights.of(code // num, num) * share[code % num]
    return Transitions(
        torch.as_tensor(np.searchsorted(code, np.arange(num + 2) * num)),
        torch.as_tensor(code),
        *(torch.as_tensor(np.log1p(part / scale), dtype=torch.float32) for part in (count, count - 1)),
    )


def table_losses(dataset: Dataset, known: Bools, rows: Ints, weights: Weights) -> Doubles:
    """Log-losses of the items of `rows` on their pages, by the table of the rows `known` (rows,), in closed form."""
    num, item, page = dataset.num_items, dataset.item.astype(np.int64), dataset.items.category_page
    share = (np.bincount(item[known], minlength=num) + 1.0) / (known.sum() + num)
    pages = np.bincount(page, share)
    before = item_before(dataset)
    second = np.flatnonzero(known & (before >= 0))

    def counted(to: Ints, size: int) -> Doubles:
        """Transitions of the table from the item before each of `rows` to what is at it, of `to` (rows of the log,)."""
        code, count = np.unique(before[second] * size + to[second], return_counts=True)
        asked = before[rows] * size + to[rows]
        at = np.minimum(np.searchsorted(code, asked), len(code) - 1)
        return np.asarray(np.where((before[rows] >= 0) & (code[at] == asked), count[at], 0), np.float64)

    if not len(second):
        return np.asarray(-np.log(share[item[rows]] / pages[page[item[rows]]]), np.float64)
    weight = weights.of(before[rows], num)
    own = counted(item, num) + weight * share[item[rows]]
    every = counted(page[item], len(pages)) + weight * pages[page[item[rows]]]
    return np.asarray(-np.log(own / every), np.float64)


def exported(table: Transitions) -> Arrays:
    """The arrays of a world with this term."""
    start, code, logit = (part.cpu().numpy() for part in table[:3])
    return {"next_start": start, "next_item": code % (len(start) - 2), "next_logit": logit}
