"""A table of events, CSV or Parquet or a data frame, with a map of its columns.

    read_log("events.csv", domain="ecommerce",
    mapping="user=visitorid,item=itemid,time=timestamp,event=event")

`user` and `item` are needed; without a map the columns must carry the keys' own names
(`recgym.logs.mapping`). The columns of a file without header are named by their place, user=#1,item=#2. What the
table leaves open is settled so:

* time: numbers are seconds, ms, us or ns by their size, or `time_unit` says it (in a frame: ms); dates and
  times without a zone are UTC;
* session: ends where a user does nothing for 30 minutes (`gap_minutes`); without a time, one session a user;
* step: rows of one slate are one step; without slates every row is one; by time, then by order in the file;
* event: a column of words (`recgym.logs.mapping.meaning`) is a log of actions: a cart or purchase joins the
  last earlier row of the same item in the session that lacks it, or stands alone with the events it needs.
  Columns named like events hold 0 or 1 and stay as they are;
* rating: 4 or more is the domain's response (click, listen), less is shown only; "rating=stars>=8" in the map sets
  another bound. This is an assumption, which a remark of the log states;
* positions count from 0 as they stand in the table;
* exact duplicates (in the mapped columns) are dropped and counted where time, step or position tells rows
  apart: without these a repeat may be meant;
* items: `category`, `price`, `duration_ms` are the most frequent, the mean, the mean over an item's rows,
  unless the option `items` names a table with a column `id` (and `users` likewise): then a row that names no
  id of it is an error.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from recgym.events import DOMAINS, EVENTS
from recgym.logs.actions import attributes, gap_sessions, join_actions, number_by_start, number_steps
from recgym.logs.cells import UNITS, Cells, Given
from recgym.logs.codes import FLOAT, INT, first_rows
from recgym.logs.files import TABLES, Files, reading, shown
from recgym.logs.kinds import plain
from recgym.logs.log import Array, Log, Source, as_numpy
from recgym.logs.mapping import ATTRIBUTES, KEYS, parse_mapping, rating_rule
from recgym.logs.origin import Origin
from recgym.logs.problems import LogError
from recgym.logs.table_files import NUMBERS, read_ids, read_tables, with_id
from recgym.logs.tables import require_columns

if TYPE_CHECKING:
    import pandas as pd

OPTIONS = ("domain", "mapping", "users", "items", "gap_minutes", "time_unit")
GAP_MINUTES = 30.0


def read(files: Files, options: Mapping[str, Any]) -> Log:
    """The log of a table of text or Parquet: a file, or several of the same columns."""
    domain = options.get("domain")
    if domain is None:
        known = ", ".join(DOMAINS)
        raise LogError(f"{files.path}: a table needs a domain, {known}: say --domain, or domain= in Python")
    if domain not in DOMAINS:
        raise LogError(f"domain {domain!r} is unknown; a table needs one of {', '.join(DOMAINS)}")
    names = files.tables()
    if not names:
        raise LogError(f"{files.path}: there is no table; its files must be {', '.join(TABLES)}")
    columns, least = rating_rule(parse_mapping(options.get("mapping"), domain))
    name = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    called = Path(names[0]).name.split(".")[0] if len(names) == 1 else files.path.name
    source = Source(called, "unknown", "", "read by the generic reader")
    beside = {key: read_ids(options[key]) for key in ("users", "items") if options.get(key) is not None}
    gap = options.get("gap_minutes", GAP_MINUTES)
    if not isinstance(gap, int | float) or not gap > 0:
        raise LogError(f"gap_minutes must be a number above 0; it is {gap!r}")
    unit = options.get("time_unit")
    if unit not in (None, *UNITS):
        raise LogError(f"time_unit {unit!r} is unknown; there are {', '.join(UNITS)}")
    given = Given(name, domain, source, columns, float(gap), unit, **beside, least_rating=least)
    table, origin = read_tables(files, names, columns, domain)
    log = from_table(table, replace(given, origin=origin))
    together = [f"{len(names)} files are one log: {shown(names)}"] if len(names) > 1 else []
    return replace(log, remarks=(*together, *log.remarks))


def from_frame(
    rows: "pd.DataFrame",
    *,
    domain: str,
    users: "pd.DataFrame | None",
    items: "pd.DataFrame | None",
    source: Source | None,
) -> Log:
    """`Log.from_pandas`."""
    if domain not in DOMAINS:
        raise LogError(f"domain {domain!r} is unknown; there are {', '.join(DOMAINS)}")
    table = _of_frame("frame", rows)
    require_columns("frame", table.column_names, ("user", "item"))
    table = pa.table({name: plain(table[name], "frame", name) for name in table.column_names})
    beside = [None if ids is None else with_id("frame", _of_frame("frame", ids)) for ids in (users, items)]
    source = source or Source("frame", "unknown", "")
    return from_table(
        table, Given("frame", domain, source, {}, GAP_MINUTES, "ms", users=beside[0], items=beside[1])
    )


def _of_frame(name: str, frame: "pd.DataFrame") -> Any:
    """A frame as Arrow; LogError where a column mixes kinds that have none in common."""
    with reading(name):
        return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)


def from_table(table: Any, given: Given) -> Log:
    """The log of a table whose columns carry the keys' names; names that are no key stay as extra columns."""
    if not len(table):
        raise LogError(f"{given.name}: there are no rows")
    remarks: list[str] = []
    origin = given.origin or Origin.of(given.name, np.arange(2, len(table) + 2))
    num_rows = len(table)
    if {"time", "step", "position"} & set(table.column_names):
        kept = first_rows(table)
        if len(kept) < num_rows:
            table, origin = table.take(pa.array(kept)), origin.take(kept)
            remarks.append(f"{given.name}: {num_rows - len(kept)} exact duplicate rows dropped")

    columns, users, items = _columns(table, given, origin)
    columns |= _sessions(table, columns, given, origin)
    columns |= {} if "file" in columns else origin.columns()
    duplicates, actions = num_rows - len(table), "event" in table.column_names
    del table, origin  # memory: the rows are needed once more only
    _take(columns, _in_order(columns))
    if actions and not {"slate", "position", "step"} & set(columns):
        remarks += _join(columns, given)
    if "rating" in columns:
        flag = EVENTS[given.domain][0].name
        share = f"{int(columns[flag].sum())} of {len(columns[flag])} rows"
        remarks.append(
            f"{given.name}: a rating of {given.least_rating:g} or more counts as {flag}, an assumption: {share}"
        )
    if "step" not in columns:
        slate = as_numpy(columns["slate"].fill_null(-1)) if "slate" in columns else None
        columns["step"] = number_steps(columns["session"], slate)
    return Log.build(
        columns,
        users=users,
        items=items,
        domain=given.domain,
        source=given.source,
        duplicates=duplicates,
        remarks=remarks,
    )


def _columns(table: Any, given: Given, origin: Origin) -> tuple[dict[str, Any], Any, Any]:
    """Columns of the log but session and step, with the tables of users and items."""
    names, flags = table.column_names, [event.name for event in EVENTS[given.domain]]
    reserved = (*KEYS, *ATTRIBUTES, *flags)
    cell = Cells(table, given, origin)
    columns: dict[str, Any] = {key: table[key] for key in names if key not in reserved}
    numbers = {key: cell.number(key, kind) for key, kind in NUMBERS.items() if key in names}
    columns |= {key: values for key, values in numbers.items() if key not in ATTRIBUTES}
    columns["user"], users = cell.index("user", given.users)
    columns["item"], items = cell.index("item", given.items)
    if "time" in names:
        columns["time"] = cell.milliseconds("time")
    named = [name for name in flags if name in names]
    if len(given_as := [*named, *({"event", "rating"} & set(names))]) > len(named) and len(given_as) > 1:
        raise LogError(
            f"{given.name}: give either event or rating or columns named like events; there are {', '.join(given_as)}"
        )
    columns |= {name: cell.flag(name) for name in named}
    if "rating" in names:
        columns |= _rated(cell, flags[0])
    if "event" in names:
        columns |= cell.words("event")
    if given.items is None:
        category = table["category"] if "category" in names else None
        told: dict[str, Array] = {}
        told |= {key: as_numpy(numbers[key]) for key in ("price", "duration_ms") if key in numbers}
        time = as_numpy(columns["time"]) if "time" in columns else None
        items = attributes(items["id"], columns["item"], category, told, time)
    return columns, users, items


def _rated(cell: Cells, response: str) -> dict[str, Any]:
    """The ratings, and whether they are the domain's response."""
    rating = as_numpy(cell.number("rating", FLOAT))
    return {response: rating >= cell.given.least_rating, "rating": pa.array(rating.astype(np.float32))}


def _sessions(table: Any, columns: Mapping[str, Any], given: Given, origin: Origin) -> dict[str, Array]:
    time = as_numpy(columns["time"]) if "time" in columns else None
    if "session" not in table.column_names:
        return {"session": gap_sessions(columns["user"], time, given.gap_minutes)}
    cell = Cells(table, given, origin)
    if pa.types.is_integer(table["session"].type):
        return {"session": as_numpy(cell.number("session", INT))}
    codes, _ = cell.index("session", None)
    moment = np.arange(len(codes)) if time is None else time
    order = np.lexsort((moment, codes))
    return {"session": number_by_start(order, np.r_[True, np.diff(codes[order]) != 0], moment)}


def _join(columns: dict[str, Any], given: Given) -> list[str]:
    """Join the rows of actions in place; how many joined, as a remark."""
    events = [event.name for event in EVENTS[given.domain] if event.name in columns]
    flags = np.stack([columns[name] for name in events], axis=1)
    rows, joined = join_actions(columns["session"], columns["item"], flags)
    _take(columns, rows)
    columns |= dict(zip(events, joined.T.copy(), strict=True))
    less = len(flags) - len(rows)
    return [f"{given.name}: {less} rows joined an earlier row of their item"] if less else []


def _in_order(columns: Mapping[str, Any]) -> Array:
    """Rows by session, then step or time where there is one, then as they stood."""
    keys = [as_numpy(columns[name]) for name in ("time", "step") if name in columns]
    return np.lexsort((*keys, columns["session"]))  # stable


def _take(columns: dict[str, Any], rows: Array) -> None:
    """Replace every column by these rows of it, one after the other, so that memory holds one twice."""
    if len(rows) == len(columns["session"]) and bool((rows[1:] > rows[:-1]).all()):
        return
    for name, values in columns.items():
        columns[name] = values[rows] if isinstance(values, np.ndarray) else values.take(pa.array(rows))
