"""Data frames: types of columns, and errors by row."""

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from small_logs import other_remarks

from recgym.logs import Log, LogError


def test_a_frame_is_checked_as_a_file_is():
    frame = pd.DataFrame({"user": [7, 8], "item": ["x", "y"], "propensity": [1.5, 0.5], "position": [0, -1]})
    with pytest.raises(
        LogError, match=r"frame, row 1, propensity: a propensity must be in \(0, 1\]; found 1.5 .and 1 more"
    ) as error:
        Log.from_pandas(frame, domain="content")
    assert str(error.value.problems[1]) == "frame, row 2, position: a position must be 0 or above; found -1"
    with pytest.raises(LogError, match="users, row 2, id: an id must occur once; found '7'"):
        Log.from_pandas(
            frame[["user", "item"]], domain="content", users=pd.DataFrame({"id": ["7", "7.0", "8"]})
        )


def test_dates_among_timestamps_of_a_frame_keep_the_time_of_day():
    day, moment = date(2020, 3, 1), datetime(2020, 3, 1, 10)
    for times in ([day, moment], [moment, day]):
        frame = pd.DataFrame({"user": ["a"] * 2, "item": ["x", "y"], "time": pd.Series(times, dtype=object)})
        log = Log.from_pandas(frame, domain="social")
        assert np.ptp(log.column("time")) == 10 * 3_600_000
    frame["time"] = pd.Series([moment, moment.replace(tzinfo=UTC)], dtype=object)
    with pytest.raises(LogError, match=r"^frame, row 2, time: all times must have a zone or none"):
        Log.from_pandas(frame, domain="social")


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        (
            "click",
            [True, "1"],
            "frame, row 2, click: a column must have one kind of values, here bool; found '1'",
        ),
        (
            "time",
            ["2020-03-01", 1600000000],
            "frame, row 2, time: a column must have one kind of values, here str",
        ),
        ("price", [2**70, 1], "frame, row 1, price: numbers, words, booleans or times are needed"),
        ("user", [("a", 1), ("b", 2)], "frame, row 1, user: numbers, words"),
    ],
)
def test_frames_of_mixed_types_are_refused_by_row(column, values, message):
    frame = pd.DataFrame({"user": ["a"] * 2, "item": ["x", "y"], column: pd.Series(values, dtype=object)})
    with pytest.raises(LogError) as error:
        Log.from_pandas(frame, domain="ecommerce")
    assert str(error.value).startswith(message)


class Streamed:
    """A table of another library: Arrow's C interface alone, as frames of polars have it."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


def test_tables_with_arrows_interface_are_read_as_frames_are():
    frame = pd.DataFrame(
        {"user": list("aab"), "item": list("xyx"), "time": [1_600_000_000 + k for k in range(3)], "click": [1, 0, 1],
         "price": [1.5, 2.0, 1.5]}
    )  # fmt: skip
    table = pa.Table.from_pandas(frame)
    views = table.set_column(0, "user", table["user"].cast(pa.string_view()))
    expected = Log.from_pandas(frame, domain="ecommerce")
    for other in (table, views, Streamed(views), table.combine_chunks().to_batches()[0]):
        log = Log.from_pandas(other, domain="ecommerce")
        assert log.rows.equals(expected.rows)
        assert (log.items, log.users, log.remarks) == (expected.items, expected.users, expected.remarks)
    items = Streamed(pa.table({"id": ["x", "y"], "category": ["hat", "bag"]}))
    log = Log.from_pandas(Streamed(table.drop_columns(["price"])), domain="ecommerce", items=items)
    assert log.items["category"].to_pylist() == ["hat", "bag"]
    twice = pa.table([["a"], ["x"], ["b"]], names=["user", "item", "user"])
    with pytest.raises(LogError, match=r"^frame, user: a column must occur once"):
        Log.from_pandas(twice, domain="ecommerce")


def test_another_object_than_a_frame_is_refused_in_one_line():
    rows = pd.DataFrame({"user": ["a"], "item": ["x"]})
    for wrong in ({"user": ["a"]}, pa.array(["a"]), rows["user"], "it.csv"):
        with pytest.raises(
            LogError, match=r"^frame: a pandas DataFrame is needed, or a table of polars or Arrow; found "
        ):
            Log.from_pandas(wrong, domain="social")
        with pytest.raises(
            LogError, match=r"^items: a pandas DataFrame is needed, or a table of polars or Arrow; found "
        ):
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


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"user": ["a", True], "item": [1, 2]},
            "frame, row 2, user: a column must have one kind of values, here str",
        ),
        ({"user": [True, False], "item": [1, 2]}, "frame, user: ids are needed; found a column of bool"),
        ({"user": [[1], [2]], "item": [1, 2]}, "frame, user: numbers, words, booleans or times are needed"),
        (
            {"user": [1], "item": [None], "shown": [[True, False]]},
            "frame, shown: lists of numbers or words are needed",
        ),
        (
            {"user": [1], "item": [1], "shown": [[{"id": 1}]]},
            "frame, shown: lists of numbers or words are needed",
        ),
        (
            {"user": [1], "item": [None], "shown": ["[0 1 ... 2]"]},
            "frame, row 1, shown: a list with all its entries",
        ),
    ],
)
def test_values_that_are_no_ids_are_named(columns, message):
    with pytest.raises(LogError) as error:
        Log.from_pandas(pd.DataFrame(columns), domain="content")
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("column", "cells"),
    [("user", ["u", "\ud800"]), ("category", [None, "x\udc00"]), ("shown", [["x"], ["x", "\udc00"]])],
)
def test_a_lone_surrogate_is_refused_by_row(column, cells):
    columns = {"user": ["u", "u"], "item": ["x", "x"], column: cells}
    frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})
    with pytest.raises(LogError, match=f"frame, row 2, {column}: text in UTF-8 is needed; found"):
        Log.from_pandas(frame, domain="ecommerce")
    named = frame.set_axis(pd.Index([*list(columns)[:-1], "\ud800"], dtype=object), axis=1)
    with pytest.raises(LogError, match="frame: names of columns in UTF-8 are needed; found"):
        Log.from_pandas(named, domain="ecommerce")


def test_a_struct_that_is_no_key_is_left_out_with_a_remark():
    frame = pd.DataFrame({"user": ["a", "b"], "item": ["x", "y"], "about": [{"k": 1}, {"k": 2}]})
    log = Log.from_pandas(frame, domain="social")
    assert other_remarks(log) == ("frame: columns not read: about",)
    assert "about" not in log.rows.column_names
    with pytest.raises(LogError, match="frame, category: numbers, words, booleans or times are needed"):
        Log.from_pandas(frame.rename(columns={"about": "category"}), domain="social")
