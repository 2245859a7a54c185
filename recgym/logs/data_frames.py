"""Data frames as Arrow tables. A column must have one type; an error names the first row of another type."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from recgym.logs.problems import LogError, LogProblem, raise_problems

if TYPE_CHECKING:
    import pandas as pd

IDS = ("user", "item", "session", "id")
INT64 = 1 << 63


def of_frame(name: str, frame: "pd.DataFrame") -> Any:
    """Arrow table of a data frame; LogError if it is not one, or a column is repeated or of several types."""
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise LogError(
            f"{name}: a pandas DataFrame is needed; found {type(frame).__module__}.{type(frame).__name__}"
        )
    twice = [str(column) for column in frame.columns[frame.columns.duplicated()]]
    if twice:
        raise_problems(
            [LogProblem(name, 0, twice[0], "a column must occur once", f"{list(map(str, frame.columns))}")]
        )
    return pa.table({str(column): _arrow(name, str(column), frame[column]) for column in frame.columns})


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
    except (pa.ArrowException, TypeError, OverflowError):
        rule, found = _odd(values)
        raise LogError(
            str(problem := LogProblem(name, found + 2, column, rule, repr(values.iloc[found]))), [problem]
        ) from None


def _one_kind(name: str, column: str, values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Objects of several types as a common type: ids as text, numbers as floats, dates as timestamps."""
    known = values.dropna()
    kinds = set(map(type, known))
    if column in IDS and all(issubclass(kind, str | int | float | np.number) for kind in kinds):
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
    """Dates among timestamps become midnights; LogError if some have a time zone and others not."""
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
            [LogProblem(name, row + 2, column, "all times must have a zone or none", str(values.iloc[row]))]
        )
    return values


def _odd(values: "pd.Series[Any]") -> tuple[str, int]:
    """Rule that a column breaks, and the first row of another type than the first."""
    rows: Sequence[int] = np.flatnonzero(values.notna()).tolist()
    first = type(values.iloc[rows[0]])
    odd = next((row for row in rows if type(values.iloc[row]) is not first), rows[0])
    if odd == rows[0]:
        return "numbers, words, booleans or times are needed", odd
    return f"a column must have one kind of values, here {first.__name__}", odd
