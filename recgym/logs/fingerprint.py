"""Fingerprint of a log: digests of its ids, and the rows of its tables that are users and items of a world.

A world keeps it in its card, without any id, to be judged later on its own log or on another one with the same tables.
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
    """Fingerprint for a card; `users` (U,) and `items` (N,) are rows of the log's tables, by world index.

    For a log on the indices of a world, it contains `indexed_by`, because the ids are that world's indices.
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
    """Compressed numbers as text; a tenth of a JSON list."""
    return base64.b64encode(zlib.compress(rows.astype("<i4").tobytes(), 9)).decode()
