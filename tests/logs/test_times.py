"""Times: units, formats, and errors by row."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_tables import AT, of_times, refused, rows_of
from small_logs import other_remarks

from recgym.logs import Log, LogError, read_log
from recgym.logs.time_units import TICKS_END
from recgym.logs.times import check_form, read_times


def test_one_distant_time_is_refused_by_row_and_changes_no_other(tmp_path):
    seconds = [AT + 60 * k for k in range(240)]
    error = refused(of_times(tmp_path, [*seconds, 253402300799]))
    assert rows_of(error) == [(242, "time")]
    assert "a time from 1990 to 2100 is needed" in str(error)
    assert "found 253402300799" in str(error)
    log = read_log(of_times(tmp_path, seconds), domain="social")
    assert sorted(log.column("time").tolist()) == [1000 * at for at in seconds]
    assert other_remarks(log) == ("t.csv: times from 2020-09-13 12:26:40 to 2020-09-13 16:25:40 UTC, unit s",)


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
def test_an_error_in_all_rows_is_one_problem(tmp_path, cells, words):
    error = refused(of_times(tmp_path, cells))
    assert len(error.problems) == 1
    assert words in str(error)


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
def test_a_time_is_the_same_in_every_format(tmp_path, cells, unit):
    log = read_log(of_times(tmp_path, cells), domain="social")
    assert log.column("time").tolist() == [1000 * AT, 1000 * AT + 86_400_000]
    assert other_remarks(log) == (
        f"t.csv: times from 2020-09-13 12:26:40 to 2020-09-14 12:26:40 UTC, unit {unit}",
    )


def test_one_row_with_a_day_above_twelve_decides_for_the_column(tmp_path):
    log = read_log(of_times(tmp_path, ["3/2/2019 8:00:00 AM", "2/13/2019 12:00:00 AM"]), domain="social")
    assert [str(np.datetime64(at, "ms"))[:16] for at in log.column("time").tolist()] == [
        "2019-02-13T00:00",
        "2019-03-02T08:00",
    ]


def test_time_unit_and_time_format_resolve_ambiguous_times(tmp_path):
    early = read_log(of_times(tmp_path, [5, 6]), domain="social", time_unit="s")
    assert other_remarks(early) == (
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
    assert str(refused(of_times(tmp_path, [AT]), time_format=5)) == "time_format is 5, expected a text"
    for form in ("", "%d %d"):
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
    assert other_remarks(log) == ("frame: times from 2020-09-13 12:26:40 to 2020-09-13 12:26:41 UTC, unit s",)
    with pytest.raises(LogError, match="row 2, time: times must have one unit"):
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
        if name == "ns" and ms.max() * 1_000_000 < TICKS_END:
            assert all(".NET ticks" in rule for rule in faults)
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
            assert again.rows.drop(["file", "file_row"]).equals(log.rows.drop(["file", "file_row"]))
            assert again.users.equals(log.users)
            assert again.items.equals(log.items)


def test_times_rise_with_rows_of_one_file(tmp_path):
    log = read_log(of_times(tmp_path, [AT + 7 * k for k in range(50)]), domain="social")
    assert all(low < high for low, high in pairwise(log.column("time").tolist()))


@pytest.mark.parametrize("form", ["%Y-%m-%d %I:%M", "%I %d/%m/%Y %%p"])
def test_hours_of_twelve_need_their_half(form):
    with pytest.raises(LogError, match=r"hours of 12 \(%I\) need %p"):
        check_form(form)
    check_form("%Y-%m-%d %I:%M %p")
    check_form("%Y-%m-%d %H:%M %%I")


@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M %p", "%Y-%m-%d %p", "%H:%M %d/%m/%Y %p %%I"])
def test_a_half_is_of_hours_of_twelve(form):
    with pytest.raises(LogError, match=r"%p is of hours of 12 \(%I\)"):
        check_form(form)


def test_ticks_are_not_read_as_nanoseconds_of_1990(tmp_path):
    ticks = [637_134_336_000_000_000 + 10**7 * k for k in range(3)]
    assert "ns of 1990 or .NET ticks" in str(refused(of_times(tmp_path, ticks)))
    stated = read_log(of_times(tmp_path, ticks), domain="social", time_unit="ns")
    assert "times from 1990-03-11" in " ".join(stated.remarks)
    later = read_log(of_times(tmp_path, [*ticks, 10**18]), domain="social")
    assert "unit ns" in " ".join(later.remarks)


@pytest.mark.parametrize("offset", ["+15:00", "-12:30", "+23:59"])
@pytest.mark.parametrize("form", [None, "%Y-%m-%dT%H:%M:%S%z"])
def test_no_clock_is_further_from_utc_than_the_zones(offset, form):
    texts = [f"2020-01-01T12:30:45{each}" for each in (offset, "+14:00", "-12:00")]
    found = read_times(pa.array(texts), None, form)
    bad = np.any([rows for rows, _ in found.faults], axis=0)
    assert bad.tolist() == [True, False, False]


@pytest.mark.parametrize("local", ["UTC", "CET"])
def test_named_zones_but_utc_and_gmt_are_refused(tmp_path, monkeypatch, local):
    monkeypatch.setattr("time.tzname", (local, local))
    form = "%Y-%m-%d %H:%M %Z"
    days = [f"2020-09-13 12:2{k}" for k in range(4)]
    log = read_log(of_times(tmp_path, [f"{day} UTC" for day in days]), domain="social", time_format=form)
    assert log.column("time").tolist()[0] == AT * 1000 - 400_000
    cells = [f"{day} {zone}" for day, zone in zip(days, ("CET", "GMT", "EST", "UTC"), strict=True)]
    error = refused(of_times(tmp_path, cells), time_format=form)
    assert [row for row, _ in rows_of(error)] == [2, 4]
    assert "with %Z UTC or GMT: other names of zones are not read" in str(error)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (
            1_433_221_332_117,
            "s",
            "1433221332117 s is in the year 47386, in ms on 2015-06-02: time_unit (--time-unit ms)",
        ),
        (
            1_433_221_332_117_000,
            "ms",
            "is in the year 47386, in us on 2015-06-02: time_unit (--time-unit us)",
        ),
        (
            1_433_221_332_117_000.0,
            "ms",
            "is in the year 47386, in us on 2015-06-02: time_unit (--time-unit us)",
        ),
        (-(10**12), "s", "-1000000000000 s is in the year -29719"),
        (10**18, "s", "a time of the years 1 to 9999 is needed"),
    ],
)
def test_a_stated_unit_that_cannot_be_names_the_year_and_a_unit_that_can(tmp_path, value, unit, text):
    said = str(refused(of_times(tmp_path, [value, value]), time_unit=unit))
    assert text in said
    assert "1990" not in said
