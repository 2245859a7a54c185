"""What a log of slates shows of their places; the world has no effect of them."""

import numpy as np

from recgym.logs import Log
from recgym.logs.kinds import responses_of
from recgym.logs.whole_visits import has_slates

MAX_PLACES = 10  # on a card
MIN_ROWS = 20  # of a place
NOT_FITTED = "effects of the position in a slate are not fitted: every shown item is examined"
NO_POSITIONS = "the log has slates and no positions: every shown item is examined"


def rates_by_place(log: Log) -> list[float]:
    """Share of the rows with a response at each of the first places of slates; empty without slates or positions.

    A place that has fewer than MIN_ROWS rows, and those after it, are left out; one place alone is none.
    """
    position = np.asarray(log.column("position"), np.float64)
    there = np.isfinite(position)
    if not has_slates(log) or not there.any():
        return []
    _, place = np.unique(position[there], return_inverse=True)
    count, responses = np.bincount(place), np.bincount(place, responses_of(log)[there])
    few = np.flatnonzero(count < MIN_ROWS)
    last = min(int(few[0]) if len(few) else len(count), MAX_PLACES)
    return [round(float(rate), 4) for rate in responses[:last] / count[:last]] if last > 1 else []
