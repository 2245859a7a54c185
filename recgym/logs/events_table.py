"""Tables of events to logs, by the rules of `recgym.logs.generic`."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Array
from recgym.checks import unknown_name
from recgym.events import EVENTS
from recgym.logs.arrow_types import is_text
from recgym.logs.cell_rules import DATE, WHOLE_CONTEXTS
from recgym.logs.check import validate
from recgym.logs.columns import as_numpy
from recgym.logs.context_rules import iso_dates
from recgym.logs.group_ids import check_items, group_numbers
from recgym.logs.ids import INT
from recgym.logs.joining import join_rows
from recgym.logs.mapping import ATTRIBUTES, CONTEXT, KEYS, with_needed
from recgym.logs.origin import Origin, from_one
from recgym.logs.parsing import TableParser
from recgym.logs.problems import LogError, LogProblem, raise_problems
from recgym.logs.repeated_rows import REPEAT, rows_kept
from recgym.logs.row_order import moments, moments_in_slates, number_places, order_of_file, row_order
from recgym.logs.sessionize import UNKNOWN, attributes, gap_sessions, number_by_start, short_sessions
from recgym.logs.table_files import NUMBERS
from recgym.logs.table_settings import TableSettings
from recgym.logs.text_values import words_of
from recgym.logs.time_units import FINE, UNITS
from recgym.logs.times import check_form, remark

if TYPE_CHECKING:
    from recgym.logs.log import Log

GAP_MINUTES = 30.0
DUPLICATES = ("keep", "drop")
TIES = ("file",)


def log_of_table(table: Any, settings: TableSettings, build: "Callable[..., Log]") -> "Log":
    """Log of a table whose columns have the names of the keys; other columns become extra columns.

    `build` is `Log.build`. Raises LogError with the problems of all columns.
    """
    if not len(table):
        raise_problems(settings.left_out)
        raise LogError(f"{settings.name}: there are no rows")
    origin = settings.origin or Origin.of(settings.name, from_one(len(table)))
    parser = TableParser(table, settings, origin)
    columns, users, items = _columns(parser)
    if parser.problems or settings.left_out:
        raise_problems([*settings.left_out, *parser.problems, *_further(parser, build)])
    is_split = REPEAT in columns
    kept, repeats = rows_kept(table, columns, settings, origin, parser.are_whole_days)
    remarks = [*parser.remarks, *repeats]
    num_rows, duplicates = len(table), len(table) - len(kept)
    kept = kept[~parser.withdrawn[kept]]
    if not len(kept):
        raise LogError(f"{settings.name}: all rows withdraw an earlier event; the log would be empty")
    columns |= {} if "file" in columns else origin.columns()
    if len(kept) < num_rows:
        table = table.take(pa.array(kept))
        _take(columns, kept)
    events = [event.name for event in EVENTS[settings.domain] if event.name in columns]
    order = row_order(
        {**_beside(table), **columns}, events, is_split=is_split, are_ties_as_in_file=settings.ties == "file"
    )
    items = _with_attributes(items, table, columns, order)
    remarks += _varying(items, table, columns, settings)
    columns |= _sessions(columns, events, settings)
    remarks += _lonely_rows(columns, table.column_names, settings)
    actions, has_impressions = not parser.are_outcomes, parser.has_impressions
    del table, origin, parser  # frees memory
    for key in ATTRIBUTES:
        columns.pop(key, None)
    _take(columns, _in_order(columns, order))
    remarks += order_of_file(columns, settings.name)
    if actions:
        columns, joined = join_rows(columns, events, has_impressions, settings.gap_minutes)
        remarks += [f"{settings.name}: {line}" for line in joined]
    if "rating" in columns:
        flag = EVENTS[settings.domain][0].name
        share = f"{int(columns[flag].sum())} of {len(columns[flag])} rows"
        least = f"{settings.least_rating:.15g}"
        remarks.append(
            f"{settings.name}: a rating of {least} or more counts as {flag}, an assumption: {share}"
        )
    remarks += number_places(columns, settings.name, is_split, settings.ties)
    return build(
        columns,
        users=users,
        items=items,
        domain=settings.domain,
        source=settings.source,
        duplicates=duplicates,
        remarks=remarks,
    )


def _further(parser: TableParser, build: "Callable[..., Log]") -> list[LogProblem]:
    """Problems of the rows without broken cells, by the rules of a log."""
    rows = np.flatnonzero(~parser.bad)
    if not len(rows):
        return []
    settings = replace(parser.settings, origin=parser.origin.take(rows), left_out=(), unread=None)
    try:
        return validate(log_of_table(parser.table.take(pa.array(rows)), settings, build), event_rules=False)
    except LogError:  # these cells have problems already
        return []


def _columns(parser: TableParser) -> tuple[dict[str, Any], Any, Any]:
    """Columns of the log except step, and the tables of users and items; problems are noted in the parser.

    Sessions are still ids here.
    """
    names, settings = parser.table.column_names, parser.settings
    flags = [event.name for event in EVENTS[settings.domain]]
    named = [name for name in flags if name in names]
    if len(given_as := [*named, *({"event", "rating"} & set(names))]) > len(named) and len(given_as) > 1:
        raise LogError(
            f"{settings.name}: give either event or rating or columns named like events; found {', '.join(given_as)}"
        )
    columns: dict[str, Any] = {
        key: _context(parser, key) if key.startswith(CONTEXT) else parser.table[key]
        for key in names
        if key not in (*KEYS, *ATTRIBUTES, *flags)
    }
    columns |= {key: parser.number(key, kind) for key, kind in NUMBERS.items() if key in names}
    columns["user"], users = parser.index("user", settings.users)
    columns["item"], items = parser.index("item", settings.items)
    check_items(parser)
    columns |= group_numbers(parser)
    if "time" in names:
        times = parser.times("time")
        columns["time"], parser.are_whole_days = times.ms, times.are_whole_days
        columns |= {} if times.fine is None else {FINE: times.fine}
        if not parser.problems:
            parser.remarks.append(remark(settings.name, times.ms, times.unit))
        if settings.time_unit and times.unit not in UNITS:
            parser.remarks.append(
                f"{settings.name}: time_unit {settings.time_unit} is not used: times are dates"
            )
    for name in named:
        columns |= parser.flag(name)
    if named and flags[0] not in named and not parser.problems:
        columns[flags[0]] = _implied_response(parser, columns, named, flags[0])
    if "rating" in names:
        rating = as_numpy(columns["rating"])
        columns |= {flags[0]: rating >= settings.least_rating, "rating": pa.array(rating.astype(np.float32))}
    if "event" in names:
        columns |= parser.words("event")
    return columns, users, items


def _context(parser: TableParser, key: str) -> Any:
    """Column of a context: whole numbers where its name says so, words as ids are read, else unchanged."""
    if key in WHOLE_CONTEXTS:
        return parser.number(key, INT)
    cells = iso_dates(parser.table[key]) if key == DATE else parser.table[key]
    return words_of(cells) if is_text(cells.type) else cells


def _implied_response(
    parser: TableParser, columns: Mapping[str, Any], named: list[str], response: str
) -> Array:
    """(rows,) response of rows whose events need it; LogError if no column of an event does."""
    name, domain = parser.settings.name, parser.settings.domain
    needing = [event for event in named if response in with_needed(event, domain)]
    if not needing:
        own = parser.settings.columns.get(named[0], named[0])
        raise LogError(
            f"{name}: no column says which rows had the response ({response}), as {' and '.join(named)} may happen "
            f"without one: name it, {response}=COLUMN in the map, or count as responses what the log has, "
            f"{response}={own}"
        )
    implied: Array = np.any([columns[event] for event in needing], axis=0)
    count, which = f"{int(implied.sum()):,} of {len(implied):,} rows", " or ".join(needing)
    parser.remarks.append(
        f"{name}: there is no column {response}: {count}, those with {which}, have one; the others were shown only"
    )
    return implied


def _beside(table: Any) -> dict[str, Any]:
    """Attributes in the rows, which order those of one time; categories as they are read."""
    beside = {key: table[key] for key in ATTRIBUTES if key in table.column_names}
    return beside | ({"category": words_of(beside["category"])} if "category" in beside else {})


def _with_attributes(items: Any, table: Any, columns: Mapping[str, Any], order: Array) -> Any:
    """Table of items with those attributes of the rows that it lacks; `order` (rows,) is that in time."""
    category, lacks = None, {"category", "price", "duration_ms"}.difference(items.column_names)
    if "category" in lacks and "category" in table.column_names:
        category = pa.DictionaryArray.from_arrays(*_codes(table["category"]))
    known: dict[str, Array] = {
        key: as_numpy(columns[key]) for key in ("price", "duration_ms") if key in lacks and key in columns
    }
    found = attributes(items["id"], as_numpy(columns["item"]), category, known, order)
    for name in found.column_names:
        items = items if name in items.column_names else items.append_column(name, found[name])
    return items


def _codes(values: Any) -> tuple[Any, Any]:
    """Codes of the categories of rows, null for none, and their words, as ids are read."""
    coded = words_of(values)
    return coded.indices, coded.dictionary


def _varying(items: Any, table: Any, columns: Mapping[str, Any], settings: TableSettings) -> list[str]:
    """Remarks on the number of items with rows of another value than in the table of items."""
    item, remarks = as_numpy(columns["item"]), []
    for key in ("category", "price", "duration_ms"):
        if key not in table.column_names or key not in items.column_names:
            continue
        of_item = items[key].take(pa.array(item))
        if key == "category":
            rows, of_item = (words.take(codes) for codes, words in map(_codes, (table[key], of_item)))
            differs = as_numpy(pc.not_equal(rows, of_item).fill_null(False))
        else:
            values, others = as_numpy(columns[key]).astype(np.float64), as_numpy(of_item).astype(np.float64)
            differs = (
                ~np.isnan(values)
                & ~np.isnan(others)
                & (values.astype(np.float32) != others.astype(np.float32))
            )
        count = len(np.unique(item[differs]))
        if count:
            is_given = settings.items is not None and key in settings.items.column_names
            kept = "the table's is" if is_given else "the first is"
            remarks.append(f"{settings.name}: {count:,} items have rows of another {key}: {kept} the item's")
    if "category" in items.column_names:
        count = int(pc.sum(pc.equal(items["category"], UNKNOWN)).as_py() or 0)
        remarks += [f"{settings.name}: {count:,} items have no category: it is {UNKNOWN}"] if count else []
    return remarks


def _sessions(columns: Mapping[str, Any], events: list[str], settings: TableSettings) -> dict[str, Array]:
    """Session of every row: the given numbers, else numbered by the first time."""
    time = as_numpy(columns["time"]) if "time" in columns else None
    if "session" not in columns:
        moment = time if time is None else moments_in_slates(columns, events)
        return {"session": gap_sessions(columns["user"], moment, settings.gap_minutes)}
    codes = columns["session"]
    if codes.dtype == np.int64:
        return {"session": codes}
    moment = np.arange(len(codes)) if time is None else moments(columns)
    order = np.lexsort((moment, codes))
    return {"session": number_by_start(order, np.r_[True, np.diff(codes[order]) != 0], moment)}


def _lonely_rows(columns: Mapping[str, Any], given: list[str], settings: TableSettings) -> list[str]:
    """`short_sessions` of sessions that a gap ended."""
    if "session" in given or "time" not in given:
        return []
    return [f"{settings.name}: {line}" for line in short_sessions(columns["session"], settings.gap_minutes)]


def _in_order(columns: Mapping[str, Any], order: Array) -> Array:
    """Order of rows: by session, then step, else by `order`, that in time, else in the files."""
    keys = [as_numpy(columns["step"])[order]] if "step" in columns else []
    return order[np.lexsort((*keys, columns["session"][order]))]  # stable


def _take(columns: dict[str, Any], rows: Array) -> None:
    """Replaces each column by these rows, one column at a time to save memory."""
    if len(rows) == len(columns["user"]) and bool((rows[1:] > rows[:-1]).all()):
        return
    for name, values in columns.items():
        columns[name] = values[rows] if isinstance(values, np.ndarray) else values.take(pa.array(rows))


def stated_options(
    time_unit: Any = None, time_format: Any = None, duplicates: Any = None, ties: Any = None
) -> dict[str, Any]:
    """Checked options that are not None, as fields of TableSettings."""
    for name, value, known in (
        ("time_unit", time_unit, UNITS),
        ("duplicates", duplicates, DUPLICATES),
        ("ties", ties, TIES),
    ):
        if value not in (None, *known):
            raise LogError(unknown_name(name, value, known))
    if time_format is not None:
        check_form(time_format)
    stated = {
        "time_unit": time_unit,
        "time_format": time_format,
        "duplicates": duplicates,
        "ties": ties,
        "any_year": bool(time_unit),
    }
    return {key: value for key, value in stated.items() if value is not None}
