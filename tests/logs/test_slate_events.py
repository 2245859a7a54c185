"""Cells of slates in which an item has an event."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from log_files import write

from recgym.logs import Log, LogError, read_log
from recgym.logs.slate_events import words_without_event, yes_of


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array(["1", "yes", "0.0", "No", "2", "soon", "", None]), [1, 1, 0, 0, 1, -1, -1, -1]),
        (pa.array([1.0, 0.0, None, np.nan, 3.0]), [1, 0, -1, -1, 1]),
        (pa.array([True, False, None]), [1, 0, -1]),
    ],
)
def test_cells_with_and_without_an_event(values, expected):
    assert yes_of(values).tolist() == expected


def test_a_view_is_an_event_unless_the_table_has_clicks():
    assert words_without_event(pa.array(["view", "none", "odd"]), "ecommerce", {}) == ["none"]
    assert words_without_event(pa.array(["view", "click"]), "ecommerce", {}) == ["view"]
    assert words_without_event(pa.array(["a", "b"]), "ecommerce", {"a": "shown", "b": "click"}) == ["a"]


def test_a_cell_given_once_beside_no_chosen_item_is_counted(tmp_path):
    rows = "user,shown,item,price,category\nu,a|b,b,5,x\nv,a|b,,7,y\nw,a|b,,NA,\nx,a,,3,z\n"
    log = read_log(write(tmp_path / "t.csv", rows), domain="ecommerce")
    np.testing.assert_array_equal(log.column("price"), [np.nan, 5, np.nan, np.nan, np.nan, np.nan, 3])
    for key in ("price", "category"):
        what = (
            f"t.csv: 1 slates without a chosen item have a single {key}: it would be that of the chosen item"
        )
        assert f"{what}, and is not used" in log.remarks


@pytest.mark.parametrize("form", ["text", "numbers", "lists"])
def test_a_propensity_that_is_given_once_is_not_that_of_each_item(form):
    frame = pd.DataFrame({"user": "u", "shown": [["a", "b"], ["c"]], "propensity": [0.125, 0.5]})
    cells = {"text": frame.propensity.astype(str), "lists": frame.propensity.map(lambda each: [each])}
    frame = frame.assign(propensity=cells.get(form, frame.propensity))
    message = "row 1, propensity: a list with the propensity of each item given those above it is needed"
    for labels in ({"item": ["a", None]}, {"click": [[1, 0], [0]]}):
        with pytest.raises(LogError, match=message):
            Log.from_pandas(frame.assign(**labels), domain="ecommerce")
    alone = Log.from_pandas(frame.iloc[1:].assign(item="c"), domain="ecommerce")
    assert alone.column("propensity").tolist() == [0.5]
    unknown = frame.assign(item=["a", None], propensity=[None, 0.5])
    given = Log.from_pandas(unknown, domain="ecommerce").rows["propensity"].to_pylist()
    assert given == [None, None, 0.5]


WORDS = [["Clic", "rien", "pas vu"], ["rien", "rien", "rien"], ["RIEN", "rien"], ["clic", "clic"]]
ITEMS = [["a", "b", "c"], ["b", "d", "c"], ["a", "b"], ["a", "d"]]


@pytest.mark.parametrize("sign", ["list", "|", ", ", "; "])
def test_a_map_explains_the_words_of_an_event_in_lists(tmp_path, sign):
    frame = pd.DataFrame({"user": list("uuvv"), "time": range(1_600_000_000, 1_600_000_004)})
    if sign == "list":
        path = tmp_path / "t.parquet"
        frame.assign(shown=ITEMS, seen=WORDS).to_parquet(path)
    else:
        path, form = tmp_path / "t.csv", "{}" if sign == "|" else "[{}]"
        texts = {
            name: [form.format(sign.join(each)) for each in lists]
            for name, lists in (("shown", ITEMS), ("seen", WORDS))
        }
        frame.assign(**texts).to_csv(path, index=False)
    columns = "user=user,time=time,shown=shown"
    log = read_log(path, domain="content", mapping=f"{columns},click=seen:clic>1:rien>0:pas vu>0")
    assert log.column("click").tolist() == [True, *[False] * 7, True, True]
    assert log.column("step").tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 1, 1]
    with pytest.raises(LogError, match="the map says what other words mean: click=seen:WORD>1:WORD>0; found"):
        read_log(path, domain="content", mapping=f"{columns},click=seen:clic>1:rien>0")
    named = "a list with a word for each item shown is the column of one event, EVENT=seen:WORD>1:WORD>0"
    for more in ("", ",item=item"):
        if more and sign == "list":
            frame.assign(shown=ITEMS, seen=WORDS, item=["a", None, None, "d"]).to_parquet(path)
        elif more:
            frame.assign(**texts, item=["a", "", "", "d"]).to_csv(path, index=False)
        with pytest.raises(LogError, match=named):
            read_log(path, domain="content", mapping=f"{columns},event=seen:clic>click:rien>none{more}")
