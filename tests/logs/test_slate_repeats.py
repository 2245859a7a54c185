"""Rows of slates that repeat an earlier one exactly."""

import pandas as pd
import pyarrow as pa
import pytest
from log_files import write

from recgym.logs import Log, read_log
from recgym.logs.slate_repeats import repeated

ROWS = [("u1", "1|2", "2", "2020-01-01 10:00:00")] * 2 + [("u1", "1|2", "1", "2020-01-02 11:00:00")]
KEYS = ["user", "shown", "item", "time"]


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
    assert repeated(table).tolist() == [False, True, False, False, True, False, False]


@pytest.mark.parametrize("mapping", [None, "user=user,item=item,time=time"])
def test_columns_that_duplicates_are_not_compared_in_are_named(tmp_path, mapping):
    path = write(
        tmp_path / "events.csv",
        "user,item,time,order\nu,1,1577872800,1\nu,1,1577872800,2\nu,1,1577872801,3\n",
    )
    log = read_log(path, domain="ecommerce", mapping=mapping)
    said = f"{path.name}: 1 exact duplicate rows dropped; columns that are not used are not compared: order"
    assert said in log.remarks
