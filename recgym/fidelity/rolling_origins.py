"""Rolling origins: a world is fitted on the days before an origin, and judged on every day from it on.

Choices of a fit are made on the last of the days before the origin. Source: Tashman (2000), Out-of-sample tests of
forecasting accuracy, International Journal of Forecasting 16.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from recgym.fidelity.card_metrics import Figure, figures_of, undefined_is_none
from recgym.fidelity.daily_metrics import by_day
from recgym.fidelity.evaluation import LackingError
from recgym.fidelity.figures import evaluation_of
from recgym.fidelity.free_run import MAX_VISITS
from recgym.logs import Log
from recgym.logs.kinds import PAIRS, kind_of
from recgym.logs.splits import dates, has_times, split_since, visit_days
from recgym.sim.world import World


class RollingOrigin(NamedTuple):
    """A world fitted on the days before `day`, judged from that day on."""

    day: str  # ISO date
    figures: list[Figure]  # of the card: of all judged days together
    days: list[Figure]  # of each judged day
    skipped: str  # why no world was fitted or judged; empty where one was

    def entry(self) -> dict[str, Any]:
        """As JSON."""
        figures = {name: [row.entry() for row in getattr(self, name)] for name in ("figures", "days")}
        return {"fitted_before": self.day, **figures, "skipped": self.skipped}


def origin_days(log: Log, every: int = 1) -> list[str]:
    """The days of a log that may be origins: every `every`-th from the second on.

    Raises:
        ValueError: the log is one of pairs, has no clock or fewer than two days, or `every` is below 1.
    """
    if every < 1:
        raise ValueError(f"every is {every}, expected at least 1")
    if kind_of(log) == PAIRS or not has_times(log):
        raise ValueError("rolling origins need visits with a day; the log has none")
    days = np.unique(dates(visit_days(log))).tolist()
    if len(days) < 2:
        raise ValueError(f"rolling origins need at least two days; the log has {', '.join(days)} alone")
    return [str(day) for day in days[1::every]]


def roll(
    log: Log, fit: Callable[[str], World], days: list[str], *, resamples: int = 60, seed: int = 0
) -> Iterator[RollingOrigin]:
    """Fits and judges at each origin.

    Args:
        log: the log.
        fit: fits a world, with its card, on the days of the log before a day; ValueError where it cannot.
        days: origins.
        resamples: bootstrap draws of an interval of the figures by day.
        seed: of resampling.
    """
    for day in days:
        try:
            world = fit(day)
            past, late = split_since(log, day)
            evaluation, _ = evaluation_of(world, late, past, resamples, seed, MAX_VISITS)
            with undefined_is_none():
                found = by_day(evaluation)
            yield RollingOrigin(day, figures_of(world.card), found, "")
        except (LackingError, ValueError) as error:
            yield RollingOrigin(day, [], [], str(error))
