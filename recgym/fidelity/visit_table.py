"""Whole visits as one table, the same for logged, simulated and baseline visits.

Axes: R rows, V visits.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from recgym.arrays import Bools, Doubles, Ints
from recgym.fidelity.indexed_log import IndexedLog
from recgym.logs.kinds import CHOICES


class VisitTable(NamedTuple):
    """Visits with their rows in order. A visit may have no row: a shop logs clicks alone."""

    visit: Ints  # (R,) rising
    place: Ints  # (R,) step within the visit, from 1; a shop's clicks are counted
    item: Ints  # (R,) of the world
    events: Mapping[str, Bools]  # (R,) each, the response first
    watch: Doubles  # (R,) [ms], NaN where unknown
    context: Ints  # (V,)
    position: Ints | None = None  # (R,) in the slate, from 1; None where the log does not know it

    @property
    def num(self) -> int:
        """V."""
        return len(self.context)

    @property
    def response(self) -> Bools:
        """(R,) the domain's first event."""
        return next(iter(self.events.values()))

    @property
    def length(self) -> Ints:
        """(V,) [steps]."""
        longest = np.zeros(self.num, np.int64)
        np.maximum.at(longest, self.visit, self.place)
        return longest

    def rows(self, keep: Bools) -> "VisitTable":
        """The table with some of its rows (R,); all visits are kept."""
        events = {name: flag[keep] for name, flag in self.events.items()}
        position = None if self.position is None else self.position[keep]
        return VisitTable(
            self.visit[keep],
            self.place[keep],
            self.item[keep],
            events,
            self.watch[keep],
            self.context,
            position,
        )

    def visits(self, chosen: Ints) -> "VisitTable":
        """The chosen distinct visits, numbered in their order in this table."""
        kept = np.zeros(self.num, bool)
        kept[chosen] = True
        found = self.rows(kept[self.visit])
        return found._replace(visit=(np.cumsum(kept) - 1)[found.visit], context=self.context[kept])

    def cut(self, length: Ints) -> "VisitTable":
        """Visits truncated to at most `length` (V,) steps."""
        return self.rows(self.place <= length[self.visit])


def logged_table(log: IndexedLog, kind: str) -> VisitTable:
    """The visits of a log; of a shop each row is a step."""
    place = log.clock
    if kind == CHOICES:
        place = np.arange(len(log.step)) - np.searchsorted(log.visit, log.visit) + 1
    position = log.place + 1 if log.has_positions else None
    context = log.visits.context.astype(np.int64)
    return VisitTable(log.visit, place, log.item, log.events, log.watch, context, position)


def common_lengths(
    one: VisitTable, other: VisitTable, rng: np.random.Generator
) -> tuple[VisitTable, VisitTable]:
    """Random pairs of a visit of each table, both truncated to the length of the shorter.

    The two tables that are returned have the same distribution of lengths; visits without rows are left out.
    """
    chosen = [np.flatnonzero(table.length > 0) for table in (one, other)]
    num = min(map(len, chosen))
    first, second = (
        table.visits(np.sort(rng.permutation(rows)[:num]))
        for table, rows in zip((one, other), chosen, strict=True)
    )
    partner = rng.permutation(num)
    mine, theirs = first.length, second.length
    shorter = np.empty(num, np.int64)
    shorter[partner] = np.minimum(mine[partner], theirs)
    return first.cut(shorter), second.cut(shorter[partner])


def lengths_like(log: VisitTable, num: int, rng: np.random.Generator) -> Ints:
    """(num,) lengths of a log's visits with rows, each as often as there is room, in random order."""
    lengths = log.length[log.length > 0]
    copies = -(-num // len(lengths))
    return np.concatenate([rng.permutation(lengths) for _ in range(copies)])[:num]


def with_lengths_of(table: VisitTable, log: VisitTable, rng: np.random.Generator) -> VisitTable:
    """Visits of which each ends at the smaller of its own length and one that is drawn from those of the log."""
    return table.cut(lengths_like(log, table.num, rng))
