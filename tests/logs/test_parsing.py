"""Cells of a table of events: sessions, duplicates, counts, slates, and every bad row of every column."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from log_files import parquet
from log_tables import AT, of_times, refused, rows_of, table

from recgym.logs import Log, LogError, read_log, validate
from recgym.logs.number_text import read_numbers


def test_sessions_are_text_as_users_and_items_are(tmp_path):
    text = "user,item,session\na,x,007\nb,y,7\nc,z,1e5\nd,x,100000\na,y,007\n"
    log = read_log(table(tmp_path, text), domain="social")
    frame = log.to_pandas()
    assert log.num_sessions == 4
    assert all(len(set(part["user"])) == 1 for _, part in frame.groupby("session"))
    numbered = "user,item,session\na,x,70\nb,y,69\nb,z,69\n"
    sessions = read_log(table(tmp_path, numbered), domain="social").column("session").tolist()
    pq.write_table(
        pa.table({"user": list("abb"), "item": list("xyz"), "session": [70, 69, 69]}), tmp_path / "t.parquet"
    )
    assert (
        sessions
        == [69, 69, 70]
        == read_log(tmp_path / "t.parquet", domain="social").column("session").tolist()
    )


BOUGHT = "user,item,time\n" + "a,milk,{0}\n" * 3 + "a,bread,{0}\nb,milk,{1}\n"


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ("2020-09-13", "2020-09-14", 5),
        (20200913, 20200914, 5),
        (1599955200, 1600041600, 5),
        ("2020-09-13T00:00:00+02:00", "2020-09-14T00:00:00+02:00", 5),
        ("2020-09-13 10:00:01", "2020-09-14", 3),
        (AT, AT + 1, 3),
    ],
)
def test_duplicates_are_kept_if_times_are_whole_days(tmp_path, first, second, kept):
    path = table(tmp_path, BOUGHT.format(first, second))
    log = read_log(path, domain="ecommerce")
    assert (len(log), log.duplicates) == (kept, 5 - kept)
    what = "kept, as times are whole days" if kept == 5 else "dropped"
    assert any(f"2 exact duplicate rows {what}" in remark for remark in log.remarks)
    for choice, rows in (("keep", 5), ("drop", 3)):
        log = read_log(path, domain="ecommerce", duplicates=choice)
        frame = Log.from_pandas(pd.read_csv(path), domain="ecommerce", duplicates=choice)
        assert len(log) == len(frame) == rows
    assert "duplicates 'first' is unknown; there are keep, drop" in str(refused(path, duplicates="first"))


def test_counts_of_listens_are_listens(tmp_path):
    log = read_log(table(tmp_path, "user,item,plays\na,x,17\na,y,0\nb,x,1\n"), domain="social",
                   mapping="user=user,item=item,listen=plays")  # fmt: skip
    assert log.column("listen").tolist() == [True, False, True]
    assert log.column("listens").tolist() == [17, 0, 1]
    error = refused(table(tmp_path, "user,item,listen\na,x,17\na,y,-1\nb,x,1.5\nb,y,\n"))
    assert rows_of(error) == [(3, "listen"), (4, "listen"), (5, "listen")]


@pytest.mark.parametrize("kind", ["file", "frame"])
def test_quantities_in_place_of_an_event_are_one_problem(tmp_path, kind):
    frame = pd.DataFrame({"user": "u", "item": range(60), "purchase": [1, 2, 1, 0, 3, 1] * 10})
    if kind == "file":
        error = refused(table(tmp_path, frame.to_csv(index=False)), domain="ecommerce")
    else:
        with pytest.raises(LogError) as raised:
            Log.from_pandas(frame, domain="ecommerce")
        error = raised.value
    assert len(error.problems) == 1
    rows = (
        "rows 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36, ..." if kind == "file" else "rows 2, 5, 8, 11, 14"
    )
    rule = "a quantity is no event: leave it out of the map, or map a column of 0 and 1; found "
    assert rule in str(error)
    assert "; 20 of 60 rows break this rule: " + rows in str(error)


def test_a_column_of_another_kind_is_one_problem_and_some_bad_rows_are_one_each(tmp_path):
    def bad(rows):
        cells = "".join(f"u,{k},{'cheap' if k < rows else 1}{k}\n" for k in range(40))
        return refused(table(tmp_path, f"user,item,price\n{cells}"), domain="ecommerce").problems

    assert [len(bad(rows)) for rows in (1, 12, 20, 21, 39, 40)] == [1, 12, 20, 1, 1, 1]
    assert bad(39)[0].value.startswith("'cheap0'; 39 of 40 rows break this rule: rows 2, 3, ")


@pytest.mark.parametrize(
    "words", [("yes", "no"), ("Y", "n"), ("TRUE", "False"), ("t", "F"), ("1", "0"), ("1.0", "0.0")]
)
@pytest.mark.parametrize("key", ["click", "event"])
def test_words_of_yes_and_no(tmp_path, words, key):
    path = table(tmp_path, f"user,item,{key}\na,x,{words[0]}\na,y,{words[1]}\nb,x, {words[0]}\n")
    assert read_log(path, domain="content").column("click").tolist() == [True, False, True]
    path = table(tmp_path, f"user,item,{key}\na,x,{words[0]}\na,y,{words[1]}\nb,x,maybe\n")
    message = str(refused(path, domain="content"))
    assert message.startswith(f"t.csv, row 4, {key}: 0 or 1 is needed, ")
    assert message.endswith("; found 'maybe'")
    assert (
        "true, t, yes, y, false, f, no, n" if key == "click" else "codes of events must become words: "
    ) in message


def test_a_slate_of_minus_one_is_no_slate(tmp_path):
    text = "user,item,slate\na,x,-1\na,y,-1\nb,x,5\nb,y,5\n"
    log = read_log(table(tmp_path, text), domain="social")
    assert log.rows["slate"].to_pylist() == [None, None, 5, 5]
    assert log.column("step").tolist() == [0, 1, 0, 0]


def test_every_bad_row_of_every_column_is_named_at_once(tmp_path):
    text = (
        "user,item,time,event,price,propensity,position\n"
        f"a,x,{AT},click,1.5,0.5,0\n,x,{AT},sneeze,cheap,0.5,0\na,NA,soon,click,2,1.7,0\n"
        f"a,y,{AT},cough,3,0.5,1.5\na,z,{1000 * AT},click,4,2,0\na,w,{AT},click,5,3,-1\n"
    )
    error = refused(table(tmp_path, text), domain="ecommerce", check=False)
    assert set(rows_of(error)) == {
        (3, "user"), (3, "event"), (3, "price"), (4, "item"), (4, "time"), (5, "event"), (5, "position"), (6, "time"),
        (7, "propensity"), (7, "position"),
    }  # fmt: skip


def test_unknown_words_are_named_once_a_word_with_their_rows(tmp_path):
    error = refused(
        table(tmp_path, "user,item,event\na,x,sneeze\nb,x,view\nc,x,cough\nd,x,sneeze\n"), domain="content"
    )
    assert [(problem.row, problem.value) for problem in error.problems] == [
        (2, "'sneeze', and alike in 2 of 4 rows: rows 2, 5"),
        (4, "'cough'"),
    ]


@pytest.mark.parametrize(
    ("column", "cells", "rule"),
    [
        ("price", ["1e39", 5], "a finite number is needed, of at most 3.4e+38 in size"),
        ("rating", ["inf", 5], "a finite number is needed"),
        ("duration_ms", [-5, 5], "a duration must be 0 ms or above"),
        ("slate", ["p1 p2", 5], "a number or an id is needed"),
        ("listen", ["1e30", 5], "a count from 0 to 2^53 - 1 is needed"),
        ("listen", ["9007199254740993", 5], "a count from 0 to 2^53 - 1 is needed"),
        ("step", ["1e30", 5], "a whole number from"),
        ("watch_ms", ["1.5", 5], "a whole number is needed, in milliseconds"),
    ],
)
def test_numbers_that_a_log_cannot_hold_are_refused(tmp_path, column, cells, rule):
    error = refused(table(tmp_path, f"user,item,{column}\na,x,{cells[0]}\nb,y,{cells[1]}\n"))
    assert rows_of(error) == [(2, column)]
    assert rule in str(error)


@pytest.mark.parametrize("kind", ["file", "frame"])
def test_watch_times_with_decimals_are_rounded_where_they_are_milliseconds(tmp_path, kind):
    def read(*cells):
        frame = pd.DataFrame({"user": "u", "item": range(len(cells)), "watch_ms": cells})
        if kind == "frame":
            return Log.from_pandas(frame, domain="content")
        return read_log(table(tmp_path, frame.to_csv(index=False)), domain="content")

    log = read(3000.4, None, 0.0, 20000.6)
    assert log.rows["watch_ms"].to_pylist() == [3000, None, 0, 20001]
    said = (
        f"{'t.csv' if kind == 'file' else 'frame'}, watch_ms: 2 watch times are rounded to whole milliseconds"
    )
    assert said in log.remarks
    with pytest.raises(LogError, match="a whole number is needed, in milliseconds: multiply seconds by 1000"):
        read(17.8, 200.1, 30.0)


def test_categories_are_the_same_from_csv_and_parquet(tmp_path):
    path = table(tmp_path, "user,item,category\na,x,7.0\nb,y,7\nc,z,NA\nd,w, shoes\n")
    assert read_log(path, domain="social").items["category"].to_pylist() == ["shoes", "7", "7", "unknown"]
    frame = pd.DataFrame({"user": list("ab"), "item": list("xy"), "category": [7.0, np.nan]})
    assert Log.from_pandas(frame, domain="social").items["category"].to_pylist() == ["7", "unknown"]


def test_rows_of_another_width_hide_no_other_error(tmp_path):
    error = refused(table(tmp_path, "user,item,price\na,b,1\na,b,c,d\na,b,cheap\n\na,b\n,b,2\n"))
    assert set(rows_of(error)) == {(3, ""), (6, ""), (7, "user"), (4, "price")}


def test_a_rule_that_all_rows_break_is_one_problem(tmp_path):
    rows = "".join(f"a,i{k},2\n" for k in range(500))
    log = read_log(table(tmp_path, "user,item,propensity\n" + rows), domain="social", check=False)
    problems = validate(log)
    assert [problem.row for problem in problems] == [2]
    assert problems[0].value == "2.0, and alike in all 500 rows"


def test_whole_numbers_may_have_a_point_in_csv_as_in_parquet(tmp_path):
    log = read_log(table(tmp_path, "user,item,watch_ms\na,x,5.0\na,y,\na,z,1e3\n"), domain="content")
    assert log.rows["watch_ms"].to_pylist() == [5, None, 1000]


def test_a_column_with_text_in_a_late_row_is_read_as_text(tmp_path):
    rows = "".join(f"a,i{k},{AT + k}\n" for k in range(90_000))
    error = refused(table(tmp_path, f"user,item,time\n{rows}a,last,soon\n"))
    assert rows_of(error) == [(90_002, "time")]


@pytest.mark.parametrize(
    ("column", "value"), [("price", "-1.5"), ("price", "inf"), ("duration_ms", "-5"), ("duration_ms", "0")]
)
def test_prices_and_durations_of_items_out_of_range_are_refused(tmp_path, column, value):
    path = table(tmp_path, "user,item\na,x\na,y\n")
    items = pd.DataFrame({"id": ["x", "y"], column: [2.5, float(value)]})
    items.to_parquet(tmp_path / "it.parquet")
    assert f"it.parquet, row 2, {column}: " in str(refused(path, items=tmp_path / "it.parquet"))
    rows = pd.DataFrame({"user": ["a"], "item": ["x"]})
    with pytest.raises(
        LogError, match=f"^items, row 2, {column}: .*needed|^items, row 2, {column}: .*must be"
    ):
        Log.from_pandas(rows, domain="social", items=items)


def test_remarks_name_unused_columns_and_differing_values(tmp_path):
    text = f"user,item,time,like,timestamp,category,price\na,x,{AT},1,5,p,1\na,x,{AT + 1},1,5,q,2\na,y,{AT},1,5,,1\n"
    log = read_log(table(tmp_path, text), domain="ecommerce")
    assert "t.csv: columns not read: like, timestamp" in log.remarks
    assert "t.csv: 1 items have rows of another category: the first is the item's" in log.remarks
    assert "t.csv: 1 items have rows of another price: the first is the item's" in log.remarks
    assert "t.csv: 1 items have no category: it is unknown" in log.remarks
    items = table(tmp_path, "id,price\nx,1\ny,9\n", "it.csv")
    log = read_log(table(tmp_path, text), domain="ecommerce", items=items)
    assert "t.csv: 2 items have rows of another price: the table's is the item's" in log.remarks
    log = read_log(of_times(tmp_path, ["2020-03-01"]), domain="social", time_unit="ms")
    assert "t.csv: time_unit ms is not used: times are dates" in log.remarks
    log = read_log(table(tmp_path, "user,item\na,x\na,x\n"), domain="social")
    assert (
        "t.csv: 1 exact duplicate rows kept, as there are no times; duplicates=drop drops them" in log.remarks
    )


def test_ambiguous_values_are_refused(tmp_path):
    hours = of_times(tmp_path, [2020030110, 2020030111])
    assert "2008040112" in str(refused(hours))
    assert read_log(hours, domain="social", time_unit="s").column("time")[0] == 2020030110000
    dates = read_log(hours, domain="social", time_format="%Y%m%d%H").column("time")
    assert dates[0] == 1583056800000
    assert read_numbers(["1.234 €"], np.ones(1, int))[1].tolist() == [1]
    assert read_numbers(["1.234"], np.ones(1, int))[1].tolist() == [-1]
    path = table(tmp_path, "user,item\na,x\n")
    assert "user and item are two columns" in str(refused(path, mapping="user=user,item=user"))
    for kind, limit in ((np.float32, 1 << 24), (np.float64, 1 << 53)):
        frame = pd.DataFrame({"user": np.array([limit], kind), "item": [1]})
        with pytest.raises(LogError, match="ids as text are needed"):
            Log.from_pandas(frame, domain="social")
    path = table(tmp_path, "user,item\n-0,x\n0,x\nz,x\n")
    assert set(read_log(path, domain="social").users["id"].to_pylist()) == {"-0", "0", "z"}


def test_messages_name_ids_and_only_what_is_in_the_rows(tmp_path):
    path = table(tmp_path, "user,item,session\nanna,x,5\nbert,x,5\n")
    assert "a session must have one user; found 'bert'" in str(refused(path))
    path = table(tmp_path, "user,item,click\na,x,ja\na,y,nein\n")
    message = str(refused(path, domain="ecommerce"))
    assert message.endswith("found 'ja'; all 2 rows break this rule")
    assert "true, t, yes, y, false, f, no, n" in message
    path = table(tmp_path, "user,item,time\na,x,12/1/2010 8:26\n,x,12/13/2010 8:26\n")
    assert rows_of(refused(path)) == [(3, "user")]


@pytest.mark.parametrize("key", ["user", "item", "session", "price", "rating", "step", "time"])
def test_booleans_are_no_ids_numbers_or_times(tmp_path, key):
    columns = {"user": [1, 2], "item": [3, 4], key: [True, False]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    error = str(refused(tmp_path / "t.parquet", domain="content"))
    assert error.startswith(f"t.parquet, {key}: ")
    assert "; found a column of bool" in error


@pytest.mark.parametrize("key", ["price", "watch_ms", "propensity", "position", "slate", "duration_ms"])
def test_a_column_without_any_value_reads_as_an_absent_one(tmp_path, key):
    frame = pd.DataFrame({"user": ["u", "v"], "item": ["a", "b"], key: [None, None]})
    path = parquet(tmp_path / "t.parquet", user=["u", "v"], item=["a", "b"], **{key: pa.nulls(2)})
    for log in (Log.from_pandas(frame, domain="content"), read_log(path, domain="content")):
        assert log.num_rows == 2
        assert key == "duration_ms" or log.rows[key].null_count == 2


@pytest.mark.parametrize(
    "key", ["step", "rating", "click", "like", "time", "event", "user", "item", "session"]
)
def test_a_needed_column_without_any_value_is_named(tmp_path, key):
    frame = pd.DataFrame({"user": ["u", "v"], "item": ["a", "b"]}).assign(**{key: [None, None]})
    columns = {"user": ["u", "v"], "item": ["a", "b"], key: pa.nulls(2)}
    error = refused(parquet(tmp_path / "t.parquet", **columns), domain="content")
    assert str(error).startswith(f"t.parquet, row 1, {key}: a value is needed")
    with pytest.raises(LogError, match=f"frame, row 1, {key}: a value is needed"):
        Log.from_pandas(frame, domain="content")
