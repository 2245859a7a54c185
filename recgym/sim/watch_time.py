"""Watch time of an item, drawn from a table of quantiles given the events.

Axes: W rows of the table (three for each group of durations), Q quantiles.
"""

from recgym.jit import njit
from recgym.sim.scalar_math import minimum
from recgym.sim.schema import BY_SHARES, WATCH_CLICK_MS, WATCH_EDGES_MS, WATCH_LONG_MS, WorldArrays

SKIPPED, CLICKED, LONG_VIEW = 0, 1, 2  # rows of a group in the table of quantiles
MAX_SHARE = 0.999  # of an interval of watch times whose end belongs to the next one
MIN_LONG_VIEW_RANGE_MS = 5_000.0  # unit of the excess over the long-view threshold


@njit()
def _table_row(w: WorldArrays, duration: float, outcome: int) -> int:
    """Row of the table for an item of `duration` ms; the last group holds for all longer items."""
    group = 0
    for edge in WATCH_EDGES_MS:
        group += int(duration > edge)
    return outcome + 3 * minimum(group, w.watch_quantiles.shape[0] // 3 - 1)


@njit()
def watch_time(w: WorldArrays, item: int, outcome: int, u: float) -> float:
    """Watch time [ms], at least 0: quantile u, in [0, 1], given SKIPPED, CLICKED or LONG_VIEW.

    BY_SHARES, a quantile of the table is a share of the duration. BY_RULES, the thresholds are
    click = min(duration, 7 s) and long = min(duration, 18 s), and a quantile q of the table is a share of [0, click) if
    skipped, of [click, long) if clicked, and for a long view the excess over `long` in units of
    max(duration - long, 5 s); a negative q means (1 + q) times the lower threshold: a log may count shorter plays as
    clicks (in KuaiRand 1.4 % of the rows, whose comments were opened).
    """
    duration = float(w.duration[item])
    click, long = minimum(duration, WATCH_CLICK_MS), minimum(duration, WATCH_LONG_MS)
    place = u * (w.watch_quantiles.shape[1] - 1)
    low = minimum(int(place), w.watch_quantiles.shape[1] - 2)
    row = _table_row(w, duration, outcome)
    q = float(w.watch_quantiles[row, low])
    q += (place - low) * (float(w.watch_quantiles[row, low + 1]) - q)
    if w.watch[0] == BY_SHARES:
        return q * duration
    if outcome == SKIPPED:
        return minimum(q, MAX_SHARE) * click
    if q < 0.0:
        return (1.0 + q) * (click if outcome == CLICKED else long)
    if outcome == CLICKED:
        return click + minimum(q, MAX_SHARE) * (long - click)
    return long + q * (
        duration - long if duration - long > MIN_LONG_VIEW_RANGE_MS else MIN_LONG_VIEW_RANGE_MS
    )
