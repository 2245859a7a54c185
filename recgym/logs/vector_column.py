"""Vectors of items in a log: the column `vector` of its table of items, or an .npy file beside that table.

Axes: N items (rows of the table), D numbers of a vector.
"""

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Array, Doubles
from recgym.logs.arrow_types import is_text, plain_strings
from recgym.logs.columns import as_numpy, is_vector
from recgym.logs.files import reading
from recgym.logs.list_text import lists_of_text, separator
from recgym.logs.origin import from_one
from recgym.logs.problems import LogError, LogProblem, raise_problems

VECTOR = "vector"
RULE = "a vector of {} finite numbers is needed, as [0.1, 0.2] or 0.1 0.2"
MAX_WIDTH = 1 << 16  # D


def vector_column(name: str, values: Any, lines: Array) -> Any:
    """The column `vector` as lists of float32, null where a cell is empty.

    Args:
        name: of the file.
        values: Arrow lists of numbers, or texts such as [0.1, 0.2] or 0.1 0.2.
        lines: (N,) line numbers for messages.

    Raises:
        LogError: a cell is no vector, or of another length than the first one; or all cells are empty.
    """
    values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if is_text(values.type):
        cells = plain_strings(values)
        lists, faults = lists_of_text(cells, separator(cells))
        raise_problems(
            [
                LogProblem(name, int(lines[row]), VECTOR, rule, repr(cells[int(row)].as_py()))
                for bad, rule in faults
                for row in np.flatnonzero(bad)
            ]
        )
        length, words = lists.length, lists.entries
        is_number = as_numpy(
            pc.match_substring_regex(words, r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$")
        )
        numbers = as_numpy(pc.if_else(pa.array(is_number), words, "nan").cast(pa.float64()))
    elif is_vector(values.type):
        length = as_numpy(pc.fill_null(pc.list_value_length(values), 0)).astype(np.int64)
        numbers = as_numpy(pc.list_flatten(values)).astype(np.float64)
    else:
        raise LogError(
            f"{name}: column {VECTOR} must be a list of numbers for each item; it is {values.type}"
        )
    return _column(name, length, numbers, lines)


def _column(name: str, length: Array, numbers: Array, lines: Array) -> Any:
    """Lists of float32 from their lengths (N,) and all their numbers."""
    known = np.flatnonzero(length)
    if not len(known):
        raise LogError(f"{name}: column {VECTOR} is empty; leave it out, or give vectors")
    width = int(length[known[0]])
    if width > MAX_WIDTH:
        raise LogError(f"{name}: vectors have {width:,} numbers, at most {MAX_WIDTH:,} are read")
    found = {int(row): f"{length[row]} numbers" for row in known[length[known] != width]}
    with np.errstate(over="ignore"):
        places = np.flatnonzero(~np.isfinite(numbers.astype(np.float32)))
    rows = np.repeat(np.arange(len(length)), length)[places]
    found |= {int(row): f"{numbers[place]:g}" for row, place in zip(rows[::-1], places[::-1], strict=True)}
    rule = RULE.format(width)
    raise_problems([LogProblem(name, int(lines[row]), VECTOR, rule, found[row]) for row in sorted(found)])
    offsets = np.r_[0, np.cumsum(length)].astype(np.int64)
    lists = pa.LargeListArray.from_arrays(offsets, pa.array(numbers.astype(np.float32)))
    return pc.if_else(pa.array(length > 0), lists, pa.scalar(None, lists.type)).cast(pa.list_(pa.float32()))


def with_vectors_beside(path: str | PathLike[str], table: Any, remarks: list[str]) -> tuple[Any, list[str]]:
    """A table of items with the vectors of the .npy file of its name, if there is one, and remarks.

    Raises:
        LogError: the file is no array (N, D) of finite numbers, or the table has vectors of its own.
    """
    place = Path(path)
    file = place.with_name(place.name.split(".")[0] + ".npy")
    if not place.is_file() or file == place or not file.is_file():
        return table, remarks
    if VECTOR in table.column_names:
        raise LogError(f"{file}: {place.name} has a column {VECTOR}, too; keep one of them")
    try:
        with reading(file):
            array = np.load(file, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise LogError(
            f"{file}: no array of numbers as numpy.save writes: {' '.join(str(error).split())}"
        ) from None
    shape = getattr(array, "shape", None)
    if shape is None or len(shape) != 2 or array.dtype.kind not in "fiu" or not 1 <= shape[1] <= MAX_WIDTH:
        raise LogError(
            f"{file}: an array of numbers, (items, numbers of a vector), is needed; found {_kind(array)}"
        )
    if len(array) != len(table):
        raise LogError(f"{file}: {len(array):,} vectors, {place.name} has {len(table):,} items")
    length = np.full(len(array), shape[1])
    column = _column(str(file), length, np.asarray(array, np.float64).ravel(), np.arange(1, len(array) + 1))
    remark = f"{file.name}: vectors of {shape[1]} numbers for {len(array):,} items"
    return table.append_column(VECTOR, column), [*remarks, remark]


def _kind(array: Any) -> str:
    return f"{array.shape} of {array.dtype}" if isinstance(array, np.ndarray) else type(array).__name__


def vectors_of(items: Any) -> Doubles | None:
    """Vectors (N, D) of a log's table of items; the mean where an item has none. None: the log has no vectors.

    Raises:
        LogError: they differ in length, or a number is missing or not finite.
    """
    if VECTOR not in items.column_names:
        return None
    column = vector_column("the items table", items[VECTOR], from_one(len(items)))
    known = as_numpy(column.is_valid())
    numbers = as_numpy(pc.list_flatten(column)).astype(np.float64).reshape(int(known.sum()), -1)
    out = np.tile(numbers.mean(axis=0), (len(items), 1))
    out[known] = numbers
    return out
