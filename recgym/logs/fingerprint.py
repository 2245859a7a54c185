"""Which row of a log's tables each user and item of a world came from: row numbers and digests, never an id.

A world keeps this so that it can be judged later on its own log, or on another one with the same tables.
"""

import base64
import zlib
from typing import Any

from recgym.arrays import Ints
from recgym.logs.log import Log
from recgym.sim.world_index import ids_digest, row_numbers

__all__ = ["digest", "identity", "row_numbers"]


def digest(table: Any) -> str:
    """SHA-256 of a table's ids in their order."""
    return ids_digest(table["id"].to_pylist())


def identity(log: Log, users: Ints, items: Ints) -> dict[str, str]:
    """What a card holds, from the row of the log's tables of every user (U,) and item (N,) of its world.

    A log on the indices of a world (one that was drawn from it) leaves its mark: its ids are that world's numbers.
    """
    mark = {} if log.indexed_by is None else {"indexed_by": log.indexed_by}
    return {
        "users": digest(log.users),
        "items": digest(log.items),
        "user_rows": _pack(users),
        "item_rows": _pack(items),
        **mark,
    }


def _pack(rows: Ints) -> str:
    """JSON writes a list a line a number: this is a tenth of it."""
    return base64.b64encode(zlib.compress(rows.astype("<i4").tobytes(), 9)).decode()
