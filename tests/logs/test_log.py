"""A log: columns, splits, storage and data frames."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_logs import SOURCE, tiny

from recgym.logs import Log, LogError, read_log


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


def test_split_is_by_the_time_of_the_first_row_and_keeps_sessions_whole():
    train, validation, test = tiny().split((0.34, 0.33, 0.33))
    assert train.column("session").tolist() == [0, 0]
    assert validation.column("session").tolist() == [2]  # starts at 30 s, session 1 at 50 s
    assert test.column("session").tolist() == [1, 1]
    assert test.num_users == 2
    with pytest.raises(LogError, match="sum to 1"):
        tiny().split((0.5, 0.4))


def test_split_without_times_is_by_session_number():
    parts = tiny(time=pa.nulls(5, pa.int64())).split((0.34, 0.33, 0.33))
    assert [part.column("session").tolist() for part in parts] == [[0, 0], [1, 1], [2]]


def test_split_at_a_value_of_any_ordered_column():
    dates = ["2008-04-01", "2008-04-02", "2008-05-01", "2008-05-01", "2008-06-01"]
    log = tiny(context_date=dates)
    for second in ("2008-06-01", "20080601", "2008-W22-7"):
        parts = log.split_at("context_date", "2008-04-02", second)
        assert [part.column("session").tolist() for part in parts] == [[0, 0], [1, 1], [2]]
    with pytest.raises(LogError, match="'context_date' has '2008-04-02T12:00', expected a day"):
        log.split_at("context_date", "2008-04-02T12:00")
    assert [len(part) for part in log.split_at("time", 30_000)] == [2, 3]
    with pytest.raises(LogError, match="values that rise"):
        log.split_at("time", 2, 1)
    with pytest.raises(LogError, match="'price': it is empty"):
        log.split_at("price", 1)


def test_split_at_a_date_or_in_ms_and_bounds_outside_the_log():
    times = [1_700_000_000_000 + 86_400_000 * day for day in (0, 0, 2, 2, 4)]
    log = tiny(time=times)
    for bound in ("2023-11-16", "2023-11-16T22:13:20+00:00", 1_700_000_000_001):
        assert [len(part) for part in log.split_at("time", bound)] == [2, 3]
    refusals = {
        1_700_172_800: r"split_at 1700172800 leaves a part empty: sessions start at time 1700000000000 \(2023",
        "2030-01-01": "split_at '2030-01-01' leaves a part empty",
        "soon": "split_at of column 'time' needs numbers of ms or ISO dates; found 'soon'",
        True: "needs numbers of ms or ISO dates; found True",
        float("nan"): "needs numbers of ms or ISO dates; found nan",
    }
    for bound, message in refusals.items():
        with pytest.raises(LogError, match=message):
            log.split_at("time", bound)
    with pytest.raises(LogError, match="column 'session' needs numbers; found '2023'"):
        log.split_at("session", "2023")
    with pytest.raises(LogError, match="no column 'day'"):
        log.split_at("day", 1)


def test_write_and_read_give_the_same_log(tmp_path):
    log = replace(tiny(), duplicates=3, remarks=("one",))
    log.write(tmp_path / "log")
    again = read_log(tmp_path / "log")
    assert again.rows.equals(log.rows)
    assert again.users.equals(log.users)
    assert (again.domain, again.source, again.duplicates, again.remarks) == ("content", SOURCE, 3, ("one",))
    with pytest.raises(LogError, match=r"log: exists already, expected a new folder, or replace=True$"):
        log.write(tmp_path / "log")


def test_a_log_is_replaced_where_it_is_said(tmp_path):
    friends = pa.table({"user": pa.array([0], pa.int32()), "friend": pa.array([1], pa.int32())})
    replace(tiny(), friends=friends).write(tmp_path / "log", replace=True)
    (tmp_path / "log/LICENCE").write_text("own")
    replace(tiny(), remarks=("two",)).write(tmp_path / "log", replace=True)
    again = read_log(tmp_path / "log")
    assert (again.remarks, again.friends) == (("two",), None)
    assert (tmp_path / "log/LICENCE").read_text() == "own"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/meta.json").write_text("{}")
    (tmp_path / "mine/rows.parquet").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in ("mine", "file"):
        with pytest.raises(
            LogError, match=f"{name}: not a log that recgym wrote; replace=True replaces no other"
        ):
            tiny().write(tmp_path / name, replace=True)
        with pytest.raises(LogError, match=f"{name}: exists already, expected a new folder$"):
            tiny().write(tmp_path / name)
    assert (tmp_path / "mine/rows.parquet").read_text() == "mine"
    with pytest.raises(ValueError, match="replace is 1, expected True or False"):
        tiny().write(tmp_path / "new", replace=1)


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


def test_a_table_in_place_of_a_written_log_is_told_how_it_becomes_one(tmp_path):
    (tmp_path / "shop.csv").write_text("user,item\n")
    with pytest.raises(LogError, match=r"shop.csv is a file; read_log\(...\).write\(FOLDER\) writes one"):
        Log.read(tmp_path / "shop.csv")


def test_an_unknown_option_of_a_log_is_named():
    with pytest.raises(
        TypeError, match="from_pandas has no argument 'timeunit'; its options are time_unit, "
    ):
        Log.from_pandas(None, domain="content", timeunit="s")
    with pytest.raises(
        TypeError, match="build has no argument 'remark'; its options are duplicates, remarks, f"
    ):
        Log.build({}, users=None, items=None, domain="content", source=None, remark="x")


def test_a_log_survives_a_data_frame():
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


@pytest.mark.parametrize("wrong", [{"user": [0]}, pd.DataFrame({"user": [0]}), [1], None, "f.csv"])
def test_a_log_of_other_objects_says_how_logs_are_made(wrong):
    log = tiny()
    for name, how in (("rows", "a log"), ("users", "the users table"), ("items", "the items table")):
        with pytest.raises(
            LogError, match=rf"^{how} is .*, expected an Arrow table; read_log\(path\) makes a log"
        ):
            replace(log, **{name: wrong})
    with pytest.raises(ValueError, match=r"^source is .*, expected a Source"):
        replace(log, source=wrong)
    if not hasattr(wrong, "items"):
        with pytest.raises(LogError, match=r"^columns is .*, expected a dict of arrays; read_log"):
            Log.build(wrong, users=log.users, items=log.items, domain="content", source=log.source)
