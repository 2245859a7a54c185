"""Files of JSON lines: one object a line, or one Python dict a line, as some data sets are published.

The first lines show the type of each field, by which Arrow reads the file. A file with a line that does not fit is read
line by line, as text, and lines that are no object are problems with their row.
"""

import ast
import io
import json
import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json as pajson

from recgym.arrays import Array
from recgym.logs.arrow_types import UTF8_RULE
from recgym.logs.delimited import FLAG, ID
from recgym.logs.files import Files, reading
from recgym.logs.ids import FLOAT, INT, TEXT
from recgym.logs.lines import lines_of_objects
from recgym.logs.problems import LogError, LogProblem, raise_problems

ENDINGS = (".json", ".jsonl", ".ndjson")
PACKED = ("", ".gz", ".bz2", ".zst")
MAX_SAMPLED_LINES = 100  # that show the fields and their types
MAX_SHOWN = 40  # characters of a broken line in messages
BLOCK_BYTES = 1 << 24
CHUNK_LINES = 1 << 16
LINE_RULE = "a line must be one JSON object, in UTF-8"
VALUE_RULE, LIST_RULE = "a number or a word is needed", "a list of numbers or words is needed"
TWICE_RULE = "a key must occur once in a line"
DECIMAL = frozenset(b"+-.0123456789eE")  # of numbers in a Python dict
SURROGATES = re.compile("[\ud800-\udfff]")  # bytes that are not UTF-8
TYPES: dict[type, Any] = {bool: pa.bool_(), int: INT, float: FLOAT, str: TEXT}


def holds_json(name: str) -> bool:
    """Whether a file holds JSON lines, by its name."""
    return name.lower().endswith(tuple(ending + packed for ending in ENDINGS for packed in PACKED))


def json_fields(files: Files, name: str) -> dict[str, Any]:
    """Arrow type of each field in the first lines; None for a list, for several types and for null alone.

    Raises:
        LogError: the file is empty, one of these lines is no object, or none has a field.
    """
    kinds: dict[str, set[type]] = {}
    row = 0
    for row, line in islice(numbered_lines(files, name), MAX_SAMPLED_LINES):
        record = record_of(line)
        if record is None:
            raise_problems([line_problem(name, row, line)])
        for field, value in (record or {}).items():
            kinds.setdefault(field, set()).update({type(value)} - {type(None)})
    if not row:
        raise LogError(f"{name}: the file is empty; JSON lines are needed")
    if not kinds:
        raise_problems([LogProblem(name, row, "", "an object with fields is needed", "{}")])
    return {field: FLOAT if found == {int, float} else _type(found) for field, found in kinds.items()}


def json_header(files: Files, name: str, wanted: Iterable[str]) -> list[str]:
    """Fields of the first lines, and those of `wanted` that only later lines have."""
    header = list(json_fields(files, name))
    late = [field for field in wanted if field not in header]
    return [*header, *(key for _, key in _late_keys(files, name, late))] if late else header


def refuse_late_keys(files: Files, name: str, keys: Sequence[str]) -> None:
    """Raises LogError if one of these keys is in a later line of a file, whose first lines show its fields."""
    for row, late in _late_keys(files, name, keys):
        rule = f"is in none of the first {MAX_SAMPLED_LINES} lines, and would not be read"
        raise LogError(f"{name}, row {row}, {late}: the key {rule}; a map names the keys to read")


def _late_keys(files: Files, name: str, keys: Sequence[str]) -> Iterator[tuple[int, str]]:
    """The first line with each of these keys that a line has, and the key."""
    written = {form for key in keys for form in (key, json.dumps(key)[1:-1])}
    pattern = re.compile("|".join(rf"""["']{re.escape(form)}["']\s*:""" for form in written))
    left = dict.fromkeys(keys)
    for row, line in numbered_lines(files, name):
        record = record_of(line) if pattern.search(line) else None
        for key in [key for key in left if key in (record or {})]:
            del left[key]
            yield row, key
        if not left:
            return


def _type(kinds: set[type]) -> Any:
    return TYPES.get(next(iter(kinds))) if len(kinds) == 1 else None


def json_columns(
    files: Files, name: str, wanted: Sequence[str], lists: Container[str] = (), flags: Container[str] = ()
) -> tuple[Any, Array, list[LogProblem]]:
    """Fields of a file as columns of a table: numbers and booleans if all are, else coded text.

    Args:
        files: the files of the log.
        name: the file.
        wanted: fields to read.
        lists: fields that may be lists of numbers and words.
        flags: fields that may be true or false.

    Returns:
        The table; the line of each row; and problems of lines that were left out.
    """
    types = json_fields(files, name)
    schema = {field: types.get(field) for field in wanted}
    is_flag = any(kind == FLAG and field not in flags for field, kind in schema.items())
    table = None if None in schema.values() or is_flag else _by_arrow(files, name, schema)
    rows = None if table is None else lines_of_objects(files, name, len(table))
    if rows is not None:
        return table, rows, []
    return _by_line(files, name, wanted, lists, flags)


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


def _by_line(
    files: Files, name: str, wanted: Sequence[str], lists: Container[str], flags: Container[str]
) -> tuple[Any, Array, list[LogProblem]]:
    """`json_columns` of a file with a line that does not fit the types of the first ones, all as text."""
    parts, rows, problems = [], [], []
    lines = numbered_lines(files, name)
    while chunk := list(islice(lines, CHUNK_LINES)):
        cells: dict[str, list[str | None]] = {field: [] for field in wanted}
        for row, line in chunk:
            record = record_of(line)
            if record is None:
                problems.append(line_problem(name, row, line))
                continue
            broken = [
                (field, _broken_rule(record, field, field in lists, field in flags)) for field in wanted
            ]
            found = [
                LogProblem(name, row, field, rule, _shown(record[field])) for field, rule in broken if rule
            ]
            problems += found
            if found:
                continue
            rows.append(row)
            for field, values in cells.items():
                values.append(_text(record.get(field)))
        parts.append(pa.table({field: pa.array(values, ID) for field, values in cells.items()}))
    if not rows:
        raise_problems(problems)
    return pa.concat_tables(parts).unify_dictionaries(), np.array(rows, np.int64), problems


def _broken_rule(record: "Record", field: str, is_list: bool, is_flag: bool) -> str:
    """Rule that a field breaks, "" for none."""
    value = record.get(field)
    if field in record.twice:
        return TWICE_RULE
    if is_list and isinstance(value, list):
        fits = all(is_plain(each) or (is_flag and isinstance(each, bool)) for each in value)
        return LIST_RULE if not fits else UTF8_RULE if SURROGATES.search(_text(value) or "") else ""
    if SURROGATES.search(_text(value) or ""):
        return UTF8_RULE
    if isinstance(value, bool):
        return "" if is_flag else VALUE_RULE
    return "" if value is None or is_plain(value) else VALUE_RULE


def is_plain(value: Any) -> bool:
    """Whether a value is a number or a word."""
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def numbered_lines(files: Files, name: str) -> Iterator[tuple[int, str]]:
    """Number, from 1, and text of each line that is not blank."""
    with (
        reading(name),
        files.open(name) as stream,
        io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape") as text,
    ):
        for row, line in enumerate(text, 1):
            if line.strip():
                yield row, line


class Record(dict[str, Any]):
    """Object of a line, with the last value of each key, and the keys that it has twice."""

    def __init__(self, pairs: Sequence[tuple[Any, Any]]):
        super().__init__(pairs)
        count = Counter(key for key, _ in pairs) if len(self) < len(pairs) else {}
        self.twice = {key for key, times in count.items() if times > 1}


def record_of(line: str) -> Record | None:
    """Object of a line, JSON or a Python dict; None for another line."""
    if SURROGATES.search(line):
        return None
    for read in (partial(json.loads, object_pairs_hook=Record), _literal):
        try:
            record = read(line.strip())
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
        return record if isinstance(record, Record) else None
    return None


def _literal(line: str) -> Record | None:
    """Object of a line that is a Python dict whose keys are words; numbers are decimal."""
    node = ast.parse(line, mode="eval").body
    if not isinstance(node, ast.Dict):
        return None
    pairs = [
        (ast.literal_eval(key or ""), ast.literal_eval(value))
        for key, value in zip(node.keys, node.values, strict=True)
    ]
    text = line.encode()
    for (_, value), at in zip(pairs, node.values, strict=True):
        written = text[at.col_offset : at.end_col_offset]
        if isinstance(value, int | float) and is_plain(value) and set(written) - DECIMAL:
            return None
    return Record(pairs) if all(isinstance(key, str) for key, _ in pairs) else None


def _text(value: Any) -> str | None:
    """A value as text; lists as JSON."""
    if value is None or isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return repr(value)


def _shown(value: Any) -> str:
    return repr((_text(value) or "null")[:MAX_SHOWN])


def line_problem(name: str, row: int, line: str) -> LogProblem:
    """Problem of a line that is no object."""
    return LogProblem(name, row, "", LINE_RULE, repr(line.strip()[:MAX_SHOWN]))
