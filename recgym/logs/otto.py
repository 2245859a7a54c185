"""OTTO (2022): clicks, carts and orders of a shop, one JSON line per visitor.

The file's `session` has all events of a device over weeks: it becomes the user, and a session ends after 30 minutes
without an event. Impressions without an event and categories are not logged.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pajson

from recgym.arrays import Array
from recgym.logs.columns import Source
from recgym.logs.events_table import GAP_MINUTES
from recgym.logs.files import Files, reading
from recgym.logs.generic import from_table
from recgym.logs.ids import INT, TEXT
from recgym.logs.json_lines import MAX_SHOWN, Record, numbered_lines, record_of
from recgym.logs.lines import lines_of_objects
from recgym.logs.log import Log
from recgym.logs.origin import Origin
from recgym.logs.problems import LogError, LogProblem, raise_problems
from recgym.logs.table_settings import TableSettings

SOURCE = Source(
    "otto",
    "CC BY 4.0",
    "Normann, P., Baumeister, S. and Wilm, T. (2022). OTTO recommender systems dataset. Kaggle.",
    "A session of the file is a user; sessions end after 30 minutes.",
)
EVENT = pa.struct([("aid", INT), ("ts", INT), ("type", TEXT)])
SCHEMA = pa.schema([("session", INT), ("events", pa.list_(EVENT))])
COLUMNS = {"user": "session", "item": "aid", "time": "ts", "event": "type"}
FILE = "*.jsonl"
BLOCK_BYTES = 1 << 24
FORM_RULE = (
    "in the form of OTTO a line must be as {'session': 0, 'events': [{'aid': 1, 'ts': 2, 'type': 'clicks'}]}"
)


def read(files: Files, options: Mapping[str, Any]) -> Log:
    """Log of all events; `file_row` is the line of the visitor."""
    name = files.one(FILE)
    parse = pajson.ParseOptions(explicit_schema=SCHEMA, unexpected_field_behavior="error")
    try:
        with (
            reading(name),
            files.open(name) as stream,
            pajson.open_json(stream, pajson.ReadOptions(block_size=BLOCK_BYTES), parse) as batches,
        ):
            parts = [_events(batch) for batch in batches]
    except LogError:
        raise_problems(_misfits(files, name))
        raise
    lengths = np.concatenate([length for _, length in parts])
    lines = lines_of_objects(files, name, len(lengths))
    if lines is None:
        raise_problems(_misfits(files, name))
        raise LogError(f"{name}: a line must be one JSON object")
    table = pa.Table.from_batches([events for events, _ in parts]).unify_dictionaries()
    origin = Origin.of(name, np.repeat(lines, lengths))
    settings = TableSettings(name, "ecommerce", SOURCE, COLUMNS, GAP_MINUTES, "ms", origin=origin)
    return from_table(table, settings)


def _misfits(files: Files, name: str) -> list[LogProblem]:
    """Problem of the first line that is not in the form of a visitor."""
    for row, line in numbered_lines(files, name):
        record = record_of(line)
        if record is None or not _is_visitor(record):
            return [LogProblem(name, row, "", FORM_RULE, repr(line.strip()[:MAX_SHOWN]))]
    return []


def _is_visitor(record: Record) -> bool:
    """Whether an object has the fields of SCHEMA, each once, of these types."""
    events = record.get("events") or []
    return (
        _fits(record, {"session": int, "events": list})
        and isinstance(events, list)
        and all(
            isinstance(event, Record) and _fits(event, {"aid": int, "ts": int, "type": str})
            for event in events
        )
    )


def _fits(record: Record, kinds: Mapping[str, type]) -> bool:
    """Whether the fields are among those of `kinds`, each once, and null or of their type."""
    return (
        not record.twice
        and record.keys() <= kinds.keys()
        and all(value is None or type(value) is kinds[field] for field, value in record.items())
    )


def _events(batch: Any) -> tuple[Any, Array]:
    """Table with one row per event, and (visitors,) the number of events of each."""
    lists = batch.column("events")
    events = lists.flatten()
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    rows = pa.record_batch(
        {
            "user": batch.column("session").take(pa.array(np.repeat(np.arange(len(batch)), lengths))),
            "item": events.field("aid"),
            "time": events.field("ts"),
            "event": events.field("type").dictionary_encode(),
        }
    )
    return rows, lengths
