"""Log, its rules and its readers, on tiny files in the official layouts."""

import gzip
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from recgym.logs import Log, LogError, Source, read_log, validate
from recgym.logs.kuairand import rule_shares
from recgym.logs.lastfm import friends
from recgym.logs.mapping import meaning, parse_mapping
from recgym.logs.sessionize import gap_sessions, join_actions, merged, number_steps

SOURCE = Source("tiny", "CC0", "nobody")


def tiny(domain="content", **changes) -> Log:
    """Three sessions of two users: sessions 0 and 1 (user 0) have two steps, session 2 (user 1) has one."""
    columns = {
        "user": [0, 0, 0, 0, 1],
        "item": [0, 1, 2, 0, 1],
        "time": [1_000, 2_000, 50_000, 60_000, 30_000],
        "session": [0, 0, 1, 1, 2],
        "step": [0, 1, 0, 1, 0],
        "click": [True, False, True, True, False],
        "long_view": [True, False, False, True, False],
    }
    users, items = pa.table({"id": ["a", "b"]}), pa.table({"id": ["x", "y", "z"]})
    return Log.build(columns | changes, users=users, items=items, domain=domain, source=SOURCE)


def told(log: Log) -> list[tuple[int, str, str]]:
    return [(problem.row, problem.column, problem.rule) for problem in validate(log)]


# ---- Log


def test_importing_logs_imports_neither_pandas_nor_torch():
    code = "import sys, recgym.logs; print(sorted({'pandas', 'torch', 'numba'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_build_sorts_rows_casts_types_and_fills_absent_columns_with_nulls():
    log = tiny(step=[1, 0, 0, 1, 0])
    assert log.rows["item"].to_pylist() == [1, 0, 2, 0, 1]
    assert log.rows["price"].null_count == 5
    assert str(log.rows.schema.field("position").type) == "int16"
    assert str(log.rows.schema.field("user").type) == "int32"
    assert (log.num_rows, log.num_users, log.num_items, log.num_sessions) == (5, 2, 3, 3)
    assert log.events == ("click", "long_view")


def test_column_gives_numpy_with_nan_where_a_number_is_null():
    log = tiny(
        price=pa.array([1.5, None, 2.0, None, 3.0], pa.float32()), position=pa.array([0, None, 0, 0, 0])
    )
    np.testing.assert_array_equal(log.column("position"), [0, np.nan, 0, 0, 0])
    np.testing.assert_array_equal(log.column("price"), np.float32([1.5, np.nan, 2.0, np.nan, 3.0]))
    assert log.column("click").dtype == np.bool_
    with pytest.raises(LogError, match="no column 'clicks'; it has user, item"):
        log.column("clicks")


def test_build_refuses_what_does_not_fit():
    with pytest.raises(LogError, match="missing session, step"):
        Log.build({"user": [0], "item": [0]}, users=None, items=None, domain="content", source=SOURCE)
    with pytest.raises(LogError, match="column watch_ms must be int32"):
        tiny(watch_ms=[3_000_000_000, 0, 0, 0, 0])
    with pytest.raises(LogError, match="domain 'shop' is unknown"):
        tiny(domain="shop")


def test_split_goes_by_the_time_of_the_first_row_and_never_cuts_a_session():
    train, validation, test = tiny().split((0.34, 0.33, 0.33))
    assert train.column("session").tolist() == [0, 0]
    assert validation.column("session").tolist() == [2]  # starts at 30 s, session 1 at 50 s
    assert test.column("session").tolist() == [1, 1]
    assert test.num_users == 2
    with pytest.raises(LogError, match="sum to 1"):
        tiny().split((0.5, 0.4))


def test_split_without_a_clock_goes_by_session_number():
    parts = tiny(time=pa.nulls(5, pa.int64())).split((0.34, 0.33, 0.33))
    assert [part.column("session").tolist() for part in parts] == [[0, 0], [1, 1], [2]]


def test_split_at_a_value_of_any_ordered_column():
    dates = ["2008-04-01", "2008-04-02", "2008-05-01", "2008-05-01", "2008-06-01"]
    log = tiny(context_date=dates)
    parts = log.split_at("context_date", "2008-04-02", "2008-06-01")
    assert [part.column("session").tolist() for part in parts] == [[0, 0], [1, 1], [2]]
    assert [len(part) for part in log.split_at("time", 30_000)] == [2, 3]
    with pytest.raises(LogError, match="values that rise"):
        log.split_at("time", 2, 1)
    with pytest.raises(LogError, match="'price': it is empty"):
        log.split_at("price", 1)


def test_write_and_read_give_the_same_log(tmp_path):
    log = replace(tiny(), duplicates=3, remarks=("one",))
    log.write(tmp_path / "log")
    again = read_log(tmp_path / "log")
    assert again.rows.equals(log.rows)
    assert again.users.equals(log.users)
    assert (again.domain, again.source, again.duplicates, again.remarks) == ("content", SOURCE, 3, ("one",))
    with pytest.raises(LogError, match="exists already"):
        log.write(tmp_path / "log")


def test_a_write_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    calls = []

    def fail(table, path, **kwargs):
        calls.append(path)
        if len(calls) == 2:
            raise OSError("disk full")
        path.write_text("half")

    monkeypatch.setattr(pq, "write_table", fail)
    with pytest.raises(OSError, match="disk full"):
        tiny().write(tmp_path / "log")
    assert list(tmp_path.iterdir()) == []


def test_reading_a_broken_folder_is_one_clear_error(tmp_path):
    with pytest.raises(LogError, match="not a log written by recgym"):
        Log.read(tmp_path)
    tiny().write(tmp_path / "log")
    (tmp_path / "log" / "items.parquet").write_bytes(b"nothing")
    with pytest.raises(LogError, match="not a log written by recgym"):
        Log.read(tmp_path / "log")


def test_an_unknown_option_of_a_log_is_named():
    with pytest.raises(
        TypeError, match="from_pandas has no argument 'timeunit'; its options are time_unit, "
    ):
        Log.from_pandas(None, domain="content", timeunit="s")
    with pytest.raises(
        TypeError, match="build has no argument 'remark'; its options are duplicates, remarks, f"
    ):
        Log.build({}, users=None, items=None, domain="content", source=None, remark="x")


def test_pandas_there_and_back():
    log = tiny(price=[1.0, 2.0, 3.0, 4.0, 5.0], context_tab=[1, 1, 2, 2, 1])
    frame = log.to_pandas()
    assert frame["user"].tolist() == ["a", "a", "a", "a", "b"]
    assert "watch_ms" not in frame
    again = Log.from_pandas(
        frame,
        domain="content",
        users=log.users.to_pandas(),
        items=log.items.to_pandas(),
        source=SOURCE,
        time_unit="ms",
    )
    assert again.rows.select(log.rows.column_names).equals(log.rows)
    assert again.items["id"].equals(log.items["id"])


# ---- rules


def test_a_sound_log_has_no_problem():
    assert told(tiny()) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"propensity": [1.2, 0.5, 1.0, 0.0, 0.1]}, [2, 5]),
        ({"propensity": pa.array([None, 0.5, float("nan"), None, 1.0])}, [4]),
        ({"position": [0, -1, 0, 0, 0]}, [3]),
        ({"watch_ms": [-1, 0, 0, 0, 0]}, [2]),
        ({"price": pa.array([float("inf"), 1, 1, 1, None])}, [2]),
        ({"item": [0, 1, 3, 0, -1]}, [4, 6]),
        ({"user": [0, 0, 0, 0, 2]}, [6]),
        ({"user": [0, 1, 0, 0, 1]}, [3]),  # a session of two users
        ({"click": pa.array([True, None, True, True, False])}, [3]),
        ({"step": [0, 0, 0, 1, 0], "position": [4, 4, 0, 0, 0]}, [3]),  # one key twice
        ({"step": [0, 0, 0, 1, 0], "item": [1, 1, 2, 0, 1]}, [3]),  # the same without positions
        ({"time": [2_000, 1_000, 50_000, 60_000, 30_000]}, [3]),
        ({"step": [0, 0, 0, 1, 0], "slate": [7, 8, 9, 10, 11]}, [3]),  # a step of two slates
        ({"slate": [7, 8, 9, 10, 7]}, [6]),  # a slate in two sessions
        ({"step": [-1, 1, 0, 1, 0]}, [2]),
    ],
)
def test_every_rule_tells_its_rows(changes, expected):
    assert [row for row, _, _ in told(tiny(**changes))] == expected


def test_two_items_of_a_slate_without_positions_are_sound():
    assert told(tiny(step=[0, 0, 0, 1, 0])) == []


def test_a_problem_names_file_row_column_rule_and_value():
    problem = validate(tiny(propensity=[1.2, 0.5, 1.0, 0.1, 0.1]))[0]
    assert str(problem) == "tiny, row 2, propensity: a propensity must be in (0, 1]; found 1.2"


def test_ids_of_a_table_occur_once():
    assert told(replace(tiny(), users=pa.table({"id": ["a", "a"]}))) == [(3, "id", "an id must occur once")]


def test_rows_out_of_order_are_told():
    log = tiny()
    assert [
        row
        for row, column, _ in told(replace(log, rows=log.rows.take([2, 3, 0, 1, 4])))
        if column == "session"
    ] == [4]


# ---- e-shop

ESHOP = (
    "year;month;day;order;country;session ID;page 1 (main category);page 2 (clothing model);colour;location;"
    "model photography;price;price 2;page\n"
)


def eshop(tmp_path: Path, rows: str) -> Path:
    path = tmp_path / "e-shop clothing 2008.csv"
    path.write_text(ESHOP + rows)
    return path


def test_eshop_rows_items_and_users(tmp_path):
    path = eshop(
        tmp_path,
        "2008;4;1;1;29;1;1;A13;1;5;1;28;2;1\n2008;4;1;2;29;1;1;A2;1;6;2;33;2;2\n2008;7;15;1;9;2;2;B4;10;2;1;52;1;1\n"
        "2008;7;15;2;9;2;1;A13;1;5;1;28;2;1\n2008;7;15;2;9;2;1;A13;1;5;1;28;2;1\n",
    )
    log = read_log(path)
    assert log.items["id"].to_pylist() == ["A2", "A13", "B4"]
    assert log.items["label"].to_pylist() == ["trousers 1", "trousers 2", "skirts 1"]
    assert log.items["price"].to_pylist() == [33.0, 28.0, 52.0]
    assert log.items["region"].to_pylist() == [6, 5, 2]
    assert log.items["page"].to_pylist() == [2, 1, 1]
    assert log.users.to_pylist() == [
        {"id": "9", "country": "Czech Republic"},
        {"id": "29", "country": "Poland"},
    ]
    assert log.column("user").tolist() == [1, 1, 0, 0]
    assert log.column("item").tolist() == [1, 0, 2, 1]
    assert log.column("step").tolist() == [0, 1, 0, 1]
    assert log.column("click").all()
    assert log.column("context_date").tolist() == ["2008-04-01", "2008-04-01", "2008-07-15", "2008-07-15"]
    assert log.rows["time"].null_count == 4
    assert log.duplicates == 1
    assert log.remarks == ("all rows are responses (click): the log does not say what was shown without one",)


def test_eshop_tells_an_item_in_two_categories_and_keeps_the_usual_one(tmp_path):
    path = eshop(
        tmp_path,
        "2008;4;1;1;29;1;1;A18;1;6;1;38;2;1\n2008;4;1;2;29;1;2;A18;1;6;1;38;2;1\n2008;4;1;3;29;1;1;A18;1;6;1;38;2;1\n",
    )
    log = read_log(path)
    assert log.items["category"].to_pylist() == ["trousers"]
    assert log.remarks == (
        "e-shop clothing 2008.csv, row 3: item A18 has page 1 (main category) 2; elsewhere 1, kept",
        "all rows are responses (click): the log does not say what was shown without one",
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("2008;4;1;1;29;1;1;A1;1;5;1;x;2;1\n", "row 2, price: a whole number is needed; found 'x'"),
        ("2008;4;1;1;29;1;1;A1;1;7;1;28;2;1\n", "row 2, location: a code from 1 to 6 is needed; found 7"),
        (
            "2008;4;1;2;29;1;1;A1;1;6;1;28;2;1\n",
            "row 2, order: must run 1, 2, 3 ... within a session; found 2",
        ),
        ("2008;4;1;1;29;1;1;A1;1\n", "row 2: a row must have 14 cells; found 9"),
        ("", "there are no rows below the header"),
    ],
)
def test_eshop_errors_name_the_place(tmp_path, rows, message):
    with pytest.raises(LogError) as error:
        read_log(eshop(tmp_path, rows))
    assert message in str(error.value)


# ---- KuaiRand

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
    with pytest.raises(LogError, match="option 'tabs' is unknown; this reader has tab, policy"):
        read_log(folder, tabs=1)
    with pytest.raises(LogError, match=r"no file log_random_\*"):
        read_log(folder, policy="random")


def test_a_broken_event_rule_is_told_and_nothing_is_mended(tmp_path):
    log = read_log(
        kuairand(
            tmp_path,
            IMPRESSIONS.replace("8000,20000", "18000,20000").replace(
                "2000,1,0,0,0,1,0,0", "2000,0,0,0,0,1,0,1"
            ),
        )
    )
    assert log.column("long_view").tolist() == [False, False, True, True]
    assert log.remarks[-1] == (
        "1 of 2 rows with long_view break the rule: long_view happens only with click; the first is "
        "data/log_standard_4_22_to_5_08_pure.csv.gz, row 2"
    )
    assert told(log) == []
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
        ("30000,20000", "-3,20000", "row 3, watch_ms: watch time must be 0 ms or above; found -3"),
        ("30000,20000", ",20000", "row 3, play_time_ms: a whole number is needed; found ''"),
    ],
)
def test_kuairand_errors_name_the_place(tmp_path, old, new, message):
    with pytest.raises(LogError) as error:
        read_log(kuairand(tmp_path, IMPRESSIONS.replace(old, new)))
    assert str(error.value).startswith(f"data/log_standard_4_22_to_5_08_pure.csv.gz, {message}")


# ---- Last.fm


def lastfm(tmp_path: Path) -> Path:
    (tmp_path / "user_artists.dat").write_text(
        "userID\tartistID\tweight\n2\t51\t10\n2\t9\t30\n2\t100\t10\n10\t9\t5\n3\t51\t1\n"
    )
    (tmp_path / "user_friends.dat").write_text("userID\tfriendID\n2\t10\n10\t2\n3\t2\n2\t3\n")
    (tmp_path / "user_taggedartists.dat").write_text(
        "userID\tartistID\ttagID\tday\tmonth\tyear\n2\t51\t1\t1\t4\t2009\n3\t51\t2\t1\t4\t2009\n2\t9\t1\t1\t4\t2009\n"
        "3\t777\t2\t1\t4\t2009\n"
    )
    (tmp_path / "tags.dat").write_bytes('tagID\ttagValue\n1\t"métal\n2\trock\n'.encode("latin-1"))
    return tmp_path


def test_lastfm_ranks_and_tags(tmp_path):
    log = read_log(lastfm(tmp_path))
    assert log.users["id"].to_pylist() == ["2", "3", "10"]
    assert log.items["id"].to_pylist() == ["9", "51", "100"]
    assert log.items["category"].to_pylist() == [
        '"métal',
        '"métal',
        "unknown",
    ]  # a tie goes to the commoner tag
    assert log.column("session").tolist() == [0, 0, 0, 1, 2]
    assert log.column("item").tolist() == [0, 1, 2, 1, 0]
    assert log.column("listens").tolist() == [30, 10, 10, 1, 5]
    assert log.column("step").tolist() == [0, 1, 2, 0, 0]
    assert log.column("listen").all()


def test_a_folder_around_a_zip_and_the_zip_read_alike(tmp_path):
    log = read_log(lastfm(tmp_path))
    (tmp_path / "packed").mkdir()
    with zipfile.ZipFile(tmp_path / "packed" / "set.zip", "w") as packed:
        for file in tmp_path.glob("*.dat"):
            packed.write(file, f"hetrec/{file.name}")
    for path in (tmp_path / "packed", tmp_path / "packed" / "set.zip"):
        assert read_log(path).rows.drop(["file"]).equals(log.rows.drop(["file"]))


def test_friends_are_undirected_pairs_of_user_indices(tmp_path):
    pairs = friends(lastfm(tmp_path))
    assert pairs.tolist() == [[0, 1], [0, 2]]
    assert pairs.dtype == np.int32
    (tmp_path / "user_friends.dat").write_text("userID\tfriendID\n2\t11\n")
    with pytest.raises(LogError, match="row 2, friendID: the user must be in user_artists"):
        friends(tmp_path)


# ---- generic table

RETAIL = "timestamp,visitorid,event,itemid,transactionid\n"
MAP = "user=visitorid,item=itemid,time=timestamp,event=event"


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "events.csv"
    path.write_text(text)
    return path


def test_actions_join_the_row_of_their_item_and_sessions_end_after_a_gap(tmp_path):
    path = table(
        tmp_path,
        RETAIL + "1433221332000,257597,view,355908,\n"
        "1433221333000,257597,view,2,\n"
        "1433221334000,257597,addtocart,355908,\n"
        "1433221335000,257597,transaction,355908,4000\n"
        "1433223136000,257597,transaction,2,4001\n"  # 30 minutes and one second later
        "1433221330000,9,view,2,\n",
    )
    log = read_log(path, domain="ecommerce", mapping=MAP)
    assert log.users["id"].to_pylist() == ["9", "257597"]
    assert log.items["id"].to_pylist() == ["2", "355908"]
    assert log.column("session").tolist() == [0, 1, 1, 2]
    assert log.column("step").tolist() == [0, 0, 1, 0]
    assert log.column("item").tolist() == [0, 1, 0, 0]
    assert log.column("click").tolist() == [True, True, True, True]
    assert log.column("cart").tolist() == [False, True, False, True]  # a purchase needs a cart
    assert log.column("purchase").tolist() == [False, True, False, True]
    assert log.column("file_row").tolist() == [7, 2, 3, 6]
    assert log.remarks == (
        "events.csv: times from 2015-06-02 05:02:10 to 2015-06-02 05:32:16 UTC, unit ms",
        "events.csv: event words: view 3 as click, transaction 2 as click+cart+purchase, addtocart 1 as click+cart",
        "events.csv: 2 rows joined an earlier row of their item",
        "all rows are responses (click): the log does not say what was shown without one",
    )
    assert told(log) == []


def test_join_keeps_a_second_action_of_a_kind():
    # view, cart, cart, purchase of one item; then a view and a cart of it again
    click, cart, buy = (True, False, False), (True, True, False), (True, True, True)
    flags = np.array([click, cart, cart, buy, click, cart])
    rows, joined = merged(join_actions(np.zeros(6, np.int64), np.zeros(6, np.int64), flags), flags)
    assert rows.tolist() == [0, 2, 4]
    assert joined.tolist() == [list(buy), list(cart), list(cart)]


def test_steps_of_slates():
    session, slate = np.array([0, 0, 0, 0, 0, 1, 1]), np.array([5, 6, 5, -1, -1, 5, 5])
    assert number_steps(session, slate).tolist() == [0, 1, 0, 2, 3, 0, 0]


def test_sessions_are_numbered_by_their_first_moment():
    user, time = np.array([0, 1, 0, 1]), np.array([200_000, 100_000, 0, 20_000])
    assert gap_sessions(user, time, gap_minutes=2).tolist() == [2, 1, 0, 1]
    assert gap_sessions(user, None, gap_minutes=2).tolist() == [0, 1, 0, 1]


def test_impressions_with_slates_positions_and_propensities(tmp_path):
    path = table(
        tmp_path,
        "u;i;t;click;s;p;pi;cat\nu1;i2;2022-01-01 00:00:01;1;7;1;0.5;b\n"
        "u1;i10;2022-01-01 00:00:01;0;7;0;0.25;a\n"
        "u1;i2;2022-01-01 00:00:09;0;8;0;1;b\n",
    )
    mapping = {"user": "u", "item": "i", "time": "t", "click": "click", "slate": "s", "position": "p"}
    mapping |= {"propensity": "pi", "category": "cat"}
    log = read_log(path, domain="content", mapping=mapping)
    assert log.items["label"].to_pylist() == ["b 1", "a 1"]
    assert log.column("time").tolist() == [1640995201000, 1640995201000, 1640995209000]
    assert log.column("step").tolist() == [0, 0, 1]
    assert log.column("position").tolist() == [0, 1, 0]
    assert log.column("item").tolist() == [1, 0, 0]
    assert log.column("click").tolist() == [False, True, False]
    assert log.column("propensity").tolist() == [0.25, 0.5, 1.0]
    assert told(log) == []


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (["1650000000", "1650000001"], [1650000000000, 1650000001000]),
        (["1650000000.5", "1650000001"], [1650000000500, 1650000001000]),
        (["1650000000000000", "1650000000001000"], [1650000000000, 1650000000001]),
        (["2022-04-15T05:20:00Z", "2022-04-15T07:20:01+02:00"], [1650000000000, 1650000001000]),
    ],
)
def test_times_of_every_unit_become_ms(tmp_path, times, expected):
    path = table(tmp_path, "user,item,time\n" + "".join(f"a,b{k},{time}\n" for k, time in enumerate(times)))
    assert read_log(path, domain="social").column("time").tolist() == expected


def test_a_stated_unit_of_time_wins_over_the_guess(tmp_path):
    path = table(tmp_path, "user,item,time\na,b,5000\n")
    with pytest.raises(LogError, match=r"time: a time from 1990 to 2100 is needed.*; found 5000"):
        read_log(path, domain="social")
    assert read_log(path, domain="social", time_unit="s").column("time").tolist() == [5_000_000]
    assert read_log(path, domain="social", time_unit="us").column("time").tolist() == [5]
    with pytest.raises(LogError, match="time_unit 'h' is unknown; there are s, ms, us, ns"):
        read_log(path, domain="social", time_unit="h")


def test_parquet_and_csv_give_the_same_rows(tmp_path):
    frame = pa.table(
        {
            "user": [3, 3],
            "item": [1, 2],
            "time": [1600000010, 1600000020],
            "watch": [5.0, None],
            "click": [1, 0],
        }
    )
    pq.write_table(frame, tmp_path / "t.parquet")
    path = table(tmp_path, "user,item,time,watch,click\n3,1,1600000010,5,1\n3,2,1600000020,,0\n")
    mapping = "user=user,item=item,time=time,watch=watch,click=click"
    one, other = (read_log(p, domain="content", mapping=mapping) for p in (path, tmp_path / "t.parquet"))
    names = [name for name in one.rows.column_names if name != "file"]
    assert one.rows.select(names).equals(other.rows.select(names))
    assert one.rows["watch_ms"].to_pylist() == [5, None]


def test_exact_duplicates_are_counted_and_a_repeat_without_time_is_kept(tmp_path):
    log = read_log(
        table(tmp_path, "user,item,time\na,x,1600000005\na,x,1600000005\na,x,1600000006\n"), domain="social"
    )
    assert (len(log), log.duplicates) == (2, 1)
    log = read_log(table(tmp_path, "user,item\na,x\na,x\n"), domain="social")
    assert (len(log), log.duplicates) == (2, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "events.csv: the file is empty"),
        ("user,item\n", "events.csv: there are no rows below the header"),
        (
            "user,thing\na,b\n",
            "events.csv, row 1: there is no column 'item'; name the columns by a map",
        ),
        ("user,item,item\na,b,c\n", "events.csv, row 1, item: a column must occur once"),
        ("user,item,time\na,b,1\na,b,soon\n", "events.csv, row 3, time: a time is needed"),
        (
            "user,item,price\na,b,1.5\na,b,cheap\n",
            "events.csv, row 3, price: a number is needed; found 'cheap'",
        ),
        (
            "user,item,click\na,b,1\na,b,2\n",
            "events.csv, row 3, click: 0 or 1 is needed, or one of true, t, yes",
        ),
        (
            "user,item,propensity\na,b,1.2\n",
            "events.csv, row 2, propensity: a propensity must be in (0, 1]; found 1.2",
        ),
        ("user,item\na,b\n,b\n", "events.csv, row 3, user: a value is needed; found nothing"),
        ("user,item,time\na,b,2022-01-01\na,b,2022-13-01\n", "events.csv, row 3, time: a time is needed"),
        ("user,item,step\na,b,3000000000\n", "events.csv, row 2, step: a whole number from -2147483648 to"),
        ("user,item,step\na,b,99999999999999999999\n", "events.csv, row 2, step: a whole number from -2147"),
        (
            "user,item,event\na,b,sneeze\n",
            "events.csv, row 2, event: the event is unknown in the domain ecommerce; known are shown",
        ),
        ("user,item\na,b\na,b,c\n", "events.csv, row 3: a row must have 2 cells; found 3"),
        (
            "user,item,position\na,b,1.5\n",
            "events.csv, row 2, position: a whole number is needed; found '1.5'",
        ),
    ],
)
def test_generic_errors_name_file_row_and_column(tmp_path, text, message):
    with pytest.raises(LogError) as error:
        read_log(table(tmp_path, text), domain="ecommerce")
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_a_file_in_another_encoding_is_told_by_row(tmp_path):
    (tmp_path / "t.csv").write_bytes("user,item\na,b\né,c\n".encode("latin-1"))
    with pytest.raises(LogError, match=r"t.csv, row 3: the file must be in UTF-8"):
        read_log(tmp_path / "t.csv", domain="social")
    (tmp_path / "t.parquet").write_bytes(b"user")
    with pytest.raises(LogError, match=r"t.parquet: not a Parquet file"):
        read_log(tmp_path / "t.parquet", domain="social")


def test_dates_of_several_zones_and_rows_of_a_slate_in_any_order(tmp_path):
    path = table(
        tmp_path,
        "user,item,slate,time\na,b,1,2022-01-01 00:00:00 UTC\na,c,,2022-01-01T00:00:01Z\n"
        "a,d,1,2022-01-01T01:00:02+01:00\n",
    )
    log = read_log(path, domain="social")
    assert log.column("time").tolist() == [1640995200000, 1640995202000, 1640995201000]
    assert log.column("step").tolist() == [0, 0, 1]


def test_all_bad_rows_are_told_at_once(tmp_path):
    path = table(tmp_path, "user,item,price\na,b,x\na,b,1\na,b,y\n")
    with pytest.raises(LogError, match="and 1 more") as error:
        read_log(path, domain="ecommerce")
    assert [problem.row for problem in error.value.problems] == [2, 4]


def test_check_false_leaves_ranges_to_validate(tmp_path):
    path = table(tmp_path, "user,item,propensity\na,b,1.2\na,c,0.5\n")
    assert told(read_log(path, domain="ecommerce", check=False)) == [
        (2, "propensity", "a propensity must be in (0, 1]")
    ]


def test_rows_may_only_name_items_of_a_given_table(tmp_path):
    (tmp_path / "items.csv").write_text("id,price\nx,2.5\ny,3\n")
    path = table(tmp_path, "user,item\na,y\na,z\n")
    with pytest.raises(LogError, match="row 3, item: the id must be in the table of items; found 'z'"):
        read_log(path, domain="social", items=tmp_path / "items.csv")
    log = read_log(table(tmp_path, "user,item\na,y\n"), domain="social", items=tmp_path / "items.csv")
    assert log.items.to_pylist() == [{"id": "x", "price": 2.5}, {"id": "y", "price": 3.0}]
    assert log.column("item").tolist() == [1]


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ("user=u", "map: item must be given"),
        ("user=u,item=i,colour=c", "map: key 'colour' is unknown"),
        ("user=u,item", "map: 'item' must look like key=column"),
        ("user=u,user=v,item=i", "map: key 'user' is given twice"),
    ],
)
def test_bad_maps(mapping, message):
    with pytest.raises(LogError, match=message):
        parse_mapping(mapping, "ecommerce")


def test_words_of_events():
    assert meaning(["view", "addtocart"], "ecommerce") == {"view": ("click",), "addtocart": ("cart", "click")}
    assert meaning(["view", "click"], "ecommerce") == {"view": (), "click": ("click",)}
    assert meaning(["0", "1"], "social") == {"0": (), "1": ("listen",)}
    assert meaning(["Click", "share"], "social") == {"Click": ("listen",), "share": ("share", "listen")}


def test_what_is_not_there_or_not_known(tmp_path):
    with pytest.raises(LogError, match="there is no such file or folder"):
        read_log(tmp_path / "nothing.csv")
    with pytest.raises(LogError, match="source 'movies' is unknown; there are eshop2008"):
        read_log(tmp_path, source="movies")
    with pytest.raises(LogError, match="there is no file in it"):
        read_log(tmp_path)
    with pytest.raises(LogError, match="a table needs a domain, ecommerce, content, social"):
        read_log(table(tmp_path, "user,item\na,b\n"))
    with pytest.raises(LogError, match="no file; one named user_artists"):
        read_log(tmp_path, source="lastfm_hetrec2k")


# ---- facts of the real logs


@pytest.mark.data
def test_facts_of_the_eshop(data_folder):
    log = read_log(data_folder / "eshop2008")
    assert (len(log), log.num_sessions, log.num_items, log.num_users) == (165_474, 24_026, 217, 47)
    length = np.diff(np.r_[log.session_starts(), len(log)])
    assert (round(length.mean(), 2), np.median(length), np.percentile(length, 99)) == (6.89, 4, 42)
    goes_on = {k: round((length > k).sum() / (length >= k).sum(), 3) for k in (1, 2, 3, 5, 10, 20)}
    assert goes_on == {1: 0.790, 2: 0.825, 3: 0.833, 5: 0.855, 10: 0.876, 20: 0.900}
    pairs = np.unique(log.column("session") * 1000 + log.column("item"))
    assert round(1 - len(pairs) / len(log), 3) == 0.104
    assert len(log.remarks) == 1
    assert "row 19003: item A18" in log.remarks[0]
    page = np.bincount(log.column("context_page"))[1:] / len(log)
    np.testing.assert_allclose(page, [0.565, 0.248, 0.117, 0.054, 0.017], atol=6e-4)
    assert validate(log) == []
    before, after = log.split_at("context_date", "2008-07-15")
    assert round((before.column("context_page") == 2).mean(), 3) == 0.257
    assert round((after.column("context_page") == 2).mean(), 3) == 0.213


@pytest.mark.data
def test_facts_of_kuairand(data_folder):
    log = read_log(data_folder / "kuairand_pure_part")
    assert (len(log), log.num_users, log.num_items, log.num_sessions) == (69_760, 27_285, 7_583, 41_162)
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


@pytest.mark.data
def test_facts_of_lastfm(data_folder):
    log = read_log(data_folder / "lastfm_hetrec2k")
    assert (len(log), log.num_users, log.num_items) == (92_834, 1_892, 17_632)
    assert len(friends(data_folder / "lastfm_hetrec2k")) == 25_434 // 2
    assert validate(log) == []
    category = pc.value_counts(log.items["category"]).to_pylist()
    assert {c["values"]: c["counts"] for c in category}["unknown"] == 5_499
