"""The free-running visits of a judged world: logged visits, and draws of the world and of a baseline in their form.

Axes: V visits, N items.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from recgym.arrays import Ints
from recgym.fidelity.free_running import Form, baseline_visits, simulated_visits
from recgym.fidelity.indexed_log import IndexedLog
from recgym.fidelity.resampling import Resampling
from recgym.fidelity.visit_statistics import VisitStatistics, popularity_rank
from recgym.fidelity.visit_table import VisitTable, lengths_like, logged_table, with_lengths_of
from recgym.logs.kinds import CHOICES
from recgym.sim.free_visits import MAX_HORIZON, page_slots
from recgym.sim.world import World

MAX_VISITS = 20_000  # that are drawn
VISITS_PER_LOGGED = 20  # drawn visits for each logged one, at most
LIBRARIES_PER_LOGGED = 4  # ... where a visit is a user's library, which takes many steps
STEPS_PER_LISTEN = 20  # of such a visit, at most: more than its slates without a response
NEVER = -1e3  # logit
MIN_HORIZON = 50  # [steps]
NUM_DRAWS = 100  # of a bootstrap


class Shape(NamedTuple):
    """Slates and horizon of an environment, in which the world runs in place of the log's."""

    slate_size: int  # K
    horizon: int  # [steps]
    pages: bool = False  # whether slates are whole pages, whatever their size


@dataclass(frozen=True)
class FreeRun:
    """Logged visits, and how to draw others of their form."""

    world: World
    logged: VisitTable
    known: VisitTable  # of which the baseline has its rates
    cluster: Ints  # (V,) unit of resampling
    rank: Ints  # (N,) of the items by popularity
    form: Form
    count: int  # visits to draw
    is_whole: bool  # the log ends visits where the user left
    ordered: bool  # the rows of a visit have an order
    resamples: int
    seed: int
    is_library: bool = (
        False  # a visit is all that is known of a user: users do not leave, lengths are the log's
    )

    def in_shape(self, shape: Shape | None) -> "FreeRun":
        """The same with the slates, horizon and leaving of an environment; None: those of the log."""
        if shape is None:
            return self
        size = page_slots(self.world) if shape.pages else shape.slate_size
        form = self.form._replace(**shape._replace(slate_size=size)._asdict())
        return replace(self, form=form, is_library=False)

    @cached_property
    def drawn(self) -> VisitTable:
        """Visits of the world, in the contexts of the log's: at what hours visits begin is given, not judged."""
        if not self.is_library:
            count = np.bincount(self.logged.context, minlength=len(self.world.contexts))
            cdf = np.cumsum(count) / count.sum() if self.ordered else self.world.arrays.context_cdf
            world = self.world.with_arrays(context_cdf=cdf)
            return simulated_visits(world, self.form, self.count, self.seed + 1)
        world = self.world.with_params(leave_bias=NEVER)
        return with_lengths_of(
            simulated_visits(world, self.form, self.count, self.seed + 1), self.logged, self.rng(6)
        )

    @cached_property
    def baseline(self) -> VisitTable:
        """Visits of the baseline simulator, in the contexts of the log's."""
        length = lengths_like(self.logged, self.count, self.rng(8)) if self.is_library else None
        table = baseline_visits(self.known, self.form, self.count, self.seed + 2, length)
        return table._replace(context=self.rng(7).choice(self.logged.context, table.num))

    def cut(self, table: VisitTable) -> VisitTable:
        """Visits with the lengths of the log's, where that does not show whole visits; libraries have them already."""
        return table if self.is_whole or self.is_library else with_lengths_of(table, self.logged, self.rng(3))

    def rng(self, stream: int) -> np.random.Generator:
        """Random numbers of one purpose."""
        return np.random.default_rng([self.seed, stream])

    def statistics(self, table: VisitTable) -> VisitStatistics:
        """Statistics of a table."""
        return VisitStatistics(
            table, self.world, self.rank, ordered=self.ordered, responses_only=self.form.responses_only
        )

    @cached_property
    def resampling(self) -> Resampling:
        """Over the clusters of the log's visits."""
        return Resampling(self.cluster, min(self.resamples, NUM_DRAWS), self.seed)


def free_run(
    world: World,
    log: IndexedLog,
    past: IndexedLog | None,
    kind: str,
    *,
    visits: int,
    resamples: int,
    seed: int,
) -> FreeRun:
    """Of impressions or of a shop's clicks; at most `visits` visits are drawn, and judged on."""
    logged, cluster = logged_table(log, kind), log.cluster[log.lead][log.visits.begin[:-1]]
    known = logged if past is None else logged_table(past, kind)
    if logged.num > visits:
        chosen = np.sort(np.random.default_rng(seed).permutation(logged.num)[:visits])
        logged, cluster = logged.visits(chosen), cluster[chosen]
    responses_only = kind == CHOICES
    longest = int(np.diff(log.visits.begin).max())
    steps = int(np.clip(4 * longest, MIN_HORIZON, MAX_HORIZON))
    form = Form(
        slate_size=slate_size(world, log, pages=responses_only),
        horizon=steps if responses_only else log.cut or steps,  # a step without a click is no row of a shop's log
        events=tuple(log.events), responses_only=responses_only, pages=responses_only,
        cut=log.cut if responses_only else 0,
    )  # fmt: skip
    return FreeRun(
        world, logged, known, cluster, popularity_rank(world, None if past is None else past.item), form,
        min(visits, VISITS_PER_LOGGED * logged.num), log.is_whole, True, resamples, seed,
    )  # fmt: skip


def free_run_of_pairs(
    world: World, logged: tuple[Ints, Ints], known: tuple[Ints, Ints], train: Ints, *, visits: int, resamples: int,
    seed: int,
) -> FreeRun:  # fmt: skip
    """Of user-item pairs: the pairs of a user are one visit, whose rows have no order.

    Such a visit is a part of a user's library, not one that ended: users of the world stay until theirs is as large.

    Args:
        world: the world.
        logged: users and items of the unseen pairs.
        known: those of as large a part of the pairs as possible that the baseline has its rates of.
        train: (R,) items that give the ranking by popularity.
        visits: visits to draw, at most.
        resamples: bootstrap draws.
        seed: random seed.
    """
    table, earlier = (_table_of_pairs(world, *pairs, seed) for pairs in (logged, known))
    if table.num > visits:
        table = table.visits(np.random.default_rng(seed).permutation(table.num)[:visits])
    horizon = int(np.clip(STEPS_PER_LISTEN * table.length.max(), MIN_HORIZON, MAX_HORIZON))
    form = Form(1, horizon, tuple(table.events), responses_only=True, pages=False)
    return FreeRun(
        world, table, earlier, np.arange(table.num), popularity_rank(world, train), form,
        min(visits, LIBRARIES_PER_LOGGED * table.num), False, False, resamples, seed, is_library=True,
    )  # fmt: skip


def _table_of_pairs(world: World, user: Ints, item: Ints, seed: int) -> VisitTable:
    """A visit of each user, its items at random."""
    order = np.lexsort((np.random.default_rng(seed).random(len(user)), user))
    visit = np.unique(user[order], return_inverse=True)[1].astype(np.int64)
    place = np.arange(len(visit)) - np.searchsorted(visit, visit) + 1
    events = {world.events[0].name: np.ones(len(visit), bool)}
    return VisitTable(
        visit, place, item[order], events, np.full(len(visit), np.nan), np.zeros(int(visit[-1]) + 1, np.int64)
    )


def slate_size(world: World, log: IndexedLog, *, pages: bool) -> int:
    """Size of most slates of the log, or of the largest page of a shop, within what the world allows."""
    if pages:
        return page_slots(world)
    size = int(np.bincount(np.bincount(log.step)).argmax())
    return min(size, len(world.arrays.examine), world.num_items)
