"""Rows of equal time: the log does not depend on where they are in the files."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from log_tables import AT, table

from recgym.logs import Log, LogError, read_log

WORDS = ("impression", "click", "addtocart", "purchase")
CHAIN = [f"u,a,{AT},{word}" for word in WORDS]
SLATES = ["u,1|2|3,{at},2", "u,1|2|3,{at},1", "u,1|2|3,{at},", "u,3|1|2,{at},2", "v,1|2,{at},1"]


def contents(log):
    """All that a log holds but the origin of its rows and its remarks."""
    rows = log.rows.drop_columns([name for name in ("file", "file_row") if name in log.rows.column_names])
    words = [
        name for name in rows.column_names if pa.types.is_dictionary(rows.schema.field(name).type)
    ]  # their codes may differ
    for name in words:
        rows = rows.set_column(rows.schema.get_field_index(name), name, rows[name].cast(pa.string()))
    return rows.to_pydict(), log.items.to_pydict(), log.users.to_pydict(), log.duplicates


def csv(folder, header, rows, name="t.csv"):
    return table(folder, "\n".join([header, *rows]) + "\n", name)


@pytest.mark.parametrize("unit", [1, 86_400])
@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]])
def test_events_of_one_time_are_in_the_order_of_the_event_table(tmp_path, order, unit):
    rows = [CHAIN[k].replace(str(AT), str(AT // unit * unit)) for k in order]
    log = read_log(csv(tmp_path, "user,item,time,event", rows), domain="ecommerce")
    assert [log.column(name).tolist() for name in log.events] == [[True], [True], [True]]


def test_files_of_one_event_each_join_in_any_order(tmp_path):
    clicks = csv(tmp_path, "user,item,time", [f"u,a,{AT}", f"u,b,{AT + 5}"], "shop-clicks.csv")
    buys = csv(tmp_path, "user,item,time", [f"u,a,{AT}", f"u,b,{AT + 9}"], "shop-buys.csv")
    columns = "user=user,item=item,time=time,event=#file:shop-clicks>click:shop-buys>purchase"
    logs = [
        read_log(paths, domain="ecommerce", mapping=columns)
        for paths in ([clicks, buys], [buys, clicks], tmp_path)
    ]
    assert [log.column("purchase").tolist() for log in logs] == [[True, True]] * 3
    assert contents(logs[0]) == contents(logs[1]) == contents(logs[2])


def random_rows(rng, count=120):
    """Rows of few users, items and times, with values that differ at equal times."""
    return [
        f"u{rng.integers(3)},i{rng.integers(4)},{AT + rng.integers(4) * rng.choice([1, 7200])},"
        f"{WORDS[rng.integers(4)]},{rng.integers(1, 4)},{rng.choice(['', 'x', 'y'])},c{rng.integers(3)}"
        for _ in range(count)
    ]


@pytest.mark.parametrize("extra", ["", ",session", ",position", ",slate", ",session,position"])
@pytest.mark.parametrize("seed", range(2))
def test_shuffled_rows_and_files_are_the_same_log(tmp_path, extra, seed):
    rng = np.random.default_rng(seed)
    header = "user,item,time,event,price,context_x,category" + extra
    values = [
        {"session": f"s{user}", "position": str(k % 3), "slate": str(k % 50)}
        for k, user in enumerate(rng.integers(4, size=120))
    ]
    rows = [
        ",".join(
            [row, *(value[key] if key != "session" else row[:2] + value[key] for key in extra.split(",")[1:])]
        )
        for row, value in zip(random_rows(rng), values, strict=True)
    ]
    expected = contents(read_log(csv(tmp_path, header, rows), domain="ecommerce", check=False))
    for trial in range(3):
        rng.shuffle(rows)
        folder = tmp_path / f"{trial}"
        folder.mkdir()
        parts = [csv(folder, header, rows[:50], "b.csv"), csv(folder, header, rows[50:], "a.csv")]
        one = read_log(csv(tmp_path, header, rows, "all.csv"), domain="ecommerce", check=False)
        assert contents(one) == expected
        for paths in (parts, parts[::-1], folder):
            assert contents(read_log(paths, domain="ecommerce", check=False)) == expected


def test_shuffled_slates_are_the_same_log(tmp_path):
    rows = [row.format(at=AT + at) for row in SLATES for at in (0, 0, 3600)]
    rng, found = np.random.default_rng(0), []
    for _ in range(4):
        path = csv(tmp_path, "user,shown,time,item", rows)
        found.append(contents(read_log(path, domain="content", duplicates="keep")))
        rng.shuffle(rows)
    assert all(each == found[0] for each in found)
    assert found[0][0]["slate"] == sorted(found[0][0]["slate"])


def test_shuffled_frames_are_the_same_log():
    frame = pd.DataFrame(
        {
            "user": list("uuvv"),
            "item": list("abba"),
            "time": [AT] * 4,
            "click": [1, 0, 1, 1],
            "mood": list("wxyz"),
        }
    )
    logs = [Log.from_pandas(frame.sample(frac=1, random_state=seed), domain="content") for seed in range(4)]
    assert all(contents(log) == contents(logs[0]) for log in logs)


def test_one_time_orders_no_rows_and_a_remark_says_so(tmp_path):
    rows = [f"u{k:02},{item},{AT}" for k in range(40) for item in "ab"]
    log = read_log(csv(tmp_path, "user,item,time", rows), domain="ecommerce")
    first = log.column("item")[log.session_starts()]
    assert 8 < first.sum() < 32  # neither by number nor by place in the file
    what = "rows share their time with another step of their session: their order is not known, and that of the file is"
    assert f"t.csv: 80 {what} not used; ties=file uses it" in log.remarks
    kept = read_log(csv(tmp_path, "user,item,time", rows), domain="ecommerce", ties="file")
    assert kept.column("item").tolist() == [0, 1] * 40
    assert not [remark for remark in kept.remarks if "share their time" in remark]
    with pytest.raises(LogError, match="ties 'row' is unknown; there are file"):
        read_log(tmp_path / "t.csv", domain="ecommerce", ties="row")


def test_without_times_and_with_steps_the_order_is_the_files(tmp_path):
    bare = read_log(csv(tmp_path, "user,item", ["u,c", "u,a", "u,b"]), domain="ecommerce")
    stepped = read_log(
        csv(tmp_path, "user,item,time,step", [f"u,c,{AT},0", f"u,a,{AT},1", f"u,b,{AT},2"]),
        domain="ecommerce",
    )
    for log in (bare, stepped):
        assert log.column("item").tolist() == [2, 0, 1]
        assert not [remark for remark in log.remarks if "share their time" in remark]


def test_positions_order_the_rows_of_one_time(tmp_path):
    rows = [f"u,i{k},{AT},{9 - k}" for k in range(10)]
    log = read_log(csv(tmp_path, "user,item,time,position", rows), domain="ecommerce")
    assert log.column("item").tolist() == list(range(9, -1, -1))


FINER = {
    "us": [str(AT * 10**6 + k) for k in (7, 2, 400, 0, 999)],
    "ns": [str(AT * 10**9 + k) for k in (7, 2, 400, 0, 499_999)],
    "s": [f"{AT}.{digits}" for digits in ("000007", "000002", "0004", "0", "000999")],
    "us text": [f"2020-09-13 12:26:40.{digits}" for digits in ("000007", "000002", "0004", "0", "000999")],
    "ns zone": [f"2020-09-13T12:26:40.{digits}Z" for digits in ("000000007", "000000002", "0000001", "0", "00000012")],
    "slash": [f"9/13/2020 12:26:40.{digits}" for digits in ("000000007", "000000002", "0000001", "0", "00000012")],
}  # fmt: skip


@pytest.mark.parametrize("cells", FINER.values(), ids=FINER)
def test_rows_within_one_ms_are_in_the_order_of_their_exact_times(tmp_path, cells):
    log = read_log(
        csv(tmp_path, "user,item,time", [f"u,i{k},{at}" for k, at in enumerate(cells)]), domain="social"
    )
    items = log.items["id"].to_pylist()
    assert [items[k] for k in log.column("item")] == ["i3", "i1", "i0", "i2", "i4"]
    assert log.column("step").tolist() == [0, 1, 2, 3, 4]
    assert set(log.column("time").tolist()) <= {AT * 1000, AT * 1000 + 1}
    assert "#fine" not in log.rows.column_names
    assert not any("order is not known" in remark for remark in log.remarks)


def test_frames_and_parquet_keep_the_order_within_one_ms(tmp_path):
    moments = pd.to_datetime([AT * 10**9 + k for k in (700, 200, 40_000, 0)])
    frame = pd.DataFrame({"user": "u", "item": list("abcd"), "time": moments})
    frame.to_parquet(tmp_path / "t.parquet")
    for log in (Log.from_pandas(frame, domain="social"), read_log(tmp_path / "t.parquet", domain="social")):
        items = log.items["id"].to_pylist()
        assert [items[k] for k in log.column("item")] == list("dbac")


def test_rows_that_differ_below_one_ms_are_no_duplicates(tmp_path):
    rows = [f"u,a,{AT * 10**6 + k}" for k in (1, 2, 2)]
    log = read_log(csv(tmp_path, "user,item,time", rows), domain="social")
    assert (len(log), log.duplicates) == (2, 1)


def test_actions_join_the_row_before_them_within_one_ms(tmp_path):
    rows = [f"u,a,{AT * 10**6 + at},{word}" for at, word in ((9, "click"), (3, "addtocart"), (1, "click"))]
    log = read_log(csv(tmp_path, "user,item,time,event", rows), domain="ecommerce")
    assert log.column("cart").tolist() == [True, False]
    assert not any("lose values" in remark for remark in log.remarks)


def test_a_remark_says_where_the_order_of_the_file_is_that_of_the_events(tmp_path):
    what = "t.csv: there are no times: the order of the rows of a session is that of the file"
    for header, rows, is_said in (
        ("user,item", ["u,a", "v,a", "u,b"], True),
        ("user,item,event", ["u,a,click", "u,a,purchase"], True),
        ("user,item,slate", ["u,a,1", "u,b,2"], True),
        ("user,item,slate", ["u,a,1", "u,b,1"], False),
        ("user,item", ["u,a", "v,a"], False),
        ("user,item,step", ["u,a,0", "u,b,1"], False),
        ("user,item,time", [f"u,a,{AT}", f"u,b,{AT + 1}"], False),
    ):
        log = read_log(csv(tmp_path, header, rows), domain="ecommerce")
        assert (what in log.remarks) == is_said, (header, rows)


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("category", [True, False, None]),
        ("category", [2, 10, 1]),
        ("context_tab", [2.0, 10.0, None]),
        ("price", [2.0, 10.0, 1.0]),
    ],
)
def test_rows_of_one_time_are_in_one_order_whatever_the_file_is(tmp_path, key, values):
    """Of text, JSON, Parquet and frames, which state types of their own."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"user": "u", "item": rng.integers(0, 9, 60).astype(str), "time": AT})
    frame[key] = [values[k] for k in rng.integers(0, 3, 60)]
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    logs = [Log.from_pandas(frame, domain="content")]
    logs += [read_log(tmp_path / f"t.{kind}", domain="content") for kind in ("csv", "parquet", "jsonl")]
    names = [name for name in ("item", key) if name in logs[0].rows.column_names]
    for log in logs[1:]:
        assert log.rows.select(names).to_pydict() == logs[0].rows.select(names).to_pydict()
        assert str(log.items.to_pydict()) == str(logs[0].items.to_pydict())  # nan is nan
