"""A table whose columns carry the keys' names as the columns of a log; `recgym.logs.generic` states the rules."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Array
from recgym.events import DOMAINS, EVENTS
from recgym.logs.arrow_types import plain, refuse_spans
from recgym.logs.check import event_remarks, validate
from recgym.logs.columns import Source, as_numpy
from recgym.logs.data_frames import of_frame
from recgym.logs.delimited import require_columns
from recgym.logs.ids import as_text, encode_ids, first_rows, is_missing
from recgym.logs.joining import join_rows
from recgym.logs.mapping import ATTRIBUTES, KEYS
from recgym.logs.origin import Origin
from recgym.logs.parsing import Cells, Given
from recgym.logs.problems import LogError, LogProblem, refuse
from recgym.logs.sessionize import UNKNOWN, attributes, gap_sessions, number_by_start, number_steps
from recgym.logs.table_files import NUMBERS, with_id
from recgym.logs.times import DAY_MS, UNITS, check_form, is_text, remark

if TYPE_CHECKING:
    import pandas as pd

    from recgym.logs.log import Log

GAP_MINUTES = 30.0
DUPLICATES = ("keep", "drop")
QUARTER_MS = 900_000  # zones differ by multiples of it


def log_of_table(table: Any, given: Given, build: "Callable[..., Log]") -> "Log":
    """The log of a table whose columns carry the keys' names; names that are no key stay as extra columns.

    `build` is `Log.build`. LogError, whose problems are those of all columns, where a cell does not fit.
    """
    if not len(table):
        raise LogError(f"{given.name}: there are no rows")
    origin = given.origin or Origin.of(given.name, np.arange(2, len(table) + 2))
    cell = Cells(table, given, origin)
    columns, users, items = _columns(cell)
    if cell.problems or given.left_out:
        refuse([*given.left_out, *cell.problems, *_further(cell, build)])
    remarks = cell.remarks
    kept, repeats = _repeats(table, columns, given)
    remarks += repeats
    num_rows = len(table)
    duplicates = num_rows - len(kept)
    kept = kept[~cell.withdrawn[kept]]
    if not len(kept):
        raise LogError(f"{given.name}: all rows take an earlier event back; there is nothing that was shown")
    columns |= {} if "file" in columns else origin.columns()
    if len(kept) < num_rows:
        table = table.take(pa.array(kept))
        _take(columns, kept)
    if given.items is None:
        items = _with_attributes(items, table, columns)
    remarks += _varying(items, table, columns, given)
    columns |= _sessions(columns, given)
    actions, has_impressions = not cell.are_outcomes, cell.has_impressions
    del table, origin, cell  # memory: the rows are needed once more only
    for key in ATTRIBUTES:
        columns.pop(key, None)
    _take(columns, _in_order(columns))
    if actions:
        events = [event.name for event in EVENTS[given.domain] if event.name in columns]
        columns, joined = join_rows(columns, events, has_impressions)
        remarks += [f"{given.name}: {line}" for line in joined]
    if "rating" in columns:
        flag = EVENTS[given.domain][0].name
        share = f"{int(columns[flag].sum())} of {len(columns[flag])} rows"
        remarks.append(
            f"{given.name}: a rating of {given.least_rating:g} or more counts as {flag}, an assumption: {share}"
        )
    if "step" not in columns:
        slate = as_numpy(columns["slate"].fill_null(-1)) if "slate" in columns else None
        columns["step"] = number_steps(columns["session"], slate)
    return build(
        columns,
        users=users,
        items=items,
        domain=given.domain,
        source=given.source,
        duplicates=duplicates,
        remarks=remarks,
    )


def _further(cell: Cells, build: "Callable[..., Log]") -> list[LogProblem]:
    """What is wrong with a table that the cells' own problems have left out: the log's rules on its other rows."""
    rows = np.flatnonzero(~cell.bad)
    if not len(rows):
        return []
    given = replace(cell.given, origin=cell.origin.take(rows), left_out=())
    try:
        return validate(log_of_table(cell.table.take(pa.array(rows)), given, build), event_rules=False)
    except LogError:  # of cells, which all rows together have decided already
        return []


def _columns(cell: Cells) -> tuple[dict[str, Any], Any, Any]:
    """Columns of the log but step, with the tables of users and items; what does not fit is among the cells' problems.

    Sessions are ids still, where they are given.
    """
    names, given = cell.table.column_names, cell.given
    flags = [event.name for event in EVENTS[given.domain]]
    named = [name for name in flags if name in names]
    if len(given_as := [*named, *({"event", "rating"} & set(names))]) > len(named) and len(given_as) > 1:
        raise LogError(
            f"{given.name}: give either event or rating or columns named like events; there are {', '.join(given_as)}"
        )
    columns: dict[str, Any] = {
        key: cell.table[key] for key in names if key not in (*KEYS, *ATTRIBUTES, *flags)
    }
    columns |= {key: cell.number(key, kind) for key, kind in NUMBERS.items() if key in names}
    columns["user"], users = cell.index("user", given.users)
    columns["item"], items = cell.index("item", given.items)
    if "session" in names:
        columns["session"] = cell.session("session")
    if "time" in names:
        times = cell.times("time")
        columns["time"] = times.ms
        if not cell.problems:
            cell.remarks.append(remark(given.name, times.ms, times.unit))
        if given.time_unit and times.unit not in UNITS:
            cell.remarks.append(f"{given.name}: time_unit {given.time_unit} is not used: times are dates")
    for name in named:
        columns |= cell.flag(name)
    if "rating" in names:
        rating = as_numpy(columns["rating"])
        columns |= {flags[0]: rating >= given.least_rating, "rating": pa.array(rating.astype(np.float32))}
    if "event" in names:
        columns |= cell.words("event")
    return columns, users, items


def _repeats(table: Any, columns: Mapping[str, Any], given: Given) -> tuple[Array, list[str]]:
    """Rows to keep of exact duplicates, in order, and a remark where there are some.

    They are dropped where something tells the rows of a log apart: a step or place, or a time that is finer than a day.
    """
    everything = np.arange(len(table))
    time = as_numpy(columns["time"]) if "time" in columns else None
    ordered = {"step", "slate"} & set(columns) or ("position" in columns and time is None)
    drop = given.duplicates == "drop"
    if given.duplicates is None:
        drop = bool(ordered) or (time is not None and not _whole_days(time))
    elif not drop:
        return everything, []
    compared = {name: columns.get(name, table[name]) for name in table.column_names}
    kept = first_rows(pa.table(compared))
    count = len(table) - len(kept)
    if not count:
        return kept, []
    if drop:
        return kept, [f"{given.name}: {count:,} exact duplicate rows dropped"]
    why = "there are no times" if time is None else "times are whole days"
    return everything, [
        f"{given.name}: {count:,} exact duplicate rows kept, as {why}; duplicates=drop drops them"
    ]


def _whole_days(time: Array) -> bool:
    """Whether all times [ms] are days: midnights of UTC, or of one zone where there are several days."""
    of_day = time % DAY_MS
    if (of_day == 0).all():
        return True
    return bool((of_day == of_day[0]).all() and of_day[0] % QUARTER_MS == 0 and (time != time[0]).any())


def _with_attributes(items: Any, table: Any, columns: Mapping[str, Any]) -> Any:
    """The table of items with what the rows say of them."""
    category = None
    if "category" in table.column_names:
        codes, words = encode_ids(table["category"])
        category = pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), words)
    known = {key: as_numpy(columns[key]) for key in ("price", "duration_ms") if key in columns}
    time = as_numpy(columns["time"]) if "time" in columns else None
    return attributes(items["id"], as_numpy(columns["item"]), category, known, time)


def _varying(items: Any, table: Any, columns: Mapping[str, Any], given: Given) -> list[str]:
    """How many items have rows with another value than the table of items, as remarks."""
    item, remarks = as_numpy(columns["item"]), []
    for key in ("category", "price", "duration_ms"):
        if key not in table.column_names or key not in items.column_names:
            continue
        of_item = items[key].take(pa.array(item))
        if key == "category":
            rows = table[key] if is_text(table[key].type) else as_text(table[key])
            rows = pc.utf8_trim_whitespace(rows.cast(pa.string()))
            differs = as_numpy(
                pc.and_(pc.invert(is_missing(rows)), pc.not_equal(rows, of_item)).fill_null(False)
            )
        else:
            values, others = as_numpy(columns[key]).astype(np.float64), as_numpy(of_item).astype(np.float64)
            differs = (
                ~np.isnan(values)
                & ~np.isnan(others)
                & (values.astype(np.float32) != others.astype(np.float32))
            )
        count = len(np.unique(item[differs]))
        if count:
            kept = "the first is" if given.items is None else "the table's is"
            remarks.append(f"{given.name}: {count:,} items have rows of another {key}: {kept} the item's")
    if given.items is None and "category" in items.column_names:
        count = int(pc.sum(pc.equal(items["category"], UNKNOWN)).as_py() or 0)
        remarks += [f"{given.name}: {count:,} items have no category: it is {UNKNOWN}"] if count else []
    return remarks


def _sessions(columns: Mapping[str, Any], given: Given) -> dict[str, Array]:
    """Number of every row's session: as given where they are numbers, else by the first moment."""
    time = as_numpy(columns["time"]) if "time" in columns else None
    if "session" not in columns:
        return {"session": gap_sessions(columns["user"], time, given.gap_minutes)}
    codes = columns["session"]
    if codes.dtype == np.int64:
        return {"session": codes}
    moment = np.arange(len(codes)) if time is None else time
    order = np.lexsort((moment, codes))
    return {"session": number_by_start(order, np.r_[True, np.diff(codes[order]) != 0], moment)}


def _in_order(columns: Mapping[str, Any]) -> Array:
    """Rows by session, then step or time where there is one, then as they stood."""
    keys = [as_numpy(columns[name]) for name in ("time", "step") if name in columns]
    return np.lexsort((*keys, columns["session"]))  # stable


def _take(columns: dict[str, Any], rows: Array) -> None:
    """Replace every column by these rows of it, one after the other, so that memory holds one twice."""
    if len(rows) == len(columns["user"]) and bool((rows[1:] > rows[:-1]).all()):
        return
    for name, values in columns.items():
        columns[name] = values[rows] if isinstance(values, np.ndarray) else values.take(pa.array(rows))


def stated_options(time_unit: Any, time_format: Any, duplicates: Any) -> dict[str, Any]:
    """The options that are given, checked."""
    if time_unit not in (None, *UNITS):
        raise LogError(f"time_unit {time_unit!r} is unknown; there are {', '.join(UNITS)}")
    if duplicates not in (None, *DUPLICATES):
        raise LogError(f"duplicates {duplicates!r} is unknown; there are {', '.join(DUPLICATES)}")
    if time_format is not None:
        check_form(time_format)
    said = {
        "time_unit": time_unit,
        "time_format": time_format,
        "duplicates": duplicates,
        "any_year": bool(time_unit),
    }
    return {key: value for key, value in said.items() if value is not None}


def log_of_frame(
    build: "Callable[..., Log]",
    rows: "pd.DataFrame",
    *,
    domain: str,
    users: "pd.DataFrame | None",
    items: "pd.DataFrame | None",
    source: Source | None,
    **options: Any,
) -> "Log":
    """The log of a data frame: `Log.from_pandas`."""
    if domain not in DOMAINS:
        raise LogError(f"domain {domain!r} is unknown; there are {', '.join(DOMAINS)}")
    said = stated_options(**options)
    table = of_frame("frame", rows)
    require_columns("frame", table.column_names, ("user", "item"))
    if "time" in table.column_names:
        refuse_spans(table["time"].type, "frame", "time")
    table = pa.table({name: plain(table[name], "frame", name) for name in table.column_names})
    (users, of_users), (items, of_items) = (
        (None, []) if ids is None else with_id(key, of_frame(key, ids))
        for key, ids in (("users", users), ("items", items))
    )
    source = source or Source("frame", "unknown", "")
    given = Given("frame", domain, source, {}, GAP_MINUTES, users=users, items=items, **said)
    log = log_of_table(table, given, build)
    log = replace(log, remarks=(*of_users, *of_items, *log.remarks))
    refuse(validate(log, event_rules=False))
    return replace(log, remarks=(*log.remarks, *event_remarks(log)))
