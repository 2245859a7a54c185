"""A table of events: sessions, steps, joined rows, times, and errors by row."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_logs import found_problems, table

from recgym.logs import Log, LogError, read_log
from recgym.logs.kinds import IMPRESSIONS, kind_of
from recgym.logs.mapping import meaning, parse_mapping
from recgym.logs.sessionize import gap_sessions, join_actions, merged, number_steps

RETAIL = "timestamp,visitorid,event,itemid,transactionid\n"


MAP = "user=visitorid,item=itemid,time=timestamp,event=event"


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
        "events.csv: columns not read: transactionid",
        "all rows are responses (click): the log does not say what was shown without one, "
        "so how often users respond is assumed",
    )
    assert found_problems(log) == []


def test_join_keeps_a_second_action_of_one_event():
    # view, cart, cart, purchase of one item; then a view and a cart of it again
    click, cart, buy = (True, False, False), (True, True, False), (True, True, True)
    flags = np.array([click, cart, cart, buy, click, cart])
    rows, joined = merged(join_actions(np.zeros(6, np.int64), np.zeros(6, np.int64), flags), flags)
    assert rows.tolist() == [0, 2, 4]
    assert joined.tolist() == [list(buy), list(cart), list(cart)]


def test_steps_of_slates():
    session, slate = np.array([0, 0, 0, 0, 0, 1, 1]), np.array([5, 6, 5, -1, -1, 5, 5])
    assert number_steps(session, slate).tolist() == [0, 1, 0, 2, 3, 0, 0]


def test_sessions_are_numbered_by_their_first_time():
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
    assert found_problems(log) == []


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


def test_a_given_unit_of_time_overrides_the_guess(tmp_path):
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
    names = [name for name in one.rows.column_names if name not in ("file", "file_row")]
    assert one.rows.select(names).equals(other.rows.select(names))
    assert one.rows["watch_ms"].to_pylist() == [5, None]
    assert one.column("file_row").tolist() == [2, 3]  # lines, below the header
    assert other.column("file_row").tolist() == [1, 2]


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
        ("user,item,time\na,b,1600000000\na,b,soon\n", "events.csv, row 3, time: a time is needed"),
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


def test_an_error_names_the_row_of_another_encoding(tmp_path):
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


def test_all_bad_rows_are_problems_of_one_error(tmp_path):
    path = table(tmp_path, "user,item,price\na,b,x\na,b,1\na,b,y\n")
    with pytest.raises(LogError, match="and 1 more") as error:
        read_log(path, domain="ecommerce")
    assert [problem.row for problem in error.value.problems] == [2, 4]


def test_check_false_leaves_ranges_to_validate(tmp_path):
    path = table(tmp_path, "user,item,propensity\na,b,1.2\na,c,0.5\n")
    assert found_problems(read_log(path, domain="ecommerce", check=False)) == [
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
        ("session=s,item=i", "user=visitorid,item=itemid, or user=s, each session for a user$"),
        ("user=u,item=i,colour=c", "map: key 'colour' is unknown"),
        ("user=u,item", "map: 'item' must look like key=column"),
        ("user=u,item=i,", "map: '' must look like key=column"),
        ("user=u,,item=i", "map: '' must look like key=column"),
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


def test_missing_files_and_unknown_names_are_refused(tmp_path):
    with pytest.raises(LogError, match="there is no such file or folder"):
        read_log(tmp_path / "nothing.csv")
    with pytest.raises(LogError, match="source 'movies' is unknown; there are eshop2008"):
        read_log(tmp_path, source="movies")
    with pytest.raises(LogError, match="there is no file in it"):
        read_log(tmp_path)
    with pytest.raises(LogError, match=r"a table needs a domain, ecommerce .* or social"):
        read_log(table(tmp_path, "user,item\na,b\n"))
    with pytest.raises(LogError, match="no file; one named user_artists"):
        read_log(tmp_path, source="lastfm_hetrec2k")


@pytest.mark.parametrize("kind", ["file", "frame"])
def test_an_event_implies_the_response_that_it_needs(tmp_path, kind):
    frame = pd.DataFrame({"user": list("uvw"), "item": list("aba"), "purchase": [0, 1, 0]})
    if kind == "file":
        frame.to_csv(tmp_path / "t.csv", index=False)
        log = read_log(tmp_path / "t.csv", domain="ecommerce")
    else:
        log = Log.from_pandas(frame, domain="ecommerce")
    assert log.column("click").tolist() == log.column("purchase").tolist() == [False, True, False]
    said = "there is no column click: 1 of 3 rows, those with purchase, have one; the others were shown only"
    assert any(remark.endswith(said) for remark in log.remarks)
    assert kind_of(log) == IMPRESSIONS
