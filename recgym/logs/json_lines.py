"""Files of JSON lines: one object a line, or one Python dict a line, as some data sets are published.

The first lines show the type of each field, by which Arrow reads the file. A file with a line that does not fit is read
line by line, as text, and lines that are no object are problems with their row.
"""

import ast
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json as pajson

from recgym.arrays import Array
from recgym.logs.delimited import ID
from recgym.logs.files import Files, reading
from recgym.logs.ids import FLOAT, INT, TEXT
from recgym.logs.lines import line_numbers
from recgym.logs.problems import LogError, LogProblem, raise_problems
from recgym.logs.separators import BLANKS

ENDINGS = (".json", ".jsonl", ".ndjson")
PACKED = ("", ".gz", ".bz2", ".zst")
MAX_SAMPLED_LINES = 100  # that show the fields and their types
MAX_SHOWN = 40  # characters of a broken line in messages
BLOCK_BYTES = 1 << 24
CHUNK_LINES = 1 << 16
LINE_RULE = "a line must be one JSON object, in UTF-8"
SURROGATES = re.compile("[\ud800-\udfff]")  # bytes that are not UTF-8
TYPES: dict[type, Any] = {bool: pa.bool_(), int: INT, float: FLOAT, str: TEXT}


def holds_json(name: str) -> bool:
    """Whether a file holds JSON lines, by its name."""
    return name.endswith(tuple(ending + packed for ending in ENDINGS for packed in PACKED))


def json_fields(files: Files, name: str) -> dict[str, Any]:
    """Arrow type of each field in the first lines; None for a list, for several types and for null alone.

    Raises:
        LogError: the file is empty, or one of these lines is no object.
    """
    kinds: dict[str, set[type]] = {}
    for row, line in islice(_lines(files, name), MAX_SAMPLED_LINES):
        record = _record(line)
        if record is None:
            raise_problems([_problem(name, row, line)])
        for field, value in (record or {}).items():
            kinds.setdefault(field, set()).update({type(value)} - {type(None)})
    if not kinds:
        raise LogError(f"{name}: the file is empty; JSON lines are needed")
    return {field: FLOAT if found == {int, float} else _type(found) for field, found in kinds.items()}


def _type(kinds: set[type]) -> Any:
    return TYPES.get(next(iter(kinds))) if len(kinds) == 1 else None


def json_columns(files: Files, name: str, wanted: Sequence[str]) -> tuple[Any, Array, list[LogProblem]]:
    """Fields of a file as columns of a table: numbers and booleans if all are, else coded text.

    Returns:
        The table; the line of each row; and problems of lines that were left out.
    """
    types = json_fields(files, name)
    schema = {field: types.get(field) for field in wanted}
    table = None if None in schema.values() else _by_arrow(files, name, schema)
    if table is not None:
        rows = line_numbers(files, name, len(table), delimiter=BLANKS, is_quoted=False, has_header=False)
        return table, rows, []
    return _by_line(files, name, wanted)


def _by_arrow(files: Files, name: str, schema: Mapping[str, Any]) -> Any:
    """Table of fields of these types; None if a line does not fit."""
    parse = pajson.ParseOptions(explicit_schema=pa.schema(schema.items()), unexpected_field_behavior="ignore")
    with reading(name), files.open(name) as stream:
        try:
            with pajson.open_json(stream, pajson.ReadOptions(block_size=BLOCK_BYTES), parse) as batches:
                parts = [_coded(batch) for batch in batches]
        except pa.ArrowInvalid:
            return None
    return pa.concat_tables(parts).unify_dictionaries()


def _coded(batch: Any) -> Any:
    """Table of a batch with coded text; ArrowInvalid for text that is not UTF-8, which Arrow's reader takes."""
    batch.validate(full=True)
    table = pa.Table.from_batches([batch])
    for place, field in enumerate(table.schema):
        if field.type == TEXT:
            table = table.set_column(place, field.name, table[field.name].dictionary_encode())
    return table


def _by_line(files: Files, name: str, wanted: Sequence[str]) -> tuple[Any, Array, list[LogProblem]]:
    """`json_columns` of a file with a line that does not fit the types of the first ones, all as text."""
    parts, rows, problems = [], [], []
    lines = _lines(files, name)
    while chunk := list(islice(lines, CHUNK_LINES)):
        cells: dict[str, list[str | None]] = {field: [] for field in wanted}
        for row, line in chunk:
            record = _record(line)
            if record is None:
                problems.append(_problem(name, row, line))
                continue
            rows.append(row)
            for field, values in cells.items():
                values.append(_text(record.get(field)))
        parts.append(pa.table({field: pa.array(values, ID) for field, values in cells.items()}))
    if not rows:
        raise_problems(problems)
    return pa.concat_tables(parts).unify_dictionaries(), np.array(rows, np.int64), problems


def _lines(files: Files, name: str) -> Iterator[tuple[int, str]]:
    """Number, from 1, and text of each line that is not blank."""
    with (
        reading(name),
        files.open(name) as stream,
        io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape") as text,
    ):
        for row, line in enumerate(text, 1):
            if line.strip():
                yield row, line


def _record(line: str) -> dict[str, Any] | None:
    """Object of a line, None for another line."""
    if SURROGATES.search(line):
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            record = read(line.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return record if isinstance(record, dict) else None
    return None


def _text(value: Any) -> str | None:
    """A value as text; lists and objects as JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def _problem(name: str, row: int, line: str) -> LogProblem:
    return LogProblem(name, row, "", LINE_RULE, repr(line.strip()[:MAX_SHOWN]))
