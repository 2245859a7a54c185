"""Rows that repeat an earlier one exactly."""

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from log_files import write

from recgym.logs import Log, read_log
from recgym.logs.origin import Origin
from recgym.logs.repeated_rows import EXACT, NEW, slate_repeats

ROWS = [("u1", "1|2", "2", "2020-01-01 10:00:00")] * 2 + [("u1", "1|2", "1", "2020-01-02 11:00:00")]
KEYS = ["user", "shown", "item", "time"]
BERLIN = ["2020-01-01T00:00:00+01:00", "2020-01-01T00:00:00+01:00", "2020-07-03T00:00:00+02:00"]
OFFICE = ["2020-01-01T10:00:00+01:00", "2020-01-01T10:00:00+01:00", "2020-07-03T10:00:00+02:00"]
ONE_DAY = ["2020-07-03T00:00:00+02:00"] * 3


def rows_of(log):
    return log.num_rows, sum(
        "exact duplicate rows kept, as times are whole days" in each for each in log.remarks
    )


def moments(texts):
    return [datetime.fromisoformat(text) for text in texts]


@pytest.mark.parametrize(("times", "kept"), [(BERLIN, True), (OFFICE, False), (ONE_DAY, True)])
@pytest.mark.parametrize("kind", ["csv", "json", "parquet", "format", "frame", "offsets"])
def test_midnights_of_a_zone_with_summer_time_are_whole_days(tmp_path, times, kept, kind):
    if kind in ("csv", "format"):
        path = write(tmp_path / "t.csv", "user,item,time\n" + "".join(f"u,i,{time}\n" for time in times))
        form = "%Y-%m-%dT%H:%M:%S%z" if kind == "format" else None
        log = read_log(path, domain="ecommerce", time_format=form)
    elif kind == "json":
        lines = "".join(f'{{"user": "u", "item": "i", "time": "{time}"}}\n' for time in times)
        log = read_log(write(tmp_path / "t.jsonl", lines), domain="ecommerce")
    else:
        zoned = (
            moments(times)
            if kind == "offsets"
            else [at.astimezone(ZoneInfo("Europe/Berlin")) for at in moments(times)]
        )
        table = {"user": ["u"] * 3, "item": ["i"] * 3, "time": zoned}
        if kind == "parquet":
            pq.write_table(pa.table(table), tmp_path / "t.parquet")
            log = read_log(tmp_path / "t.parquet", domain="ecommerce")
        else:
            log = Log.from_pandas(pd.DataFrame(table), domain="ecommerce")
    assert rows_of(log) == ((3, 1) if kept else (3 - len(times) + len(set(times)), 0))
    utc = [int(at.timestamp() * 1000) for at in moments(times)]
    assert sorted(set(log.column("time"))) == sorted(set(utc))


def test_hours_of_two_offsets_that_are_midnights_of_utc_are_whole_days_of_neither(tmp_path):
    times = ["2020-01-01T01:00:00+01:00"] * 2 + ["2020-07-03T02:00:00+02:00"]
    path = write(tmp_path / "t.csv", "user,item,time\n" + "".join(f"u,i,{time}\n" for time in times))
    assert rows_of(read_log(path, domain="ecommerce")) == (2, 0)


@pytest.mark.parametrize(("duplicates", "slates"), [(None, 2), ("drop", 2), ("keep", 3)])
def test_a_slate_that_repeats_an_earlier_one_is_dropped_as_a_row_is(tmp_path, duplicates, slates):
    frame = pd.DataFrame(ROWS, columns=KEYS)
    frame.to_csv(tmp_path / "t.csv", index=False)
    lists = frame.assign(shown=frame["shown"].str.split("|"))
    for log in (
        read_log(tmp_path / "t.csv", domain="ecommerce", duplicates=duplicates),
        Log.from_pandas(lists, domain="ecommerce", duplicates=duplicates),
    ):
        assert log.num_rows == 2 * slates
        assert log.column("click").sum() == slates
        assert len(set(log.column("slate"))) == slates
        assert "#repeat" not in log.rows.column_names
        assert any("2 exact duplicate rows dropped" in remark for remark in log.remarks) == (slates == 2)


def test_slates_of_whole_days_or_without_times_may_repeat(tmp_path):
    for times in (["2020-01-01"] * 2, None):
        text = "user,shown,item,time\n" + "".join(f"u1,1|2,2,{time}\n" for time in times or ["", ""])
        text = text if times else text.replace(",time", "").replace(",\n", "\n")
        log = read_log(write(tmp_path / "t.csv", text), domain="ecommerce")
        assert log.column("click").sum() == 2


def test_lists_are_compared_by_their_entries():
    lists = pa.array([["a", "b"], ["a", "b"], ["ab"], None, [], [None], ["a", "b"]], pa.list_(pa.string()))
    table = pa.table({"shown": lists, "item": list("xxxxxxy"), "none": pa.nulls(7)})
    origin = Origin.of("t", np.arange(7))
    assert slate_repeats(table, None, origin).tolist() == [NEW, EXACT, NEW, NEW, EXACT, NEW, NEW]
