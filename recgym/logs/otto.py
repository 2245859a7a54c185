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

from recgym.logs.columns import Source
from recgym.logs.events_table import GAP_MINUTES
from recgym.logs.files import Files
from recgym.logs.generic import from_table
from recgym.logs.ids import INT, TEXT
from recgym.logs.log import Log
from recgym.logs.problems import LogError
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


def read(files: Files, options: Mapping[str, Any]) -> Log:
    """Log of all events; `file_row` counts events, not lines."""
    name = files.one(FILE)
    parse = pajson.ParseOptions(explicit_schema=SCHEMA, unexpected_field_behavior="error")
    try:
        with (
            files.open(name) as stream,
            pajson.open_json(stream, pajson.ReadOptions(block_size=BLOCK_BYTES), parse) as batches,
        ):
            table = pa.Table.from_batches([_events(batch) for batch in batches])
    except (pa.ArrowInvalid, OSError) as error:
        like = "{'session': 0, 'events': [{'aid': 1, 'ts': 2, 'type': 'clicks'}]}"
        raise LogError(
            f"{name}: without a map of its fields, JSON is read in the form of OTTO: a line must be as {like}; "
            f"{' '.join(str(error).split())}"
        ) from error
    return from_table(
        table.unify_dictionaries(), TableSettings(name, "ecommerce", SOURCE, COLUMNS, GAP_MINUTES, "ms")
    )


def _events(batch: Any) -> Any:
    """Table with one row per event."""
    lists = batch.column("events")
    events = lists.flatten()
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    return pa.record_batch(
        {
            "user": pa.array(np.repeat(batch.column("session").to_numpy(zero_copy_only=False), lengths)),
            "item": events.field("aid"),
            "time": events.field("ts"),
            "event": events.field("type").dictionary_encode(),
        }
    )
