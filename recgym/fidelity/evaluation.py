"""The evaluation of a world: the world, the part of a log that it was not fitted on, and the earlier part.

Baselines learn from the earlier part. Axes: R rows, E events, D draws of the simulator, S steps.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Bools, Doubles, Ints
from recgym.fidelity.free_run import MAX_VISITS, FreeRun, Shape, free_run
from recgym.fidelity.indexed_log import IndexedLog
from recgym.fidelity.resampling import Resampling
from recgym.logs import Log
from recgym.logs.kinds import CHOICES, IMPRESSIONS
from recgym.logs.splits import LogPart
from recgym.sim.logged_visits import PageItems, Predicted
from recgym.sim.page_order import world_pages
from recgym.sim.teacher_forcing import Simulated, predict, predict_choices, simulate
from recgym.sim.world import World

DRAWS = 20
Baseline = Callable[
    [IndexedLog, IndexedLog, str], Doubles
]  # training rows, rows to forecast, event -> (R,) probabilities


class LackingError(ValueError):
    """The log has not the data for a figure; the card states in one line what is missing."""


@dataclass(frozen=True)
class Evaluation:
    """A world and a log, with the forecasts and draws that figures share; each is computed once, when first used."""

    world: World
    log: IndexedLog
    past: IndexedLog | None
    kind: str
    resamples: int
    seed: int
    curves: dict[str, Any] = field(default_factory=dict)  # for the picture, filled by the figures
    origin: tuple[Log | LogPart, ...] = ()  # the logs that `log` and `past` were aligned from
    visits: int = MAX_VISITS  # of the free-running world, at most
    shape: Shape | None = None  # of the free-running world; None: that of the log
    _steps: dict[bytes, Resampling] = field(default_factory=dict)
    _baselines: dict[tuple[str, str], Doubles] = field(default_factory=dict)

    @cached_property
    def rows(self) -> Resampling:
        """Resampling of the log's rows."""
        return Resampling(self.log.cluster, self.resamples, self.seed)

    def steps(self, part: Bools) -> Resampling:
        """Resampling of the steps in `part` (S,)."""
        key = part.tobytes()
        if key not in self._steps:
            self._steps[key] = Resampling(self.log.cluster[self.log.lead][part], self.resamples, self.seed)
        return self._steps[key]

    @cached_property
    def options(self) -> PageItems:
        """The page of every click: the items of its category and page."""
        return pages(self.world, self.log.item)

    @cached_property
    def forecast(self) -> Predicted:
        """Probabilities before each slate under teacher forcing."""
        if self.kind == CHOICES:
            return predict_choices(self.world, self.log.visits, self.options)
        return predict(self.world, self.log.visits)

    @cached_property
    def draws(self) -> NDArray[np.int32]:
        """(D, R) event bits of simulated users who are shown the logged slates."""
        return np.stack([out.events[self.log.step, self.log.place] for out in self._simulated])

    @cached_property
    def drawn_watch(self) -> NDArray[np.float32]:
        """(D, R) watch times [ms] of the same draws."""
        return np.stack([out.watch[self.log.step, self.log.place] for out in self._simulated])

    @cached_property
    def _simulated(self) -> list[Simulated]:
        seeds = [visit_seed(self.seed, number) for number in range(DRAWS)]
        return [simulate(self.world, self.log.visits, seed) for seed in seeds]

    @cached_property
    def free(self) -> FreeRun:
        """Visits of the free-running world."""
        options = {"visits": self.visits, "resamples": self.resamples, "seed": self.seed}
        return free_run(self.world, self.log, self.past, self.kind, **options).in_shape(self.shape)

    def chance(self, event: str) -> Doubles:
        """(R,) forecast probability of an event."""
        return np.asarray(self.forecast.chance[self.log.step, self.log.place, self.index(event)], np.float64)

    def simulated(self, event: str) -> NDArray[np.bool_]:
        """(D, R) whether an event happened in the draws."""
        return ((self.draws >> self.index(event)) & 1).astype(bool)

    @property
    def is_impressions(self) -> bool:
        """Whether the rows of the log are impressions."""
        return self.kind == IMPRESSIONS

    def index(self, event: str) -> int:
        """Number of an event in the world's table."""
        return [entry.name for entry in self.world.events].index(event)

    def baseline(self, model: Baseline, event: str) -> Doubles:
        """(R,) probabilities of a baseline that is trained on the earlier part of the log; computed once.

        Without one, it is trained on each half of the sessions and forecasts the other; NaN if there is one session.
        """
        key = getattr(model, "func", model).__name__, event
        if key not in self._baselines:
            self._baselines[key] = self._trained(model, event)
        return self._baselines[key]

    def _trained(self, model: Baseline, event: str) -> Doubles:
        if self.past is not None:
            return model(self.past, self.log, event)
        out = np.full(len(self.log.step), np.nan)
        if self.log.visit[-1] == 0:
            return out
        half = np.random.default_rng(self.seed).permutation(self.log.visit.max() + 1)[self.log.visit] % 2 == 0
        for side in (half, ~half):
            out[~side] = model(rows_of(self.log, side), rows_of(self.log, ~side), event)
        return out


def with_positions(world: World, slots: int) -> World:
    """The world with at least so many positions of a slate; those that it lacks are as its last."""
    examine = world.arrays.examine
    if slots <= len(examine):
        return world
    return world.with_arrays(examine=np.pad(examine, (0, slots - len(examine)), mode="edge"))


def rows_of(log: IndexedLog, keep: Bools) -> IndexedLog:
    """Some rows of a log, for baselines that use rows alone."""
    events = {name: flag[keep] for name, flag in log.events.items()}
    return IndexedLog(
        log.visits, log.step[keep], log.place[keep], log.visit[keep], log.user[keep], log.item[keep], events,
        log.watch[keep], log.category[keep], log.columns, log.users, log.is_whole, log.cut, log.remarks,
    )  # fmt: skip


def visit_seed(seed: int, number: int) -> int:
    """Seed of a draw; the seed of a session is this plus its number, so that no two draws share one."""
    return (seed * DRAWS + number + 1) << 32


def pages(world: World, item: Ints) -> PageItems:
    """The items of the page of each clicked item."""
    number_of_page = world_pages(world.arrays)
    order = np.argsort(number_of_page, kind="stable")
    size = np.bincount(number_of_page)
    first, count = (np.cumsum(size) - size)[number_of_page[item]], size[number_of_page[item]]
    begin = np.r_[0, np.cumsum(count)]
    place = np.arange(begin[-1]) - np.repeat(begin[:-1], count)
    return PageItems(begin.astype(np.int64), order[np.repeat(first, count) + place].astype(np.int64))
