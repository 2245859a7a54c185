"""Impressions before the log starts, as counts of users and items: the user sequences of KuaiRand.

A file `user_sequences_*.parquet` has one row per user: `watch_seq` are the last videos shown in all tabs, oldest first;
`long_watch_seq` and `like_seq` the last long views and likes of all time; `last_time_ms` is the time of the last
impression. Long views and likes are matched to impressions from the end, so that those before the window do not count.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recgym.arrays import Array
from recgym.logs.arrow_types import is_list
from recgym.logs.columns import EARLIER, as_numpy
from recgym.logs.delimited import TABLE, require_columns
from recgym.logs.files import Files, reading
from recgym.logs.ids import encode, lookup
from recgym.logs.origin import from_one
from recgym.logs.problems import LogError, LogProblem, raise_problems
from recgym.logs.times import read_times

PREFIX = "earlier_"  # of the columns; earlier_shown counts impressions, the others events
EVENTS = {"long_view": "long_watch_seq", "like": "like_seq"}


def with_earlier(
    files: Files, users: Any, items: Any, user: Array, time: Array, day: Array
) -> tuple[Any, Any, Any, list[str]]:
    """Tables of users and items with `earlier_*` counts, of earlier exposures, and remarks.

    Without a file of sequences the tables are unchanged and there are no earlier exposures (None).

    The file is not used if a sequence does not end before the first row of its user, or ends after the first day of the
    log: a model that is fitted on early days would then know of later ones.

    Args:
        files: files of the log.
        users: table of users.
        items: table of items.
        user: (rows,) index of the user.
        time: (rows,) ms.
        day: (rows,) number of the day.

    Raises:
        LogError: the file is damaged, has users or videos that are not in the tables, a user twice, or a user without a
            time.
    """
    names = files.find("user_sequences_*.parquet")
    if not names:
        return users, items, None, []
    name = files.one("user_sequences_*.parquet")
    table = _read(files, name)
    _check(name, table)
    owner = lookup(table["user_id"], users["id"])
    first = np.full(len(users), np.iinfo(np.int64).max)
    np.minimum.at(first, user, time)
    last = as_numpy(table["last_time_ms"])
    if np.any((last >= first[owner]) & (owner >= 0)):
        return users, items, None, [f"{name} is not used: its sequences do not end before the log begins"]
    if np.any(last > time[day == day.min()].max()):
        why = "it holds sequences that end after the log's first day"
        return users, items, None, [f"{name} is not used: {why}"]
    shown = table["watch_seq"].combine_chunks()
    lengths = np.diff(as_numpy(shown.offsets))
    user, item = np.repeat(owner, lengths), lookup(shown.flatten(), items["id"])
    row = np.repeat(from_one(len(table)), lengths)
    _refuse_unknown(name, row, "user", user, as_numpy(table["user_id"])[row - 1])
    _refuse_unknown(name, row, "video", item, shown.flatten())
    counts = {"shown": np.ones(len(item), np.int64)}
    counts |= {event: _happened(table["watch_seq"], table[column]) for event, column in EVENTS.items()}
    for event, flag in counts.items():
        of_user, of_item = (
            pa.array(np.bincount(index, flag, len(owners)).astype(np.int32))
            for index, owners in ((user, users), (item, items))
        )
        users = users.append_column(PREFIX + event, of_user)
        items = items.append_column(PREFIX + event, of_item)
    columns = {"user": user, "item": item} | {event: counts[event] > 0 for event in EVENTS}
    earlier = pa.table({column: pa.array(columns[column], kind) for column, kind in EARLIER.items()})
    remark = f"{name}: {len(item)} earlier impressions are counted for their users and items"
    return users, items, earlier, [remark]


def _refuse_unknown(name: str, row: Array, what: str, index: Array, ids: Any) -> None:
    """LogError for impressions of users or videos (`what`) that are not in their table, whose index is -1."""
    column = {"user": "user_id", "video": "watch_seq"}[what]
    rule = f"the {what} must be in the table of {what} features"
    unknown = np.flatnonzero(index < 0).tolist()
    raise_problems([LogProblem(name, int(row[i]), column, rule, str(ids[i])) for i in unknown])


def _read(files: Files, name: str) -> Any:
    wanted = ["user_id", "last_time_ms", "watch_seq", *EVENTS.values()]
    with reading(name, "not a Parquet file"):
        file = pq.ParquetFile(files.seekable(name))
        require_columns(name, file.schema_arrow.names, wanted, *TABLE)
        for column in wanted[2:]:
            kind = file.schema_arrow.field(column).type
            if not is_list(kind):
                raise LogError(f"{name}, {column}: lists are needed; the column is {kind}")
        table = file.read(wanted)
    for column in wanted[2:]:
        whole = table[column].combine_chunks()
        none = pa.array([[]], whole.type)[0]  # an empty cell is an empty list
        lists = pc.fill_null(whole, none).cast(pa.list_(whole.type.value_type))
        table = table.set_column(table.column_names.index(column), column, pa.chunked_array([lists]))
    return table


def _check(name: str, table: Any) -> None:
    """LogError for a user that occurs again, and for a time of a user that is missing or in another unit."""
    codes, _ = encode(table["user_id"])
    again = np.ones(len(codes), bool)
    again[np.unique(codes, return_index=True)[1]] = False
    times = read_times(table["last_time_ms"], "ms", None)
    bad = [
        ("user_id", again, "a user must occur once"),
        *(("last_time_ms", *fault) for fault in times.faults),
    ]
    bad.append(("last_time_ms", as_numpy(table["last_time_ms"].is_null()), "a time is needed"))
    raise_problems(
        [
            LogProblem(name, row + 1, column, rule, str(table[column][row].as_py()))
            for column, rows, rule in bad
            for row in np.flatnonzero(rows).tolist()
        ]
    )


def _happened(shown: Any, chosen: Any) -> Array:
    """For every impression (flat) whether it is one of the chosen; both lists are oldest first."""
    parts = [_matches(*pair) for pair in zip(shown.to_pylist(), chosen.to_pylist(), strict=True)]
    return np.array([flag for part in parts for flag in part], np.int64)


def _matches(shown: Sequence[int], chosen: Sequence[int]) -> list[bool]:
    left, flags = len(chosen), []
    for video in reversed(shown):
        is_match = left > 0 and video == chosen[left - 1]
        left -= is_match
        flags.append(is_match)
    return flags[::-1]
