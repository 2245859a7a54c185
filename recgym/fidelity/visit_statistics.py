"""Statistics of whole visits: one function for logged, simulated and baseline visits.

A statistic is a number for a weight of each visit, so that bootstrap samples and halves of a log are weights. Its id is
that of the figure on the card. Distributions are compared by distances, see `distances`.

Axes: R rows, V visits, N items, C categories.
"""

from typing import NamedTuple

import numpy as np

from recgym.arrays import Array, Bools, Doubles, Ints
from recgym.fidelity.visit_table import VisitTable
from recgym.logs.visit_history import repeats, runs
from recgym.numerics import gini
from recgym.sim.page_order import world_pages
from recgym.sim.world import World

# steps of a visit, and positions of a slate, whose response rate is on the card
PLACES = (1, 2, 3, 4, 5, 6, 8, 10, 15, 20)
QUANTILES = {"median": 0.5, "90th percentile": 0.9, "99th percentile": 0.99}
TOP_SHARE = 0.01  # of the catalogue


class Distributions(NamedTuple):
    """Weighted distributions of a table that are compared by their distance."""

    length: Doubles  # share of visits with rows by their number of steps
    responses: Doubles  # share of the counted visits by their number of responses
    popularity: Doubles  # (N,) share of rows of each item, in the order of a given ranking
    transition: Doubles  # (C * C,) share of pairs of neighbouring rows by their categories


class VisitStatistics:
    """Statistics of a table; what does not depend on weights is computed once.

    Args:
        table: the visits.
        world: gives the categories and pages of items.
        rank: (N,) rank of each item in a given order of popularity.
        ordered: whether the rows of a visit have an order.
        responses_only: whether rows without a response are not in the log.
    """

    def __init__(
        self,
        table: VisitTable,
        world: World,
        rank: Ints,
        *,
        ordered: bool = True,
        responses_only: bool = False,
    ) -> None:
        self.table, self.world, self.rank = table, world, rank
        self.ordered, self.responses_only = ordered, responses_only
        visit, item = table.visit, table.item
        self.length = table.length
        self.response = table.response.astype(np.float64)
        self.responses = np.bincount(visit, self.response, table.num)
        self.rows_of_visit = np.bincount(visit, minlength=table.num).astype(np.float64)
        self.category = world.arrays.category[item].astype(np.int64)
        self.category_page = world_pages(world.arrays)[item]
        self.is_repeat = seen_earlier(visit, item)
        self.run = runs(visit, self.category, table.response)
        begins = np.r_[True, (visit[1:] != visit[:-1]) | (table.place[1:] != table.place[:-1])][: len(visit)]
        self.slate = np.flatnonzero(begins)  # first row of each slate
        is_slate = 0 < len(self.slate) < len(visit)  # several rows a step
        self.answers = np.add.reduceat(self.response, self.slate) if is_slate else None
        self.before = np.flatnonzero(visit[1:] == visit[:-1])  # rows with a next row in their visit

    def __call__(self, weight: Doubles | None = None) -> dict[str, float]:
        """Statistics by the ids of their figures; `weight` (V,), 1 by default."""
        weight = np.ones(self.table.num) if weight is None else weight
        rows = weight[self.table.visit]
        with np.errstate(invalid="ignore", divide="ignore"):
            found = {**self._visits(weight), **self._popularity(rows)}
            if not self.responses_only:
                found |= self._rates(rows) | self._spread(weight)
            if self.ordered:
                found |= self._sequence(rows)
        return {name: float(value) for name, value in found.items()}

    def _visits(self, weight: Doubles) -> dict[str, float]:
        logged, counted = weight * (self.length > 0), self._counted(weight)
        total = logged.sum()
        found = {
            "free_responses": counted @ self.responses / counted.sum(),
            "free_responding": weight @ (self.responses > 0) / weight.sum(),
            "free_length/mean": logged @ self.length / total,
        }
        share = np.cumsum(np.bincount(self.length, logged)) / total
        found |= {
            f"free_length/{name}": float(np.searchsorted(share, level - 1e-12))
            for name, level in QUANTILES.items()
        }
        return found

    def _counted(self, weight: Doubles) -> Doubles:
        """(V,) weights of the visits whose responses are counted: a log of responses has no visit without one."""
        return weight * (self.responses > 0) if self.responses_only else weight

    def _rates(self, rows: Doubles) -> dict[str, float]:
        events, place, total = self.table.events, self.table.place, rows.sum()
        found = {f"free_rate/{name}": float(rows @ flag / total) for name, flag in events.items()}
        if self.answers is not None:
            of_slate = rows[self.slate]
            for label, least in (("a response", 1), ("several responses", 2)):
                found[f"free_slates/{label}"] = of_slate @ (self.answers >= least) / of_slate.sum()
        name = next(iter(events))
        parts = (
            {"at": place} if self.table.position is None else {"at": place, "position": self.table.position}
        )
        for part, number in parts.items():
            top, bottom = np.bincount(number, rows * self.response), np.bincount(number, rows)
            found |= {f"free_rate_{part}/{name}/{t}": top[t] / bottom[t] for t in PLACES if t < len(bottom)}
        return found

    def _spread(self, weight: Doubles) -> dict[str, float]:
        """Variance between visits beyond the binomial: the covariance of two rows of one visit."""
        pairs = weight @ (self.rows_of_visit * (self.rows_of_visit - 1.0))
        mean = weight @ self.responses / (weight @ self.rows_of_visit)
        centred = self.responses - mean * self.rows_of_visit
        own = self.responses * (1.0 - mean) ** 2 + (self.rows_of_visit - self.responses) * mean**2
        return {"free_spread": float(weight @ (centred**2 - own) / pairs)}

    def _popularity(self, rows: Doubles) -> dict[str, float]:
        count = np.sort(np.bincount(self.table.item, rows, self.world.num_items))
        top = max(1, round(TOP_SHARE * len(count)))
        return {
            "free_gini": gini(count),
            "free_top_items": count[-top:].sum() / count.sum(),
        }

    def _sequence(self, rows: Doubles) -> dict[str, float]:
        first, weight = self.before, rows[self.before]
        second, total = first + 1, weight.sum()
        found = {"free_repeats": rows @ self.is_repeat / rows.sum()}
        if np.ptp(self.world.arrays.category):
            found["free_same_category"] = weight @ (self.category[first] == self.category[second]) / total
        if self.world.arrays.page.any():
            found["free_same_page"] = (
                weight @ (self.category_page[first] == self.category_page[second]) / total
            )
        ends = self.table.response & self._ends_run()
        found["free_run"] = (rows * ends) @ self.run / (rows @ ends)
        if not self.responses_only:
            found["free_neighbours"] = correlation(self.response[first], self.response[second], weight)
        return found

    def _ends_run(self) -> Bools:
        """(R,) responses that the next response of the visit does not continue."""
        at = np.flatnonzero(self.table.response)
        ends = np.zeros(len(self.run), bool)
        ends[at] = np.r_[self.run[at][1:] == 1, True][: len(at)]
        return ends

    def distributions(self, weight: Doubles | None = None) -> Distributions:
        """Distributions for a weight of each visit (V,), 1 by default."""
        weight = np.ones(self.table.num) if weight is None else weight
        rows, logged = weight[self.table.visit], weight * (self.length > 0)
        size = len(self.world.categories)
        code = self.category[self.before] * size + self.category[self.before + 1]
        return Distributions(
            _share(np.bincount(self.length, logged)),
            _share(np.bincount(self.responses.astype(np.int64), self._counted(weight))),
            _share(np.bincount(self.rank[self.table.item], rows, self.world.num_items)),
            _share(np.bincount(code, rows[self.before], size * size)),
        )


def distances(one: Distributions, other: Distributions, *, ordered: bool = True) -> dict[str, float]:
    """Kolmogorov-Smirnov distances, and of transitions the total variation, by the ids of their figures."""
    found = {
        "free_length_distance": kolmogorov_smirnov(one.length, other.length),
        "free_responses_distance": kolmogorov_smirnov(one.responses, other.responses),
        "free_popularity_distance": kolmogorov_smirnov(one.popularity, other.popularity),
    }
    if ordered:
        found["free_transition_distance"] = float(np.abs(one.transition - other.transition).sum() / 2.0)
    return found


def kolmogorov_smirnov(one: Doubles, other: Doubles) -> float:
    """Largest distance of the distribution functions of two shares over 0, 1, ..."""
    size = max(len(one), len(other))
    first, second = (np.cumsum(np.pad(share, (0, size - len(share)))) for share in (one, other))
    return float(np.abs(first - second).max())


def correlation(one: Doubles, other: Doubles, weight: Doubles) -> float:
    """Weighted correlation; NaN where one of the two is constant."""
    share = weight / weight.sum()
    one, other = one - share @ one, other - share @ other
    return float(share @ (one * other) / np.sqrt((share @ one**2) * (share @ other**2)))


def seen_earlier(visit: Ints, item: Ints) -> Bools:
    """(R,) whether an earlier row of the visit has the item."""
    return repeats(visit, item, np.ones(len(item), bool), len(item))


def popularity_rank(world: World, known: Ints | None) -> Ints:
    """(N,) ranks of the items by their rows in `known`, else by the world's exposure; ties by number."""
    count = world.arrays.exposure if known is None else np.bincount(known, minlength=world.num_items)
    rank = np.empty(world.num_items, np.int64)
    rank[np.argsort(-count, kind="stable")] = np.arange(world.num_items)
    return rank


def _share(count: Array) -> Doubles:
    return np.asarray(count / max(float(count.sum()), 1e-12), np.float64)
