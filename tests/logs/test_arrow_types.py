"""Column types of Parquet files and data frames."""

from decimal import Decimal
from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest
from log_files import parquet, refused, write

from recgym.logs import Log, LogError, read_log

IDS = ["7f3c1b8e-0000-4000-8000-00000000000a", "7f3c1b8e-0000-4000-8000-00000000000b"]


CODES = pa.array([0, 1, 0], pa.uint32())


UUIDS = pa.ExtensionArray.from_storage(
    pa.uuid(), pa.array([UUID(IDS[k]).bytes for k in (0, 1, 0)], pa.binary(16))
)


KINDS = {
    "plain text": (pa.array(["a", "b", "a"]), ["a", "b"]),
    "large text": (pa.array(["a", "b", "a"], pa.large_string()), ["a", "b"]),
    "text views": (pa.array(["a", "b", "a"], pa.string_view()), ["a", "b"]),
    "polars Categorical and Enum": (
        pa.DictionaryArray.from_arrays(CODES, pa.array(["a", "b"], pa.large_string())),
        ["a", "b"],
    ),
    "codes of numbers": (pa.DictionaryArray.from_arrays(CODES, pa.array([40, 7])), ["40", "7"]),
    "codes of 8 bits": (pa.DictionaryArray.from_arrays(CODES.cast(pa.uint8()), pa.array(["a", "b"])), ["a", "b"]),
    "UUID": (UUIDS, IDS),
    "decimal": (pa.array([Decimal(7), Decimal(40), Decimal(7)], pa.decimal128(18, 0)), ["7", "40"]),
    "whole decimal": (pa.array([Decimal("7.00"), Decimal(40), Decimal(7)], pa.decimal128(18, 2)), ["7", "40"]),
    "decimal beyond 64 bits": (pa.array([Decimal(10**30), Decimal(3), Decimal(10**30)]), [f"{10**30}", "3"]),
    "bytes": (pa.array([b"a", b"b", b"a"]), ["a", "b"]),
    "unsigned": (pa.array([2**63 + 5, 3, 2**63 + 5], pa.uint64()), [f"{2**63 + 5}", "3"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_ids_of_every_type_become_text(tmp_path, kind):
    values, (one, other) = KINDS[kind]
    path = parquet(tmp_path / "t.parquet", user=values, item=["x", "y", "z"])
    listed = parquet(tmp_path / "users.parquet", id=values[:2])
    for log in (read_log(path, domain="content"), read_log(path, domain="content", users=listed)):
        users, items = (np.array(table["id"].to_pylist()) for table in (log.users, log.items))
        found = zip(items[log.column("item")], users[log.column("user")], strict=True)
        assert dict(found) == {"x": one, "y": other, "z": one}


NUMBERS = {
    "decimal": pa.array([Decimal("1.50"), None, Decimal("2.25")], pa.decimal128(9, 2)),
    "decimal of 256 bits": pa.array([Decimal("1.5"), None, Decimal("2.25")], pa.decimal256(50, 4)),
    "half floats": pa.array([np.float16(1.5), None, np.float16(2.25)], pa.float16()),
    "codes": pa.DictionaryArray.from_arrays(pa.array([0, None, 1], pa.uint8()), pa.array([1.5, 2.25])),
    "text": pa.array(["1.5", None, "2.25"], pa.large_string()),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_of_every_type_are_numbers(tmp_path, kind):
    path = parquet(tmp_path / "t.parquet", user=["a"] * 3, item=["x", "y", "z"], price=NUMBERS[kind])
    np.testing.assert_array_equal(read_log(path, domain="ecommerce").column("price"), [1.5, np.nan, 2.25])


@pytest.mark.parametrize(
    "values",
    [
        pa.array([Decimal("1600000000.5")], pa.decimal128(18, 3)),
        pa.array([1_600_000_000_500], pa.timestamp("ms")),
        pa.array([1_600_000_000_500_000], pa.timestamp("us", "UTC")),
        pa.array([1_600_000_000_500_000_000], pa.timestamp("ns", "Europe/Paris")),
        pa.array([1_600_000_000_500], pa.uint64()),
    ],
    ids=lambda values: str(values.type),
)
def test_times_of_every_type_become_ms(tmp_path, values):
    path = parquet(tmp_path / "t.parquet", user=["a"], item=["x"], time=values)
    assert read_log(path, domain="content").column("time").tolist() == [1_600_000_000_500]


def test_flags_events_and_durations_of_other_types(tmp_path):
    click = pa.array([Decimal(1), Decimal(0)], pa.decimal128(3, 1))
    watch = pa.array([1_500_000, 20_000_000], pa.duration("us"))
    path = parquet(tmp_path / "t.parquet", user=["a", "a"], item=["x", "y"], click=click, watch_ms=watch)
    log = read_log(path, domain="content")
    assert log.column("click").tolist() == [True, False]
    assert log.column("watch_ms").tolist() == [1_500, 20_000]
    words = pa.DictionaryArray.from_arrays(CODES[:2], pa.array(["view", "purchase"], pa.large_string()))
    path = parquet(tmp_path / "t.parquet", user=["a", "a"], item=["x", "y"], event=words)
    assert read_log(path, domain="ecommerce").column("purchase").tolist() == [False, True]


ODD = {
    "list<element: int64>": pa.array([[1]]),
    "struct<a: int64>": pa.array([{"a": 1}]),
    "map<string, int64>": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
    "time64[us]": pa.array([1], pa.time64("us")),
    "fixed_size_binary[12]": pa.array([b"123456789012"], pa.binary(12)),
}


@pytest.mark.parametrize(
    "key", ["user", "item", "time", "event", "session", "price", "category", "context_x"]
)
@pytest.mark.parametrize("kind", ODD)
def test_errors_name_columns_of_other_types(tmp_path, key, kind):
    columns = {"user": pa.array(["a"]), "item": pa.array(["x"]), key: ODD[kind]}
    message = refused(parquet(tmp_path / "t.parquet", **columns), domain="ecommerce")
    rule = "numbers, words, booleans or times are needed"
    if key == "item" and "list" in kind:
        rule += ", and the items of a slate as a list in one cell are the key shown"
    assert message.startswith(f"t.parquet, {key}: {rule}; the column ")
    if "map" not in kind:
        assert message.endswith(kind)


BROKEN = (b"x", None, b"u\xed\xa0\x80")  # the last is a lone surrogate
NOT_UTF8 = {
    "bytes": pa.array(BROKEN),
    "text": pa.array(BROKEN).view(pa.string()),
    "codes": pa.DictionaryArray.from_arrays(pa.array([1, None, 0]), pa.array([BROKEN[2], b"x"])),
}


@pytest.mark.parametrize("cells", NOT_UTF8.values(), ids=NOT_UTF8)
@pytest.mark.parametrize(
    "key", ["user", "item", "time", "event", "session", "price", "category", "context_x"]
)
def test_a_cell_that_is_not_utf8_is_refused_by_row(tmp_path, key, cells):
    columns = {"user": pa.array(["a"] * 3), "item": pa.array(["x"] * 3), key: cells}
    message = refused(parquet(tmp_path / "t.parquet", **columns), domain="ecommerce")
    assert message == f"t.parquet, row 3, {key}: text in UTF-8 is needed; found {BROKEN[2]!r}"


def test_lists_and_tables_of_items_that_are_not_utf8_are_refused_by_row(tmp_path):
    lists = pa.ListArray.from_arrays([0, 1, 3], NOT_UTF8["text"])
    path = parquet(tmp_path / "t.parquet", user=["a", "a"], shown=lists, item=["x", "x"])
    assert refused(path, domain="ecommerce").startswith("t.parquet, row 2, shown: text in UTF-8 is needed")
    path = parquet(tmp_path / "t.parquet", user=["a"], item=["1"])
    items = parquet(tmp_path / "i.parquet", id=["1", "2", "3"], category=NOT_UTF8["text"])
    message = refused(path, domain="ecommerce", items=items)
    assert message.startswith("i.parquet, row 3, category: text in UTF-8 is needed")


def test_a_parquet_file_without_a_column_or_without_rows_is_refused(tmp_path):
    path = parquet(tmp_path / "t.parquet", user=["a"], thing=["x"])
    assert refused(path).startswith("t.parquet: there is no column 'item'; name the columns")
    assert refused(path, mapping="user=user,item=product").endswith("must have 'product'; found user, thing")
    assert refused(parquet(path, user=pa.array([], "string"), item=pa.array([], "string"))).endswith(
        "no rows"
    )
    assert "t.parquet, row 1, user" in refused(parquet(path, user=pa.nulls(2), item=["x", "y"]))


def test_a_frame_may_have_columns_of_these_types():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "user": pandas.Categorical(["b", "a", "b"]),
            "item": [Decimal("7.0"), Decimal(40), Decimal(7)],
            "time": pandas.to_datetime([1_600_000_000, 1_600_000_001, 1_600_000_002], unit="s"),
        }
    )
    for unit in ("s", "ms", "us", "ns"):
        log = Log.from_pandas(frame.astype({"time": f"datetime64[{unit}]"}), domain="content")
        assert log.users["id"].to_pylist() == ["a", "b"]
        assert log.items["id"].to_pylist() == ["7", "40"]
        assert sorted(log.column("time").tolist()) == [
            1_600_000_000_000,
            1_600_000_001_000,
            1_600_000_002_000,
        ]
    with pytest.raises(LogError, match="frame, item: numbers, words, booleans or times are needed"):
        Log.from_pandas(frame.assign(item=[[1], [2], [3]]), domain="content")
    with pytest.raises(
        LogError, match="frame, row 2, item: a column must have one kind of values, here int; found"
    ):
        Log.from_pandas(frame.assign(item=[1, "a", {}]), domain="content")


def test_tables_of_users_and_items_have_columns_that_a_fit_can_use(tmp_path):
    rows = write(tmp_path / "t.csv", "user,item\na,x\nb,y\n")
    dates = pa.array([0, 86_400], pa.timestamp("s"))
    facts = {"age": pa.array([Decimal("30.5"), None]), "since": dates, "tags": pa.array([["p"], []])}
    facts |= {"at": pa.array([1, 2], pa.time32("s")), "kind": pa.array(["p", "q"]).dictionary_encode()}
    users = parquet(tmp_path / "users.parquet", id=["a", "b"], **facts)
    items = parquet(tmp_path / "items.parquet", id=["x", "y"], category=[7, None], price=["2.5", ""])
    log = read_log(rows, domain="ecommerce", users=users, items=items)
    assert log.users.drop(["id"]).to_pylist() == [
        {"age": 30.5, "since": 0, "kind": "p"},
        {"age": None, "since": 86_400_000, "kind": "q"},
    ]
    assert log.items.drop(["id"]).to_pylist() == [
        {"category": "7", "price": 2.5},
        {"category": "unknown", "price": None},
    ]
    assert log.remarks[0] == (
        "users.parquet: left out are tags, at: numbers, words, booleans or times are needed"
    )
    parquet(items, id=["x", "y"], price=["2.5", "much"])
    assert refused(rows, domain="ecommerce", items=items) == (
        "items.parquet, row 2, price: a number is needed; found 'much'"
    )
    parquet(items, id=["x", "y"], category=[["a"], ["b"]])
    assert "items.parquet, category: numbers, words" in refused(rows, domain="ecommerce", items=items)
