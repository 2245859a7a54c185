"""Watch times of a log: by KuaiRand's rules where click and long view obey them, else as shares of the duration.

Axes: W rows of the table (three for each group of durations), Q quantiles.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Arrays, Bools, Doubles, Ints
from recgym.fit.dataset import Dataset
from recgym.fit.provenance import Provenance
from recgym.sim.schema import BY_RULES, BY_SHARES, WATCH_CLICK_MS, WATCH_EDGES_MS, WATCH_LONG_MS
from recgym.sim.session import clicks_are_long_views
from recgym.sim.watch_time import MAX_SHARE, MIN_LONG_VIEW_RANGE_MS

MIN_PIECE_ROWS = 200  # of one outcome in one group of durations, for watch times of its own
# without the maximum, which is an outlier
QUANTILE_LEVELS = np.append(np.linspace(0.0, 1.0, 101)[:-1], 0.999)
MAX_ABOVE, MAX_BELOW = 0.01, 0.2  # of the rows of an outcome, outside of the rules (KuaiRand: none, 9 %)
NO_WATCH = 0
NEEDED = (
    "watch times need columns click and long_view, and duration_ms and watch_ms in more than half of the rows"
)


class _Plays(NamedTuple):
    """The rows whose watch time and duration are known, [ms]."""

    duration: Doubles
    watch: Doubles
    first: Bools  # whether there was a click
    second: Bools  # whether there was a long view


def watch_terms(dataset: Dataset, arrays: Arrays, provenance: Provenance) -> None:
    """Writes watch times from the rows of train and validation into `arrays`, and their provenance."""
    form = watch_form(dataset)
    if form == NO_WATCH:
        if dataset.domain == "content" and np.isfinite(dataset.watch).any():
            provenance.absent("watch", NEEDED)
        return
    arrays |= {"watch": np.full(1, form), "watch_quantiles": watch_quantiles(dataset, dataset.known, form)}
    words = "skipped, click, long view; shares of the duration"
    if form == BY_SHARES:
        words += ": click and long view are not by KuaiRand's rules of 7 s and 18 s"
    provenance.fitted("watch", "quantiles of three pieces", words)


def watch_form(dataset: Dataset) -> int:
    """BY_RULES or BY_SHARES; 0 where watch time cannot be modelled.

    It needs content with click and long view, and durations and watch times of more than half of the rows. The rules
    hold where almost no skipped row and no click without a long view reaches the threshold of the next outcome, and
    few clicks and long views are below their own.
    """
    names = {"click", "long_view"} <= set(dataset.events)
    duration, watch = dataset.items.duration[dataset.item], dataset.watch
    known = (np.isfinite(duration) & np.isfinite(watch))[dataset.known]
    if dataset.domain != "content" or not names or not known.mean() > 0.5:
        return NO_WATCH
    rows = _rows_of(dataset, dataset.known)
    skipped, clicked, viewed = _outcomes(rows, BY_RULES)
    click, long = _thresholds(rows.duration)
    breaks = (
        (skipped, rows.watch > click, MAX_ABOVE),
        (clicked, rows.watch > long, MAX_ABOVE),
        (clicked, rows.watch < click, MAX_BELOW),
        (viewed, rows.watch < long, MAX_BELOW),
    )
    obeys = all(bad[inside].sum() <= most * inside.sum() for inside, bad, most in breaks)
    return BY_RULES if obeys else BY_SHARES


def watch_quantiles(dataset: Dataset, part: Bools, form: int) -> NDArray[np.float64]:
    """(W, Q) table of `recgym.sim.watch_time` from the rows in `part` whose watch time and duration are known.

    A piece is an outcome: skipped, click or long view. A piece with fewer than MIN_PIECE_ROWS rows in a group of
    durations is estimated from the groups beside it, too. `form`: BY_RULES or BY_SHARES.
    """
    rows = _rows_of(dataset, part)
    group = np.searchsorted(WATCH_EDGES_MS, rows.duration)
    if form == BY_RULES:
        shares, limits = _shares_by_rules(rows), (MAX_SHARE, MAX_SHARE, np.inf)
    else:
        shares, limits = (rows.watch / rows.duration,) * 3, (np.inf,) * 3
    table = []
    for code in range(len(WATCH_EDGES_MS) + 1):
        for inside, share, most in zip(_outcomes(rows, form), shares, limits, strict=True):
            values = share[_near(inside, group, code)]
            found = np.quantile(values, QUANTILE_LEVELS) if len(values) else 0.0 * QUANTILE_LEVELS
            table.append(np.minimum(found, most))
    return np.stack(table)


def _near(inside: Bools, group: Ints, code: int) -> Bools:
    """The rows of an outcome in a group of durations and as many groups on both sides as it takes."""
    distance = np.abs(group - code)
    counts = np.cumsum(np.bincount(distance[inside], minlength=1))
    reach = int(np.searchsorted(counts, min(MIN_PIECE_ROWS, counts[-1])))
    near: Bools = inside & (distance <= reach)
    return near


def _rows_of(dataset: Dataset, part: Bools) -> _Plays:
    duration = dataset.items.duration[dataset.item]
    known = part & np.isfinite(duration) & (duration > 0) & np.isfinite(dataset.watch)
    watch = dataset.watch[known].astype(np.float64)
    return _Plays(duration[known], watch, dataset.positive[known], dataset.events["long_view"][known])


def _outcomes(rows: _Plays, form: int) -> tuple[Bools, Bools, Bools]:
    """Rows that were skipped, with a click alone, and with a long view; by rules, clicks on short items are those."""
    viewed = rows.second.astype(bool)
    if form == BY_RULES:
        viewed = viewed | (rows.first & clicks_are_long_views(rows.duration))
    return ~rows.first & ~viewed, rows.first & ~viewed, viewed


def _thresholds(duration: Doubles) -> tuple[Doubles, Doubles]:
    """Least watch times [ms] of a click and of a long view by KuaiRand's rules."""
    return np.minimum(duration, WATCH_CLICK_MS), np.minimum(duration, WATCH_LONG_MS)


def _shares_by_rules(rows: _Plays) -> tuple[Doubles, Doubles, Doubles]:
    """Watch times in the units of each outcome, see `recgym.sim.watch_time`."""
    click, long = _thresholds(rows.duration)
    beyond = np.maximum(rows.duration - long, MIN_LONG_VIEW_RANGE_MS)
    within = _excess(rows.watch, click, np.maximum(long - click, 1.0))
    return rows.watch / click, within, _excess(rows.watch, long, beyond)


def _excess(watch: Doubles, threshold: Doubles, unit: Doubles) -> Doubles:
    """(watch - threshold) / unit above the threshold, watch / threshold - 1 below it."""
    return np.where(watch < threshold, watch / threshold - 1.0, (watch - threshold) / unit)
