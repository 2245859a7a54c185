"""Free-running visits of a world under its logging policy, in the form of a log, and those of a baseline simulator.

The world draws the users, the slates, the responses and the leaving. Slates have the size of the log's; for a log of a
shop's clicks they are the whole pages of the shop, and the steps without a click are not in the table, as in the log.

The baseline simulator draws items by popularity, events by constant rates, and lengths by a constant hazard.

Axes: R rows, V visits, B sessions, K slate positions, N items.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from recgym.arrays import Ints
from recgym.fidelity.visit_table import VisitTable
from recgym.sim.engine import Engine
from recgym.sim.logging_policy import LoggedPolicy
from recgym.sim.page_exposure import exposure_of
from recgym.sim.reward_arrays import make_reward
from recgym.sim.state import Slates
from recgym.sim.world import World

SESSIONS_AT_ONCE = 500  # B of the engine; each row plays its share of the visits, one after the other
MAX_HORIZON = 1_000  # [steps]


class Form(NamedTuple):
    """Form of the visits of a log."""

    slate_size: int  # K
    horizon: int  # [steps]
    events: tuple[str, ...]  # that the log has, the response first
    responses_only: bool  # rows without a response are not in the log
    pages: bool  # slates are whole pages of the shop


def simulated_visits(world: World, form: Form, count: int, seed: int) -> VisitTable:
    """`count` visits of the world under its logging policy.

    Every row of the engine plays the same number of visits to their end, so that long visits are not missed.
    """
    num = min(SESSIONS_AT_ONCE, count)
    quota = np.full(num, count // num)
    quota[: count % num] += 1
    engine = Engine(
        world, num, slate_size=form.slate_size, horizon=form.horizon, reward=make_reward(world, {})
    )
    engine.seed(np.arange(num, dtype=np.uint64) + (np.uint64(seed) << np.uint64(32)))
    engine.reset()
    steps = list(_steps(engine, form, quota))
    return _table(steps, form, [event.name for event in world.events])


def _steps(engine: Engine, form: Form, quota: Ints) -> Iterator[dict[str, Any]]:
    """Rows of each step of the sessions that are within their quota."""
    policy, done, slots = LoggedPolicy(engine.world), np.zeros(engine.num, np.int64), engine.slate_size
    offset = np.cumsum(quota) - quota
    size = page_sizes(engine.world) if form.pages else None
    fresh = engine.no_rows
    while (running := done < quota).any():
        if (fresh & running).any():
            engine.reset(fresh & running)
        slates = policy(engine)[0]
        if size is not None:
            slates = whole_pages(slates, size)
        rows = np.flatnonzero(running)
        step, context = engine.sessions.step[rows] + 1, engine.sessions.context[rows]
        feedback = engine.step(slates, running)
        yield {
            "visit": np.repeat(offset[rows] + done[rows], slots),
            "step": np.repeat(step, slots),
            "position": np.tile(np.arange(slots), len(rows)),
            "item": slates[rows].ravel(),
            "bits": feedback.events[rows].ravel(),
            "watch": np.floor(feedback.watch[rows].astype(np.float64)).ravel(),
            "context": np.repeat(context, slots),
        }
        fresh = running & (feedback.left | feedback.horizon)
        done = done + fresh


def _table(steps: Sequence[dict[str, Any]], form: Form, names: list[str]) -> VisitTable:
    """Rows of all steps in the order of visits, of a log of responses those with a response alone."""
    columns = {name: np.concatenate([step[name] for step in steps]) for name in steps[0]}
    order = np.lexsort((columns["position"], columns["step"], columns["visit"]))
    columns = {name: values[order] for name, values in columns.items()}
    visit, place = columns["visit"].astype(np.int64), columns["step"].astype(np.int64)
    context = np.zeros(int(visit[-1]) + 1, np.int64)
    context[visit] = columns["context"]
    events = {name: ((columns["bits"] >> names.index(name)) & 1).astype(bool) for name in form.events}
    table = VisitTable(visit, place, columns["item"].astype(np.int64), events, columns["watch"], context)
    if not form.responses_only:
        return table
    table = table.rows(table.response)
    counted = np.arange(len(table.visit)) - np.searchsorted(table.visit, table.visit) + 1
    return table._replace(place=counted)


def page_sizes(world: World) -> Ints:
    """(N,) number of items on an item's page."""
    exposure = exposure_of(world)
    return np.asarray(np.diff(exposure.first)[exposure.unit], np.int64)


def whole_pages(slates: Slates, size: Ints) -> Slates:
    """Slates cut to the page of their top item; the positions behind it repeat the top item, so they are empty."""
    behind = np.arange(slates.shape[1])[None, :] >= size[slates[:, 0]][:, None]
    return np.where(behind, slates[:, :1], slates)


def baseline_visits(known: VisitTable, form: Form, count: int, seed: int) -> VisitTable:
    """`count` visits of the baseline simulator, whose rates are those of the known visits."""
    rng = np.random.default_rng(seed)
    lengths = known.length[known.length > 0]
    hazard = len(lengths) / int(lengths.sum())
    length = np.minimum(rng.geometric(hazard, count), MAX_HORIZON)
    slots = 1 if form.responses_only else form.slate_size
    visit = np.repeat(np.arange(count), length * slots)
    place = (
        np.arange(len(visit)) - np.repeat(np.cumsum(length * slots) - length * slots, length * slots)
    ) // slots
    row, other = (rng.integers(len(known.item), size=len(visit)) for _ in range(2))
    events = {name: flag[row] for name, flag in known.events.items()}
    context = known.context[rng.integers(known.num, size=count)]
    return VisitTable(visit, place + 1, known.item[other], events, known.watch[row], context)
