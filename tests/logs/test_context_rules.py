"""Contexts that a fit and splits by days read: hours, indices, days and dates are these, or errors with their row."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pandas as pd
import pyarrow as pa
import pytest
from log_files import parquet, refused, write

from recgym.logs import Log, LogError, read_log
from recgym.logs.splits import visit_days

AT = 1_600_000_000


def text(tmp_path, key, cells):
    rows = "".join(f"u,i{row},{AT + row},{cell}\n" for row, cell in enumerate(cells))
    return write(tmp_path / "t.csv", f"user,item,time,{key}\n{rows}")


@pytest.mark.parametrize(
    ("key", "cell", "rule"),
    [
        *(("context_hour", cell, "whole number from 0 to 23") for cell in ("24", "99", "-1", "1230")),
        *(("context_index", cell, "whole number from 0 to 999") for cell in ("1000", "-1")),
        *(("context_day", cell, "day as 20220425") for cell in ("5", "20220230", "-1", "1650844800", "")),
        *(("context_date", cell, "date as 2022-04-25")
          for cell in ("25/04/2022", "2022-02-30", "20220425", "", "NA", "April 25")),
    ],
)  # fmt: skip
def test_a_context_of_another_kind_is_refused_with_its_row(tmp_path, key, cell, rule):
    good = {
        "context_hour": "23",
        "context_index": "7",
        "context_day": "20220425",
        "context_date": "2022-04-25",
    }
    message = refused(text(tmp_path, key, [good[key], cell, good[key]]))
    assert message.startswith(f"t.csv, row 3, {key}: a ")
    assert rule in message or "a value is needed" in message
    frame = pd.DataFrame({"user": ["u"] * 3, "item": list("ijk"), "time": [AT, AT + 1, AT + 2]})
    with pytest.raises(LogError, match=f"^frame, row 2, {key}: a "):
        Log.from_pandas(frame.assign(**{key: [good[key], cell, good[key]]}), domain="content")


def test_a_stored_log_is_checked_too(tmp_path):
    log = read_log(text(tmp_path, "context_hour", ["1", "2"]), domain="content")
    place = log.rows.schema.get_field_index("context_hour")
    for cells in (pa.array([1, 99]), pa.array([1.0, 2.5]), pa.array(["1", "2"])):
        other = replace(log, rows=log.rows.set_column(place, "context_hour", cells))
        folder = tmp_path / str(cells.type)
        other.write(folder)
        assert "context_hour: a whole number from 0 to 23 is needed" in refused(folder)


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        ([date(2022, 4, 25), date(2022, 4, 9)], ["2022-04-25", "2022-04-09"]),
        ([datetime(2022, 4, 25, 23), datetime(2022, 4, 9)], ["2022-04-25", "2022-04-09"]),
        (
            [datetime(2022, 4, 25, 23, tzinfo=UTC), datetime(2022, 4, 9, tzinfo=UTC)],
            ["2022-04-25", "2022-04-09"],
        ),
        (["2022-04-25", " 2022-04-09"], ["2022-04-25", "2022-04-09"]),
    ],
)
def test_dates_of_typed_files_are_the_days_of_visits(tmp_path, cells, read):
    columns = {"user": ["u", "v"], "item": ["i", "j"], "session": [1, 2]}
    log = read_log(parquet(tmp_path / "t.parquet", **columns, context_date=cells), domain="content")
    assert visit_days(log) == read
    with pytest.raises(LogError, match=r"^t.parquet, row 2, context_date: a "):
        read_log(parquet(tmp_path / "t.parquet", **columns, context_date=[cells[0], None]), domain="content")


def test_hours_may_be_empty(tmp_path):
    log = read_log(text(tmp_path, "context_hour", ["", "7", "NA"]), domain="content")
    assert log.rows["context_hour"].to_pylist() == [None, 7, None]
