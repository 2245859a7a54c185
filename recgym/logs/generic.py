"""A table of events, CSV or Parquet or a data frame, with a map of its columns.

    read_log("events.csv", domain="ecommerce",
    mapping="user=visitorid,item=itemid,time=timestamp,event=event")

`user` and `item` are needed; without a map the columns must carry the keys' own names
(`recgym.logs.mapping`). What the table leaves open is settled so:

* time: numbers are seconds, ms, us or ns by their size, or `time_unit` says it (in a frame: ms); dates and
  times without a zone are UTC;
* session: ends where a user does nothing for 30 minutes (`gap_minutes`); without a time, one session a user;
* step: rows of one slate are one step; without slates every row is one; by time, then by order in the file;
* event: a column of words (`recgym.logs.mapping.meaning`) is a log of actions: a cart or purchase joins the
  last earlier row of the same item in the session that lacks it, or stands alone with the events it needs.
  Columns named like events hold 0 or 1 and stay as they are;
* positions count from 0 as they stand in the table;
* exact duplicates (in the mapped columns) are dropped and counted where time, step or position tells rows
  apart: without these a repeat may be meant;
* items: `category`, `price`, `duration_ms` are the most frequent, the mean, the mean over an item's rows,
  unless the option `items` names a table with a column `id` (and `users` likewise): then a row that names no
  id of it is an error.
"""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recgym.events import DOMAINS, EVENTS
from recgym.logs.actions import attributes, gap_sessions, join_actions, number_by_start, number_steps
from recgym.logs.cells import NULLABLE, UNITS, Cells, Given
from recgym.logs.log import Array, Log, Source, as_numpy
from recgym.logs.mapping import ATTRIBUTES, CONTEXT, KEYS, parse_mapping
from recgym.logs.problems import LogError
from recgym.logs.tables import (
    FLAG,
    FLOAT,
    ID,
    INT,
    TEXT,
    Files,
    as_text,
    first_rows,
    origin,
    read_csv,
    read_header,
    require_columns,
)

if TYPE_CHECKING:
    import pandas as pd

OPTIONS = ("domain", "mapping", "users", "items", "gap_minutes", "time_unit")
NUMBERS = {"step": INT, "slate": INT, "position": INT, "propensity": FLOAT, "price": FLOAT, "watch_ms": INT,
           "duration_ms": FLOAT}  # fmt: skip
DELIMITERS = (",", ";", "\t", "|")
GAP_MINUTES = 30.0
BATCH_ROWS = 500_000


def read(files: Files, options: Mapping[str, Any]) -> Log:
    """The log of a CSV (any of , ; tab |) or Parquet file."""
    domain = options.get("domain")
    if domain not in DOMAINS:
        raise LogError(f"domain {domain!r} is unknown; a table needs one of {', '.join(DOMAINS)}")
    name = files.names[0] if len(files.names) == 1 else files.one("*.csv", "*.csv.gz", "*.tsv", "*.parquet")
    columns = parse_mapping(options.get("mapping"), domain)
    source = Source(Path(name).name.split(".")[0], "unknown", "", "read by the generic reader")
    beside = {key: _read_ids(options[key]) for key in ("users", "items") if options.get(key) is not None}
    gap = options.get("gap_minutes", GAP_MINUTES)
    if not isinstance(gap, int | float) or not gap > 0:
        raise LogError(f"gap_minutes must be a number above 0; it is {gap!r}")
    unit = options.get("time_unit")
    if unit not in (None, *UNITS):
        raise LogError(f"time_unit {unit!r} is unknown; there are {', '.join(UNITS)}")
    given = Given(name, domain, source, columns, float(gap), unit, **beside)
    return from_table(_read_table(files, name, columns, domain), given)


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
    table = pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata(None)
    require_columns("frame", table.column_names, ("user", "item"))
    beside = [None if ids is None else _with_id("frame", pa.Table.from_pandas(ids, preserve_index=False))
              for ids in (users, items)]  # fmt: skip
    source = source or Source("frame", "unknown", "")
    return from_table(table, Given("frame", domain, source, {}, GAP_MINUTES, "ms", *beside))


def from_table(table: Any, given: Given) -> Log:
    """The log of a table whose columns carry the keys' names; names that are no key stay as extra columns."""
    if not len(table):
        raise LogError(f"{given.name}: there are no rows")
    remarks: list[str] = []
    file_row = np.arange(2, len(table) + 2)
    num_rows = len(table)
    if {"time", "step", "position"} & set(table.column_names):
        kept = first_rows(table)
        if len(kept) < num_rows:
            table, file_row = table.take(pa.array(kept)), file_row[kept]
            remarks.append(f"{given.name}: {num_rows - len(kept)} exact duplicate rows dropped")

    columns, users, items = _columns(table, given, file_row)
    columns |= _sessions(table, columns, given, file_row)
    columns |= {} if "file" in columns else origin([given.name], np.zeros(len(table), np.int32), file_row)
    duplicates, actions = num_rows - len(table), "event" in table.column_names
    del table, file_row  # memory: the rows are needed once more only
    _take(columns, _in_order(columns))
    if actions and not {"slate", "position", "step"} & set(columns):
        remarks += _join(columns, given)
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


def _columns(table: Any, given: Given, file_row: Array) -> tuple[dict[str, Any], Any, Any]:
    """Columns of the log but session and step, with the tables of users and items."""
    names, flags = table.column_names, [event.name for event in EVENTS[given.domain]]
    reserved = (*KEYS, *ATTRIBUTES, *flags)
    cell = Cells(table, given, file_row)
    columns: dict[str, Any] = {key: table[key] for key in names if key not in reserved}
    numbers = {key: cell.number(key, kind) for key, kind in NUMBERS.items() if key in names}
    columns |= {key: values for key, values in numbers.items() if key not in ATTRIBUTES}
    columns["user"], users = cell.index("user", given.users)
    columns["item"], items = cell.index("item", given.items)
    if "time" in names:
        columns["time"] = cell.milliseconds("time")
    named = [name for name in flags if name in names]
    if "event" in names and named:
        raise LogError(
            f"{given.name}: give either event or columns named like events; both are there: {named}"
        )
    columns |= {name: cell.flag(name) for name in named}
    if "event" in names:
        columns |= cell.words("event")
    if given.items is None:
        category = table["category"] if "category" in names else None
        means: dict[str, Array] = {}
        means |= {key: as_numpy(numbers[key]) for key in ("price", "duration_ms") if key in numbers}
        items = attributes(items["id"], columns["item"], category, means)
    return columns, users, items


def _sessions(table: Any, columns: Mapping[str, Any], given: Given, file_row: Array) -> dict[str, Array]:
    time = as_numpy(columns["time"]) if "time" in columns else None
    if "session" not in table.column_names:
        return {"session": gap_sessions(columns["user"], time, given.gap_minutes)}
    cell = Cells(table, given, file_row)
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


def _read_table(files: Files, name: str, columns: Mapping[str, str], domain: str) -> Any:
    """The mapped columns under their keys' names; without a map those whose names are keys."""
    parquet = name.endswith(".parquet")
    delimiter = "," if parquet else _delimiter(files, name)
    file = _parquet(files, name) if parquet else None
    header = file.schema_arrow.names if file else read_header(files, name, delimiter)
    flags = [event.name for event in EVENTS[domain]]
    keys = [key for key in header if key in (*KEYS, *ATTRIBUTES, *flags) or key.startswith(CONTEXT)]
    require_columns(name, header, columns.values() or ("user", "item"))
    columns = columns or {key: key for key in keys}
    wanted = list(dict.fromkeys(columns.values()))
    if file:
        table = _in_batches(file, wanted)
    else:
        types = {
            column: next(_type(key, flags) for key in columns if columns[key] == column) for column in wanted
        }
        nullable = [c for key, c in columns.items() if key in NULLABLE or key.startswith(CONTEXT)]
        table = read_csv(files, name, types, delimiter=delimiter, nullable=nullable)
    return pa.table({key: table[column] for key, column in columns.items()})


def _parquet(files: Files, name: str) -> Any:
    try:
        return pq.ParquetFile(files.seekable(name))
    except (pa.ArrowInvalid, OSError) as error:
        raise LogError(f"{name}: no Parquet file: {error}") from error


def _in_batches(file: Any, wanted: Sequence[str]) -> Any:
    """Columns of a Parquet file, read in batches: words become codes at once, so that no text of all rows is held."""
    chunks: dict[str, list[Any]] = {column: [] for column in wanted}
    for batch in file.iter_batches(BATCH_ROWS, columns=list(wanted)):
        for column in wanted:
            chunks[column].append(_coded(batch.column(column)))
    if not chunks[wanted[0]]:
        return file.schema_arrow.empty_table().select(list(wanted))
    return pa.table(
        {column: pa.chunked_array(parts).unify_dictionaries() for column, parts in chunks.items()}
    )


def _coded(values: Any) -> Any:
    if pa.types.is_large_string(values.type) or pa.types.is_string_view(values.type):
        values = values.cast(TEXT)
    return values.dictionary_encode() if values.type == TEXT else values


def _type(key: str, flags: Sequence[str]) -> Any:
    """Arrow type of a CSV column; None where the file tells (time, session, context)."""
    if key in ("user", "item", "event", "category"):
        return ID
    return FLAG if key in flags else NUMBERS.get(key)


def _delimiter(files: Files, name: str) -> str:
    header = " ".join(read_header(files, name, "\n"))
    return max(DELIMITERS, key=header.count)


def _read_ids(path: str | PathLike[str]) -> Any:
    """A table with a column id from a CSV or Parquet file."""
    files = Files(path)
    name = files.one("*")
    if name.endswith(".parquet"):
        return _with_id(name, _parquet(files, name).read())
    delimiter = _delimiter(files, name)
    header = read_header(files, name, delimiter)
    types = {column: TEXT if column == "id" else None for column in ("id", *header)}
    return _with_id(name, read_csv(files, name, types, delimiter=delimiter, nullable=header))


def _with_id(name: str, table: Any) -> Any:
    require_columns(name, table.column_names, ("id",))
    return table.set_column(
        table.schema.get_field_index("id"), "id", as_text(table["id"])
    ).replace_schema_metadata(None)
