"""Columns of a log: their names and types, and Arrow columns as numpy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Array
from recgym.logs.problems import LogError, shown

ROWS: dict[str, Any] = {
    "user": pa.int32(),  # index into users
    "item": pa.int32(),  # index into items
    "time": pa.int64(),  # ms UTC
    "session": pa.int64(),
    "step": pa.int32(),  # place of the slate in its session, from 0
    "slate": pa.int64(),  # rows shown together
    "position": pa.int16(),  # from 0
    "propensity": pa.float64(),  # of the logging policy, (0, 1]
    "price": pa.float32(),  # currency units
    "watch_ms": pa.int32(),
}

REQUIRED = ("user", "item", "session", "step")


@dataclass(frozen=True)
class Source:
    """Where a log comes from and what may be done with it."""

    name: str
    licence: str
    citation: str
    note: str = ""


def require(what: str, table: Any, wanted: Mapping[str, Any]) -> None:
    """LogError where a column is missing, there twice or of another type."""
    names = table.column_names
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise LogError(f"{what} has the column {twice[0]} twice")
    for name, kind in wanted.items():
        if name not in names:
            raise LogError(f"{what} must have a column {name} of {kind}; it has {shown(names)}")
        if table.schema.field(name).type != kind:
            raise LogError(f"column {name} of {what} must be {kind}; it is {table.schema.field(name).type}")


def is_words(kind: Any) -> bool:
    """Whether a type is text, plain or coded, or empty."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_null(kind))


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind))


ITEM_COLUMNS = {
    **dict.fromkeys(("category", "label"), is_words),
    **dict.fromkeys(("price", "duration_ms", "page"), _is_number),
}


def as_numpy(values: Any) -> Array:
    """An Arrow column as numpy: numbers with nulls as float64 with NaN, strings as objects."""
    if isinstance(values, np.ndarray):
        return values
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    array: Array = values.to_numpy() if isinstance(values, pa.ChunkedArray) else values.to_numpy(False)
    return array


def cast(name: str, values: Any, kind: Any) -> Any:
    """A column as the type of its name; LogError where a value does not fit."""
    array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
    try:
        return array if kind is None or array.type == kind else array.cast(kind)
    except pa.ArrowInvalid as error:
        raise LogError(f"column {name} must be {kind}: {error}") from error


def is_in_order(rows: Any) -> bool:
    """Whether rows are sorted by session, step, position already; nulls of a position come last."""
    if rows["session"].null_count or rows["step"].null_count:
        return False
    position = pc.fill_null(rows["position"].cast(pa.int32()), 1 << 16)
    later = np.zeros(max(len(rows) - 1, 0), bool)
    for values in (as_numpy(rows["session"]), as_numpy(rows["step"]), as_numpy(position)):
        if not (later | (values[1:] >= values[:-1])).all():
            return False
        later |= values[1:] > values[:-1]
    return True
