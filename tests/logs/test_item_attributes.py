"""Category, price and duration of items, in the rows and in a table of items."""

import pandas as pd
import pytest
from small_logs import table

from recgym.logs import Log, LogError, read_log


@pytest.mark.parametrize("given", ["", "category", "price", "duration_ms", "category,price,duration_ms"])
def test_attributes_that_the_table_of_items_lacks_are_those_of_the_rows(tmp_path, given):
    rows = "a,x,shoes,10,60000\na,y,hats,20,30000\nb,x,boots,10,60000\n"
    path = table(tmp_path, "user,item,category,price,duration_ms\n" + rows)
    keys, own = (
        [key for key in given.split(",") if key],
        {"category": "own", "price": 7.0, "duration_ms": 9.0},
    )
    lines = (",".join([each, "T", *(str(own[key]) for key in keys)]) for each in "zyx")
    (tmp_path / "items.csv").write_text("\n".join([",".join(["id", "title", *keys]), *lines]) + "\n")
    log = read_log(path, domain="content", items=tmp_path / "items.csv")
    found, nan = log.items.to_pandas(), float("nan")
    assert found["id"].tolist() == list("zyx")
    of_rows = {
        "category": ["unknown", "hats", "shoes"],
        "price": [nan, 20, 10],
        "duration_ms": [nan, 3e4, 6e4],
    }
    for key, values in of_rows.items():
        expected = [own[key]] * 3 if key in keys else values
        pd.testing.assert_series_equal(
            found[key], pd.Series(expected), check_names=False, check_dtype=False, check_index_type=False
        )
    kept = "2 items have rows of another category: the table's is" if "category" in keys else (
        "1 items have rows of another category: the first is"
    )  # fmt: skip
    assert f"events.csv: {kept} the item's" in log.remarks


@pytest.mark.parametrize("rows", ["1,x\n,y\n2,z\n", "1,x\n ,y\n,z\n"])
def test_an_empty_id_is_none(tmp_path, rows):
    """As the empty last rows of a spreadsheet: it became an item, and rows of events without one became its rows."""
    path = table(tmp_path, "user,item\na,1\na,\n")
    (tmp_path / "items.csv").write_text("id,category\n" + rows)
    with pytest.raises(LogError, match=r"^items.csv, row 3, id: a value is needed; found nothing"):
        read_log(path, domain="content", items=tmp_path / "items.csv")
    with pytest.raises(LogError, match=r"^items, row 2, id: a value is needed; found nothing"):
        Log.from_pandas(
            pd.DataFrame({"user": ["a"], "item": ["1"]}),
            domain="content",
            items=pd.DataFrame({"id": ["1", None]}),
        )
