"""Reader of KuaiRand: rows, features, options and errors; facts of the real log."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from log_layouts import assert_rows_are_lines, write
from small_logs import found_problems

from recgym.logs import LogError, read_log, validate
from recgym.logs.kuairand import rule_shares, watch_flags

KUAIRAND = (
    "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,long_view,"
    "play_time_ms,duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,is_rand,tab\n"
)


IMPRESSIONS = (
    "7,2,20220426,900,1650900002000,1,0,0,0,1,0,0,8000,20000,0,0,0,0,1\n"
    "7,10,20220425,2300,1650800001000,1,1,0,0,0,0,1,30000,20000,0,0,0,0,1\n"
    "7,2,20220425,2200,1650800000000,0,0,0,0,0,1,0,500,20000,0,0,0,0,1\n"
    "3,2,20220425,100,1650700000000,0,0,0,0,0,0,0,0,20000,0,0,0,0,1\n"
    "3,2,20220425,100,1650700000000,0,0,0,0,0,0,0,0,20000,0,0,0,0,1\n"
    "3,11,20220425,100,1650700000500,1,0,0,0,0,0,1,1,0,0,0,0,0,6\n"
)


def kuairand(tmp_path: Path, rows: str = IMPRESSIONS) -> Path:
    (tmp_path / "data").mkdir()
    with gzip.open(tmp_path / "data" / "log_standard_4_22_to_5_08_pure.csv.gz", "wt") as file:
        file.write(KUAIRAND + rows)
    (tmp_path / "data" / "user_features_pure.csv").write_text(
        'user_id,fans_user_num_range,is_live_streamer,onehot_feat4\n3,"[10,100)",-124,\n7,0,1,2.0\n'
    )
    (tmp_path / "data" / "video_features_basic_pure.csv").write_text(
        'video_id,author_id,video_type,video_duration,tag\n10,1,NORMAL,,"12,65"\n2,1,NORMAL,19000.0,39\n11,1,AD,,\n'
    )
    return tmp_path


def test_kuairand_rows_are_visits_of_tab_one_in_order_of_time(tmp_path):
    log = read_log(kuairand(tmp_path))
    assert log.users["id"].to_pylist() == ["3", "7"]
    assert log.items["id"].to_pylist() == ["2", "10", "11"]
    assert log.column("session").tolist() == [0, 1, 1, 2]
    assert log.column("user").tolist() == [0, 1, 1, 1]
    assert log.column("item").tolist() == [0, 0, 1, 0]
    assert log.column("step").tolist() == [0, 0, 1, 0]
    assert log.column("watch_ms").tolist() == [0, 500, 30000, 8000]
    assert log.column("like").tolist() == [False, False, True, False]
    assert log.column("share").tolist() == [False, False, False, True]
    assert log.column("hate").tolist() == [False, True, False, False]
    assert log.column("context_hour").tolist() == [1, 22, 23, 9]
    assert log.duplicates == 1
    assert rule_shares(log) == {"click": 1.0, "long_view": 1.0}


def test_kuairand_features(tmp_path):
    log = read_log(kuairand(tmp_path))
    assert log.items["category"].to_pylist() == ["tag39", "tag12", "unknown"]
    np.testing.assert_array_equal(log.items["duration_ms"].to_numpy(), [20000, 20000, np.nan])
    assert log.users["is_live_streamer"].to_pylist() == [None, 1]
    assert log.users["fans_user_num_range"].to_pylist() == ["[10,100)", "0"]


def test_kuairand_other_tabs_and_options(tmp_path):
    folder = kuairand(tmp_path)
    assert len(read_log(folder, tab=6)) == 1
    assert len(read_log(folder, tab=None)) == 5
    with pytest.raises(LogError, match="no row of tab 9"):
        read_log(folder, tab=9)
    with pytest.raises(LogError, match="option 'tabs' is unknown; there are tab, policy; did you mean 'tab'"):
        read_log(folder, tabs=1)
    with pytest.raises(LogError, match="tab must be a whole number, or none for all tabs; it is 'all'"):
        read_log(folder, tab="all")
    with pytest.raises(LogError, match=r"no file log_random_\*"):
        read_log(folder, policy="random")


def test_only_a_play_that_a_later_row_completes_is_dropped(tmp_path):
    def rows(*cells: str) -> list[int]:
        """Times of the rows that are kept, of rows "click,like,play,tab" of one user and video."""
        made = (cell.split(",") for cell in cells)
        text = "".join(
            f"7,2,20220425,900,{1650800000000 + at},{click},{like},0,0,0,0,0,{play},20000,0,0,0,0,{tab}\n"
            for at, (click, like, play, tab) in enumerate(made)
        )
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        return (read_log(kuairand(folder, text), tab=None).column("time") - 1650800000000).tolist()

    assert rows("0,0,0,1", "1,0,0,1", "1,0,9000,1") == [2]
    assert rows("0,0,0,1", "0,0,0,1") == [0, 1]  # no row has a play
    assert rows("0,0,0,0", "0,0,900,1") == [0, 1]  # another tab
    assert rows("0,0,0,0", "1,0,900,0") == [0, 1]  # a cover, shown twice
    assert rows("1,0,0,0", "1,0,900,0") == [1]
    assert rows("1,1,0,1", "1,0,900,1") == [0, 1]  # a like that the later row lacks
    assert rows("1,0,900,1", "0,0,0,1") == [0, 1]


def test_a_folder_of_the_random_policy_alone_is_kuairand(tmp_path):
    folder = kuairand(tmp_path) / "data"
    (folder / "log_standard_4_22_to_5_08_pure.csv.gz").rename(folder / "log_random_4_22_to_5_08_pure.csv.gz")
    assert len(read_log(folder, policy="random")) == 4
    with pytest.raises(LogError, match=r"there is no file log_standard_\*"):
        read_log(folder)


def test_a_tag_that_pandas_wrote_as_a_decimal_is_the_tag(tmp_path):
    folder = kuairand(tmp_path)
    table = folder / "data" / "video_features_basic_pure.csv"
    table.write_text(table.read_text().replace('"12,65"', "12.0"))
    assert read_log(folder).items["category"].to_pylist() == ["tag39", "tag12", "unknown"]


def test_a_broken_event_rule_is_a_remark_and_changes_no_row(tmp_path):
    log = read_log(
        kuairand(
            tmp_path,
            IMPRESSIONS.replace("8000,20000", "18000,20000").replace(
                "2000,1,0,0,0,1,0,0", "2000,0,0,0,0,1,0,1"
            ),
        )
    )
    assert log.column("long_view").tolist() == [False, False, True, True]
    assert log.remarks[-2] == (
        "1 of 2 rows with long_view break the rule: long_view happens only with click; the first is "
        "data/log_standard_4_22_to_5_08_pure.csv.gz, row 2"
    )
    assert found_problems(log) == []
    assert [(problem.row, problem.rule) for problem in validate(log, event_rules=True)] == [
        (2, "long_view happens only with click")
    ]
    assert rule_shares(log) == {"click": 0.75, "long_view": 1.0}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "7,10,2022",
            "7,99,2022",
            "row 3, video_id: the video must be in the table of video features; found 99",
        ),
        (
            "7,10,2022",
            "8,10,2022",
            "row 3, user_id: the user must be in the table of user features; found 8",
        ),
        ("1000,1,1,0", "1000,1,2,0", "row 3, is_like: 0 or 1 is needed; found 2"),
        ("1650800001000", "1650800001", "row 3, time_ms: a time from 1990 to 2100 is needed"),
        ("30000,20000", "long,20000", "row 3, play_time_ms: a whole number is needed; found 'long'"),
        (
            "30000,20000",
            "-3,20000",
            "row 3, play_time_ms: milliseconds from 0 to 2147483647 are needed; found -3",
        ),
        (
            "30000,20000",
            "3000000000,20000",
            "row 3, play_time_ms: milliseconds from 0 to 2147483647 are needed; found 3000000000",
        ),
        (
            "30000,20000",
            "30000,-1",
            "row 3, duration_ms: milliseconds from 0 to 2147483647 are needed; found -1",
        ),
        ("30000,20000", ",20000", "row 3, play_time_ms: a whole number is needed; found ''"),
    ],
)
def test_kuairand_errors_name_the_place(tmp_path, old, new, message):
    with pytest.raises(LogError) as error:
        read_log(kuairand(tmp_path, IMPRESSIONS.replace(old, new)))
    assert str(error.value).startswith(f"data/log_standard_4_22_to_5_08_pure.csv.gz, {message}")


def test_rows_of_kuairand_are_lines_of_the_file(tmp_path):
    assert_rows_are_lines(kuairand(tmp_path))


@pytest.mark.data
def test_facts_of_kuairand(data_folder):
    log = read_log(data_folder / "kuairand_pure_part")
    assert (len(log), log.num_users, log.num_items, log.num_sessions) == (69_763, 27_285, 7_583, 41_162)
    rates = {name: round(log.column(name).mean(), 4) for name in log.events}
    assert rates == {"click": 0.498, "long_view": 0.3519, "like": 0.0199, "comment": 0.0026, "share": 0.0009,
                     "follow": 0.0016, "hate": 0.0007}  # fmt: skip
    assert {name: round(share, 4) for name, share in rule_shares(log).items()} == {
        "click": 0.9865,
        "long_view": 0.9971,
    }
    assert len(validate(log, event_rules=True)) == 31
    assert validate(log) == []
    assert read_log(data_folder / "kuairand_pure_part", tab=None).duplicates == 2_750


KUAIRAND = (
    "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,long_view,"
    "play_time_ms,duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,is_rand,tab\n"
)


@pytest.mark.parametrize(
    ("size", "logs"),
    [
        ("pure", ("standard_4_08_to_4_21", "standard_4_22_to_5_08")),
        ("1k", ("standard_4_08_to_4_21", "standard_4_22_to_5_08")),
        ("27k", ("standard_4_08_to_4_21_27k_part1", "standard_4_22_to_5_08_27k_part2")),
    ],
)
def test_kuairand_of_every_size_is_recognised(tmp_path, size, logs):
    texts = {
        f"user_features_{size}.csv": "user_id,is_live_streamer\n3,0\n",
        f"video_features_basic_{size}.csv": "video_id,author_id,video_type,video_duration,tag\n"
        "2,1,NORMAL,19000.0,39\n",
        f"log_random_4_22_to_5_08_{size}.csv": KUAIRAND
        + f"3,2,20220426,100,1650900000000,{'0,' * 7}0,20000,0,0,0,1,1\n",
    }
    for day, name in enumerate(logs):
        name = name if size in name else f"{name}_{size}"
        row = f"3,2,2022042{day},100,{1650300000000 + day * 86_400_000},1,{'0,' * 6}9000,20000,0,0,0,0,1\n"
        texts[f"log_{name}.csv"] = KUAIRAND + row
    folder = write(tmp_path, {f"KuaiRand/data/{name}": text for name, text in texts.items()})
    assert read_log(folder).column("session").tolist() == [0, 1]
    assert read_log(folder, policy="random").column("click").tolist() == [False]


def test_watch_flags_at_the_bounds_of_the_documented_rules():
    watch = np.array([6_999, 7_000, 7_000, 7_001, 17_999, 18_000, 18_000, 12_000])
    duration = np.array([7_000, 7_000, 7_001, 20_000, 18_000, 18_000, 60_000, 0])
    flags = watch_flags(watch, duration)
    assert flags["click"].tolist() == [False, True, False, True, True, True, True, True]
    assert flags["long_view"].tolist() == [False, True, False, False, False, True, True, False]
