"""Free-running visits of a world under its logging policy, in the form of a log, and those of a baseline simulator.

The world draws the users, the slates, the responses and the leaving. Slates have the size of the log's; for a log of a
shop's clicks they are the whole pages of the shop, and the steps without a click are not in the table, as in the log.

The baseline simulator draws items by popularity, events by constant rates, and lengths by a constant hazard.

Axes: R rows, V visits, B sessions, K slate positions, N items.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from recgym.arrays import Ints
from recgym.fidelity.visit_table import VisitTable
from recgym.sim.free_visits import VisitStep, free_visits
from recgym.sim.world import World


class Form(NamedTuple):
    """Form of the visits of a log."""

    slate_size: int  # K
    horizon: int  # [steps]
    events: tuple[str, ...]  # that the log has, the response first
    responses_only: bool  # rows without a response are not in the log
    pages: bool  # slates are whole pages of the shop
    cut: int = 0  # [rows] of a visit of responses alone, at most, as the log is cut; 0: no limit


def simulated_visits(world: World, form: Form, count: int, seed: int) -> VisitTable:
    """`count` visits of the world under its logging policy."""
    steps = free_visits(
        world, count, seed, slate_size=form.slate_size, horizon=form.horizon, pages=form.pages, cut=form.cut
    )
    return _table([_rows(step) for step in steps], form, [event.name for event in world.events])


def _rows(step: VisitStep) -> dict[str, Any]:
    """A row for each position of each slate of a step."""
    num, slots = step.slate.shape
    return {
        "visit": np.repeat(step.visit, slots),
        "step": np.repeat(step.step, slots),
        "position": np.tile(np.arange(slots), num),
        "item": step.slate.ravel(),
        "bits": step.events.ravel(),
        "watch": np.floor(step.watch.astype(np.float64)).ravel(),
        "context": np.repeat(step.context, slots),
    }


def _table(steps: Sequence[dict[str, Any]], form: Form, names: list[str]) -> VisitTable:
    """Rows of all steps in the order of visits, of a log of responses those with a response alone."""
    columns = {name: np.concatenate([step[name] for step in steps]) for name in steps[0]}
    order = np.lexsort((columns["position"], columns["step"], columns["visit"]))
    columns = {name: values[order] for name, values in columns.items()}
    visit, place = columns["visit"].astype(np.int64), columns["step"].astype(np.int64)
    context = np.zeros(int(visit[-1]) + 1, np.int64)
    context[visit] = columns["context"]
    events = {name: ((columns["bits"] >> names.index(name)) & 1).astype(bool) for name in form.events}
    position = columns["position"].astype(np.int64) + 1
    table = VisitTable(
        visit, place, columns["item"].astype(np.int64), events, columns["watch"], context, position
    )
    if not form.responses_only:
        return table
    table = table.rows(table.response)
    counted = np.arange(len(table.visit)) - np.searchsorted(table.visit, table.visit) + 1
    table = table._replace(place=counted)
    return table.rows(counted <= form.cut) if form.cut else table


def baseline_visits(
    known: VisitTable, form: Form, count: int, seed: int, length: Ints | None = None
) -> VisitTable:
    """`count` visits of the baseline simulator, whose rates are those of the known visits.

    `length` (V,) are given numbers of steps; None: by a constant hazard.
    """
    rng = np.random.default_rng(seed)
    length = _drawn_lengths(known, form, count, rng) if length is None else length
    slots = 1 if form.responses_only else form.slate_size
    visit = np.repeat(np.arange(count), length * slots)
    place, position = np.divmod(
        np.arange(len(visit)) - np.repeat(np.cumsum(length * slots) - length * slots, length * slots), slots
    )
    row, other = (rng.integers(len(known.item), size=len(visit)) for _ in range(2))
    events = {name: flag[row] for name, flag in known.events.items()}
    context = known.context[rng.integers(known.num, size=count)]
    return VisitTable(visit, place + 1, known.item[other], events, known.watch[row], context, position + 1)


def _drawn_lengths(known: VisitTable, form: Form, count: int, rng: np.random.Generator) -> Ints:
    """(V,) numbers of steps of `count` visits by a constant hazard, up to the limit that the world's visits have."""
    lengths, most = known.length[known.length > 0], form.cut or form.horizon
    ends = int((lengths < most).sum())  # the others were cut
    hazard = max(ends, 1) / max(int(np.minimum(lengths, most - 1).sum()), 1)
    return np.minimum(rng.geometric(hazard, count), most)
