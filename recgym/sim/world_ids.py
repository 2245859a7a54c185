"""Ids of a log that a world was fitted on: the table `ids.json` beside the world.

Axes: U users, N items.
"""

from pathlib import Path
from typing import NamedTuple

from recgym import storage

IDS = "ids.json"
SCHEMA = "recgym.ids/1"
_MAX_BYTES = 256 << 20  # of ids.json


class Ids(NamedTuple):
    """Ids of a world's users and items in its log."""

    users: tuple[str, ...]  # (U,)
    items: tuple[str, ...]  # (N,) and, if the world was cut, those of the other items; (): unknown


def check_ids(ids: Ids | None, num_users: int, num_items: int) -> None:
    """ValueError unless there is one text for each index, and none twice."""
    if ids is None:
        return
    for what, texts, size in (("user", ids.users, num_users), ("item", ids.items, num_items)):
        is_whole = len(texts) == size or (what == "item" and (len(texts) > size or not texts))
        if not is_whole or len(set(texts)) != len(texts) or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"{what} ids must be {size} different texts, one for each {what} of the world")


def read_ids(stored: storage.Stored) -> Ids | None:
    """Ids that `World.save` wrote, None if there are none; ValueError if the file is broken."""
    place = stored.folder / IDS
    if not place.exists():
        return None
    about = stored.json(IDS, {"schema": str, "users": list, "items": list}, most=_MAX_BYTES)
    if about["schema"] != SCHEMA:
        raise ValueError(f"{place} is broken: expected the schema {SCHEMA} with lists of users and items")
    if not all(isinstance(text, str) for text in (*about["users"], *about["items"])):
        raise ValueError(f"{place} is broken: ids must be texts")
    return Ids(tuple(about["users"]), tuple(about["items"]))


def write_ids(folder: Path, ids: Ids) -> None:
    """Write the table into a folder that is not complete yet."""
    storage.write_json(folder / IDS, {"schema": SCHEMA, **ids._asdict()}, indent=None)
