"""Data frames as logs. A column must have one type; an error names the first row of another type."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from recgym.checks import require_name
from recgym.events import DOMAINS, EVENTS
from recgym.logs.arrow_types import UTF8_RULE, is_list, plain, refuse_list, refuse_spans
from recgym.logs.cell_rules import COUNT_COLUMNS
from recgym.logs.check import event_remarks, validate
from recgym.logs.columns import Source, require_source
from recgym.logs.delimited import TABLE, require_columns
from recgym.logs.events_table import GAP_MINUTES, log_of_table, stated_options
from recgym.logs.id_tables import with_id
from recgym.logs.item_remarks import item_remarks
from recgym.logs.json_lines import SURROGATES
from recgym.logs.mapping import without_key
from recgym.logs.origin import Origin, from_one
from recgym.logs.problems import LogError, LogProblem, raise_problems, shown
from recgym.logs.slate_lists import one_row_an_item
from recgym.logs.table_settings import TableSettings
from recgym.logs.unread_responses import Marks, named_responses, refuse_marks, response_keys

if TYPE_CHECKING:
    import pandas as pd

    from recgym.logs.log import Log

IDS = ("user", "item", "session", "id")
OWN_COLUMNS = ("file", "file_row", *COUNT_COLUMNS.values())  # that the frame of a log has besides keys
INT64 = 1 << 63


def of_frame(name: str, frame: Any) -> Any:
    """Arrow table of a frame of pandas, polars or Arrow; LogError for another, or a column that is broken."""
    import pandas as pd

    table = None if isinstance(frame, pd.DataFrame) else _of_stream(name, frame)
    columns = list(map(str, frame.columns if table is None else table.column_names))
    twice = [column for column in columns if columns.count(column) > 1]
    if twice:
        raise_problems([LogProblem(name, 0, twice[0], "a column must occur once", f"{columns}")])
    for column in columns:
        if not _is_utf8(column):
            raise LogError(f"{name}: names of columns in UTF-8 are needed; found {column!r}")
    if table is not None:
        return table
    return pa.table({str(column): _arrow(name, str(column), frame[column]) for column in frame.columns})


def _of_stream(name: str, frame: Any) -> Any:
    """Arrow table of an object with Arrow's C interface, such as a frame of polars; LogError for another."""
    try:
        if hasattr(frame, "__arrow_c_stream__") or isinstance(frame, pa.RecordBatch):
            return pa.table(frame)
    except (pa.ArrowException, TypeError, ValueError):  # a single column
        pass
    found = f"{type(frame).__module__}.{type(frame).__name__}"
    instead = "; collect() gives one" if hasattr(frame, "collect") else ""
    raise LogError(
        f"{name}: a pandas DataFrame is needed, or a table of polars or Arrow; found {found}{instead}"
    )


def _arrow(name: str, column: str, values: "pd.Series[Any]") -> Any:
    """Arrow array of a column."""
    import pandas as pd

    if isinstance(values.dtype, pd.SparseDtype):
        values = values.astype(values.dtype.subtype)
    if isinstance(values.dtype, pd.PeriodDtype):
        raise LogError(f"{name}, {column}: {values.dtype} is not a time; to_timestamp() converts periods")
    if values.dtype == object:
        values = _one_kind(name, column, values)
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowException, TypeError, OverflowError, UnicodeEncodeError):
        rule, found = _odd(values)
        raise LogError(
            str(problem := LogProblem(name, found + 1, column, rule, repr(values.iloc[found]))), [problem]
        ) from None


def _one_kind(name: str, column: str, values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Objects of several types as a common type: ids as text, numbers as floats, dates as timestamps."""
    known = values.dropna()
    kinds = set(map(type, known))
    if column in IDS and all(
        kind is not bool and issubclass(kind, str | int | float | np.number) for kind in kinds
    ):
        is_large = any(issubclass(kind, int) for kind in kinds) and any(
            isinstance(value, int) and not -INT64 <= value < INT64 for value in known
        )
        return values.map(str, na_action="ignore") if len(kinds) > 1 or is_large else values
    if kinds and all(issubclass(kind, date) for kind in kinds):
        return _moments(name, column, values, len(kinds) > 1)
    if len(kinds) > 1 and Decimal in kinds and all(issubclass(kind, Decimal | int | float) for kind in kinds):
        return values.map(float, na_action="ignore")
    return values


def _moments(name: str, column: str, values: "pd.Series[Any]", mixed: bool) -> "pd.Series[Any]":
    """Dates among timestamps become midnights, times of several offsets text; LogError if only some have a zone."""
    if mixed:
        values = values.map(
            lambda day: day if isinstance(day, datetime) else datetime(day.year, day.month, day.day),
            na_action="ignore",
        )
    known = values.dropna()
    zoned = [getattr(moment, "tzinfo", None) is not None for moment in known]
    if len(set(zoned)) > 1:
        row = int(np.flatnonzero(values.notna())[zoned.index(not zoned[0])])
        raise_problems(
            [LogProblem(name, row + 1, column, "all times must have a zone or none", str(values.iloc[row]))]
        )
    if any(zoned) and len({moment.utcoffset() for moment in known}) > 1:
        return values.map(lambda moment: moment.isoformat(), na_action="ignore")  # Arrow keeps one zone
    return values


def _odd(values: "pd.Series[Any]") -> tuple[str, int]:
    """Rule that a column breaks, and the first row of another type than the first."""
    rows: Sequence[int] = np.flatnonzero(values.notna()).tolist()
    if (broken := next((row for row in rows if not _is_utf8(values.iloc[row])), None)) is not None:
        return UTF8_RULE, broken
    first = type(values.iloc[rows[0]])
    odd = next((row for row in rows if type(values.iloc[row]) is not first), rows[0])
    if odd == rows[0]:
        return "numbers, words, booleans or times are needed", odd
    return f"a column must have one kind of values, here {first.__name__}", odd


def _is_utf8(value: Any) -> bool:
    """Whether a text, or all texts of a list, are UTF-8: no lone surrogates."""
    if isinstance(value, str):
        return not SURROGATES.search(value)
    return all(map(_is_utf8, value)) if isinstance(value, list | tuple | np.ndarray) else True


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
    """Log of a data frame, see `Log.from_pandas`."""
    require_name("domain", domain, DOMAINS, LogError)
    stated = stated_options(**options)
    table = of_frame("frame", rows)
    has_lists = "shown" in table.column_names
    unread = [
        name for name in without_key(table.column_names, domain) if pa.types.is_struct(table[name].type)
    ]
    table = table.drop_columns(unread)
    names = table.column_names
    _refuse_responses(table, domain)
    needs_item = not has_lists or not any(event.name in names for event in EVENTS[domain])
    require_columns("frame", names, ("user", "item") if needs_item else ("user",), *TABLE)
    if "time" in names:
        refuse_spans(table["time"].type, "frame", "time")
    for name in {"item", "slate"} & set(names) if not has_lists else ():
        refuse_list(table[name].type, "frame", name)
    columns = {
        name: table[name] if has_lists and is_list(table[name].type) else plain(table[name], "frame", name)
        for name in names
    }
    table, origin = pa.table(columns), Origin.of("frame", from_one(len(table)))
    remarks: list[str] = []
    left_out: tuple[LogProblem, ...] = ()
    named = {"item": "shown"} if has_lists else {}
    if has_lists and len(table):
        table, origin, remarks, left_out = one_row_an_item(table, origin, domain, {})
    (users, of_users), (items, of_items) = (
        (None, []) if ids is None else with_id(key, of_frame(key, ids))
        for key, ids in (("users", users), ("items", items))
    )
    source = Source("frame", "unknown", "") if source is None else source
    require_source(source)
    settings = TableSettings(
        "frame", domain, source, named, GAP_MINUTES, users=users, items=items, origin=origin, **stated
    )
    settings = replace(settings, left_out=left_out)
    log = log_of_table(table, settings, build)
    others = [name for name in without_key(names, domain) if name not in OWN_COLUMNS]
    remarks = [f"frame: {remark}" for remark in remarks]
    remarks += [f"frame: columns kept that are no keys of a log: {shown(others)}"] if others else []
    remarks += [f"frame: columns not read: {shown(unread)}"] if unread else []
    log = replace(log, remarks=(*of_users, *of_items, *remarks, *log.remarks))
    raise_problems(validate(log, event_rules=False))
    return replace(log, remarks=(*log.remarks, *event_remarks(log), *item_remarks(log)))


def _refuse_responses(table: Any, domain: str) -> None:
    """LogError where no column is a key of responses, and one is named or has cells as they are."""
    names = table.column_names
    if response_keys(domain) & {*names}:
        return
    others = [name for name in without_key(names, domain) if name not in OWN_COLUMNS]
    found = named_responses(others, domain)
    if found:
        renamed = ", ".join(f"{column!r}: {key!r}" for key, column in found.items())
        raise LogError(
            f"frame: no column has the name of a key that says what users did; found {shown([*found.values()])}: "
            f"rename it, frame.rename(columns={{{renamed}}})"
        )
    marks = Marks()
    marks.add(table.to_batches(), {name: names.index(name) for name in others})
    refuse_marks("frame", marks.found(), is_map=False)
