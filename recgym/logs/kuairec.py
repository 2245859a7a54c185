"""KuaiRec 2.0 (Kuaishou short video): watch times of 7,176 users on 10,728 videos; no other feedback, no screen.

Conventions of this reader:

* `matrix="big"` (default) are impressions of normal use of the app; `matrix="small"` are 1,411 users to whom almost all
  of 3,327 videos were shown, without a policy and without natural visits;
* clicks are not logged: `click` and `long_view` are derived from watch time by the rules that KuaiRand documents
  (`watch_flags`), and a remark states it;
* a session is the day of a user (the file's `date`, Beijing time), a step is a video in order of time;
* rows without a time (the small matrix has some) are left out, exact duplicates are dropped; remarks count both;
* the category of an item is the first of its tags, its duration that of its first row in time;
* `is_live_streamer` -124 means unknown and becomes null.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.logs.columns import Source, as_numpy
from recgym.logs.delimited import read_csv, read_csv_and_lines
from recgym.logs.events_table import GAP_MINUTES
from recgym.logs.files import Files
from recgym.logs.generic import from_table
from recgym.logs.id_tables import refuse_repeated
from recgym.logs.ids import FLOAT, INT, TEXT, lookup, map_strings
from recgym.logs.kuairand import read_users, watch_flags
from recgym.logs.log import Log
from recgym.logs.origin import Origin
from recgym.logs.problems import LogError, LogProblem, raise_problems
from recgym.logs.table_settings import TableSettings

SOURCE = Source(
    "kuairec",
    "CC BY-SA 4.0",
    "Gao, C. et al. (2022). KuaiRec: a fully-observed dataset and insights for evaluating recommender systems. "
    "CIKM 2022.",
    "A session is one user's day. Click and long_view are derived from watch time by KuaiRand's rules, not logged.",
)
CATEGORIES, USERS = "item_categories.csv", "user_features.csv"
COLUMNS = {"user_id": INT, "video_id": INT, "play_duration": INT, "video_duration": INT, "date": FLOAT,
           "timestamp": FLOAT}  # fmt: skip
NAMED = {"user": "user_id", "item": "video_id", "time": "timestamp", "watch_ms": "play_duration"}
BEIJING_MS, HOUR_MS = 8 * 3_600_000, 3_600_000


def read(files: Files, options: Mapping[str, Any]) -> Log:
    """Log of one matrix."""
    matrix = options.get("matrix", "big")
    if matrix not in ("big", "small"):
        raise LogError(f"matrix must be big or small; it is {matrix!r}")
    name = files.one(f"{matrix}_matrix.csv")
    table, lines = read_csv_and_lines(files, name, COLUMNS, nullable=("date", "timestamp"))
    timed = as_numpy(pc.and_(table["date"].is_valid(), table["timestamp"].is_valid()))
    table, file_row = table.filter(pa.array(timed)), lines[timed]
    if not len(table):
        raise LogError(f"{name}: no row has a timestamp and a date")
    videos = read_csv(files, files.one(CATEGORIES), {"video_id": INT, "feat": TEXT})
    refuse_repeated(files.one(CATEGORIES), videos["video_id"])
    unknown = np.flatnonzero(lookup(table["video_id"], videos["video_id"]) < 0)
    rule = f"the video must be in {CATEGORIES}"
    raise_problems(
        [
            LogProblem(name, int(file_row[row]), "video_id", rule, str(table["video_id"][int(row)]))
            for row in unknown
        ]
    )

    first = [feat.strip("[] ").split(",")[0] for feat in videos["feat"].to_pylist()]
    tag = dict(zip(map(str, videos["video_id"].to_pylist()), first, strict=True))
    given = TableSettings(name, "content", SOURCE, NAMED,
                  GAP_MINUTES, "s", read_users(files, files.one(USERS)), origin=Origin.of(name, file_row))  # fmt: skip
    log = from_table(_rows(table, tag), given)
    remarks = [f"{name}: click and long_view are derived from watch time and duration, not logged"]
    if not timed.all():
        remarks.append(f"{name}: {int((~timed).sum())} rows without a time left out")
    return replace(log, remarks=(*remarks, *log.remarks))


def _rows(table: Any, tag: Mapping[str, str]) -> Any:
    """Rows with the column names of the generic table."""
    user, watch, duration = (as_numpy(table[name]) for name in ("user_id", "play_duration", "video_duration"))
    time = np.round(as_numpy(table["timestamp"]) * 1000).astype(np.int64)
    day = as_numpy(table["date"]).astype(np.int64)
    visits, session = np.unique(user * 100_000_000 + day, return_inverse=True)
    return pa.table(
        {
            "user": table["user_id"],
            "item": table["video_id"],
            "time": table["timestamp"],
            "session": pa.DictionaryArray.from_arrays(
                session.astype(np.int32), pa.array([f"user and day {visit}" for visit in visits])
            ),
            "watch_ms": watch,
            "duration_ms": pa.array(np.where(duration > 0, duration, np.nan)),
            "category": map_strings(
                table["video_id"], lambda video: f"tag{tag[video]}" if tag.get(video) else ""
            ),
            "context_hour": ((time + BEIJING_MS) // HOUR_MS % 24).astype(np.int16),
            "context_day": day.astype(np.int32),
            **watch_flags(watch, duration),
        }
    )
