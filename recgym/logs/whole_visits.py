"""Whether the visits of a log are whole: whether the last row of a visit is where its user left."""

import numpy as np

from recgym.arrays import Ints
from recgym.logs.kinds import IMPRESSIONS, is_sampled, kind_of
from recgym.logs.log import Log

MAX_PAUSE_MS = (
    30 * 60_000.0
)  # between the rows of a visit: a longer one ends it where sessions are not logged
MIN_SHARE = 0.95  # of the pauses of visits, that are no longer
MIN_FOLLOWING = 0.3  # of the rows, that follow another one of their visit
MIN_PAUSES = 20


def has_slates(log: Log) -> bool:
    """Whether a step of a visit has several rows."""
    session, step = log.column("session"), log.column("step")  # in order
    return bool(((session[1:] == session[:-1]) & (step[1:] == step[:-1])).any())


def has_positions(log: Log) -> bool:
    """Whether a log has slates of several rows, and the position of each row."""
    return has_slates(log) and bool(np.isfinite(np.asarray(log.column("position"), np.float64)).all())


def is_rated(log: Log) -> bool:
    """Whether rows are ratings. Such a log has no impressions, and a low rating is not an absent response."""
    return "rating" in log.rows.column_names


def shows_whole_visits(log: Log, feeds: bool = True) -> bool:
    """Whether the end of a visit is a leave: in a shop, sampled from a world, or of shown items.

    Visits of shown items are whole where their steps follow one another without pauses that would end a visit. A
    record of a user, the part of a feed that a sample keeps, and a day of a user have such pauses or no times. `feeds`:
    whether they, and slates, can be whole. Slates are where a part of them follows another slate of the visit.
    """
    if has_slates(log) and not (feeds and kind_of(log) == IMPRESSIONS and _slates_follow(log)):
        return False
    return log.domain == "ecommerce" or is_sampled(log) or (feeds and _has_no_pauses(log))


def _has_no_pauses(log: Log) -> bool:
    """Whether most steps of a log of impressions follow another one of their visit, at known times and soon."""
    if is_rated(log) or kind_of(log) != IMPRESSIONS:
        return False
    first = _first_rows(log)
    session, time = log.column("session")[first], np.asarray(log.column("time"), np.float64)[first]
    follows = session[1:] == session[:-1]
    pause = (time[1:] - time[:-1])[follows]
    if len(pause) < max(MIN_PAUSES, MIN_FOLLOWING * len(first)) or np.isnan(pause).any():
        return False
    return bool((pause > 0).mean() >= 0.5 and (pause <= MAX_PAUSE_MS).mean() >= MIN_SHARE)


def _first_rows(log: Log) -> Ints:
    """(steps,) first row of each step."""
    session, step = log.column("session"), log.column("step")
    return np.flatnonzero(np.r_[True, (session[1:] != session[:-1]) | (step[1:] != step[:-1])])


def _slates_follow(log: Log) -> bool:
    """Whether a part of the slates follows another one of its visit, so that visits have ends and goings-on."""
    session = log.column("session")[_first_rows(log)]
    return int((session[1:] == session[:-1]).sum()) >= max(MIN_PAUSES, MIN_FOLLOWING * len(session))
