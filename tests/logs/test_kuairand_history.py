"""Sequences of KuaiRand before the log: empty and large lists, and what makes them unusable."""

import pyarrow as pa
import pytest
from log_layouts import refused, write
from public_layouts import parquet

from recgym.logs import read_log

AT = 1_650_900_000_000
NAME = "user_sequences_1.parquet"
FOLDER = {
    "log_standard_pure.csv": "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,"
    "is_hate,long_view,play_time_ms,duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,is_rand,tab\n"
    f"1,5,20220425,900,{AT},1,0,0,0,0,0,0,9000,20000,0,0,0,0,1\n",
    "user_features_pure.csv": "user_id,degree\n1,3\n2,4\n",
    "video_features_basic_pure.csv": "video_id,author_id,video_type,video_duration,tag\n5,1,NORMAL,,1\n6,1,NORMAL,,2\n",
}


def sequences(kind=None, **columns) -> dict[str, str | bytes]:
    given = {
        "user_id": [1, 2],
        "last_time_ms": [AT - 100, AT - 50],
        "watch_seq": [[5, 6], [6]],
        "long_watch_seq": [[6], None],
        "like_seq": [[5], []],
    } | columns
    lists = kind or pa.list_(pa.int64())
    made = {name: pa.array(cells, lists if "seq" in name else pa.int64()) for name, cells in given.items()}
    return FOLDER | {NAME: parquet(**made)}


@pytest.mark.parametrize("kind", [pa.list_(pa.int64()), pa.large_list(pa.int32())])
def test_an_empty_cell_is_an_empty_list(tmp_path, kind):
    log = read_log(write(tmp_path, sequences(kind)))
    assert log.earlier.to_pydict() == {
        "user": [0, 0, 1],
        "item": [0, 1, 1],
        "long_view": [False, True, False],
        "like": [True, False, False],
    }
    log = read_log(write(tmp_path, sequences(kind, watch_seq=[None, [6]])))
    assert log.users["earlier_shown"].to_pylist() == [0, 1]


@pytest.mark.parametrize(
    ("column", "cells", "message"),
    [
        ("user_id", [1, 1], "row 2, user_id: a user must occur once; found 1"),
        ("user_id", [1, 9], "row 2, user_id: the user must be in the table of user features; found 9"),
        ("last_time_ms", [AT, None], "row 2, last_time_ms: a time is needed; found None"),
        ("last_time_ms", [AT // 1000] * 2, "row 1, last_time_ms: a time from 1990 to 2100 is needed"),
        (
            "watch_seq",
            [[5, 6], [7]],
            "row 2, watch_seq: the video must be in the table of video features; found 7",
        ),
    ],
)
def test_sequences_that_mean_nothing_are_refused(tmp_path, column, cells, message):
    assert refused(write(tmp_path, sequences(**{column: cells}))).startswith(f"{NAME}, {message}")
