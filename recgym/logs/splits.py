"""When visits were, and a log cut into its earlier and its later part by whole visits."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recgym.arrays import Bools, Doubles
from recgym.logs.log import Log

MANY_USERS = 200  # of fewer (a shop's may be countries) each is too much of a log to be drawn whole


def visit_days(log: Log, keep: Bools | None = None) -> list[str] | Doubles:
    """ISO date of every visit, by the first of its rows in `keep`; its time or number where the log has no date."""
    kept = log if keep is None else replace(log, rows=log.rows.filter(pa.array(keep)))
    starts, names = kept.session_starts(), log.rows.column_names
    if "context_date" in names:
        return [str(day) for day in kept.column("context_date")[starts]]
    if "context_day" in names:
        days = [str(int(day)) for day in kept.column("context_day")[starts]]
        return [f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in days]
    time = np.asarray(kept.column("time"), np.float64)[starts]
    return np.arange(len(starts), dtype=np.float64) if np.isnan(time).any() else time


def has_clock(log: Log) -> bool:
    """Whether every visit has a day or a time."""
    days = visit_days(log)
    return isinstance(days, list) or bool(len(days) and days.max() >= len(days))


def dates(days: list[str] | Doubles) -> NDArray[np.str_]:
    """Visits' days as ISO dates; ValueError where the log has none."""
    if not isinstance(days, list):
        if days.max() < len(days):  # numbers of visits, not ms
            raise ValueError("the log has no dates: period, split and since cannot be asked of it")
        days = [datetime.fromtimestamp(ms / 1000, UTC).date().isoformat() for ms in days.tolist()]
    return np.array(days)


def part(log: Log, chosen: Bools) -> Log:
    """The visits (V,) that are chosen."""
    starts = log.session_starts()
    rows = np.repeat(chosen, np.diff(np.r_[starts, log.num_rows]))
    return replace(log, rows=log.rows.filter(pa.array(rows)))


def thinned(log: Log, most: int, seed: int = 0) -> Log:
    """The log; of more than `most` rows about as many, at random in whole users where they are many, else in visits.

    A user has one lot whatever the log: of two parts of a log, the larger share holds all users of the smaller one.
    """
    share = most / max(log.num_rows, 1)
    if share >= 1.0:
        return log
    user, rng = log.column("user")[log.session_starts()], np.random.default_rng(seed)
    if len(np.unique(user)) >= MANY_USERS:
        return part(log, rng.random(log.num_users)[user] < share)
    return part(log, rng.random(len(user)) < share)


def split_since(log: Log, since: str) -> tuple[Log, Log]:
    """The visits before a moment and those from it on: an ISO date, or what `moment` wrote."""
    days = visit_days(log)
    kind, _, value = since.partition(":")
    if kind in ("ms", "visit"):
        late: Bools = np.asarray(days) >= float(value)
    else:
        try:
            datetime.fromisoformat(since)
        except ValueError as error:
            raise ValueError(f"since is {since!r}, expected a day such as 2022-04-30") from error
        late = dates(days) >= since
    if not late.any():
        raise ValueError(f"since is {since}: the log has no visit from then on")
    return part(log, ~late), part(log, late)


def moment(log: Log, late: Bools) -> str | None:
    """When the late visits (V,) begin, as `split_since` reads it; None where others are as late as all of them."""
    days: Any = np.asarray(visit_days(log))
    mine, others = np.unique(days[late]), np.unique(days[~late])
    after = mine[mine > others[-1]] if len(others) else mine
    if not len(after):
        return None
    if days.dtype.kind == "U":
        return str(after[0])
    return f"{'visit' if days.max() < len(days) else 'ms'}:{int(after[0])}"
