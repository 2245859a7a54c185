"""What a log of slates shows of their positions, and what of it the world has: rates in the log, examination."""

import numpy as np

from recgym.arrays import Arrays, Doubles, Ints
from recgym.fit.config import SHARED, FitConfig
from recgym.fit.dataset import Dataset
from recgym.fit.examination import Examination, fit_examination
from recgym.fit.provenance import Provenance
from recgym.logs import Log
from recgym.logs.kinds import responses_of
from recgym.logs.whole_visits import has_positions, has_slates

MAX_PLACES = 10  # on a card
MIN_ROWS = 20  # of a position
FEW = 5.0  # times as many slates with several responses are expected of independent ones
MIN_BETWEEN = 0.05  # share of the variance of positions that is between items, from which the card says so
NOT_FITTED = "effects of the position in a slate are not fitted: every shown item is examined"
NO_POSITIONS = "the log has slates and no positions: every shown item is examined"
NO_BETTER = "positions did not improve validation: every shown item is examined"


def rates_by_place(log: Log) -> list[float]:
    """Share of the rows with a response at each of the first positions of slates; empty without slates or positions.

    Positions are counted in the slate. One that has fewer than MIN_ROWS rows, and those after it, are left out; one
    position alone is none.
    """
    if not has_positions(log):
        return []
    position = _positions(log)
    count, responses = np.bincount(position), np.bincount(position, responses_of(log))
    few = np.flatnonzero(count < MIN_ROWS)
    last = min(int(few[0]) if len(few) else len(count), MAX_PLACES)
    return [round(float(rate), 4) for rate in responses[:last] / count[:last]] if last > 1 else []


def one_response(log: Log) -> str:
    """In words that slates of the log have hardly more than one response, which the world does not keep; else empty.

    Independent responses at the log's rate would give FEW times as many slates with several, and at least MIN_ROWS.
    """
    if not has_slates(log):
        return ""
    begins = np.flatnonzero(_positions(log) == 0)
    response = responses_of(log).astype(np.int64)
    found, size = np.add.reduceat(response, begins), np.diff(np.r_[begins, len(response)])
    none = 1.0 - float(response.mean())
    expected = float((1.0 - none**size - size * (1.0 - none) * none ** (size - 1)).sum())
    several = int((found > 1).sum())
    if expected < max(MIN_ROWS, FEW * several):
        return ""
    return (
        f"{several:,} of {len(found):,} slates of the log have more than one response, "
        f"{(found > 0).mean():.1%} have one or more; in the world each item has its own, which alone would give about "
        f"{expected:,.0f} slates with several"
    )


def _positions(log: Log) -> Ints:
    """(rows,) place of a row among those of its slate, from 0."""
    session, step = log.column("session"), log.column("step")
    begins = np.r_[True, (session[1:] != session[:-1]) | (step[1:] != step[:-1])]
    row = np.arange(len(begins))
    return row - np.asarray(np.maximum.accumulate(np.where(begins, row, 0)), np.int64)


def examined(
    log: Log, dataset: Dataset, x: Doubles, spread: Doubles, config: FitConfig
) -> Examination | None:
    """The examination of positions, see `fit_examination`; None where the log does not show it, or without a guard."""
    if config.guard is None or not has_positions(log):
        return None
    return fit_examination(dataset, x, spread, config.guard)


def enter_examination(
    log: Log, found: Examination | None, config: FitConfig, arrays: Arrays, provenance: Provenance
) -> None:
    """Writes the examination of positions into `arrays`, as many as the largest slate has, and its provenance."""
    arrays["examine"] = np.ones(max(len(arrays["examine"]), int(_positions(log).max()) + 1))
    if found is not None:
        arrays["examine"] = found.table(len(arrays["examine"]))
        arrays["item_bias"] = arrays["item_bias"] + found.item
        provenance.fitted("examine", _shown(found.examine), _words(found))
    elif not has_slates(log):
        provenance.assumed("examine", *SHARED["examine"])
    elif not has_positions(log):
        provenance.assumed("examine", SHARED["examine"].value, NO_POSITIONS)
    elif config.guard is None:
        provenance.assumed("examine", SHARED["examine"].value, NOT_FITTED)
    else:
        provenance.absent("examine", NO_BETTER)


def _shown(examine: Doubles) -> str:
    some = ", ".join(f"{value:.3g}" for value in examine[:MAX_PLACES])
    return some + (" ..." if len(examine) > MAX_PLACES else "")


def _words(found: Examination) -> str:
    """How the examination was found, and what it may be confounded with."""
    words = (
        f"share of the slates in which positions 1 to {len(found.examine)} are seen, beside the most seen one; effects "
        f"of items are fitted with them; log-loss of left-out visits {found.gain:.4f} lower a row"
    )
    if found.of_items < MIN_BETWEEN:
        return words + "; items are at all positions alike"
    return words + (
        f"; {found.of_items:.0%} of the variance of positions is between items, which are told from positions by their "
        "rows at several ones; taste that is not fitted, by which the logging policy ranks, counts as position; the "
        "world's logging policy ranks nothing, so that its rates by position, as it runs, lack what the ranking adds: "
        "those with the log's slates, one step ahead, have it"
    )
