"""Columns of a log: names, types, and conversion of Arrow columns to numpy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Array
from recgym.checks import quoted
from recgym.logs.arrow_types import is_list, is_number
from recgym.logs.problems import LogError, shown

ROWS: dict[str, Any] = {
    "user": pa.int32(),  # index into users
    "item": pa.int32(),  # index into items
    "time": pa.int64(),  # ms UTC
    "session": pa.int64(),
    "step": pa.int32(),  # place of the slate in its session, from 0 or as in the table
    "slate": pa.int64(),  # rows shown together
    "position": pa.int16(),  # place of the item in its slate, likewise
    "propensity": pa.float64(),  # of the logging policy, (0, 1]
    "price": pa.float32(),  # currency units
    "watch_ms": pa.int32(),
}

EARLIER: dict[str, Any] = {
    "user": pa.int32(),
    "item": pa.int32(),
    "long_view": pa.bool_(),
    "like": pa.bool_(),
}
"""Exposures of users before the log begins, as indices of its tables, with what happened; a user's oldest first."""

MADE = "read_log(path) makes a log of a file, Log.from_pandas(frame, domain=...) one of a data frame"
REQUIRED = ("user", "item", "session", "step")
NULLS_AT_ONCE = 1 << 14


@dataclass(frozen=True)
class Source:
    """Origin and licence of a log."""

    name: str
    licence: str
    citation: str
    note: str = ""


NO_SOURCE = Source("", "", "")  # default of a log's; an error


def require_source(source: Any) -> None:
    """Raises LogError for an object that is no Source, or one without a name."""
    if not isinstance(source, Source) or not source.name:
        raise LogError(
            f"source is {quoted(source)}, expected a Source with a name: Source(name, licence, citation)"
        )


def require_arrays(columns: Any) -> None:
    """Raises LogError for an object that is no mapping of arrays, or lacks a column of REQUIRED."""
    if not hasattr(columns, "items") or not hasattr(columns, "keys"):
        raise LogError(f"columns is {quoted(columns)}, expected a dict of arrays; {MADE}")
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise LogError(f"a log must have the columns {', '.join(REQUIRED)}; missing {', '.join(missing)}")


def require(what: str, table: Any, wanted: Mapping[str, Any]) -> None:
    """Raises LogError if it is no Arrow table, or a column is missing, repeated or of another type."""
    if not isinstance(table, pa.Table):
        raise LogError(f"{what} is {quoted(table)}, expected an Arrow table; {MADE}")
    names = table.column_names
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise LogError(f"{what} has the column {twice[0]} twice")
    for name, kind in wanted.items():
        if name not in names:
            raise LogError(f"{what} must have a column {name} of {kind}; it has {shown(names)}")
        if table.schema.field(name).type != kind:
            raise LogError(f"column {name} of {what} must be {kind}; it is {table.schema.field(name).type}")


def named_kind(rows: Any) -> dict[str, Any]:
    """Type of the column `named`, the item that the policy named, of a log in which items stand for pages; or none."""
    return {"named": pa.int32()} if "named" in rows.column_names else {}


def is_words(kind: Any) -> bool:
    """Whether a type is text, plain or dictionary-coded, or null."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_null(kind))


def is_vector(kind: Any) -> bool:
    """Whether a type is a list of numbers."""
    return is_list(kind) and is_number(kind.value_type)


ITEM_COLUMNS = {
    **dict.fromkeys(("category", "label"), is_words),
    **dict.fromkeys(("price", "duration_ms", "page"), is_number),
    "vector": is_vector,
}


def as_numpy(values: Any) -> Array:
    """Arrow column as a numpy array: numbers with nulls as float64 with NaN, strings as objects."""
    if isinstance(values, np.ndarray):
        return values
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    array: Array = values.to_numpy() if isinstance(values, pa.ChunkedArray) else values.to_numpy(False)
    return array


def nulls(num_rows: int, kind: Any) -> Any:
    """An unknown column (rows,) in chunks of one and the same memory: a log has several."""
    chunk = pa.nulls(min(num_rows, NULLS_AT_ONCE), kind)
    count, rest = divmod(num_rows, max(len(chunk), 1))
    return pa.chunked_array([chunk] * count + [chunk.slice(0, rest)], type=kind)


def cast(name: str, values: Any, kind: Any) -> Any:
    """Column as an Arrow array of a type; LogError if a value does not fit."""
    array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
    try:
        return array if kind is None or array.type == kind else array.cast(kind)
    except pa.ArrowInvalid as error:
        raise LogError(f"column {name} must be {kind}: {error}") from error


def is_in_order(rows: Any) -> bool:
    """Whether rows are sorted by session, step and position; null positions are last."""
    if rows["session"].null_count or rows["step"].null_count:
        return False
    position = pc.fill_null(rows["position"].cast(pa.int32()), 1 << 16)
    later = np.zeros(max(len(rows) - 1, 0), bool)
    for values in (as_numpy(rows["session"]), as_numpy(rows["step"]), as_numpy(position)):
        if not (later | (values[1:] >= values[:-1])).all():
            return False
        later |= values[1:] > values[:-1]
    return True


def numbers_of_text(words: Any) -> Array:
    """Numbers of a text column: int64 if all are whole numbers, else float64."""
    try:
        return as_numpy(words.cast(pa.int64()))
    except pa.ArrowInvalid:
        return as_numpy(words.cast(pa.float64()))
