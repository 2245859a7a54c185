"""Rows that differ in a column that is not read are no exact duplicates."""

import json
import re

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from log_files import refused, write

from recgym.logs import Log, read_log
from recgym.logs.problems import LogError

TIMES = ["2020-01-01 10:00:00"] * 4 + ["2020-01-02 11:00:00"]
ORDERS = [1, 2, 1, None, 1]  # row 4 repeats row 2
MAP = "user=user,item=item,time=time"


def table_of(orders, **more):
    return {"user": ["u"] * 5, "item": ["i"] * 5, "time": TIMES, "order": orders, **more}


def written(folder, kind, columns):
    if kind == "parquet":
        pq.write_table(pa.table(columns), folder / "t.parquet")
        return folder / "t.parquet"
    frame = pd.DataFrame(columns)
    if kind == "json":
        rows = [{key: cells[k] for key, cells in columns.items()} for k in range(len(frame))]
        return write(folder / "t.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    frame.to_csv(folder / "t.csv", index=False)
    return folder / "t.csv"


@pytest.mark.parametrize("duplicates", [None, "drop", "keep"])
@pytest.mark.parametrize("mapping", [None, MAP])
@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_rows_that_differ_in_a_column_that_is_not_read_are_kept(tmp_path, kind, mapping, duplicates):
    path = written(tmp_path, kind, table_of(ORDERS))
    log = read_log(path, domain="ecommerce", mapping=mapping, duplicates=duplicates)
    assert log.num_rows == (5 if duplicates == "keep" else 4)
    assert log.duplicates == 5 - log.num_rows
    said = [each for each in log.remarks if "exact dup" in each or "only in columns" in each]
    name = path.name
    kept = f"{name}: 2 rows kept that differ from an earlier one only in columns that are not read: order"
    assert said == ([] if duplicates == "keep" else [f"{name}: 1 exact duplicate rows dropped", kept])


def test_a_frame_has_the_rows_of_its_file(tmp_path):
    columns = table_of(ORDERS, line=[5, 5, 5, 5, 5])
    frame = Log.from_pandas(pd.DataFrame(columns), domain="ecommerce")
    assert frame.num_rows == read_log(written(tmp_path, "csv", columns), domain="ecommerce").num_rows == 4


CELLS = {
    "lists": pa.array([[1, 2], [1, 3], [1, 2], None, [1, 2]]),
    "structs": pa.array([{"a": 1}, {"a": 2}, {"a": 1}, None, {"a": 1}]),
    "instants": pa.array([1, 2, 1, None, 1], pa.timestamp("ns", "UTC")),
    "words": pa.array(["a", "b", "a", None, "a"]).dictionary_encode(),
    "bytes": pa.array([b"\xff", b"\xfe", b"\xff", None, b"\xff"]),
    "numbers": pa.array([1.0, 2.0, 1.0, float("nan"), 1.0]),
    "clocks": pa.array([1, 2, 1, None, 1], pa.time64("ns")),
    "flags": pa.array([True, False, True, None, True]),
    "decimals": pa.array([1, 2, 1, None, 1]).cast(pa.decimal128(20, 1)),
}


@pytest.mark.parametrize("kind", CELLS)
def test_columns_of_any_type_are_compared(tmp_path, kind):
    path = written(tmp_path, "parquet", table_of(CELLS[kind], none=pa.nulls(5), click=[1] * 5))
    assert read_log(path, domain="ecommerce").num_rows == 4


@pytest.mark.parametrize(
    "text",
    [
        'user , item , time , "or der" \n',
        "\ufeffuser,item,time,order\n",
        "user,item,time,\n",
        "\n\nuser,item,time,item2\n",
        'user;item;time;"a\nb"\n',
    ],
)
def test_headers_as_files_have_them(tmp_path, text):
    sign = ";" if ";" in text else ","
    rows = [sign.join(("u", "i", at, order)) for at, order in zip(TIMES, "1.1x1", strict=True)]
    path = write(tmp_path / "t.csv", text + "\n".join(rows) + "\n")
    assert read_log(path, domain="ecommerce", mapping=MAP).num_rows == 4


def test_a_file_without_a_header_and_rows_that_are_left_out(tmp_path):
    rows = "".join(f"u,i,{at},{order},view\n" for at, order in zip(TIMES, ORDERS, strict=True))
    path = write(tmp_path / "t.csv", f"u,i,{TIMES[0]},9,search\n\n{rows}")
    mapping = "user=#1,item=#2,time=#3,event=#5:view>click:search>omit"
    assert read_log(path, domain="ecommerce", mapping=mapping).num_rows == 4


def test_folders_are_columns_and_files_may_have_other_columns(tmp_path):
    for shop in "ab":
        (tmp_path / f"shop={shop}").mkdir()
        write(
            tmp_path / f"shop={shop}" / "t.csv",
            f"user,item,time\nu,i,{TIMES[0]}\nu,i,{TIMES[0]}\nu,i,{TIMES[4]}\n",
        )
    assert read_log(tmp_path, domain="ecommerce").num_rows == 4
    assert read_log(tmp_path, domain="ecommerce", mapping=MAP).num_rows == 4
    assert read_log(tmp_path, domain="ecommerce", mapping=f"{MAP},category=shop").num_rows == 4


def test_slates_that_differ_in_a_column_that_is_not_read_are_kept(tmp_path):
    text = "user,shown,item,time,page\n" + "".join(
        f"u,1|2,1,{at},{page}\n" for at, page in zip(TIMES, "12112", strict=True)
    )
    log = read_log(write(tmp_path / "t.csv", text), domain="ecommerce")
    assert log.column("click").sum() == 3
    assert any(
        each.endswith("2 rows kept that differ from an earlier one only in columns that are not read: page")
        for each in log.remarks
    )


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_columns_that_later_files_alone_have_are_compared(tmp_path, kind):
    """Three purchases of one order, in sizes M, L and M, beside a file of views without sizes."""
    views = {"user": ["u"], "item": ["i"], "time": TIMES[:1]}
    orders = {"user": ["u"] * 3, "item": ["i"] * 3, "time": TIMES[:3], "size": ["M", "L", "M"]}
    paths = []
    for name, columns in (("a_views", views), ("b_orders", orders)):
        path = written(tmp_path, kind, columns)
        paths.append(path.rename(path.with_stem(name)))
    event = "event=#file:a_views>click:b_orders>purchase"
    log = read_log(paths, domain="ecommerce", mapping=f"{MAP},{event}")
    assert log.duplicates == 1
    assert log.column("purchase").sum() == 2
    (said,) = [each for each in log.remarks if "only in columns" in each]
    assert said.endswith(
        "1 rows kept that differ from an earlier one only in columns that are not read: size"
    )


def test_keys_that_later_lines_of_json_alone_have_are_compared(tmp_path):
    row = {"user": "u", "item": "i", "time": TIMES[0]}
    others = [row | {"item": f"i{k}"} for k in range(120)]
    lines = [*others, row, row | {"size": "M"}, row | {"size": "L"}, row | {"size": "L"}]
    path = write(tmp_path / "t.jsonl", "".join(json.dumps(each) + "\n" for each in lines))
    log = read_log(path, domain="ecommerce")
    assert (log.num_rows, log.duplicates) == (123, 1)
    kept = "2 rows kept that differ from an earlier one only in columns that are not read"
    assert f"t.jsonl: {kept}" in log.remarks


def test_they_are_read_only_where_rows_are_alike(tmp_path, monkeypatch):
    path = write(tmp_path / "t.csv", f"user,item,time,order\nu,i,{TIMES[0]},1\nu,j,{TIMES[0]},1\n")
    monkeypatch.setattr("recgym.logs.unread_columns.UnreadColumns.codes", None)
    assert read_log(path, domain="ecommerce").num_rows == 2


UNREAD = "user,item,time,prise,,wacth_ms\nu,i,1600000000,1,2,3\nu,j,1600000060,1,2,3\n"


@pytest.mark.parametrize("mapping", [None, MAP])
def test_a_remark_names_them_once(tmp_path, mapping):
    for name in ("a.csv", "b.csv"):
        write(tmp_path / "shop" / name, UNREAD)
    said = [
        [each for each in read_log(place, domain="ecommerce", mapping=mapping).remarks if "not read" in each]
        for place in (tmp_path / "shop" / "a.csv", tmp_path / "shop")
    ]
    columns = "columns not read: prise, wacth_ms, one without a name (row numbers, if pandas wrote them: "
    columns += "to_csv(path, index=False) leaves them out)"
    assert said == [[f"a.csv: {columns}"], [f"a.csv and 1 more: {columns}"]]


def test_a_remark_names_those_of_each_file_and_of_folders(tmp_path):
    for shop, columns in (("a", "stars"), ("b", "x,y"), ("c", "stars")):
        cells = ",".join("1" for _ in columns.split(","))
        write(
            tmp_path / f"shop={shop}" / "t.csv",
            f"user,item,{columns}\nu{shop},i,{cells}\nu{shop},j,{cells}\n",
        )
    log = read_log(tmp_path, domain="ecommerce", mapping="user=user,item=item,category=#file")
    assert [each for each in log.remarks if "not read" in each] == [
        "shop=a/t.csv and 1 more: columns not read: stars, shop",
        "shop=b/t.csv: columns not read: x, y, shop",
    ]


def test_a_remark_counts_those_beyond_the_first(tmp_path):
    names = [f"c{k}" for k in range(20)]
    path = write(tmp_path / "t.csv", f"user,item,{','.join(names)}\n" + f"u,i{',1' * 20}\n")
    remarks = read_log(path, domain="ecommerce", mapping="user=user,item=item").remarks
    assert f"t.csv: columns not read: {', '.join(names[:12])}, and 8 more" in remarks


def test_a_remark_names_columns_of_a_frame_that_are_no_keys():
    frame = pd.DataFrame({"user": ["u", "u"], "item": ["i", "j"], "prise": [1.0, 2.0], "listen": [2, 0]})
    log = Log.from_pandas(frame, domain="social")
    said = "frame: columns kept that are no keys of a log: prise"
    assert said in log.remarks
    again = Log.from_pandas(log.to_pandas(), domain="social")
    assert [each for each in again.remarks if "no keys" in each] == [said]
    assert not any(
        "no keys" in each for each in Log.from_pandas(frame.drop(columns="prise"), domain="social").remarks
    )


def test_a_remark_names_columns_of_pairs_of_friends(tmp_path):
    path = write(tmp_path / "t.csv", "user,item\nu,i\nv,j\n")
    graph = write(tmp_path / "g.csv", "user,friend,weight\nu,v,3\n")
    remarks = read_log(path, domain="social", friends=graph).remarks
    assert remarks[-2:] == ("g.csv: columns not read: weight", "g.csv: 1 pairs of friends")


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_a_map_without_responses_is_refused_where_the_table_has_a_column_of_them(tmp_path, kind):
    """Every row would be a response, without a word."""
    path = written(
        tmp_path, kind, table_of(ORDERS, click=[0, 1, 0, 0, 1], like=[0, 0, 0, 0, 1], follow=[0] * 5)
    )
    with pytest.raises(LogError) as error:
        read_log(path, domain="content", mapping=MAP)
    assert str(error.value) == (
        f"{path.name}: the map names no column that says what users did, and the table has click, like, follow: "
        "add click=click,like=like,follow=follow to the map, or leave these columns out of the table"
    )
    read = read_log(path, domain="content", mapping=f"{MAP},click=click")
    assert read.column("click").sum() == 2
    assert [each for each in read.remarks if "columns not read" in each] == [
        f"{path.name}: columns not read: order, like, follow; like=like,follow=follow in the map would read "
        "what is named as a key"
    ]


def test_a_time_beside_the_map_is_told(tmp_path):
    path = written(tmp_path, "csv", table_of(ORDERS, stamp=TIMES))
    (remark,) = [
        each
        for each in read_log(path, domain="content", mapping="user=user,item=item").remarks
        if "columns not read" in each
    ]
    assert remark.endswith("time, order, stamp; time=time in the map would read what is named as a key")
    both = read_log(path, domain="content", mapping="user=user,item=item,time=stamp").remarks
    assert not any("would read" in each for each in both)


@pytest.mark.parametrize(
    ("header", "entries", "renamed"),
    [
        ("user,item,Click", "click=Click", "'Click': 'click'"),
        ("user,item, CLICKED ", "click=CLICKED", "'CLICKED': 'click'"),
        ("user,item,Event", "event=Event", "'Event': 'event'"),
        ("user,item,Rating", "rating=Rating", "'Rating': 'rating'"),
        ("user,item,Purchase", "purchase=Purchase", "'Purchase': 'purchase'"),
    ],
)
def test_a_column_that_is_named_like_a_response_is_not_left_out(tmp_path, header, entries, renamed):
    """All rows were responses."""
    path, column = write(tmp_path / "a.csv", f"{header}\nu,1,1\nu,2,0\n"), header.split(",")[2].strip()
    message = (
        f"a.csv: no column has the name of a key that says what users did, and the table has {column}: add "
    )
    assert refused(path, domain="ecommerce").startswith(f"{message}{entries} to the map")
    frame = pd.DataFrame({"user": ["u"], "item": ["1"], column: [0]})
    with pytest.raises(LogError, match=re.escape(f"frame.rename(columns={{{renamed}}})")):
        Log.from_pandas(frame, domain="ecommerce")
    for given in ("click", "event", "rating"):  # one that is read says what users did
        own = frame.assign(**{given: ["view"] if given == "event" else [1]})
        assert len(Log.from_pandas(own, domain="ecommerce")) == 1
        own.to_csv(path, index=False)
        assert len(read_log(path, domain="ecommerce")) == 1
    write(path, f"{header.replace('user', 'uid')}\nu,1,1\nu,2,0\n")
    if entries.startswith("click"):
        assert refused(path, mapping="user=uid,item=item").startswith(
            "a.csv: the map names no column that says"
        )
