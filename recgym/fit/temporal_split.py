"""Train, validation and test period of each session, by dates or by shares of the sessions in order of time."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Doubles, Ints
from recgym.fit.config import FitConfig
from recgym.logs import Log
from recgym.logs.splits import TEST, UNUSED, VALIDATION, dates, rows_of, visit_days

MIN_VISITS = 6  # of a log that is split by shares


def periods(days: list[str] | Doubles, config: FitConfig) -> Ints:
    """(sessions,) period of each session: by the configured dates, else 80/10/10 % in order of time.

    ValueError where a period has no session.
    """
    if config.period is not None:
        period = _periods_of(dates(days), *config.period)
    elif config.split is not None:
        day = dates(days)
        period = (day >= config.split[0]).astype(np.int64) + (day >= config.split[1])
    else:
        period = _shares(np.array(days), 0.8, 0.9)
    missing = [name for k, name in enumerate(("train", "validation", "test")) if not (period == k).any()]
    if missing:
        raise ValueError(f"the log has no visit in the {missing[0]} period; {_needed(days, config)}")
    return period


def before_test(log: Log, config: FitConfig) -> Log:
    """The log's visits of train and validation."""
    kept = np.repeat(
        periods(visit_days(log), config) <= VALIDATION, np.diff(np.r_[log.session_starts(), log.num_rows])
    )
    num = int(kept.sum())
    # the first rows of a log are no copy of it
    return replace(log, rows=log.rows.slice(0, num)) if kept[:num].all() else rows_of(log, kept)


def _needed(days: list[str] | Doubles, config: FitConfig) -> str:
    """What a log with an empty period has and needs, for the error message."""
    if config.split is not None and config.period is None:
        day, (validation, test) = dates(days), config.split
        return (
            f"its days are {min(day)} to {max(day)}, and the settings (--config) have validation from {validation} and "
            f"test from {test}: choose days of the log by --period, in Python by FitConfig(period=...)"
        )
    if config.period is not None:
        return f"it has {len(days)} visits in all: choose other days"
    return (
        f"it has {len(days)} visits in all and needs at least {MIN_VISITS}, of one user or of many, to learn from, to "
        "validate and to judge: give its rows times (a visit ends after a pause) or a column session"
    )


def _periods_of(dates: NDArray[np.str_], first: str | None, end: str | None) -> Ints:
    """Period of each session for training days [first, end).

    The last tenth of [first, end) is validation, and later days are test. Without an `end` the last tenth is test and
    the tenth before it validation. ValueError where no day is inside, or none is later than a given `end`.
    """
    inside = (dates >= (first or "")) & (dates < (end or "9999"))
    about = f"period {first or ''}:{end or ''}: the log has {min(dates)} to {max(dates)}"
    if not inside.any():
        raise ValueError(about)
    if end is not None and not (dates >= end).any():
        raise ValueError(
            f"{about}, and no day from {end} on to judge the world on: choose an earlier end, or none "
            f"({first or 'FROM'}:), which judges on the last tenth"
        )
    period = np.where(dates < (first or ""), UNUSED, TEST)
    period[inside] = _shares(dates[inside], *((0.8, 0.9) if end is None else (0.9, 1.0)))
    return period


def _shares(days: NDArray[Any], *cuts: float) -> Ints:
    """TRAIN, VALIDATION or TEST by rank in time: below the first share, between the two, above."""
    rank = np.empty(len(days), np.int64)
    rank[np.argsort(days, kind="stable")] = np.arange(len(days))
    return np.searchsorted([int(len(days) * cut) for cut in cuts], rank, side="right").astype(np.int64)
