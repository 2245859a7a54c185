"""Splits of a log: by day or time into whole visits, by random visits, and of pairs of user and item."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recgym.arrays import Bools, Doubles, Ints
from recgym.checks import iso_day
from recgym.jit import njit
from recgym.logs.log import Log
from recgym.rng import uniform

TRAIN, VALIDATION, TEST, UNUSED = range(4)  # periods; UNUSED: before the training period
HOLD_OUT_STREAM = 40  # stream of random numbers that assigns pairs to periods
MIN_USERS_AS_UNITS = 200  # with fewer (users may be countries) visits are the units of sampling


def visit_days(log: Log, keep: Bools | None = None) -> list[str] | Doubles:
    """(V,) ISO date of every visit's first row in `keep`; its time in ms, or its number, in a log without dates."""
    kept = log if keep is None else rows_of(log, keep)
    starts, names = kept.session_starts(), log.rows.column_names
    if "context_date" in names:
        return [str(day) for day in kept.column("context_date")[starts]]
    if "context_day" in names:
        days = [str(int(day)) for day in kept.column("context_day")[starts]]
        return [f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in days]
    time = np.asarray(kept.column("time"), np.float64)[starts]
    return np.arange(len(starts), dtype=np.float64) if np.isnan(time).any() else time


def has_times(log: Log) -> bool:
    """Whether every visit has a date or a time."""
    days = visit_days(log)
    return isinstance(days, list) or bool(len(days) and days.max() >= len(days))


def dates(days: list[str] | Doubles) -> NDArray[np.str_]:
    """(V,) ISO dates of visits from the result of `visit_days`; ValueError in a log without dates and times."""
    if not isinstance(days, list):
        if days.max() < len(days):  # numbers of visits, not ms
            raise ValueError("the log has no dates or times; period, split and since need them")
        days = [datetime.fromtimestamp(ms / 1000, UTC).date().isoformat() for ms in days.tolist()]
    return np.array(days)


def rows_of(log: Log, keep: Bools) -> Log:
    """Log of some rows (R,); the log itself, not a copy, where these are all."""
    return log if keep.all() else replace(log, rows=log.rows.filter(pa.array(keep)))


def select_visits(log: Log, chosen: Bools) -> Log:
    """Log of the chosen visits; `chosen` (V,)."""
    starts = log.session_starts()
    return rows_of(log, np.repeat(chosen, np.diff(np.r_[starts, log.num_rows])))


@dataclass(frozen=True)
class LogPart:
    """Some visits of a log. Their rows are copied when they are asked for, as they may be most of the log's."""

    whole: Log
    chosen: Bools  # (V,) of the log's visits

    @cached_property
    def starts(self) -> Ints:
        """(V,) first row of each visit of the log."""
        return np.asarray(self.whole.session_starts(), np.int64)

    @property
    def num_rows(self) -> int:
        """Number of rows of the part."""
        return int(np.diff(np.r_[self.starts, self.whole.num_rows])[self.chosen].sum())

    @property
    def num_sessions(self) -> int:
        """Number of visits of the part."""
        return int(self.chosen.sum())

    def log(self) -> Log:
        """The part as a log."""
        return select_visits(self.whole, self.chosen)

    def sample(self, most: int, seed: int) -> Log:
        """See `subsample`."""
        share = most / max(self.num_rows, 1)
        if share >= 1.0:
            return self.log()
        user, rng = self.whole.column("user")[self.starts[self.chosen]], np.random.default_rng(seed)
        many = len(np.unique(user)) >= MIN_USERS_AS_UNITS
        draws = rng.random(self.whole.num_users)[user] if many else rng.random(len(user))
        kept = self.chosen.copy()
        kept[self.chosen] = draws < share
        return select_visits(self.whole, kept)


def subsample(log: Log | LogPart, most: int, seed: int = 0) -> Log:
    """Random sample of about `most` rows of a longer log: whole users where there are enough, else whole visits.

    A user's draw depends on `seed` alone: of two parts of a log, the larger sample holds all users of the smaller.
    """
    part = log if isinstance(log, LogPart) else LogPart(log, np.ones(log.num_sessions, bool))
    return part.sample(most, seed)


def split_since(log: Log, since: str) -> tuple[Log, Log]:
    """Visits before a point in time, and those from it on; `since` is a day or a result of `split_point`."""
    late = visits_since(log, since)
    if not late.any():
        raise ValueError(f"since is {since}: the log has no visit from then on")
    return select_visits(log, ~late), select_visits(log, late)


def visits_since(log: Log, since: str) -> Bools:
    """(V,) whether a visit begins at that point in time or later; see `split_since`."""
    kind, value = since_parts(since)
    days = visit_days(log)
    if kind in ("ms", "visit"):
        return np.asarray(np.asarray(days) >= float(value), np.bool_)
    return np.asarray(dates(days) >= value, np.bool_)


def since_parts(since: str) -> tuple[str, str]:
    """What a point in time is, ms, visit or day, and its value; ValueError where it is none of them."""
    kind, _, value = str(since).partition(":")
    if kind not in ("ms", "visit"):
        return "day", iso_day(since, "since is")
    if not value.isdecimal():
        raise ValueError(f"since is {since!r}: after {kind}: there must be a whole number")
    return kind, value


def point_text(since: str) -> str:
    """A point in time as `split_since` takes it, in words: a time in ms as a date and time in UTC."""
    kind, value = since_parts(since)
    if kind == "ms":
        return f"{datetime.fromtimestamp(float(value) / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return f"visit {value}" if kind == "visit" else value


def split_point(log: Log, late: Bools) -> str | None:
    """Start of the late visits (V,) in the form of `split_since`; None if other visits are as late as all of them."""
    days: Any = np.asarray(visit_days(log))
    mine, others = np.unique(days[late]), np.unique(days[~late])
    after = mine[mine > others[-1]] if len(others) else mine
    if not len(after):
        return None
    if days.dtype.kind == "U":
        return str(after[0])
    return f"{'visit' if days.max() < len(days) else 'ms'}:{int(after[0])}"


def split_pairs(log: Log, seed: int, keys: tuple[Ints, Ints] | None = None) -> tuple[Ints, Ints, Ints]:
    """Split of the distinct pairs of user and item: 80 % train, 10 % validation, 10 % test.

    The split is by the time of a pair's first row, or, in a log without times, random: a pair's draw depends on `seed`
    and its keys alone, so that leaving out a pair does not move another.

    Args:
        log: a log.
        seed: random seed of the split.
        keys: (users,), (items,) keys of the rows of the log's tables; default: the row numbers.

    Returns:
        user (P,), item (P,): rows of the log's tables; period (P,): TRAIN, VALIDATION or TEST.
    """
    code, first = np.unique(
        log.column("user") * np.int64(log.num_items) + log.column("item"), return_index=True
    )
    user, item = code // log.num_items, code % log.num_items
    time = np.asarray(log.column("time"), np.float64)[first]
    if np.isfinite(time).all():
        rank = np.empty(len(code), np.int64)
        rank[np.argsort(time, kind="stable")] = np.arange(len(code))
        period = np.searchsorted([int(0.8 * len(code)), int(0.9 * len(code))], rank, side="right")
    else:
        draws = np.empty(len(code))
        of_user, of_item = (user, item) if keys is None else (keys[0][user], keys[1][item])
        _pair_draws(of_user, of_item, np.uint64(seed), draws)
        period = np.searchsorted([0.8, 0.9], draws, side="right")
    return user, item, period.astype(np.int64)


@njit()
def _pair_draws(user: Ints, item: Ints, key: np.uint64, out: Doubles) -> None:
    for pair in range(len(out)):
        out[pair] = uniform(key, user[pair], HOLD_OUT_STREAM, item[pair])
