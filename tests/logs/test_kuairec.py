"""Reader of KuaiRec: days, flags, features, options and errors."""

import pytest
from log_layouts import KUAIREC, assert_rows_are_lines, changed, refused, write

from recgym.logs import read_log, validate
from recgym.logs.kuairand import rule_shares


def test_kuairec_days_flags_and_features(tmp_path):
    log = read_log(write(tmp_path, KUAIREC))
    assert log.users["id"].to_pylist() == ["0", "14"]
    assert log.users["is_live_streamer"].to_pylist() == [None, 1]
    assert log.items["id"].to_pylist() == ["3649", "9598"]
    assert log.items["category"].to_pylist() == ["tag27", "tag8"]
    assert log.items["duration_ms"].to_pylist() == [10867.0, 30000.0]
    assert log.column("session").tolist() == [0, 1, 1, 2]
    assert log.column("user").tolist() == [1, 0, 0, 0]
    assert log.column("time").tolist() == [1593874800000, 1593878903438, 1593879221297, 1593997200000]
    assert log.column("context_hour").tolist() == [23, 0, 0, 9]  # Beijing's
    assert log.column("watch_ms").tolist() == [18000, 13838, 7000, 6500]
    assert log.column("click").tolist() == [True, True, False, False]
    assert log.column("long_view").tolist() == [True, True, False, False]
    assert log.column("file_row").tolist() == [5, 2, 3, 6]
    assert log.duplicates == 1
    assert log.remarks[0] == (
        "KuaiRec 2.0/data/big_matrix.csv: click and long_view are derived from watch time and duration, not logged"
    )
    assert rule_shares(log) == {"click": 1.0, "long_view": 1.0}
    assert validate(log) == []


def test_kuairec_rows_without_a_time_are_counted(tmp_path):
    log = read_log(write(tmp_path, KUAIREC), matrix="small")
    assert log.column("item").tolist() == [0]
    assert "KuaiRec 2.0/data/small_matrix.csv: 1 rows without a time left out" in log.remarks


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("big_matrix.csv", "0,9598,7000", "0,9599,7000",
         "big_matrix.csv, row 3, video_id: the video must be in item_categories.csv; found 9599 (and 1 more)"),
        ("big_matrix.csv", "14,3649,18000", "15,3649,18000",
         "big_matrix.csv, row 5, user_id: the id must be in the table of users; found 15"),
        ("big_matrix.csv", "0,3649,13838", "0,3649,long",
         "row 2, play_duration: a whole number is needed; found 'long'"),
        ("big_matrix.csv", "0,3649,13838", "0,3649,-5",
         "row 2, watch_ms: watch time must be 0 ms or above; found -5"),
        ("big_matrix.csv", "play_duration", "played", "row 1: the header must have 'play_duration'"),
    ],
)  # fmt: skip
def test_kuairec_errors_name_the_place(tmp_path, name, old, new, message):
    assert message in refused(write(tmp_path, changed(KUAIREC, f"KuaiRec 2.0/data/{name}", old, new)))


def test_kuairec_options(tmp_path):
    folder = write(tmp_path, KUAIREC)
    assert refused(folder, matrix="huge") == "matrix must be big or small; it is 'huge'"
    assert refused(folder, domain="social").endswith("has the domain content and takes no mapping")


def test_rows_of_kuairec_are_lines_of_the_file(tmp_path):
    assert_rows_are_lines(write(tmp_path, KUAIREC))


def test_messages_name_the_columns_of_kuairec_and_tags_stand_once(tmp_path):
    matrix, tags = "KuaiRec 2.0/data/big_matrix.csv", "KuaiRec 2.0/data/item_categories.csv"
    folder = write(tmp_path, changed(KUAIREC, matrix, "20200704,1593874800.0", "20200704,159387480000.0"))
    assert f"{matrix}, row 5, timestamp: a time from 1990 to 2100 is needed" in refused(folder)
    folder = write(tmp_path, KUAIREC | {tags: KUAIREC[tags] + "9598,[9]\n"})
    assert refused(folder) == f"{tags}: an id must occur once; 9598 does not"
