"""Validation of a log, row by row; nothing is changed."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Array
from recgym.checks import flag, quoted
from recgym.events import EVENTS
from recgym.logs.columns import REQUIRED, as_numpy
from recgym.logs.context_rules import broken_contexts
from recgym.logs.problems import MAX_NAMED_ROWS, LogProblem, problems_of

if TYPE_CHECKING:
    from recgym.logs.log import Log

ANEW = "; numbers that begin anew in each session are its steps: map their column as step, not as slate"
Finding = tuple[str, str, Array]  # column, rule, rows that break it

RANGES: dict[str, tuple[str, Callable[[Array], Any]]] = {
    "step": ("a step must be 0 or above", lambda values: values >= 0),
    "position": ("a position must be 0 or above", lambda values: values >= 0),
    "propensity": ("a propensity must be in (0, 1]", lambda values: (values > 0) & (values <= 1)),
    "price": ("a price must be 0 or above and finite", lambda values: (values >= 0) & np.isfinite(values)),
    "watch_ms": ("watch time must be 0 ms or above", lambda values: values >= 0),
    "time": ("a time must be 0 or above, in ms since 1970", lambda values: values >= 0),
}


def validate(log: "Log", *, event_rules: bool = False) -> list[LogProblem]:
    """Finds all values that break a rule: required columns, ranges, indices, keys, order of time, slates, ids.

    A problem names the file and row of the reader; for other logs the file is the name of the source, and rows count
    from 1. Logs may break the rules which event needs which other: `event_remarks` counts these rows,
    and `event_rules=True` lists them.

    Returns:
        One problem for each value; one for all rows if they all break a rule. Empty for a valid log.

    Raises:
        ValueError: it is no log.
    """
    if not hasattr(log, "rows") or not hasattr(log, "items"):
        raise ValueError(f"log is {quoted(log)}, expected a Log, such as read_log(path, check=False) gives")
    event_rules = flag("event_rules", event_rules)
    places = _places(log)
    problems: list[LogProblem] = []
    for column, rule, rows in _findings(log, event_rules):
        shown, is_one = partial(_shown, log, column), rule.endswith(ANEW)
        problems += problems_of(rows, len(log), places, column, rule, shown, is_one)
    return problems + _table_problems(log)


def _findings(log: "Log", event_rules: bool) -> Iterator[Finding]:
    for name in (*REQUIRED, *log.events):
        yield name, f"{name} must not be empty", np.flatnonzero(as_numpy(log.rows[name].is_null()))
    yield from _range_findings(log)
    yield from broken_contexts(log.rows)
    if event_rules:
        yield from _event_findings(log)
    if not any(log.rows[name].null_count for name in REQUIRED):
        yield from _order_findings(log)
        yield from _slate_findings(log)


def _range_findings(log: "Log") -> Iterator[Finding]:
    for name, (rule, allowed) in RANGES.items():
        present = ~as_numpy(log.rows[name].is_null())
        if present.any():
            yield name, rule, np.flatnonzero(present & ~allowed(log.column(name)))
    sizes = {"user": log.num_users, "item": log.num_items, "named": log.num_items}
    for name in (name for name in sizes if name in log.rows.column_names):
        index, size, table = log.column(name), sizes[name], "users" if name == "user" else "items"
        yield (
            name,
            f"{name} must be an index of the {table} table, 0 to {size - 1}",
            np.flatnonzero((index < 0) | (index >= size)),
        )


def _event_findings(log: "Log") -> Iterator[Finding]:
    needs = {event.name: event.needs for event in EVENTS[log.domain]}
    for name in log.events:
        needed = needs[name]
        while needed is not None and needed not in log.events:
            needed = needs[needed]
        if needed is not None:
            happened = log.column(name).astype(bool) & ~log.column(needed).astype(bool)
            yield name, f"{name} happens only with {needed}", np.flatnonzero(happened)


def event_remarks(log: "Log") -> list[str]:
    """Remarks on event rules that rows break, on a log without negatives, and on slates with an item more than once."""
    places = _places(log)
    return [*response_remarks(log), *_repeat_remarks(log, places)] + [
        f"{len(rows)} of {int(log.column(column).sum())} rows with {column} break the rule: {rule}; the first is "
        + "{}, row {}".format(*places(_first(log, rows)))
        for column, rule, rows in _event_findings(log)
        if len(rows)
    ]


def response_remarks(log: "Log") -> list[str]:
    """One line for a log in which every row has a response, so that impressions without one are not logged, or none."""
    response = EVENTS[log.domain][0].name
    if not len(log) or (log.events and response not in log.events):
        return []
    if not log.events or log.column(response).all():
        rows = "all rows are" if log.events else "no column says what users did, so all rows count as"
        return [
            f"{rows} responses ({response}): the log does not say what was shown without one, "
            "so how often users respond is assumed"
        ]
    if log.column(response).any():
        return []
    others = [f"{int(log.column(name).sum()):,} {name}" for name in log.events if log.column(name).any()]
    counted = (
        f", and {', '.join(others)}: event=COLUMN:WORD>{response} in the map counts a word as one"
        if others
        else ""
    )
    return [f"no row is a response ({response}){counted}"]


def _repeat_remarks(log: "Log", places: Callable[[int], tuple[str, int]]) -> list[str]:
    """One line that counts the steps whose slate shows an item more than once, and names the first."""
    step, item = log.column("step"), log.column("item")
    starts = np.r_[0, np.flatnonzero(np.diff(log.column("session")) | np.diff(step)) + 1, len(log)]
    slate = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    several = np.flatnonzero(np.diff(starts)[slate] > 1)
    slate, item = slate[several], item[several]
    order = np.lexsort((item, slate))
    again = order[1:][(np.diff(slate[order]) == 0) & (np.diff(item[order]) == 0)]
    if not len(again):
        return []
    first = "{}, row {}".format(*places(_first(log, several[again])))
    count = f"{len(np.unique(slate[again])):,} slates show an item more than once"
    return [f"{count}: each place is a row; the first is {first}"]


def _order_findings(log: "Log") -> Iterator[Finding]:
    session, step, user, time = (log.column(name) for name in ("session", "step", "user", "time"))
    same = session[1:] == session[:-1]
    position = np.nan_to_num(log.column("position").astype(np.float64), nan=np.inf)
    behind = (session[1:] < session[:-1]) | (same & (step[1:] < step[:-1]))
    together = same & (step[1:] == step[:-1])
    # rows of steps with several: others repeat no key, if rows are in order
    several = np.r_[False, together] | np.r_[together, False] | behind.any()
    behind |= together & (position[1:] < position[:-1])
    yield "session", "rows must be sorted by session, step, position", np.flatnonzero(behind) + 1
    yield "user", "a session must have one user", np.flatnonzero(same & (user[1:] != user[:-1])) + 1
    yield (
        "time",
        "time must not go backwards within a session, from step to step",
        _backwards(session, step, time),
    )
    repeats = _repeats(log, np.flatnonzero(several))
    has_place = np.isfinite(position[repeats])
    yield "position", "session, step and position must name one row", repeats[has_place]
    yield "item", "an item must occur once in a slate without positions", repeats[~has_place]


def _backwards(session: Array, step: Array, time: Array) -> Array:
    """First rows of steps that start earlier than the step before; within a step rows may have any order."""
    if not len(session):
        return np.zeros(0, np.int64)
    starts = np.flatnonzero(np.r_[True, (session[1:] != session[:-1]) | (step[1:] != step[:-1])])
    first = np.minimum.reduceat(time, starts)
    back: Array = starts[1:][(session[starts][1:] == session[starts][:-1]) & (first[1:] < first[:-1])]
    return back


def _repeats(log: "Log", rows: Array) -> Array:
    """Those of some rows whose key occurred before; without positions the item takes the place of the position."""
    position, item = log.column("position")[rows].astype(np.float64), log.column("item")[rows]
    unplaced = np.isnan(position)
    place = np.where(unplaced, item, position)
    keys = (place, unplaced, log.column("step")[rows], log.column("session")[rows])
    order = np.lexsort(keys)
    same = np.ones(max(len(order) - 1, 0), bool)
    for key in keys:
        same &= key[order][1:] == key[order][:-1]
    return np.sort(rows[order[1:][same]])


def _slate_findings(log: "Log") -> Iterator[Finding]:
    null = as_numpy(log.rows["slate"].is_null())
    slate = as_numpy(log.rows["slate"].fill_null(0))
    session, step = log.column("session"), log.column("step")
    together = (session[1:] == session[:-1]) & (step[1:] == step[:-1])
    alike = (slate[1:] == slate[:-1]) & (null[1:] == null[:-1])
    yield "slate", "rows of one step must be of one slate", np.flatnonzero(together & ~alike) + 1
    known = np.flatnonzero(~null)
    order = known[np.argsort(slate[known], kind="stable")]
    moved = (session[order][1:] != session[order][:-1]) | (step[order][1:] != step[order][:-1])
    split = (slate[order][1:] == slate[order][:-1]) & moved
    rule = "rows of one slate must be of one session and step"
    if split.sum() > MAX_NAMED_ROWS and 2 * split.sum() > moved.sum():
        rule += ANEW
    yield "slate", rule, np.sort(order[1:][split])


def _table_problems(log: "Log") -> list[LogProblem]:
    problems = []
    for name, table in (("users", log.users), ("items", log.items)):
        seen: set[str | None] = set()
        for row, key in enumerate(table["id"].to_pylist()):
            if key is None or key in seen:
                problems.append(
                    LogProblem(f"{log.source.name} {name}", row + 1, "id", "an id must occur once", repr(key))
                )
            seen.add(key)
    return problems + _friend_problems(log) + _earlier_problems(log)


def _earlier_problems(log: "Log") -> list[LogProblem]:
    """Earlier exposures whose user or item is not in its table."""
    if log.earlier is None:
        return []
    problems = []
    for name, size in (("user", log.num_users), ("item", log.num_items)):
        index = as_numpy(log.earlier[name]).astype(np.float64)
        bad = np.flatnonzero(~((index >= 0) & (index < size)))
        rule, place = f"an index from 0 to {size - 1} is needed", f"{log.source.name} earlier"
        problems += [LogProblem(place, int(row) + 1, name, rule, f"{index[row]:g}") for row in bad]
    return problems


def _friend_problems(log: "Log") -> list[LogProblem]:
    """Pairs of friends that are not two indices of the users table, the lower first, or that are repeated."""
    if log.friends is None:
        return []
    user, friend = (as_numpy(log.friends[name]).astype(np.float64) for name in ("user", "friend"))
    _, first = np.unique(np.stack([user, friend]), axis=1, return_index=True)
    rules = {
        f"user and friend must be two indices of the users table, 0 to {log.num_users - 1}, the lower one first": ~(
            (user >= 0) & (user < friend) & (friend < log.num_users)
        ),
        "a pair must occur once": ~np.isin(np.arange(len(user)), first),
    }
    return [
        LogProblem(
            f"{log.source.name} friends", int(row) + 1, "friend", rule, f"{user[row]:g} and {friend[row]:g}"
        )
        for rule, bad in rules.items()
        for row in np.flatnonzero(bad)
    ]


def _places(log: "Log") -> Callable[[int], tuple[str, int]]:
    if "file" not in log.rows.column_names or "file_row" not in log.rows.column_names:
        return lambda row: (log.source.name, row + 1)
    return lambda row: (
        log.rows["file"][row].as_py() or log.source.name,
        log.rows["file_row"][row].as_py() or row + 1,
    )


def _first(log: "Log", rows: Array) -> int:
    """The one of some rows of a log, which is sorted by session, that its files have first."""
    if not {"file", "file_row"} <= set(log.rows.column_names):
        return int(rows.min())
    part = log.rows.select(["file", "file_row"]).take(pa.array(rows))
    name, line = part["file"].cast(pa.string()), as_numpy(part["file_row"].fill_null(0))
    in_first = as_numpy(pc.equal(name, pc.min(name)).fill_null(False))
    return int(rows[np.argmin(np.where(in_first, line, np.inf))])


def _shown(log: "Log", column: str, row: int) -> str:
    value = log.rows[column][row].as_py()
    ids = {"user": log.users, "item": log.items}
    if column in ids and value is not None and 0 <= value < len(ids[column]):
        return repr(ids[column]["id"][value].as_py())
    return "nothing" if value is None else repr(value)
