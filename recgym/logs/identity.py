"""Which row of a log's tables each user and item of a world came from: row numbers and digests, never an id.

A world keeps this so that it can be judged later on its own log, or on another one with the same tables.
"""

import base64
import hashlib
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recgym.logs.log import Log

Ints = NDArray[np.int64]


def digest(table: Any) -> str:
    """SHA-256 of a table's ids in their order."""
    return hashlib.sha256("\n".join(table["id"].to_pylist()).encode()).hexdigest()


def identity(log: Log, users: Ints, items: Ints) -> dict[str, str]:
    """What a card holds, from the row of the log's tables of every user (U,) and item (N,) of its world."""
    return {
        "users": digest(log.users),
        "items": digest(log.items),
        "user_rows": _pack(users),
        "item_rows": _pack(items),
    }


def row_numbers(packed: str) -> Ints:
    """The numbers behind an entry `user_rows` or `item_rows`."""
    raw = zlib.decompress(base64.b64decode(packed))
    return np.frombuffer(raw, "<i4").astype(np.int64)


def _pack(rows: Ints) -> str:
    """JSON writes a list a line a number: this is a tenth of it."""
    return base64.b64encode(zlib.compress(rows.astype("<i4").tobytes(), 9)).decode()
