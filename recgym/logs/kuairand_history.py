"""What users did before a log begins, as counts of users and items: KuaiRand's sequences of each user's last exposures.

A file `user_sequences_*.parquet` has one row a user: `watch_seq` the videos shown last (50 here), oldest first, in all
tabs; `long_watch_seq` and `like_seq` the last ones that were viewed long and liked, from the user's whole past;
`last_time_ms` the last exposure. A video of the latter two is matched to its exposure from the end, so what lies before
the window stays out.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recgym.arrays import Array
from recgym.logs.columns import as_numpy
from recgym.logs.delimited import require_columns
from recgym.logs.files import Files, reading
from recgym.logs.ids import lookup
from recgym.logs.problems import LogError, LogProblem, refuse

PREFIX = "earlier_"  # of the columns; f"{PREFIX}shown" counts exposures, the others events among them
EVENTS = {"long_view": "long_watch_seq", "like": "like_seq"}


def with_earlier(
    files: Files, users: Any, items: Any, user: Array, time: Array, day: Array
) -> tuple[Any, Any, list[str]]:
    """Both tables with `earlier_*` counts, and remarks, where there is such a file.

    It is left alone where a user's sequence does not end before his first row, or any ends after the log's first day:
    what somebody who comes late did until then would tell a fit on early days of later ones. `user`, `time` [ms] and
    `day` are the rows'. LogError for a broken file and for users or videos that the tables lack.
    """
    names = files.find("user_sequences_*.parquet")
    if not names:
        return users, items, []
    name = files.one("user_sequences_*.parquet")
    table = _read(files, name)
    owner = lookup(table["user_id"], users["id"])
    first = np.full(len(users), np.iinfo(np.int64).max)
    np.minimum.at(first, user, time)
    last = as_numpy(table["last_time_ms"])
    if np.any((last >= first[owner]) & (owner >= 0)):
        return users, items, [f"{name} is not used: its sequences do not end before the log begins"]
    if np.any(last > time[day == day.min()].max()):
        return users, items, [f"{name} is not used: it holds sequences that end after the log's first day"]
    shown = table["watch_seq"].combine_chunks()
    lengths = np.diff(as_numpy(shown.offsets))
    user, item = np.repeat(owner, lengths), lookup(shown.flatten(), items["id"])
    row = np.repeat(np.arange(2, len(table) + 2), lengths)
    refuse(
        [
            LogProblem(
                name, int(row[i]), column, f"the {what} must stand in the table of {what} features", ""
            )
            for what, column, index in (("user", "user_id", user), ("video", "watch_seq", item))
            for i in np.flatnonzero(index < 0)
        ]
    )
    counts = {"shown": np.ones(len(item), np.int64)}
    counts |= {event: _happened(table["watch_seq"], table[column]) for event, column in EVENTS.items()}
    for event, flag in counts.items():
        of_user, of_item = (
            pa.array(np.bincount(index, flag, len(owners)).astype(np.int32))
            for index, owners in ((user, users), (item, items))
        )
        users, items = (
            users.append_column(PREFIX + event, of_user),
            items.append_column(PREFIX + event, of_item),
        )
    return users, items, [f"{name}: {len(item)} earlier exposures are counted for their users and items"]


def _read(files: Files, name: str) -> Any:
    wanted = ["user_id", "last_time_ms", "watch_seq", *EVENTS.values()]
    with reading(name, "no Parquet file"):
        file = pq.ParquetFile(files.seekable(name))
        require_columns(name, file.schema_arrow.names, wanted)
        for column in wanted[2:]:
            kind = file.schema_arrow.field(column).type
            if not pa.types.is_list(kind):
                raise LogError(f"{name}, {column}: lists are needed; the column is {kind}")
        return file.read(wanted)


def _happened(shown: Any, chosen: Any) -> Array:
    """Of every exposure (flat), whether it is among the chosen ones; both lists oldest first."""
    parts = [_matches(*pair) for pair in zip(shown.to_pylist(), chosen.to_pylist(), strict=True)]
    return np.array([flag for part in parts for flag in part], np.int64)


def _matches(shown: Sequence[int], chosen: Sequence[int]) -> list[bool]:
    left, flags = len(chosen), []
    for video in reversed(shown):
        is_match = left > 0 and video == chosen[left - 1]
        left -= is_match
        flags.append(is_match)
    return flags[::-1]
