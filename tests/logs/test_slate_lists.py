"""Slates as a list in one cell of a table: text, Parquet and JSON lines."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from log_files import parquet, refused, write
from log_layouts import named

from recgym.logs import Log, LogError, read_log, validate
from recgym.logs.mapping import parse_mapping

MAP = "user=who,session=visit,time=ts,item=ref,shown=list,price=prices,event=what:clickout item>click:search>omit"
TEXT = (
    "who,visit,ts,what,ref,list,prices\n"
    "u1,s1,1600000000,search,Rome,,\n"
    "u1,s1,1600000001,clickout item,b,a|b|c,1.5|2|3\n"
    "u2,s2,1600000002,clickout item,d,d,4\n"
    "u2,s2,1600000003,clickout item,e,,\n"
)


def slates(log):
    names = log.items["id"].to_pylist()
    keys = ("session", "step", "slate", "position", "click", "price", "file_row")
    rows = [log.rows[key].to_pylist() for key in keys]
    return [(names[item], *cells) for item, *cells in zip(log.rows["item"].to_pylist(), *rows, strict=True)]


def test_text_with_a_chosen_item_and_prices_of_each(tmp_path):
    log = read_log(write(tmp_path / "t.csv", TEXT), domain="ecommerce", mapping=MAP)
    assert slates(log) == [
        ("a", 0, 0, 0, 0, False, 1.5, 3),
        ("b", 0, 0, 0, 1, True, 2.0, 3),
        ("c", 0, 0, 0, 2, False, 3.0, 3),
        ("d", 1, 0, 1, 0, True, 4.0, 4),
        ("e", 1, 1, None, None, True, None, 5),
    ]
    assert log.remarks[0] == "t.csv: 1 rows left out, of other events: search 1"
    assert "t.csv: event words: clickout item 3 as click, shown 2 as shown only" in log.remarks
    assert validate(log) == []


@pytest.mark.parametrize("sign", ["|", ";", ", ", " "])
@pytest.mark.parametrize("around", ["", "[]", "()"])
def test_separators_and_brackets_of_a_list(tmp_path, sign, around):
    cells = sign.join(["'a'", "'b'"] if around else ["a", "b"])
    cell = f"{around[:1]}{cells}{around[1:]}"
    log = read_log(
        write(tmp_path / "t.csv", f'user,shown,item\nu,"{cell}",b\n'),
        domain="content",
        mapping="user=user,shown=shown,item=item",
    )
    assert log.items["id"].to_pylist() == ["a", "b"]
    assert log.column("click").tolist() == [False, True]
    assert log.column("position").tolist() == [0, 1]


def test_labels_of_each_item_in_place_of_a_chosen_item(tmp_path):
    rows = "user,seen,yes,who\nu,1|2|3,0 1 1,x|x|x\nv,4,0,y\n"
    log = read_log(
        write(tmp_path / "t.csv", rows),
        domain="content",
        mapping="user=user,shown=seen,click=yes,category=who",
    )
    assert log.column("click").tolist() == [False, True, True, False]
    assert log.items["category"].to_pylist() == ["x", "x", "x", "y"]


def test_lists_of_parquet_may_have_several_chosen_items_or_none(tmp_path):
    path = parquet(
        tmp_path / "t.parquet",
        user=["u", "u", "v"],
        seen=pa.array([[7, 8], [9, 7], None], pa.list_(pa.int64())),
        chosen=pa.array([[7, 8], [], None], pa.large_list(pa.int32())),
        p=pa.array([[0.5, 0.25], [0.125, 1.0], []], pa.list_(pa.float64())),
    )
    log = read_log(path, domain="content", mapping="user=user,shown=seen,item=chosen,propensity=p")
    assert log.items["id"].to_pylist() == ["7", "8", "9"]
    assert log.column("item").tolist() == [0, 1, 2, 0]
    assert log.column("click").tolist() == [True, True, False, False]
    assert log.column("propensity").tolist() == [0.5, 0.25, 0.125, 1.0]
    assert "t.parquet: 1 rows without an item left out" in log.remarks


def test_a_data_frame_may_have_lists():
    frame = pd.DataFrame(
        {"user": ["u", "v"], "shown": [["a", "b"], ["c"]], "item": ["b", None], "price": [[1, 2], [3.5]]}
    )
    log = Log.from_pandas(frame, domain="ecommerce")
    assert slates(log) == [
        ("a", 0, 0, 0, 0, False, 1.0, 1),
        ("b", 0, 0, 0, 1, True, 2.0, 1),
        ("c", 1, 0, 1, 0, False, 3.5, 2),
    ]
    events = frame.drop(columns=["item"]).assign(click=[[0, 1], [0]])
    assert slates(Log.from_pandas(events, domain="ecommerce"))[1][4:6] == (1, True)
    with pytest.raises(
        LogError, match="frame, row 1, item: a chosen item must be among the items shown; found 'x'"
    ):
        Log.from_pandas(frame.assign(item=["x", None]), domain="ecommerce")
    with pytest.raises(
        LogError, match="frame, shown: lists of numbers or words are needed; the column is bool"
    ):
        Log.from_pandas(frame.assign(shown=[True, False]), domain="ecommerce")


def test_json_lines(tmp_path):
    lines = (
        '{"user": 1, "shown": ["a", "b"], "item": "b", "t": 1600000000}\n\n'
        '{"user": 2, "shown": [], "item": "a", "t": 1600000001}\n'
    )
    path = write(tmp_path / "t.json", lines)
    log = read_log(path, domain="content", mapping="user=user,shown=shown,item=item,time=t")
    assert log.column("item").tolist() == [0, 1, 0]
    assert log.column("click").tolist() == [False, True, True]
    assert log.column("file_row").tolist() == [1, 1, 3]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",b,a|b|c", ",x,a|b|c", "t.csv, row 3, ref: a chosen item must be among the items shown; found 'x'"),
        (
            "1.5|2|3",
            "1.5|2",
            "t.csv, row 3, prices: as many entries as items shown are needed, or one; found '1.5|2'",
        ),
        ("1.5|2|3", "1.5|2|soon", "t.csv, row 3, prices: a number is needed; found 'soon'"),
        ("u2,s2,1600000002", "u2,s2,soon", "t.csv, row 4, ts: a time is needed"),
    ],
)
def test_a_broken_slate_is_named_by_its_row(tmp_path, old, new, message):
    path = write(tmp_path / "t.csv", TEXT.replace(old, new))
    assert refused(path, domain="ecommerce", mapping=MAP).startswith(message)


@pytest.mark.parametrize("form", ["text", "parquet"])
def test_a_log_written_as_lists_reads_as_the_log(tmp_path, form):
    log = read_log("sample")
    rows = named(log)
    slates = {}
    for k, key in enumerate(zip(rows["session"], rows["step"], strict=True)):
        slates.setdefault(key, []).append(k)
    groups = list(slates.values())
    first = [group[0] for group in groups]
    columns = {key: [rows[key][k] for k in first] for key in ("user", "session", "step")}
    shown = [[rows["item"][k] for k in group] for group in groups]
    clicks = [[int(rows["click"][k]) for k in group] for group in groups]
    if form == "text":
        columns |= {"shown": [" ".join(each) for each in shown], "click": [str(each) for each in clicks]}
        lines = [
            "\t".join(columns),
            *("\t".join(map(str, cells)) for cells in zip(*columns.values(), strict=True)),
        ]
        path = write(tmp_path / "t.tsv", "\n".join(lines) + "\n")
    else:
        path = parquet(tmp_path / "t.parquet", **columns, shown=shown, click=clicks)
    keys = ("user", "session", "step", "shown", "click")
    again = named(read_log(path, domain="ecommerce", mapping={key: key for key in keys}))
    for key in ("user", "item", "session", "step", "position", "click"):
        assert again[key] == rows[key], key


def test_a_map_with_slates_needs_a_chosen_item_or_an_event():
    with pytest.raises(LogError, match="map: item must be given"):
        parse_mapping("user=u,shown=s", "content")
    assert parse_mapping("user=u,shown=s,click=c", "content") == {"user": "u", "shown": "s", "click": "c"}


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_slates_need_no_map(tmp_path, ending):
    text = {
        "csv": "user,shown,item\nu1,1|2|3,2\nu2,4|5|6,\n",
        "jsonl": '{"user": "u1", "shown": [1, 2, 3], "item": 2}\n{"user": "u2", "shown": [4, 5, 6], "item": null}\n',
    }[ending]
    log = read_log(write(tmp_path / f"s.{ending}", text), domain="ecommerce")
    assert log.items["id"].to_pylist() == ["1", "2", "3", "4", "5", "6"]
    assert log.column("click").tolist() == [False, True, False, False, False, False]
    broken = write(
        tmp_path / f"t.{ending}", text.replace("1|2|3", "1|NA|2").replace("[1, 2, 3]", '[1, "NA", 2]')
    )
    assert ", shown: a value is needed" in refused(broken, domain="ecommerce")


def test_slates_without_a_map_need_a_chosen_item_or_an_event_of_the_domain(tmp_path):
    path = write(tmp_path / "s.csv", "user,shown,click\nu,1|2,0|1\n")
    assert of_items(read_log(path, domain="ecommerce"), "click") == {"1": [False], "2": [True]}
    assert refused(path, domain="social").startswith("s.csv, row 1: the header must have 'item'")


def test_an_empty_item_of_a_slate_in_a_frame_is_named_by_its_column():
    frame = pd.DataFrame({"user": ["u"], "shown": [["a", None]], "item": ["a"]})
    with pytest.raises(LogError, match="frame, row 1, shown: a value is needed"):
        Log.from_pandas(frame, domain="ecommerce")


def of_items(log, *events):
    names = log.items["id"].to_pylist()
    cells = zip(log.column("item"), *(log.column(event) for event in events), strict=True)
    return {names[item]: flags for item, *flags in cells}


@pytest.mark.parametrize("kind", ["text", "frame"])
def test_an_event_of_a_slate_is_that_of_its_chosen_item(tmp_path, kind):
    rows = [("u1", "1|2|3", "1", 1, 1), ("u2", "4|5", "5", 1, 0), ("u3", "6|7", None, 0, 0)]
    frame = pd.DataFrame(rows, columns=["user", "shown", "item", "click", "purchase"])
    lists = frame.assign(shown=frame["shown"].str.split("|"))
    for keys in (["click", "purchase"], ["purchase"]):
        if kind == "text":
            frame.drop(columns={"click"} - set(keys)).to_csv(tmp_path / "t.csv", index=False)
            log = read_log(tmp_path / "t.csv", domain="ecommerce")
        else:
            log = Log.from_pandas(lists.drop(columns={"click"} - set(keys)), domain="ecommerce")
        found = of_items(log, "click", "purchase")
        assert [key for key, flags in found.items() if flags[0]] == ["1", "5"]
        assert [key for key, flags in found.items() if flags[1]] == ["1"]


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        ("item,click", "u2,3|4,3,0", "row 3, click: the chosen items must be those with a click; found '0'"),
        *[
            ("item,click", row, f"row 3, click: the chosen items must be those with a click; found {found}")
            for row, found in (("u2,3|4,3,0|1", "'0|1'"), ("u2,3|4,3,1|1", "'1|1'"), ("u2,3|4,,0|1", "'0|1'"))
        ],
        ("item,click", "u2,3|4,,1", "row 3, click: an event needs a chosen item"),
        ("item,purchase", "u2,3|4,,yes", "row 3, purchase: an event needs a chosen item"),
        ("item,event", "u2,3|4,,click", "row 3, event: an event needs a chosen item"),
        ("click", "u2,3|4,1", "row 3, click: an event needs a chosen item"),
        ("click,price", "u2,3|4,0|1,9.5", "row 3, price: a list with an entry for each item shown is needed"),
        ("click,category", "u2,3|4,0|1,x", "row 3, category: a list with an entry for each item shown"),
    ],
)
def test_an_event_without_its_item_or_against_it_is_an_error(tmp_path, header, row, message):
    first = {
        "item,click": "1,1",
        "item,purchase": "1,1",
        "item,event": "1,click",
        "click": "0|1",
        "click,price": "0|1,1|2",
        "click,category": "0|1,x|y",
    }[header]
    path = write(tmp_path / "t.csv", f"user,shown,{header}\nu1,1|2,{first}\n{row}\n")
    assert refused(path, domain="ecommerce").startswith(f"t.csv, {message}")


def test_a_word_without_an_event_needs_no_chosen_item(tmp_path):
    text = "user,shown,item,event\nu1,1|2,2,click\nu2,3|4,,impression\nu3,5|6,,\n"
    log = read_log(write(tmp_path / "t.csv", text), domain="ecommerce")
    assert log.items["id"].to_pylist()[log.column("item")[log.column("click")].item()] == "2"


def test_a_price_with_a_decimal_comma_is_one_price(tmp_path):
    text = "user;shown;item;price\nu1;1|2;1;9,99\nu2;3|4;4;5,50\n"
    log = read_log(write(tmp_path / "t.csv", text), domain="ecommerce")
    assert log.column("price").tolist() == pytest.approx([9.99, np.nan, np.nan, 5.5], nan_ok=True)
    both = write(tmp_path / "b.csv", text.replace("|", ","))
    assert refused(both, domain="ecommerce").startswith(
        "b.csv, row 2, price: a list or a number with a comma"
    )
    listed = write(tmp_path / "c.csv", text.replace("|", ",").replace("5,50", "[5,50]"))
    assert read_log(listed, domain="ecommerce").column("price").tolist() == [9, 99, 5, 50]
    watch = write(tmp_path / "w.csv", text.replace("price", "watch_ms"))
    assert refused(watch, domain="content").startswith("w.csv, row 2, watch_ms: a")


@pytest.mark.parametrize("form", ["text", "numbers"])
def test_a_cell_of_an_item_that_is_given_once_is_the_chosen_items(form):
    frame = pd.DataFrame(
        {
            "user": "u",
            "time": [1577836800, 1577836801, 1577836802],
            "item": ["2", "4", None],
            "shown": ["1|2|3", "4|5", "6|7"],
            "category": ["shoes", "hats", "coats"],
            "duration_ms": [1000, 2000, 3000],
            "watch_ms": [500, 600, 700],
        }
    )
    prices = frame.assign(price=[10, 20, 30]).drop(columns=["watch_ms", "duration_ms"])
    if form == "text":
        frame, prices = frame.astype(str).replace("None", ""), prices.astype(str).replace("None", "")
    seen = Log.from_pandas(frame, domain="content")
    assert seen.items["category"].to_pylist() == ["unknown", "shoes", "unknown", "hats", *["unknown"] * 3]
    assert "frame: 5 items have no category: it is unknown" in seen.remarks
    assert seen.rows["watch_ms"].to_pylist() == [None, 500, None, 600, None, None, None]
    lasting = seen.items["duration_ms"].to_pandas().dropna()
    assert lasting.to_dict() == {1: 1000, 3: 2000}
    sold = Log.from_pandas(prices, domain="ecommerce")
    assert sold.rows["price"].to_pylist() == [None, 10, None, 20, None, None, None]
