"""A log on the indices of a world, with remarks on the rows that were left out."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Bools, Doubles, Ints
from recgym.events import EVENTS
from recgym.logs import Log
from recgym.logs.kinds import IMPRESSIONS, is_sampled, kind_of
from recgym.logs.splits import MIN_USERS_AS_UNITS, visit_days
from recgym.logs.visit_history import cut_length, repeats, runs
from recgym.logs.whole_visits import has_positions, shows_whole_visits
from recgym.sim.logged_visits import LoggedVisits
from recgym.sim.state import MEMORY
from recgym.sim.world import World
from recgym.sim.world_index import IndexMap, contexts_of, places


@dataclass(frozen=True)
class IndexedLog:
    """Rows of a log on a world's indices, one whole session after the other. Axes: R rows, S steps, V visits."""

    visits: LoggedVisits
    step: Ints  # (R,) step of all steps
    place: Ints  # (R,) place in the slate
    visit: Ints  # (R,)
    user: Ints  # (R,) row of the log's users table
    item: Ints  # (R,) item of the world
    events: Mapping[str, Bools]  # (R,) each
    watch: Doubles  # (R,) ms, NaN where unknown
    category: Ints  # (R,) of the item
    columns: Mapping[str, Any]  # the log's other item columns, (N,) each, by the world's items
    users: Any  # the log's users table
    is_whole: bool  # the log ends visits where the user left
    cut: int  # [steps] horizon at which visits were truncated, 0 for none
    remarks: tuple[str, ...]
    days: Any = None  # (V,) see `recgym.logs.splits.visit_days`
    has_positions: bool = False  # slates have several rows, whose positions are known

    @property
    def response(self) -> Bools:
        """(R,) the domain's first event."""
        return next(iter(self.events.values()))

    @cached_property
    def clock(self) -> Ints:
        """(R,) 1 at a visit's first step."""
        return self.step - self.visits.begin[self.visit] + 1

    @cached_property
    def lead(self) -> Ints:
        """(S,) row of each step's item: the first with a response, else the top one."""
        rows = np.arange(len(self.step))
        best = np.lexsort((rows, ~self.response, self.step))
        return best[np.r_[True, np.diff(self.step[best]) > 0]]

    @cached_property
    def run(self) -> Ints:
        """(S,) responses in a row in one category, 0 where the step had none."""
        return runs(self.visit[self.lead], self.category[self.lead], self.response[self.lead])

    @cached_property
    def repeat(self) -> Bools:
        """(S,) whether the response is to an item with an earlier response in the visit."""
        responded = self.response[self.lead]
        return responded & repeats(self.visit[self.lead], self.item[self.lead], responded, MEMORY)

    @cached_property
    def left(self) -> Doubles:
        """(S,) 1 at a visit's last step."""
        flag = np.zeros(len(self.visits.slate))
        flag[self.visits.begin[1:] - 1] = 1.0
        return flag

    @cached_property
    def by_user(self) -> bool:
        """Whether there are enough users to resample them (users of a shop may be countries)."""
        return len(np.unique(self.user)) > MIN_USERS_AS_UNITS

    @cached_property
    def cluster(self) -> Ints:
        """(R,) unit of resampling: the user where users are many, else the visit."""
        return np.unique(self.user, return_inverse=True)[1].astype(np.int64) if self.by_user else self.visit


def mapped(world: World, log: Log) -> IndexMap:
    """World indices of a log's tables; ValueError where the log cannot be mapped."""
    if log.domain != world.domain:
        raise ValueError(f"the log is of domain {log.domain}, world {world.name} of {world.domain}")
    return places(world, log, new_users=True)


def align(world: World, log: Log) -> IndexedLog:
    """The rows of a log on a world's indices; ValueError where the log cannot be mapped."""
    users, items, found = mapped(world, log)
    remarks = list(found)
    item = items[log.column("item")]
    known = item >= 0
    if not known.any():
        raise ValueError(f"no row of the log shows an item of world {world.name}")
    if not known.all():
        remarks.append(
            f"{int((~known).sum()):,} of {len(known):,} rows left out: their items have no row in the world"
        )
    session, kind = log.column("session")[known], kind_of(log)
    step = log.column("step")[known] if kind == IMPRESSIONS else np.arange(int(known.sum()))
    visit = np.cumsum(np.r_[True, session[1:] != session[:-1]]) - 1
    fresh = np.r_[True, (visit[1:] != visit[:-1]) | (step[1:] != step[:-1])]
    step = np.cumsum(fresh) - 1
    first = np.flatnonzero(fresh)
    place = np.arange(len(step)) - first[step]
    events = _events(log, known)
    item, user = item[known], log.column("user")[known].astype(np.int64)
    begin = np.r_[np.flatnonzero(np.r_[True, np.diff(visit[first]) > 0]), len(first)]
    starts = first[begin[:-1]]
    context, context_remarks = contexts_of(world, log, known)
    visits = LoggedVisits(
        users[user[starts]].astype(np.int32),
        context[starts].astype(np.int32),
        begin.astype(np.int64),
        *_slates(step, place, item, events, world),
        np.array([sum(1 << e for e, event in enumerate(world.events) if event.name in events)], np.int32),
    )
    if unknown := int((visits.user < 0).sum()):
        remarks.append(f"{unknown} visits of users that the world does not know: drawn from its population")
    watch = np.asarray(log.column("watch_ms"), np.float64)[known]
    whole = is_sampled(log) or shows_whole_visits(log)
    raw = np.flatnonzero(items >= 0)
    order = raw[np.argsort(items[raw])]
    names = [
        name for name in log.items.column_names if name not in ("id", "label", "category", "duration_ms")
    ]
    columns = (
        {name: log.items[name].take(order).to_pylist() for name in names}
        if len(order) == world.num_items
        else {}
    )
    placed = kind == IMPRESSIONS and has_positions(log)
    return IndexedLog(
        visits, step, place, visit, user, item, events, watch, world.arrays.category[item].astype(np.int64),
        columns, log.users, whole, cut_length(np.diff(begin), log.horizon),
        (*remarks, *context_remarks), visit_days(log, known), placed,
    )  # fmt: skip


def _events(log: Log, known: Bools) -> dict[str, Bools]:
    """(R,) flags of each event of the log, the response first; all True where a log lists responses alone."""
    response = EVENTS[log.domain][0].name
    events = {name: log.column(name).astype(bool)[known] for name in log.events}
    return {response: events.pop(response, np.ones(int(known.sum()), bool)), **events}


def _slates(
    step: Ints, place: Ints, item: Ints, events: Mapping[str, Bools], world: World
) -> tuple[Ints, NDArray[np.int32]]:
    """(S, K) items and event bits; short slates are padded with their first item."""
    shape = int(step[-1]) + 1, int(place.max()) + 1
    slate = np.repeat(item[place == 0][:, None], shape[1], axis=1).astype(np.int64)
    slate[step, place] = item
    bits = np.zeros(shape, np.int32)
    for index, event in enumerate(world.events):
        if event.name in events:
            bits[step, place] |= events[event.name].astype(np.int32) << index
    return slate, bits
