"""KuaiRand (Kuaishou short video): impressions with feedback and watch time; Pure, 1K, 27K and parts of them.

Conventions of this reader:

* only tab 1, the single-column feed, is read by default (`tab=None`: all tabs); in the other tabs a click is a click on
  a cover;
* only files of the standard policy are read, unless `policy="random"`;
* exact duplicate rows of the chosen tabs are dropped and counted;
* a play is logged again when it ends: a row without play time is dropped and counted (it is not a second impression)
  if a later row of its user, video, day and tab has play time, and all its events. A cover without a click is no play;
* a session is the day of a user (the file's `date`), a step is an impression in order of time, and sessions are
  numbered by their first time. Pure logs only videos of the candidate pool, so its sessions have gaps;
* a duration of 0 means unknown; the duration of an item is that of the log, else of the video table, else NaN;
* sequences of earlier impressions become counts of users and items (`recgym.logs.kuairand_history`);
* `is_live_streamer` -124 means unknown and becomes null; other user features are unchanged;
* event flags are as logged. They do not always follow the documented rules on play time: `rule_shares`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Array
from recgym.logs.columns import Source, as_numpy
from recgym.logs.delimited import read_csv, read_csv_and_lines
from recgym.logs.files import Files
from recgym.logs.ids import FLOAT, INT, TEXT, as_text, first_rows, id_text, labels, lookup, natural_key
from recgym.logs.kuairand_history import with_earlier
from recgym.logs.log import Log
from recgym.logs.origin import Origin
from recgym.logs.problems import LogError, LogProblem, problems_of, raise_problems
from recgym.logs.sessionize import number_by_start, number_steps
from recgym.logs.text_layout import read_header
from recgym.logs.times import read_times, remark

SOURCE = Source(
    "kuairand",
    "CC BY-SA 4.0",
    "Gao, C. et al. (2022). KuaiRand: an unbiased sequential recommendation dataset with randomly exposed "
    "videos. "
    "CIKM 2022.",
    "A session is one user's day in the chosen tab; sessions have holes.",
)
FLAGS = {  # event -> column of the file
    "click": "is_click",
    "long_view": "long_view",
    "like": "is_like",
    "comment": "is_comment",
    "share": "is_forward",
    "follow": "is_follow",
    "hate": "is_hate",
}
COLUMNS = (
    "user_id", "video_id", "date", "hourmin", "time_ms", "is_click", "is_like", "is_follow", "is_comment",
    "is_forward", "is_hate", "long_view", "play_time_ms", "duration_ms", "profile_stay_time",
    "comment_stay_time", "is_profile_enter", "is_rand", "tab",
)  # fmt: skip
FEED = 1  # the tab of the single-column feed
CLICK_MS, LONG_MS = 7_000, 18_000  # play time of a valid and of a long play, if the video is not shorter
MOST_MS = np.iinfo(np.int32).max
MS_RULE = f"milliseconds from 0 to {MOST_MS} are needed"
UNKNOWN = "unknown"
NOT_LISTED = "the {0} must be in the table of {0} features"


def read(files: Files, options: Mapping[str, Any]) -> Log:
    """Log of one tab, with all users and videos of the feature tables."""
    tab, policy = options.get("tab", FEED), options.get("policy", "standard")
    if policy not in ("standard", "random"):
        raise LogError(f"policy must be standard or random; it is {policy!r}")
    if tab is not None and (not isinstance(tab, int) or isinstance(tab, bool)):
        raise LogError(f"tab must be a whole number, or none for all tabs; it is {tab!r}")
    names = files.find(f"log_{policy}_*.csv", f"log_{policy}_*.csv.gz")
    if not names:
        raise LogError(f"{files.path}: there is no file log_{policy}_*.csv or log_{policy}_*.csv.gz")
    users, videos = (
        read_users(files, files.one("user_features*.csv", "user_features*.csv.gz")),
        _videos(files),
    )
    table, duplicates = _impressions(files, names, tab)
    table, begun = _finished(table)
    cells = {column: as_numpy(table[column]) for column in (*COLUMNS, "file_row", "file_index")}
    user, item = lookup(table["user_id"], users["id"]), lookup(table["video_id"], videos["id"])
    times = read_times(table["time_ms"], "ms", None)
    unfit = [*_broken(cells, user, item), *(("time_ms", bad, rule) for bad, rule in times.faults)]
    raise_problems([problem for what in unfit for problem in _problems(names, cells, *what)])

    session, step = _visits(user, cells["date"], cells["time_ms"])
    columns = {
        "user": user,
        "item": item,
        "time": cells["time_ms"],
        "session": session,
        "step": step,
        "watch_ms": cells["play_time_ms"],
        **{event: cells[column] == 1 for event, column in FLAGS.items()},
        "context_hour": (cells["hourmin"] // 100).astype(np.int16),
        "context_tab": cells["tab"].astype(np.int16),
        "context_day": cells["date"].astype(np.int32),
        **Origin(names, cells["file_index"], cells["file_row"]).columns(),
    }
    items = _items(videos, item, cells["duration_ms"])
    users, items, earlier, remarks = with_earlier(files, users, items, user, cells["time_ms"], cells["date"])
    remarks.insert(0, remark(names[0] if len(names) == 1 else SOURCE.name, cells["time_ms"], times.unit))
    if duplicates:
        remarks.append(f"{duplicates} exact duplicate rows dropped")
    if begun:
        remarks.append(f"{begun} rows of plays that had only begun dropped: the same play follows in full")
    return Log.build(
        columns,
        users=users,
        items=items,
        domain="content",
        source=SOURCE,
        duplicates=duplicates,
        remarks=remarks,
        earlier=earlier,
    )


def rule_shares(log: Log) -> dict[str, float]:
    """Share of impressions with a known duration at which the documented rules on play time agree with the flag."""
    duration = log.items["duration_ms"].to_numpy()[log.column("item")]
    known = duration > 0
    flags = watch_flags(log.column("watch_ms")[known], duration[known])
    return {name: float((flag == log.column(name)[known]).mean()) for name, flag in flags.items()}


def watch_flags(watch: Array, duration: Array) -> dict[str, Array]:
    """Events by watch time [ms] and duration [ms, 0: unknown, taken as long].

    click: watch >= duration if duration <= 7 s, else watch > 7 s; long_view: watch >= min(duration, 18 s). Source:
    README of KuaiRand, fields of log_xxx.csv.
    """
    duration = np.where(duration > 0, duration, np.iinfo(np.int32).max)
    return {
        "click": np.where(duration <= CLICK_MS, watch >= duration, watch > CLICK_MS),
        "long_view": watch >= np.minimum(duration, LONG_MS),
    }


def _impressions(files: Files, names: list[str], tab: int | None) -> tuple[Any, int]:
    parts = []
    for index, name in enumerate(names):
        part, lines = read_csv_and_lines(files, name, dict.fromkeys(COLUMNS, INT))
        part = part.append_column("file_row", pa.array(lines))
        part = part.append_column("file_index", pa.array(np.full(len(part), index, np.int32)))
        parts.append(part if tab is None else part.filter(pc.equal(part["tab"], tab)))
    table = pa.concat_tables(parts)
    if not len(table):
        raise LogError(f"{', '.join(names)}: there is no row of tab {tab}")
    kept = first_rows(table.select(COLUMNS))
    return table.take(pa.array(kept)), len(table) - len(kept)


def _finished(table: Any) -> tuple[Any, int]:
    """Rows without plays that a later row of the same user, video, day and tab completes, and the number of these."""
    play, tab = as_numpy(table["play_time_ms"]), as_numpy(table["tab"])
    user, video, date, time = (as_numpy(table[name]) for name in ("user_id", "video_id", "date", "time_ms"))
    events = np.stack([as_numpy(table[column]) for column in FLAGS.values()], axis=1)
    order = np.lexsort((time, tab, date, video, user))
    visit = np.stack([user, video, date, tab], axis=1)[order]
    played = np.append(np.flatnonzero(play[order] > 0), -1)
    is_play = (tab == FEED) | (as_numpy(table[FLAGS["click"]]) == 1)
    begun = np.flatnonzero((play == 0)[order] & is_play[order])
    full = played[np.searchsorted(played[:-1], begun)]  # the next row with play time, else the last row
    is_same = (visit[begun] == visit[full]).all(axis=1) & (full > begun)
    dropped = order[begun[is_same & (events[order[begun]] <= events[order[full]]).all(axis=1)]]
    kept = np.ones(len(order), bool)
    kept[dropped] = False
    return table.filter(pa.array(kept)), len(dropped)


def _visits(user: Array, date: Array, time: Array) -> tuple[Array, Array]:
    """Session and step of every row; a session is the day of a user, numbered by its first time."""
    order = np.lexsort((time, date, user))
    fresh = np.r_[True, (user[order][1:] != user[order][:-1]) | (date[order][1:] != date[order][:-1])]
    step = np.empty(len(user), np.int64)
    step[order] = number_steps(np.cumsum(fresh))
    return number_by_start(order, fresh, time), step


def read_users(files: Files, name: str) -> Any:
    """Table of users, from the table of user features."""
    header = read_header(files, name)
    types = {column: INT if column == "user_id" else None for column in ("user_id", *header)}
    table = read_csv(files, name, types, nullable=header[1:])
    table = table.set_column(0, "id", table["user_id"].cast(TEXT))
    at = table.schema.get_field_index("is_live_streamer")
    if at >= 0:
        streamer = table["is_live_streamer"]
        known = pc.if_else(pc.equal(as_text(streamer), "-124"), pa.scalar(None, streamer.type), streamer)
        table = table.set_column(at, "is_live_streamer", known)
    return table


def _videos(files: Files) -> Any:
    name = files.one("video_features_basic*.csv", "video_features_basic*.csv.gz")
    types = {"video_id": INT, "video_type": TEXT, "video_duration": FLOAT, "tag": TEXT}
    table = read_csv(files, name, types, nullable=("video_type", "video_duration", "tag"))
    table = table.set_column(0, "id", table["video_id"].cast(TEXT))
    order = sorted(range(len(table)), key=lambda row: natural_key(table["id"][row].as_py()))
    return table.take(pa.array(order))


def _items(videos: Any, item: Array, duration: Array) -> Any:
    known = np.nan_to_num(videos["video_duration"].to_numpy(), nan=0.0)
    logged = np.zeros(len(videos))
    np.maximum.at(logged, item, duration)
    best = np.where(logged > 0, logged, np.where(known > 0, known, np.nan))
    first = [tag.partition(",")[0].strip() for tag in id_text(videos["tag"].fill_null("")).to_pylist()]
    category = [f"tag{tag}" if tag else UNKNOWN for tag in first]
    return pa.table(
        {
            "id": videos["id"],
            "category": category,
            "duration_ms": best.astype(np.float32),
            "video_type": videos["video_type"],
            "label": labels(category),
        }
    )


def _broken(cells: Mapping[str, Array], user: Array, item: Array) -> list[tuple[str, Array, str]]:
    """Column, rows that break its rule (rows,), and the rule."""
    is_flag = {name: (cells[name] == 0) | (cells[name] == 1) for name in FLAGS.values()}
    is_ms = {name: (cells[name] >= 0) & (cells[name] <= MOST_MS) for name in ("play_time_ms", "duration_ms")}
    return [
        ("user_id", user < 0, NOT_LISTED.format("user")),
        ("video_id", item < 0, NOT_LISTED.format("video")),
        *((name, ~fits, "0 or 1 is needed") for name, fits in is_flag.items()),
        *((name, ~fits, MS_RULE) for name, fits in is_ms.items()),
    ]


def _problems(
    names: list[str], cells: Mapping[str, Array], column: str, bad: Array, rule: str
) -> list[LogProblem]:
    """Problems of the rows where `bad` is true."""
    origin = Origin(names, cells["file_index"], cells["file_row"])
    return problems_of(
        np.flatnonzero(bad), len(bad), origin.place, column, rule, lambda row: str(cells[column][row])
    )
