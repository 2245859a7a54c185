"""Returns to items of the visit, estimated beside a Markov table by expectation maximisation.

The next item is drawn from the transitions of the last one, or is a return to an earlier response of the visit:

    P(j | i, earlier responses) ~ P(j | i) + g_j share_j

with P(j | i) of the table, and share_j that of `recgym.sim.returns`. A row is a return with the probability
g_j share_j / (P(j | i) + g_j share_j), in which P(j | i) is without the row itself, and so many of its transitions are
not counted. The weights of the items are the means of gamma distributions, which `prior` returns of a common weight
shrink to it (empirical Bayes: Robbins, 1956).

Source of the algorithm: Dempster, Laird and Rubin (1977), Maximum likelihood from incomplete data via the EM algorithm.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from recgym.arrays import Bools, Doubles, Ints
from recgym.fit.dataset import Dataset
from recgym.sim.state import MEMORY

ROUNDS = 12
FIRST_WEIGHT = 2.0  # g of all items in the first round: from above, since a return is also a transition
MIN_WEIGHT = 1e-6  # of an item
DECAYS = (1.0, 0.9, 0.7, 0.5, 0.3)  # weight of a response relative to that of the one after it
PRIORS = (math.inf, 10.0, 3.0, 1.0)  # [returns]


class Returned(NamedTuple):
    """Returns of a log."""

    weight: Doubles  # (N,) g
    decay: float
    transition: Doubles  # (rows,) probability that a row is none
    mean: float  # g of all items together
    share: float  # of the known rows that are returns


class Chances(NamedTuple):
    """Probabilities by transitions, of rows after the last item."""

    own: Doubles  # (R,) of the row's item
    page: Doubles  # (R,) of all items of its page


class VisitReturns:
    """The earlier responses of the visit, at each of some rows."""

    def __init__(self, dataset: Dataset, before: Ints, rows: Ints, decay: float) -> None:
        """`before` (rows of the log,): item before each row, N before a visit's first, -1 where that is not known."""
        self.item = dataset.item.astype(np.int64)
        self.page = dataset.items.category_page
        self.rows, self.decay, self.num = rows, decay, dataset.num_items
        known = (before[rows] >= 0) & (before[rows] < dataset.num_items)
        self.count = np.where(known, np.minimum(dataset.step[rows], MEMORY), 0)  # of the responses
        power = decay ** np.arange(MEMORY)
        self.total = np.append(1.0, np.cumsum(power))[self.count]

    def earlier(self) -> Iterator[tuple[Ints, Ints, Doubles]]:
        """For each number of responses since: places in `rows`, the item, and its share; of the row's own page."""
        for age in range(int(self.count.max(initial=0))):
            at = np.flatnonzero(self.count > age)
            item = self.item[self.rows[at] - 1 - age]
            on_page = self.page[item] == self.page[self.item[self.rows[at]]]
            at, item = at[on_page], item[on_page]
            yield at, item, self.decay**age / self.total[at]

    def of(self, weight: Doubles) -> Chances:
        """Weight g share of the row's item, and of all items of its page."""
        own, page = np.zeros((2, len(self.rows)))
        for at, item, share in self.earlier():
            page[at] += share * weight[item]
            own[at] += share * weight[item] * (item == self.item[self.rows[at]])
        return Chances(own, page)

    def exposures(self, scale: Doubles) -> Doubles:
        """(N,) sum over the rows of each item's share times `scale` (R,)."""
        found = np.zeros(self.num)
        for at, item, share in self.earlier():
            found += np.bincount(item, share * scale[at], self.num)
        return found


def estimate(
    dataset: Dataset, before: Ints, known: Bools, decay: float, prior: float, transitions: Callable[[Doubles], Chances]
) -> Returned:  # fmt: skip
    """Maximises the likelihood of the rows `known` (rows,) that have a response before them.

    Args:
        dataset: the log.
        before: (rows,) item before each row; N at the first of a visit, -1 where it is not known.
        known: (rows,) those to learn from.
        decay: weight of a response relative to that of the one after it.
        prior: [returns] strength of the common weight; infinite: items do not differ.
        transitions: chances of these rows, each by the others, from the weights (rows,) of all rows as transitions.
    """
    rows = np.flatnonzero(known & (before >= 0) & (before < dataset.num_items))
    earlier, item = VisitReturns(dataset, before, rows, decay), dataset.item[rows]
    transition, weight, mean = np.ones(len(known)), np.full(dataset.num_items, FIRST_WEIGHT), FIRST_WEIGHT
    for _ in range(ROUNDS):
        chance, returns = transitions(transition), earlier.of(weight)
        is_return = returns.own / np.maximum(chance.own + returns.own, 1e-30)
        exposed = earlier.exposures(1.0 / np.maximum(chance.page + returns.page, 1e-30))
        found = np.bincount(item, is_return, dataset.num_items)
        mean = max(float(found.sum() / max(exposed.sum(), 1e-30)), MIN_WEIGHT)
        shrunk = (found + prior) / (exposed + prior / mean) if math.isfinite(prior) else mean
        weight = np.maximum(np.broadcast_to(shrunk, dataset.num_items), MIN_WEIGHT)
        transition[rows] = 1.0 - is_return
    return Returned(weight, decay, transition, mean, 1.0 - float(transition[known].mean()))
