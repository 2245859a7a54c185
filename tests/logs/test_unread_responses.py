"""Columns that are not read and may say what users did: without them all rows were responses, without a word."""

import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from log_files import refused, write

from recgym.logs import Log, read_log
from recgym.logs.problems import LogError

FORMS = ["csv", "json", "parquet", "frame"]
MAP = "user=uid,item=post"


def table_of(kind, folder, columns, keys=("uid", "post")):
    """A log reader of a table of 6 rows with these columns."""
    rows = {keys[0]: list("uuuvvv"), keys[1]: list("abcabc"), **columns}
    if kind == "parquet":
        pq.write_table(pa.table(rows), folder / "t.parquet")
        return folder / "t.parquet"
    if kind == "json":
        lines = [json.dumps({key: cells[row] for key, cells in rows.items()}) for row in range(6)]
        return write(folder / "t.jsonl", "\n".join(lines) + "\n")
    pd.DataFrame(rows).to_csv(folder / "t.csv", index=False)
    return folder / "t.csv"


def all_respond(log):
    return len(log) == 6 and any("all rows count as responses" in remark for remark in log.remarks)


NAMES = {
    "is_click": "click",
    "is_clicked": "click",
    "Is-Click": "click",
    "hasClicked": "click",
    "click_flag": "click",
    "is_purchase": "purchase",
    "bought": "purchase",
    "label": "event",
    "Target": "event",
    "interaction": "event",
    "action": "event",
    "action_type": "event",
    "eventType": "event",
    "watched": "event",
    "viewed": "event",
    "is_viewed": "event",
    "liked": "event",
    "is_like": "event",
    "converted": "event",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_column_that_is_named_as_responses_are_is_refused(tmp_path, name):
    entry = f"{NAMES[name]}={name}"
    path = table_of("csv", tmp_path, {name: [1, 0, 1, 1, 1, 0]})
    assert refused(path, domain="ecommerce", mapping=MAP) == (
        f"t.csv: the map names no column that says what users did, and the table has {name}: add {entry} to the map, "
        "or leave these columns out of the table"
    )
    assert int(read_log(path, domain="ecommerce", mapping=f"{MAP},{entry}").column("click").sum()) == 4
    path = table_of("csv", tmp_path, {name: [1] * 6}, ("user", "item"))
    assert f"the table has {name}: add {entry}" in refused(path, domain="ecommerce")
    with pytest.raises(LogError, match=f"'{name}': '{NAMES[name]}'"):
        Log.from_pandas(pd.read_csv(path), domain="ecommerce")


@pytest.mark.parametrize("name", ["event", "rating", "like"])
def test_a_key_beside_the_map_is_refused(tmp_path, name):
    path = table_of("csv", tmp_path, {name: [1, 5, 1, 1, 1, 1]})
    assert f"the table has {name}: add {name}={name}" in refused(path, domain="content", mapping=MAP)


MARKS = {
    "numbers": [1, 0, 1, None, 1, 0],
    "flags": [True, False, True, True, True, False],
    "words": ["yes", "no", "Yes", "", "yes", "no"],
    "events": ["view", "purchase", "view", "addtocart", "view", "view"],
}


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("cells", MARKS)
def test_a_column_of_marks_is_refused_and_named(tmp_path, kind, cells):
    columns = {"topic": list("xyxyxy"), "promo": MARKS[cells], "one": [1] * 6}
    if kind == "frame":
        frame = pd.DataFrame({"user": list("uuuvvv"), "item": list("abcabc"), **columns})
        with pytest.raises(LogError) as error:
            Log.from_pandas(frame, domain="ecommerce")
        assert str(error.value).startswith("frame: no column that is read says what users did")
        assert "promo; frame.rename(columns={'promo': 'event'}) reads what says so" in str(error.value)
        log = Log.from_pandas(frame.rename(columns={"promo": "context_promo"}), domain="ecommerce")
        assert all_respond(log)
        return
    path = table_of(kind, tmp_path, columns)
    assert refused(path, domain="ecommerce", mapping=MAP) == (
        f"{path.name}: no column that is read says what users did, and these hold marks (0 and 1, yes and no) or "
        "words of events: promo; event=promo in the map reads what says so, context_promo=promo what does not"
    )
    other = read_log(path, domain="ecommerce", mapping=f"{MAP},context_promo=promo")
    assert all_respond(other)
    plain = table_of(kind, tmp_path, columns, ("user", "item"))
    assert "words of events: promo;" in refused(plain, domain="ecommerce")


def test_marks_are_those_of_all_files_and_of_folders(tmp_path):
    for mark in (0, 1):
        (tmp_path / f"promo={mark}").mkdir()
        table_of("csv", tmp_path / f"promo={mark}", {"half": [mark] * 6, "all": [1] * 6})
    found = refused(tmp_path, domain="content", mapping=MAP)
    assert "events: promo, half;" in found or "events: half, promo;" in found


@pytest.mark.parametrize("kind", FORMS[:3])
def test_other_columns_are_left_out_with_a_remark(tmp_path, kind):
    columns = {"level": [0, 1, 2, 0, 1, 2], "only": [0] * 6, "place": ["shop", "no", "yes", "a", "b", "c"]}
    columns["page"] = [0, 1, 0, 1, 0, 1]  # an attribute of items
    log = read_log(table_of(kind, tmp_path, columns), domain="content", mapping=MAP)
    assert all_respond(log)
    both = {**columns, "promo": [0, 1, 0, 1, 0, 1], "click": [1, 0, 0, 1, 1, 1]}
    log = read_log(table_of(kind, tmp_path, both), domain="content", mapping=f"{MAP},click=click")
    assert int(log.column("click").sum()) == 4


def test_a_file_without_header_names_the_place(tmp_path):
    path = write(tmp_path / "t.csv", "u,a,1\nu,b,0\nv,a,1\n")
    assert "events: #3; event=#3 in the map reads what says so, context_3=#3 what does not" in refused(
        path, domain="content", mapping="user=#1,item=#2"
    )
