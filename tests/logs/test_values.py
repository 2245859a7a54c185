"""Values of the generic table: times, ids, duplicates, counts, prices; and every bad row of every column."""

from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recgym.logs import Log, LogError, read_log, validate
from recgym.logs.ids import encode_ids, id_text, in_natural_order, index_ids
from recgym.logs.prices import RULES, read_prices
from recgym.logs.times import read_times

AT = 1_600_000_000  # s, 13 September 2020


def table(tmp_path, text, name="t.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def of_times(tmp_path, cells):
    """A log whose rows have these times, each an item of its own."""
    rows = [f"u,i{k},{cell}" for k, cell in enumerate(cells)]
    return table(tmp_path, "\n".join(["user,item,time", *rows]) + "\n")


def refused(path, **options) -> LogError:
    with pytest.raises(LogError) as error:
        read_log(path, **{"domain": "social"} | options)
    assert "\n" not in str(error.value)
    return error.value


def rows_of(error):
    return [(problem.row, problem.column) for problem in error.problems]


# ---- times: one unit, decided by the rows


def test_one_time_far_away_is_refused_by_its_row_and_moves_no_other(tmp_path):
    seconds = [AT + 60 * k for k in range(240)]
    error = refused(of_times(tmp_path, [*seconds, 253402300799]))
    assert rows_of(error) == [(242, "time")]
    assert "a time from 1990 to 2100 is needed" in str(error)
    assert "found 253402300799" in str(error)
    log = read_log(of_times(tmp_path, seconds), domain="social")
    assert sorted(log.column("time").tolist()) == [1000 * at for at in seconds]
    assert log.remarks == ("t.csv: times from 2020-09-13 12:26:40 to 2020-09-13 16:25:40 UTC, unit s",)


@pytest.mark.parametrize(
    ("cells", "bad", "words"),
    [
        ([AT, AT + 1, 1000 * AT], [4], "times must have one unit (s in 2 rows, ms in 1 rows)"),
        ([1000 * AT, 1000 * AT, AT], [4], "times must have one unit (ms in 2 rows, s in 1 rows)"),
        ([AT, "2020-09-13", AT], [3], "times must have one unit (s in 2 rows, date in 1 rows)"),
        ([AT, 20200913, AT], [3], "times must have one unit (s in 2 rows, date (8 digits) in 1 rows)"),
        (["13/9/2020", "9/13/2020", "14/9/2020"], [3], "date (day/month/year) in 2 rows, date (month/day/year) in 1"),
        ([AT, "inf", AT], [3], "found inf"),
        ([AT, "", AT, "NA"], [3, 5], "a value is needed; found nothing"),
        ([AT, -AT], [3], "a time from 1990 to 2100 is needed"),
        (["2020-09-13", "9999-12-31", "1970-01-01"], [3, 4], "a time from 1990 to 2100 is needed"),
        (["2020-09-13", "2020-02-30"], [3], "a time is needed: a number, or a date"),
        ([20200913, 20200931], [3], "a time from 1990 to 2100 is needed"),
        ([20200913122749, 20200913246000], [3], "a time from 1990 to 2100 is needed"),
    ],
)  # fmt: skip
def test_rows_that_differ_from_the_others_are_refused(tmp_path, cells, bad, words):
    error = refused(of_times(tmp_path, cells))
    assert [row for row, _ in rows_of(error)] == bad
    assert words in str(error)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([5, 6, 7], "found 5; all 3 rows break this rule"),
        (["1/2/2020", "2/2/2020", "2/3/2020"], "no row shows which number is the day; time_format"),
        (["12:30:00", "12:31:00"], "a date is needed beside the time of day"),
        (["soon"] * 4000, "found 'soon', and alike in all 4,000 rows"),
        (["Sun Sep 13 2020"] * 9, "time_format (--time-format) states another form"),
    ],
)
def test_a_fault_of_all_rows_is_one_problem(tmp_path, cells, words):
    error = refused(of_times(tmp_path, cells))
    assert len(error.problems) == 1
    assert words in str(error)


NOON = "2020-09-13 12:26:40"


@pytest.mark.parametrize(
    ("cells", "unit"),
    [
        ([AT, AT + 86400], "s"),
        ([1000 * AT, 1000 * AT + 86_400_000], "ms"),
        ([10**6 * AT, 10**6 * (AT + 86400)], "us"),
        ([10**9 * AT, 10**9 * (AT + 86400)], "ns"),
        ([f"{AT}.0", f"{AT + 86400}.0"], "s"),
        ([f" {AT}", f"{AT + 86400} "], "s"),
        ([20200913122640, 20200914122640], "date (14 digits)"),
        (["2020-09-13 12:26:40 UTC", "2020-09-14 12:26:40 UTC"], "date"),
        (["2020-09-13T12:26:40Z", "2020-09-14T14:26:40+02:00"], "date"),
        (["2020-09-13 12:26:40 +0000 UTC", "2020-09-14 12:26:40 GMT"], "date"),
        (["2020/9/13 12:26:40", "2020.09.14 12:26:40.000"], "date"),
        (["20200913T122640Z", "20200914T122640Z"], "date"),
        (["9/13/2020 12:26:40 PM", "9/14/2020 12:26:40 PM"], "date (month/day/year)"),
        (["13/09/2020 12:26:40", "14.9.2020 12:26:40"], "date (day/month/year)"),
    ],
)
def test_a_moment_is_the_same_however_it_is_written(tmp_path, cells, unit):
    log = read_log(of_times(tmp_path, cells), domain="social")
    assert log.column("time").tolist() == [1000 * AT, 1000 * AT + 86_400_000]
    assert log.remarks == (f"t.csv: times from 2020-09-13 12:26:40 to 2020-09-14 12:26:40 UTC, unit {unit}",)


def test_one_row_with_a_day_above_twelve_decides_for_the_column(tmp_path):
    log = read_log(of_times(tmp_path, ["3/2/2019 8:00:00 AM", "2/13/2019 12:00:00 AM"]), domain="social")
    assert [str(np.datetime64(at, "ms"))[:16] for at in log.column("time").tolist()] == [
        "2019-02-13T00:00",
        "2019-03-02T08:00",
    ]


def test_time_unit_and_time_format_say_what_rows_cannot(tmp_path):
    assert read_log(of_times(tmp_path, [5, 6]), domain="social", time_unit="s").remarks == (
        "t.csv: times from 1970-01-01 00:00:05 to 1970-01-01 00:00:06 UTC, unit s, 2 of 2 rows outside 1990-2100",
    )
    log = read_log(of_times(tmp_path, ["1/2/2020 03:04"]), domain="social", time_format="%d/%m/%Y %H:%M")
    assert log.column("time").tolist() == [1580526240000]
    log = read_log(of_times(tmp_path, ["01022020"]), domain="social", time_format="%d%m%Y")
    assert log.column("time").tolist() == [1580515200000]
    error = refused(of_times(tmp_path, ["1/2/2020", "13/13/2020"]), time_format="%d/%m/%Y")
    assert str(error) == "t.csv, row 3, time: a time in the form %d/%m/%Y is needed; found '13/13/2020'"
    log = read_log(of_times(tmp_path, ["Sun Sep 13 12:26:40 +0200 2020"]), domain="social",
                   time_format="%a %b %d %H:%M:%S %z %Y")  # fmt: skip
    assert log.column("time").tolist() == [1000 * AT - 7_200_000]
    for form in (5, "", "%d %d"):
        assert f"time_format {form!r}: a form as" in str(refused(of_times(tmp_path, [AT]), time_format=form))
    assert "time_format '%Q'" in str(refused(of_times(tmp_path, [AT]), time_format="%Q"))
    assert "time_unit 'h' is unknown" in str(refused(of_times(tmp_path, [AT]), time_unit="h"))


def test_times_that_float32_has_rounded_are_refused(tmp_path):
    exact = AT + 977 * np.arange(40)
    frame = pd.DataFrame({"user": "u", "item": np.arange(40), "time": exact.astype(np.float32)})
    for rounded in (frame, frame.astype({"time": float}), frame.astype({"time": int})):
        with pytest.raises(LogError, match=r"rounded as float32 rounds them.*all 40 rows break this rule"):
            Log.from_pandas(rounded, domain="social")
    log = Log.from_pandas(frame.assign(time=exact.astype(float)), domain="social")
    assert log.column("time").tolist() == (1000 * exact).tolist()
    days = AT + 86400 * np.arange(40)  # float32 holds these
    assert len(Log.from_pandas(frame.assign(time=days), domain="social")) == 40


def test_a_frame_of_integers_in_seconds_is_read_as_a_file_is(tmp_path):
    frame = pd.DataFrame({"user": ["a", "a"], "item": [1, 2], "time": [AT, AT + 1]})
    log = Log.from_pandas(frame, domain="social")
    assert log.column("time").tolist() == [1000 * AT, 1000 * AT + 1000]
    assert log.remarks == ("frame: times from 2020-09-13 12:26:40 to 2020-09-13 12:26:41 UTC, unit s",)
    with pytest.raises(LogError, match="row 3, time: times must have one unit"):
        Log.from_pandas(
            pd.concat([frame, frame.assign(time=1000 * AT)[:1], frame]).iloc[[0, 2, 3]], domain="social"
        )
    assert Log.from_pandas(frame.assign(time=[5, 6]), domain="social", time_unit="ms").column(
        "time"
    ).tolist() == [5, 6]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(631_152_000_000, 4_102_444_799_999), min_size=1, max_size=12, unique=True))
def test_every_unit_and_type_gives_the_same_times(moments):
    ms = np.array(moments)
    ways = {
        "ms": pa.array(ms), "us": pa.array(ms * 1000 + 499), "ns": pa.array(ms * 1_000_000 + 499_999),
        "s as float": pa.array(ms / 1000), "text": pa.array([str(at) for at in moments]),
        "ISO": pa.array([f"{np.datetime64(at, 'ms')}Z" for at in moments]),
        "timestamp": pa.array(ms, pa.timestamp("ms")),
        "timestamp us": pa.array(ms * 1000, pa.timestamp("us", "Europe/Warsaw")),
        "MIND": pa.array([pd.Timestamp(at, unit="ms").strftime("%m/%d/%Y %I:%M:%S.%f %p")[:23]
                          + pd.Timestamp(at, unit="ms").strftime(" %p") for at in moments]),
    }  # fmt: skip
    for name, cells in ways.items():
        times = read_times(cells, None, None)
        faults = [rule for bad, rule in times.faults if bad.any()]
        if name == "MIND" and faults:
            assert all("no row shows which number is the day" in rule for rule in faults)
            continue
        assert not faults, name
        np.testing.assert_array_equal(times.ms, ms, err_msg=name)


def test_a_log_is_the_same_whatever_its_times_are_written_as(tmp_path):
    rng = np.random.default_rng(4)
    seconds = AT + np.sort(rng.integers(0, 10**7, 300))
    frame = pd.DataFrame({
        "user": rng.integers(0, 9, 300), "item": rng.integers(0, 30, 300),
        "event": rng.choice(["view", "cart", "purchase"], 300), "time": seconds,
    })  # fmt: skip
    log = Log.from_pandas(frame, domain="ecommerce")
    stamps = pd.to_datetime(seconds, unit="s")
    ways = [seconds * 1000, seconds * 10**6, seconds * 10**9, seconds.astype(float), seconds.astype(str)]
    ways += [stamps.astype(f"datetime64[{unit}]") for unit in ("s", "ms", "us", "ns")]
    ways += [stamps.strftime(form) for form in ("%Y-%m-%dT%H:%M:%SZ", "%Y%m%d%H%M%S", "%m/%d/%Y %I:%M:%S %p")]
    for times in ways:
        other = frame.assign(time=times)
        other.to_csv(tmp_path / "t.csv", index=False)
        other.to_parquet(tmp_path / "t.parquet")
        for again in (
            Log.from_pandas(other, domain="ecommerce"),
            *(read_log(tmp_path / name, domain="ecommerce") for name in ("t.csv", "t.parquet")),
        ):
            assert again.rows.drop(["file"]).equals(log.rows.drop(["file"]))
            assert again.users.equals(log.users)
            assert again.items.equals(log.items)


# ---- ids


@pytest.mark.parametrize("word", ["NA", "None", "null", "nan", "NaN", "NULL", "<NA>", "\\N", "", " ", "NaT"])
@pytest.mark.parametrize("key", ["user", "item", "session"])
def test_a_word_for_a_missing_id_is_no_user(tmp_path, word, key):
    rows = [{"user": f"u{k}", "item": f"i{k}", "session": f"s{k}"} for k in range(8)]
    for k in (1, 4, 5):
        rows[k][key] = word
    text = "\n".join(["user,item,session", *(",".join(row.values()) for row in rows)])
    error = refused(table(tmp_path, text + "\n"))
    assert rows_of(error) == [(3, key), (6, key), (7, key)]
    assert "a value is needed" in str(error)


def test_a_word_is_an_id_where_a_table_lists_it(tmp_path):
    path = table(tmp_path, "user,item\nNA,x\nPL,y\n")
    users = table(tmp_path, "id,country\nNA,Namibia\nPL,Poland\n", "users.csv")
    assert read_log(path, domain="social", users=users).users["id"].to_pylist() == ["NA", "PL"]


def test_ids_that_are_the_same_number_are_one_user(tmp_path):
    log = read_log(table(tmp_path, 'user,item\n" 3",x\n3,y\n3.0,z\n7,x\n7.0 ,y\n'), domain="social")
    assert log.users["id"].to_pylist() == ["3", "7"]
    log = read_log(
        table(tmp_path, "user,item\n007,x\n7,y\n1e5,z\n100000,x\n1.10,x\n1.1,x\n"), domain="social"
    )
    assert log.users["id"].to_pylist() == ["1.1", "1.10", "1e5", "007", "7", "100000"]


@pytest.mark.parametrize(
    "kind", [np.int64, np.float64, np.float32, str, object, "category", "Int64", "string"]
)
def test_ids_of_every_type_agree_in_frame_csv_and_parquet(tmp_path, kind):
    frame = pd.DataFrame({"user": pd.Series([0, 7, 12345678, 7]).astype(kind), "item": ["a", "b", "c", "d"]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    logs = [
        Log.from_pandas(frame, domain="social"),
        *(read_log(tmp_path / name, domain="social") for name in ("t.csv", "t.parquet")),
    ]
    for log in logs:
        assert log.users["id"].to_pylist() == ["0", "7", "12345678"]
        assert log.to_pandas()["user"].tolist() == ["0", "7", "7", "12345678"]


def test_ids_that_a_float_column_cannot_hold_are_refused(tmp_path):
    for kind, first in ((np.float64, 2**53 + 2), (np.float32, 2**24 + 2)):
        frame = pd.DataFrame({"user": np.array([1, first], kind), "item": ["a", "b"]})
        with pytest.raises(LogError, match="frame, row 3, user: ids as text are needed: a column of"):
            Log.from_pandas(frame, domain="social")
    error = refused(table(tmp_path, "user,item\n1.23457E+18,a\n5,b\n"))
    assert str(error) == "t.csv, row 2, user: an id with all its digits is needed; found '1.23457E+18'"


def test_mixed_ids_of_an_object_column_are_text():
    frame = pd.DataFrame({"user": pd.Series([7, "7", 7.0, "x"], dtype=object), "item": list("abcd")})
    assert Log.from_pandas(frame, domain="social").users["id"].to_pylist() == ["7", "x"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("-a 07.é", min_size=1, max_size=6), min_size=1, max_size=12))
def test_ids_of_any_text_have_an_order_and_keep_apart(words):
    codes, ids = encode_ids(pa.array(words))
    index, names = in_natural_order(codes, ids)
    assert sorted(names) == sorted(ids.to_pylist())
    for word, place, code in zip(words, index, codes, strict=True):
        if code < 0:
            assert not word.strip()
        else:
            assert names[place] == id_text(pa.array([word]))[0].as_py()


def test_a_number_in_an_id_does_not_meet_text():
    assert index_ids(pa.array(["-", "-5", "-10", "a", "a7b", "a07"]))[1] == [
        "-",
        "-5",
        "-10",
        "a",
        "a07",
        "a7b",
    ]


# ---- sessions


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


# ---- duplicates

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
def test_repeats_within_a_day_are_bought_twice(tmp_path, first, second, kept):
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


# ---- counts, words and slates


def test_counts_of_listens_are_listens(tmp_path):
    log = read_log(table(tmp_path, "user,item,plays\na,x,17\na,y,0\nb,x,1\n"), domain="social",
                   mapping="user=user,item=item,listen=plays")  # fmt: skip
    assert log.column("listen").tolist() == [True, False, True]
    assert log.column("listens").tolist() == [17, 0, 1]
    error = refused(table(tmp_path, "user,item,listen\na,x,17\na,y,-1\nb,x,1.5\nb,y,\n"))
    assert rows_of(error) == [(5, "listen"), (3, "listen"), (4, "listen")]


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


def test_a_slate_of_minus_one_is_none(tmp_path):
    text = "user,item,slate\na,x,-1\na,y,-1\nb,x,5\nb,y,5\n"
    log = read_log(table(tmp_path, text), domain="social")
    assert log.rows["slate"].to_pylist() == [None, None, 5, 5]
    assert log.column("step").tolist() == [0, 1, 0, 0]


# ---- prices


@pytest.mark.parametrize(
    ("words", "values", "currency"),
    [
        (["$9.99", "$1,234.50", "3"], [9.99, 1234.5, 3], "$"),
        (["9,99 €", "€ 1.234,50", "1.234"], [9.99, 1234.5, 1234], "€"),
        (["1,234", "9.99"], [1234, 9.99], ""),
        (["1,234", "9,99"], [1.234, 9.99], ""),
        (["1,234,567", "5"], [1234567, 5], ""),
        (["USD 5", "6 USD"], [5, 6], "USD"),
        (["1 234,56 zł", "1'000,00 zł"], [1234.56, 1000], "zł"),
        (["1.234", "1e3", ".5"], [1.234, 1000, 0.5], ""),
        (["-$5", "0.123"], [-5, 0.123], "$"),
    ],
)
def test_prices_as_people_write_them(words, values, currency):
    found, rules, sign = read_prices(words, np.ones(len(words), int))
    assert rules.tolist() == [-1] * len(words)
    np.testing.assert_allclose(found, values)
    assert sign == currency


@pytest.mark.parametrize(
    ("words", "bad", "rule"),
    [
        (["1,234", "5,678"], [0, 1], 1),
        (["9.99", "1.50", "1,5"], [2], 2),
        (["$9.99", "$5", "€8.00"], [2], 3),
        (["free", "5"], [0], 0),
        (["12,34,567", "5"], [0], 0),
        (["$5 €", "5"], [0], 0),
    ],
)
def test_prices_that_are_not_clear_are_refused(words, bad, rule):
    rules = read_prices(words, np.ones(len(words), int))[1]
    assert [k for k, found in enumerate(rules) if found >= 0] == bad
    assert {RULES[rules[k]] for k in bad} == {RULES[rule]}


def test_prices_of_a_file(tmp_path):
    log = read_log(table(tmp_path, 'user,item,price\na,x,$9.99\na,y,"$1,234.50"\na,z,\n'), domain="ecommerce")
    np.testing.assert_allclose(log.column("price"), [9.99, 1234.5, np.nan])
    assert log.remarks == (
        "t.csv: prices are in $",
        "t.csv: prices have the decimal sign '.': $1,234.50 is 1234.5",
    )
    error = refused(table(tmp_path, 'user,item,price\na,x,"1,234"\na,y,"5,678"\na,z,5\n'), domain="ecommerce")
    assert rows_of(error) == [(2, "price"), (3, "price")]


# ---- every bad row of every column


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
        (2, "'sneeze', and alike in 2 of 4 rows"),
        (4, "'cough'"),
    ]


def test_a_frame_is_checked_as_a_file_is():
    frame = pd.DataFrame({"user": [7, 8], "item": ["x", "y"], "propensity": [1.5, 0.5], "position": [0, -1]})
    with pytest.raises(
        LogError, match=r"frame, row 3, position: a position must be 0 or above; found -1 .and 1 more"
    ):
        Log.from_pandas(frame, domain="content")
    with pytest.raises(LogError, match="users, row 3, id: an id must occur once; found '7'"):
        Log.from_pandas(
            frame[["user", "item"]], domain="content", users=pd.DataFrame({"id": ["7", "7.0", "8"]})
        )


@pytest.mark.parametrize(
    ("column", "cells", "rule"),
    [
        ("price", ["1e39", 5], "a finite number is needed"),
        ("rating", ["inf", 5], "a finite number is needed"),
        ("duration_ms", [-5, 5], "a duration must be 0 ms or above"),
        ("slate", ["p1", 5], "a whole number is needed"),
        ("listen", ["1e30", 5], "a count, 0 or above, is needed"),
        ("step", ["1e30", 5], "a whole number from"),
        ("watch_ms", ["1.5", 5], "a whole number is needed"),
    ],
)
def test_numbers_that_a_log_cannot_hold_are_refused(tmp_path, column, cells, rule):
    error = refused(table(tmp_path, f"user,item,{column}\na,x,{cells[0]}\nb,y,{cells[1]}\n"))
    assert rows_of(error) == [(2, column)]
    assert rule in str(error)


def test_categories_are_the_same_from_csv_and_parquet(tmp_path):
    path = table(tmp_path, "user,item,category\na,x,7.0\nb,y,7\nc,z,NA\nd,w, shoes\n")
    assert read_log(path, domain="social").items["category"].to_pylist() == ["shoes", "7", "7", "unknown"]
    frame = pd.DataFrame({"user": list("ab"), "item": list("xy"), "category": [7.0, np.nan]})
    assert Log.from_pandas(frame, domain="social").items["category"].to_pylist() == ["7", "unknown"]


def test_rows_of_another_width_hide_no_other_fault(tmp_path):
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


def test_a_column_that_changes_its_kind_far_below_is_read_as_text(tmp_path):
    rows = "".join(f"a,i{k},{AT + k}\n" for k in range(90_000))
    error = refused(table(tmp_path, f"user,item,time\n{rows}a,last,soon\n"))
    assert rows_of(error) == [(90_002, "time")]


def test_times_rise_with_rows_of_one_file(tmp_path):
    log = read_log(of_times(tmp_path, [AT + 7 * k for k in range(50)]), domain="social")
    assert all(low < high for low, high in pairwise(log.column("time").tolist()))


# ---- words of events: what each counts as, and which rows join


ACTIONS = "user,item,time,event\n"


def of_actions(tmp_path, *rows, header="user,item,time,event"):
    return table(tmp_path, "\n".join([header, *rows]) + "\n")


@pytest.mark.parametrize("word", ["fav", "favourite", "open", "play"])
def test_a_positive_word_beside_views_leaves_them_clicks(tmp_path, word):
    views = [f"1,{item},{AT + item},pv" for item in range(10)]
    path = of_actions(tmp_path, *views, f"2,3,{AT},{word}", f"2,4,{AT},buy")
    log = read_log(path, domain="ecommerce")
    assert log.column("click").all()
    assert (
        f"t.csv: event words: pv 10 as click, buy 1 as click+cart+purchase, {word} 1 as click" in log.remarks
    )


def test_views_are_shown_only_beside_words_of_clicks_in_any_file(tmp_path):
    one = table(tmp_path, f"{ACTIONS}u,i,{AT},view\nu,j,{AT + 1},view\n", "one.csv")
    two = table(tmp_path, f"{ACTIONS}v,k,{AT},click\n", "two.csv")
    log = read_log([one, two], domain="ecommerce")
    assert log.column("click").tolist() == [False, False, True]
    words = [line for line in log.remarks if "event words" in line]
    assert len(words) == 1
    assert words[0].endswith("event words: view 2 as shown only, click 1 as click")


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ("slate,position", ["1,1", "1,2", "1,1"]),
        ("slate,position", ["1,1", "1,2", "1,"]),
        ("slate,position", ["1,1", "1,2", ","]),
        ("slate,context_x", ["1,", "1,", "1,"]),
        ("step,context_x", ["0,", "0,", "0,"]),
        ("position,context_x", ["1,", "2,", "1,"]),
        ("position,context_x", ["1,", "2,", ","]),
        ("context_x,context_y", [",", ",", ","]),
    ],
)
def test_a_click_joins_the_impression_of_its_item(tmp_path, header, rows):
    actions = [f"u,i,{AT},impression", f"u,j,{AT},impression", f"u,i,{AT + 5},click"]
    path = of_actions(
        tmp_path,
        *(",".join(pair) for pair in zip(actions, rows, strict=True)),
        header=f"user,item,time,event,{header}",
    )
    log = read_log(path, domain="ecommerce")
    assert log.column("click").tolist() == [True, False]
    assert "t.csv: 1 click rows joined the impression of their item in the visit" in log.remarks
    assert validate(log) == []


def test_all_actions_of_an_item_in_a_slate_are_one_row(tmp_path):
    actions = ("click", "impression", "addtocart", "click")
    path = of_actions(
        tmp_path,
        *(f"u,i,{AT + k},{word},7" for k, word in enumerate(actions)),
        header="user,item,time,event,slate",
    )
    log = read_log(path, domain="ecommerce")
    assert (len(log), log.column("cart").tolist()) == (1, [True])


def test_two_impressions_of_one_place_are_still_refused(tmp_path):
    path = of_actions(
        tmp_path,
        f"u,i,{AT},impression,1,1",
        f"u,i,{AT + 1},impression,1,1",
        header="user,item,time,event,slate,position",
    )
    assert "must name one row" in str(refused(path, domain="ecommerce"))


def test_clicks_join_the_last_impression_and_a_second_click_is_a_row(tmp_path):
    words = ("impression", "impression", "click", "click", "addtocart", "impression", "view")
    path = of_actions(tmp_path, *(f"u,i,{AT + k},{word}" for k, word in enumerate(words)))
    log = read_log(path, domain="ecommerce")
    assert log.column("file_row").tolist() == [2, 3, 5, 7, 8]
    assert log.column("click").tolist() == [False, True, True, False, False]
    assert log.column("cart").tolist() == [False, False, True, False, False]


def test_rows_of_yes_and_no_never_join(tmp_path):
    path = of_actions(tmp_path, f"u,i,{AT},0", f"u,i,{AT + 1},1")
    log = read_log(path, domain="ecommerce")
    assert log.column("click").tolist() == [False, True]
    assert "t.csv: event words: 0 1 as shown only, 1 1 as click" in log.remarks


def test_the_price_paid_and_the_longest_watch_time_stand(tmp_path):
    path = of_actions(
        tmp_path,
        f"u,i,{AT},view,5,list",
        f"u,i,{AT + 5},purchase,4,checkout",
        f"u,i,{AT + 6},addtocart,6,",
        header="user,item,time,event,price,context_page",
    )
    log = read_log(path, domain="ecommerce")
    assert (log.column("price").tolist(), log.column("context_page").tolist()) == ([4.0], ["list"])
    assert log.remarks[-4:-1] == (
        "t.csv: 2 rows joined an earlier row of their item",
        "t.csv: price differs in 2 joined rows: that of the strongest event, as the price paid, is kept",
        "t.csv: joined rows lose values that differ from the row they join: context_page in 1",
    )
    path = of_actions(
        tmp_path,
        f"u,i,{AT},play,100",
        f"u,i,{AT + 5},like,900",
        f"u,i,{AT + 6},share,",
        header="user,item,time,event,watch_ms",
    )
    log = read_log(path, domain="content")
    assert log.column("watch_ms").tolist() == [900]
    assert log.remarks[-2] == "t.csv: watch_ms differs in 1 joined rows: the longest is kept"


@pytest.mark.parametrize("word", ["remove_from_cart", "removefromcart", "unlike"])
def test_rows_that_take_an_event_back_are_left_out_and_counted(tmp_path, word):
    path = of_actions(tmp_path, f"u,i,{AT},view", f"u,i,{AT + 5},click", f"u,j,{AT + 9},{word}")
    log = read_log(path, domain="content" if word == "unlike" else "ecommerce")
    assert log.column("item").tolist() == [0]
    assert log.duplicates == 0
    assert any(f"{word} 1 left out" in line for line in log.remarks)
    only = of_actions(tmp_path, f"u,i,{AT},{word}")
    assert "nothing that was shown" in str(refused(only, domain="ecommerce"))


# ---- tables of items, frames, and values that are settled


@pytest.mark.parametrize(
    ("column", "value"), [("price", "-1.5"), ("price", "inf"), ("duration_ms", "-5"), ("duration_ms", "0")]
)
def test_items_with_prices_and_durations_of_no_item_are_refused(tmp_path, column, value):
    path = table(tmp_path, "user,item\na,x\na,y\n")
    items = pd.DataFrame({"id": ["x", "y"], column: [2.5, float(value)]})
    items.to_parquet(tmp_path / "it.parquet")
    assert f"it.parquet, row 3, {column}: " in str(refused(path, items=tmp_path / "it.parquet"))
    rows = pd.DataFrame({"user": ["a"], "item": ["x"]})
    with pytest.raises(
        LogError, match=f"^items, row 3, {column}: .*needed|^items, row 3, {column}: .*must be"
    ):
        Log.from_pandas(rows, domain="social", items=items)


def test_days_among_moments_of_a_frame_keep_the_time_of_day():
    day, moment = date(2020, 3, 1), datetime(2020, 3, 1, 10)
    for times in ([day, moment], [moment, day]):
        frame = pd.DataFrame({"user": ["a"] * 2, "item": ["x", "y"], "time": pd.Series(times, dtype=object)})
        log = Log.from_pandas(frame, domain="social")
        assert np.ptp(log.column("time")) == 10 * 3_600_000
    frame["time"] = pd.Series([moment, moment.replace(tzinfo=UTC)], dtype=object)
    with pytest.raises(LogError, match=r"^frame, row 3, time: all times must have a zone or none"):
        Log.from_pandas(frame, domain="social")


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        (
            "click",
            [True, "1"],
            "frame, row 3, click: a column must have one kind of values, here bool; found '1'",
        ),
        (
            "time",
            ["2020-03-01", 1600000000],
            "frame, row 3, time: a column must have one kind of values, here str",
        ),
        ("price", [2**70, 1], "frame, row 2, price: numbers, words, booleans or times are needed"),
        ("user", [("a", 1), ("b", 2)], "frame, row 2, user: numbers, words"),
    ],
)
def test_frames_that_mix_kinds_are_refused_by_row(column, values, message):
    frame = pd.DataFrame({"user": ["a"] * 2, "item": ["x", "y"], column: pd.Series(values, dtype=object)})
    with pytest.raises(LogError) as error:
        Log.from_pandas(frame, domain="ecommerce")
    assert str(error.value).startswith(message)


def test_what_is_no_frame_is_said_in_one_line():
    rows = pd.DataFrame({"user": ["a"], "item": ["x"]})
    for wrong in ({"user": ["a"]}, pa.table({"user": ["a"]}), "it.csv"):
        with pytest.raises(LogError, match=r"^frame: a pandas DataFrame is needed; found "):
            Log.from_pandas(wrong, domain="social")
        with pytest.raises(LogError, match=r"^items: a pandas DataFrame is needed; found "):
            Log.from_pandas(rows, domain="social", items=wrong)
    with pytest.raises(LogError, match=r"^frame, user: a column must occur once"):
        Log.from_pandas(rows[["user", "item", "user"]], domain="social")
    with pytest.raises(LogError, match=r"time: period\[M\] is not a time"):
        Log.from_pandas(rows.assign(time=pd.Period("2020-03", "M")), domain="social")


def test_sparse_columns_and_large_whole_ids_of_a_frame_are_read():
    frame = pd.DataFrame(
        {
            "user": pd.Series([2**70, 2**70 + 1], dtype=object),
            "item": [1, 2],
            "click": pd.arrays.SparseArray([1, 0]),
            "price": pd.Series([Decimal("1.5"), 2.5], dtype=object),
        }
    )
    log = Log.from_pandas(frame, domain="ecommerce")
    assert log.users["id"].to_pylist() == [str(2**70), str(2**70 + 1)]
    assert log.column("click").tolist() == [True, False]
    assert log.column("price").tolist() == [1.5, 2.5]


def test_what_is_not_used_or_differs_is_said(tmp_path):
    text = f"user,item,time,like,timestamp,category,price\na,x,{AT},1,5,p,1\na,x,{AT + 1},1,5,q,2\na,y,{AT},1,5,,1\n"
    log = read_log(table(tmp_path, text), domain="ecommerce")
    assert "t.csv: columns not used: like, timestamp" in log.remarks
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


def test_what_can_be_read_in_two_ways_is_refused(tmp_path):
    hours = of_times(tmp_path, [2020030110, 2020030111])
    assert "2008040112" in str(refused(hours))
    assert read_log(hours, domain="social", time_unit="s").column("time")[0] == 2020030110000
    dates = read_log(hours, domain="social", time_format="%Y%m%d%H").column("time")
    assert dates[0] == 1583056800000
    assert read_prices(["1.234 €"], np.ones(1, int))[1].tolist() == [1]
    assert read_prices(["1.234"], np.ones(1, int))[1].tolist() == [-1]
    path = table(tmp_path, "user,item\na,x\n")
    assert "user and item are two columns" in str(refused(path, mapping="user=user,item=user"))
    for kind, limit in ((np.float32, 1 << 24), (np.float64, 1 << 53)):
        frame = pd.DataFrame({"user": np.array([limit], kind), "item": [1]})
        with pytest.raises(LogError, match="ids as text are needed"):
            Log.from_pandas(frame, domain="social")
    path = table(tmp_path, "user,item\n-0,x\n0,x\nz,x\n")
    assert set(read_log(path, domain="social").users["id"].to_pylist()) == {"-0", "0", "z"}


def test_messages_name_ids_and_say_nothing_that_the_rows_do_not(tmp_path):
    path = table(tmp_path, "user,item,session\nanna,x,5\nbert,x,5\n")
    assert "a session must have one user; found 'bert'" in str(refused(path))
    path = table(tmp_path, "user,item,click\na,x,ja\na,y,nein\n")
    message = str(refused(path, domain="ecommerce"))
    assert message.endswith("found 'ja'; all 2 rows break this rule")
    assert "true, t, yes, y, false, f, no, n" in message
    path = table(tmp_path, "user,item,time\na,x,12/1/2010 8:26\n,x,12/13/2010 8:26\n")
    assert rows_of(refused(path)) == [(3, "user")]
