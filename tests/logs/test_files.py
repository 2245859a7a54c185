"""The files of a log: what they are packed in, damaged files, kinds of columns, separators, several files."""

import bz2
import gzip
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recgym.logs import Log, LogError, Source, read_log, validate
from recgym.logs.separators import BLOCK_BYTES, separator_of, single

HEADER = "user,item,time\n"
ROWS = "".join(f"u{k % 7},i{k % 11},{1_600_000_000 + k}\n" for k in range(2_000))


def refused(path, **options) -> str:
    is_written = not isinstance(path, list) and (path / "rows.parquet").exists()
    options = options if is_written else {"domain": "content", **options}
    with pytest.raises(LogError) as error:
        read_log(path, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def write(place, data):
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data if isinstance(data, bytes) else data.encode())
    return place


def parquet(place, **columns):
    pq.write_table(pa.table(columns), place)
    return place


# ---- what a file is packed in, and files that are broken


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress)])
def test_packed_files_read_as_the_plain_one(tmp_path, ending, pack):
    plain = read_log(write(tmp_path / "t.csv", HEADER + ROWS), domain="content")
    packed = read_log(write(tmp_path / f"t.csv{ending}", pack((HEADER + ROWS).encode())), domain="content")
    assert packed.rows.drop(["file"]).equals(plain.rows.drop(["file"]))


def test_zstd_reads_as_the_plain_file(tmp_path):
    raw = pa.compress((HEADER + "a,b,1600000000\n").encode(), codec="zstd", asbytes=True)
    assert len(read_log(write(tmp_path / "t.csv.zst", raw), domain="content")) == 1


PACKED = gzip.compress((HEADER + ROWS).encode(), mtime=0)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("t.csv", b"", "t.csv: the file is empty"),
        ("t.csv", b"\n \n\n", "t.csv: the file is empty"),
        ("t.csv.gz", gzip.compress(b"", mtime=0), "t.csv.gz: the file is empty"),
        ("t.csv.gz", PACKED[: len(PACKED) // 2], "t.csv.gz: cannot be read: Truncated compressed stream"),
        ("t.csv.gz", PACKED[:-8] + b"12345678", "t.csv.gz: cannot be read: zlib inflate failed"),
        ("t.csv.gz", b"user,item\na,b\n", "t.csv.gz: cannot be read: zlib inflate failed"),
        ("t.parquet", b"", "t.parquet: not a Parquet file"),
        ("t.csv", "user,item\na,b\n".encode("utf-16"), "t.csv, row 1: the file is not in utf8"),
        ("t.csv", "user,item\na,b\n".encode("utf-16-le"), "t.csv, row 1: the file is not UTF-8 text"),
        ("t.csv", b"x" * 3_000_000, "t.csv, row 1: a line of more than 1,048,576 characters"),
        ("t.csv", b'user,"' + b"x" * 200_000 + b'",item\n', "t.csv, row 1: a quote is not closed, or field larger"),
        ("t.zip", b"PK\x03\x04 and then nothing", "not a zip, or an incomplete one"),
    ],
)  # fmt: skip
def test_broken_files_are_refused_in_one_line(tmp_path, name, data, message):
    assert message in refused(write(tmp_path / name, data))


def test_a_header_of_any_length_below_a_million_is_read(tmp_path):
    names = ",".join(f"column{k}" for k in range(20_000))
    assert len(names) > 131_072
    path = write(tmp_path / "t.csv", f"user,item,{names}\n" + ("a,b" + ",1" * 20_000 + "\n") * 2)
    assert len(read_log(path, domain="content")) == 2
    message = refused(path, mapping="user=user,item=thing")
    assert "the header must have 'thing'; found user, item, column0" in message
    assert len(message) < 400


def test_blank_lines_are_lines_of_the_file(tmp_path):
    log = read_log(write(tmp_path / "t.csv", "\n\nuser,item\n\na,b\n"), domain="content")
    assert log.column("file_row").tolist() == [5]


def test_a_truncated_or_damaged_parquet_file_is_refused(tmp_path):
    path = parquet(tmp_path / "t.parquet", user=["a"] * 500, item=[f"i{k}" for k in range(500)])
    whole = path.read_bytes()
    write(path, whole[: len(whole) // 2])
    assert refused(path).startswith("t.parquet: not a Parquet file: ")
    write(path, whole[:30] + b"\xff" * 40 + whole[70:])
    assert "t.parquet" in refused(path)


@pytest.mark.parametrize("kind", ["csv.gz", "parquet", "zip", "log"])
def test_no_damage_is_more_than_one_line(tmp_path, kind):
    """60 random changes of a file of each kind: read or refused, nothing else; with checksums, refused."""
    rng = np.random.default_rng(7)
    path = tmp_path / f"t.{kind}"
    if kind == "log":
        tiny().write(path)
    elif kind == "parquet":
        parquet(path, user=["a", "b"] * 200, item=[f"i{k}" for k in range(400)], price=np.arange(400.0))
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as packed:
            packed.writestr("t.csv", HEADER + ROWS)
    else:
        write(path, PACKED)
    files = sorted(path.iterdir()) if kind == "log" else [path]
    for _ in range(60):
        file = files[rng.integers(len(files))]
        whole = file.read_bytes()
        at = int(rng.integers(len(whole)))
        noise = [bytes([whole[at] ^ 1 << int(rng.integers(8))]), rng.bytes(8), b"", b"\0" * 9][
            rng.integers(4)
        ]
        file.write_bytes(whole[:at] + noise + (whole[at + len(noise) :] if noise else b""))
        message = ""
        try:
            log = Log.read(path) if kind == "log" else read_log(path, domain="ecommerce")
            assert kind != "log" or file.read_bytes() == whole, file.name
            assert len(log)
        except LogError as error:
            message = str(error)
        assert "\n" not in message
        file.write_bytes(whole)


def test_zips_that_are_broken_locked_or_no_data(tmp_path):
    place = tmp_path / "t.zip"
    with zipfile.ZipFile(place, "w", zipfile.ZIP_STORED) as packed:
        packed.writestr("t.csv", HEADER + ROWS)
    data = bytearray(place.read_bytes())
    write(place, bytes(data).replace(b"u3,i3,", b"u4,i3,", 1))
    assert refused(place) == "t.csv: cannot be read: Bad CRC-32 for file 't.csv'"
    data[data.rindex(b"PK\x01\x02") + 8] |= 1  # the flag that says encrypted
    write(place, bytes(data))
    assert refused(place).endswith("t.zip: t.csv is encrypted; unpack it first")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    assert refused(tmp_path / "empty.zip").endswith("empty.zip: there is no file in it")
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w") as packed:
        packed.writestr("[Content_Types].xml", "<a/>")
    assert refused(tmp_path / "t.xlsx").endswith("a document of an office program; save its table as CSV")


def test_pipes_and_devices_are_refused_and_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    assert "it is a pipe or a device" in refused(tmp_path / "pipe.csv")
    assert "it is a pipe or a device" in refused(Path("/dev/null"))
    parquet(tmp_path / "t.parquet", user=["a"], item=["b"])
    assert "it is a pipe or a device" in refused(tmp_path / "t.parquet", items="/dev/zero")
    assert len(read_log(tmp_path, domain="content")) == 1  # in a folder they are no files
    os.symlink(tmp_path / "nowhere", tmp_path / "link.csv")
    assert "there is no such file or folder" in refused(tmp_path / "link.csv")
    (tmp_path / "t.csv").mkdir()
    assert "there is no file in it" in refused(tmp_path / "t.csv")


# ---- kinds of columns

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
def test_ids_of_every_kind_become_text(tmp_path, kind):
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
def test_numbers_of_every_kind_are_numbers(tmp_path, kind):
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
def test_times_of_every_kind_become_ms(tmp_path, values):
    path = parquet(tmp_path / "t.parquet", user=["a"], item=["x"], time=values)
    assert read_log(path, domain="content").column("time").tolist() == [1_600_000_000_500]


def test_flags_events_and_spans_of_odd_kinds(tmp_path):
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
    "bytes that are not UTF-8 text": pa.array([b"\xff\xfe"]),
}


@pytest.mark.parametrize(
    "key", ["user", "item", "time", "event", "session", "price", "category", "context_x"]
)
@pytest.mark.parametrize("kind", ODD)
def test_columns_that_no_log_is_made_from_are_named(tmp_path, key, kind):
    columns = {"user": pa.array(["a"]), "item": pa.array(["x"]), key: ODD[kind]}
    message = refused(parquet(tmp_path / "t.parquet", **columns), domain="ecommerce")
    assert message.startswith(f"t.parquet, {key}: numbers, words, booleans or times are needed; the column ")
    if "map" not in kind:
        assert message.endswith(kind)


def test_a_parquet_file_without_a_column_or_without_rows_is_refused(tmp_path):
    path = parquet(tmp_path / "t.parquet", user=["a"], thing=["x"])
    assert refused(path).startswith("t.parquet, row 1: there is no column 'item'; name the columns")
    assert refused(path, mapping="user=user,item=product").endswith("must have 'product'; found user, thing")
    assert refused(parquet(path, user=pa.array([], "string"), item=pa.array([], "string"))).endswith(
        "no rows"
    )
    assert "t.parquet, row 2, user" in refused(parquet(path, user=pa.nulls(2), item=["x", "y"]))


def test_a_frame_may_have_columns_of_these_kinds():
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
        LogError, match="frame, row 3, item: a column must have one kind of values, here int; found"
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
    parquet(items, id=["x", "y"], price=["2.5", "dear"])
    assert refused(rows, domain="ecommerce", items=items) == (
        "items.parquet, row 3, price: a number is needed; found 'dear'"
    )
    parquet(items, id=["x", "y"], category=[["a"], ["b"]])
    assert "items.parquet, category: numbers, words" in refused(rows, domain="ecommerce", items=items)


# ---- separators


@pytest.mark.parametrize(
    ("line", "separator"),
    [
        ("user,item", ","),
        ("user;item,1;time", ";"),
        ("user\titem", "\t"),
        ("user|item", "|"),
        ("1::7::5::978300760", "::"),
        ("1::Toy Story::Animation|Comedy", "::"),
        ("user item  time", " "),
        ("user id,item id,time", ","),
        ("user^item", ""),
    ],
)
def test_the_separator_is_that_of_the_header(line, separator):
    assert separator_of(line) == separator


@pytest.mark.parametrize(
    "text",
    [
        "user item time\nu1 i2  1600000000\n  u1\t i3 1600000001 \n\n",
        "user item time\r\nu1   i2 1600000000\r\nu1 i3 1600000001 \t \r\n",
        "user::item::time\nu1::i2::1600000000\nu1::i3::1600000001\n",
        "user::item::time\nu1::i2::1600000000\nu1::i3::1600000001",
        'user item time\n"u1" "i2" 1600000000\nu1 i3 1600000001',
    ],
)
def test_tables_of_colons_and_white_space(tmp_path, text):
    log = read_log(write(tmp_path / "t.txt", text), domain="content")
    assert log.users["id"].to_pylist() == ["u1"]
    assert log.items["id"].to_pylist() == ["i2", "i3"]
    assert log.column("time").tolist() == [1_600_000_000_000, 1_600_000_001_000]
    assert log.column("file_row").tolist() == [2, 3]


def test_colons_without_a_header_and_cells_that_have_one_colon(tmp_path):
    path = write(tmp_path / "ratings.dat", "1::a:b::4::1600000000\n2::c::3::1600000060\n")
    log = read_log(path, domain="content", mapping="user=#1,item=#2,rating=#3,time=#4")
    assert log.items["id"].to_pylist() == ["a:b", "c"]
    assert log.column("click").tolist() == [True, False]


def test_spaces_in_quotes_stay_and_other_widths_are_told_by_row(tmp_path):
    path = write(tmp_path / "t.txt", 'user item category\na x "science fiction"\nb y drama\n')
    log = read_log(path, domain="content")
    assert log.items["category"].to_pylist() == ["science fiction", "drama"]
    path = write(tmp_path / "t.txt", "user item time\na x 2020-01-01 10:00:00\n")
    assert refused(path) == "t.txt, row 2: a row must have 3 cells; found 4"


def test_a_table_of_one_column_is_told_the_separators(tmp_path):
    message = "t.csv, row 1: one column found, 'user^item'; separators known are , ; tab | :: and white space"
    assert refused(write(tmp_path / "t.csv", "user^item\na^b\n")) == message


def test_lines_across_blocks_are_rewritten_whole():
    lines = [f"{k}::{'x' * (k % 50)}::{k}" for k in range(3 * BLOCK_BYTES // 30)]
    text = "\n".join(lines).encode()
    assert len(text) > 2 * BLOCK_BYTES
    stream, separator = single(pa.BufferReader(text), "::")
    assert b"".join(iter(lambda: stream.read(100_000), b"")) == text.replace(b"::", separator.encode())


# ---- several files


def parts(folder, ending="csv"):
    """Two files of one table, and what they hold."""
    rows = ["u1,i1,1600000000\nu1,i2,1600000003\n", "u1,i3,1600000001\nu2,i1,1600000002\n"]
    if ending == "csv":
        return [write(folder / f"part-{k}.csv", HEADER + text) for k, text in enumerate(rows)]
    folder.mkdir(parents=True, exist_ok=True)
    cells = [[line.split(",") for line in text.split()] for text in rows]
    return [
        parquet(
            folder / f"part-{k}.parquet",
            **{key: [row[at] for row in part] for at, key in enumerate(("user", "item"))},
            time=[int(row[2]) for row in part],
        )
        for k, part in enumerate(cells)
    ]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("how", ["folder", "list", "folders"])
def test_files_of_one_layout_are_one_log(tmp_path, ending, how):
    files = parts(tmp_path / "events", ending)
    path = {
        "folder": tmp_path / "events",
        "list": files,
        "folders": [tmp_path / "events", tmp_path / "more"],
    }[how]
    if how == "folders":
        (tmp_path / "more").mkdir()
        files[1].rename(tmp_path / "more" / files[1].name)
    write(tmp_path / "events" / "_SUCCESS", "")
    write(tmp_path / "events" / "README.txt", "no table")
    write(tmp_path / "events" / f".part-0.{ending}", "hidden")
    log = read_log(path, domain="content")
    assert log.items["id"].to_pylist() == ["i1", "i2", "i3"]
    assert log.column("session").tolist() == [0, 0, 0, 1]
    assert log.column("item").tolist() == [0, 2, 1, 0]
    assert log.column("file_row").tolist() == [2, 2, 3, 3]
    names = [name.rpartition("/")[2] for name in log.column("file")]
    assert names == [f"part-{k}.{ending}" for k in (0, 1, 0, 1)]
    assert log.remarks[0].startswith("2 files are one log: ")


def test_a_bad_row_of_the_second_file_is_told_by_its_own_row(tmp_path):
    files = parts(tmp_path / "events")
    files[1].write_text(files[1].read_text().replace("1600000002", "soon"))
    assert refused(tmp_path / "events").startswith("part-1.csv, row 3, time: a time is needed")
    files[1].write_text(files[1].read_text().replace("soon", "").replace("u1,", ","))
    assert refused(tmp_path / "events").startswith("part-1.csv, row ")


def test_files_of_other_layouts_are_refused(tmp_path):
    files = parts(tmp_path / "events")
    write(tmp_path / "events" / "users.csv", "user,item,time,age\nu1,x,1,30\n")
    message = "users.csv: has also age, unlike part-0.csv; files of one log have the same columns"
    assert refused(tmp_path / "events").startswith(message)
    write(tmp_path / "events" / "users.csv", "user,item\nu1,x\n")
    assert refused(tmp_path / "events").startswith("users.csv: has no column time, unlike part-0.csv")
    assert refused([files[0], files[0]]).endswith("part-0.csv: is given twice")
    assert refused([files[0], tmp_path / "gone.csv"]).endswith("gone.csv: there is no such file or folder")
    assert refused([]) == "a log needs at least one file"


def test_columns_may_stand_in_another_order_and_be_of_like_kinds(tmp_path):
    one = parquet(tmp_path / "a.parquet", user=[1, 2], item=pa.array([7, 8], pa.int32()), price=[1, 2])
    two = parquet(tmp_path / "b.parquet", price=[2.5], item=["9"], user=pa.array([1], pa.int16()))
    log = read_log([one, two], domain="ecommerce")
    assert log.users["id"].to_pylist() == ["1", "2"]
    assert log.items["id"].to_pylist() == ["7", "8", "9"]
    assert sorted(log.column("price").tolist()) == [1.0, 2.0, 2.5]
    three = parquet(tmp_path / "c.parquet", user=[1], item=[7], price=pa.array([1], pa.timestamp("ms")))
    assert refused([one, three], domain="ecommerce").startswith(
        "c.parquet, price: the column is timestamp[ms], in a."
    )


def test_files_without_header_are_one_log_and_doubles_across_files_are_counted(tmp_path):
    for name in ("a.csv", "b.csv"):
        write(tmp_path / "x" / name, f"u1,i1,1600000000.5\nu2,i{name[0]},1600000001.5\n")
    log = read_log(tmp_path / "x", domain="content", mapping="user=#1,item=#2,time=#3")
    assert (len(log), log.duplicates) == (3, 1)
    assert sorted(log.column("file_row").tolist()) == [1, 2, 2]


def test_a_folder_with_a_zip_beside_data_is_the_data(tmp_path):
    parts(tmp_path / "events")
    with zipfile.ZipFile(tmp_path / "events" / "backup.zip", "w") as packed:
        packed.writestr("old.csv", "user,item,time\nzz,zz,1600000000\n")
    assert read_log(tmp_path / "events", domain="content").users["id"].to_pylist() == ["u1", "u2"]


def test_a_folder_that_links_to_itself_is_read_once(tmp_path):
    parts(tmp_path / "events")
    os.symlink(tmp_path / "events", tmp_path / "events" / "again")
    assert len(read_log(tmp_path / "events", domain="content")) == 4


@pytest.mark.parametrize(
    "header", ["user, item ,time", " user,item,\ttime".replace("\t", " "), "\ufeffuser , item, time "]
)
def test_spaces_around_the_names_of_columns_do_not_count(tmp_path, header):
    path = write(tmp_path / "t.csv", f"{header}\nu1, i1,1600000000\nu1,i2, 1600000001\n")
    log = read_log(path, domain="content")
    assert log.items["id"].to_pylist() == ["i1", "i2"]
    assert log.column("file_row").tolist() == [2, 3]
    write(path, f"{header}\nu1,i1,1600000000\nu1,i2\n")
    assert refused(path) == "t.csv, row 3: a row must have 3 cells; found 2"


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_columns_in_the_names_of_folders_are_columns(tmp_path, ending):
    for word, item in (("view", "i1"), ("purchase", "i2"), ("add%20to%20cart", "i3")):
        place = tmp_path / "log" / f"event={word}" / f"part.{ending}"
        if ending == "csv":
            write(place, f"user,item,time\nu1,{item},1600000000\n")
        else:
            place.parent.mkdir(parents=True)
            parquet(place, user=["u1"], item=[item], time=[1_600_000_000])
    assert "add to cart" in refused(tmp_path / "log", domain="ecommerce")
    (tmp_path / "log" / "event=add%20to%20cart").rename(tmp_path / "log" / "event=cart")
    log = read_log(tmp_path / "log", domain="ecommerce")
    bought = np.array(log.items["id"].to_pylist())[log.column("item")[log.column("purchase")]]
    assert bought.tolist() == ["i2"]
    assert log.column("cart").sum() == 2


# ---- the folder that Log.write makes


def tiny(**changes) -> Log:
    columns = {
        "user": [0, 0, 1],
        "item": [0, 1, 1],
        "time": [1, 2, 3],
        "session": [0, 0, 1],
        "step": [0, 1, 0],
    }
    columns |= {"listen": [True, True, False], "file": ["a.csv"] * 3, "file_row": [2, 3, 4]}
    tables = {name: pa.table({"id": ids}) for name, ids in (("users", ["a", "b"]), ("items", ["x", "y"]))}
    friends = pa.table({"user": pa.array([0], pa.int32()), "friend": pa.array([1], pa.int32())})
    source = Source("tiny", "CC0", "nobody")
    built = Log.build(columns, **tables, domain="social", source=source, friends=friends, remarks=("one",))
    return replace(built, **changes)


@pytest.fixture
def stored(tmp_path):
    tiny().write(tmp_path / "log")
    return tmp_path / "log"


def unsigned(folder):
    """Without checksums, as older logs are: the contents alone are judged."""
    (folder / "SHA256SUMS").unlink()
    return folder


def test_a_written_log_has_checksums_and_any_damage_is_refused(stored):
    names = {path.name for path in stored.iterdir()}
    assert names == {
        "SHA256SUMS",
        "meta.json",
        "rows.parquet",
        "users.parquet",
        "items.parquet",
        "friends.parquet",
    }
    assert Log.read(stored).friends.equals(tiny().friends)
    for name in names - {"SHA256SUMS"}:
        whole = (stored / name).read_bytes()
        for damaged in (
            whole[:-1],
            whole + b"\0",
            whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1 :],
        ):
            (stored / name).write_bytes(damaged)
            assert name in refused(stored)
            (stored / name).unlink()
        with pytest.raises(LogError, match=name):
            Log.read(stored)
        os.mkfifo(stored / name)
        with pytest.raises(LogError, match=name):
            Log.read(stored)
        (stored / name).unlink()
        (stored / name).write_bytes(whole)
    assert len(Log.read(stored)) == 3


META = (
    '{"schema": "recgym.log/1", "domain": "social", "source": {"name": "tiny", "licence": "CC0", "citation": "", \
"note": ""}, "duplicates": 0, "remarks": [], "num_rows": 3}'
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "holds a JSON list, expected an object"),
        ("3", "holds a JSON int"),
        ("null", "holds a JSON NoneType"),
        ('"a"', "holds a JSON str"),
        ("{", "is not valid JSON"),
        ("", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON: it is nested too deep"),
        ('{"a":' * 100 + "1" + "}" * 100, "is nested deeper than 64"),
        ("\xff", "is not valid JSON"),
        ("{}", "schema is missing"),
        (META.replace("log/1", "log/2"), "schema is 'recgym.log/2', expected 'recgym.log/1'"),
        (META.replace('"social"', '["social"]'), "domain is ['social'], expected str"),
        (META.replace('"social"', '"shop"'), "domain 'shop' is unknown"),
        (META.replace('"social"', '"content"'), "log"),
        (META.replace('"remarks": []', '"remarks": "one"'), "remarks is 'one', expected list"),
        (META.replace('"remarks": []', '"remarks": [1]'), "a remark is not text"),
        (META.replace('"num_rows": 3', '"num_rows": 4'), "3 rows; it had 4"),
        (META.replace('"num_rows": 3', '"num_rows": "3"'), "num_rows is '3', expected int"),
        (META.replace('"note": ""', '"note": 1'), "note is 1, expected str"),
        (META.replace('"note": ""', '"notes": ""'), "note is missing"),
        (META.replace('"note": ""', '"note": "", "x": ""'), "source has an unknown key 'x'"),
    ],
)
def test_meta_json_of_any_other_content_is_refused(stored, text, message):
    (unsigned(stored) / "meta.json").write_bytes(text.encode("latin-1"))
    if message == "log":  # of another domain: read as such
        assert Log.read(stored).domain == "content"
    else:
        assert message in refused(stored)


def ints(*values):
    return pa.array(values, pa.int32())


@pytest.mark.parametrize(
    ("table", "column", "values", "message"),
    [
        ("rows", "user", ints(0, 0, 2), "a.csv, row 4, user: user must be an index of the users table, 0 to 1"),
        ("rows", "user", ints(-1, -1, 1), "row 2, user: user must be an index"),
        ("rows", "item", ints(0, 1, 99), "row 4, item: item must be an index of the items table, 0 to 1; found 99"),
        ("rows", "item", ints(0, None, 1), "row 3, item: item must not be empty"),
        ("rows", "item", pa.array([0, 1, 1]), "column item of a log must be int32; it is int64"),
        ("rows", "item", pa.array(["x", "y", "y"]), "column item of a log must be int32; it is string"),
        ("rows", "session", pa.array([1, 0, 1]), "row 3, session: rows must be sorted"),
        ("rows", "listen", ints(1, 1, 0), "column listen of a log must be bool"),
        ("rows", "file", ints(1, 1, 0), "column file of a log is the origin of rows: text needed; it is int32"),
        ("rows", "file", pa.array([None, None, "a"]), None),
        ("rows", "step", ints(0, -1, 0), "row 3, step: a step must be 0 or above"),
        ("users", "id", ints(1, 2), "column id of the users table must be string; it is int32"),
        ("users", "id", pa.array(["a", "a"]), "tiny users, row 3, id: an id must occur once"),
        ("items", "id", pa.array([None, "x"]), "tiny items, row 2, id: an id must occur once"),
        ("items", "category", pa.array([["a"], ["b"]]), "column category of the items table cannot be list"),
        ("items", "price", pa.array(["a", "b"]), "column price of the items table cannot be string"),
        ("friends", "friend", ints(2), "tiny friends, row 2, friend: user and friend must be two indices"),
        ("friends", "friend", ints(0), "tiny friends, row 2, friend: user and friend must be two indices"),
        ("friends", "friend", ints(None), "tiny friends, row 2, friend: user and friend must be two indices"),
        ("friends", "friend", pa.array([1]), "column friend of the friends table must be int32"),
    ],
)  # fmt: skip
def test_tables_of_a_written_log_are_judged_by_their_contents(stored, table, column, values, message):
    place = unsigned(stored) / f"{table}.parquet"
    whole = pq.read_table(place)
    at = whole.schema.get_field_index(column)
    changed = whole.append_column(column, values) if at < 0 else whole.set_column(at, column, values)
    pq.write_table(changed, place)
    if message is None:
        assert len(Log.read(stored)) == 3
        return
    assert message in refused(stored)
    with pytest.raises(LogError, match=r"^[^\n]+$"):
        Log.read(stored)


@pytest.mark.parametrize("table", ["rows", "users", "items", "friends"])
def test_a_table_without_a_column_or_with_one_twice_is_refused(stored, table):
    place = unsigned(stored) / f"{table}.parquet"
    whole = pq.read_table(place)
    name = whole.column_names[0]
    pq.write_table(whole.append_column(name, whole[name]), place)
    assert f"has the column {name} twice" in refused(stored)
    pq.write_table(whole.drop([name]), place)
    assert f"must have a column {name}" in refused(stored)


def test_a_log_that_breaks_rules_is_read_unchecked_only_where_that_is_said(stored):
    place = unsigned(stored) / "rows.parquet"
    whole = pq.read_table(place)
    pq.write_table(whole.set_column(whole.schema.get_field_index("step"), "step", ints(0, -1, -2)), place)
    with pytest.raises(LogError, match="step"):
        Log.read(stored)
    assert [problem.row for problem in validate(read_log(stored, check=False)) if "0 or" in problem.rule] == [
        3,
        4,
    ]


def test_a_full_disk_leaves_nothing_and_is_told_in_one_line(tmp_path):
    """A limit on the size of files stands for the disk: the tables need more."""
    code = (
        "import resource, sys; import numpy as np, pyarrow as pa; from recgym.logs import Log, Source\n"
        "n = 200_000; rng = np.random.default_rng(0)\n"
        "log = Log.build({'user': np.zeros(n, int), 'item': np.zeros(n, int), 'session': np.arange(n),\n"
        "    'step': np.zeros(n, int), 'propensity': rng.random(n)}, users=pa.table({'id': ['a']}),\n"
        "    items=pa.table({'id': ['x']}), domain='content', source=Source('s', '', ''))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))\n"
        "try: log.write(sys.argv[1])\n"
        "except OSError as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "log"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
    assert "File too large" in done.stdout
    assert str(tmp_path / "log") in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_written_log_takes_no_other_domain_and_no_options(stored):
    assert refused(stored, domain="content").endswith("log: this log has the domain social, not 'content'")
    assert refused(stored, tab=1).endswith("log: a log that recgym wrote takes no option 'tab'")


# ---- friends of any social log

LISTENS = "user,item,time\n" + "".join(f"u{k},i{k % 3},{1_600_000_000 + k}\n" for k in range(5))


@pytest.fixture
def listens(tmp_path):
    return write(tmp_path / "listens.csv", LISTENS)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("g.csv", "user,friend\nu0,u1\nu3,u2\n"),
        ("g.csv", "friend,since,user\nu1,2019,u0\nu2,2020,u3\n"),
        ("g.csv", "from,to\nu0,u1\nu3,u2\n"),
        ("g.csv", "from,to\nu0, u1\nu3 , u2\n"),
        ("g.tsv", "u0\tu1\nu3\tu2\n"),
        ("g.txt", "u0 u1\nu3  u2\n"),
        ("g.dat", "u0::u1\nu3::u2"),
        ("g.csv.gz", gzip.compress(b"a;b\nu0;u1\nu3;u2\n", mtime=0)),
        ("g.csv", "user,friend\nu0,u1\nu1,u0\nu0,u1\nu3,u2\n"),
        ("g.csv", "user,friend\nu0,u1\nu4,u4\nu9,u0\nu3,u2\nu8,u8\n"),
    ],
)
def test_friends_are_pairs_of_the_logs_users(tmp_path, listens, name, text):
    log = read_log(listens, domain="social", friends=write(tmp_path / "graph" / name, text))
    ids = log.users["id"].to_pylist()
    assert {tuple(ids[row[key]] for key in ("user", "friend")) for row in log.friends.to_pylist()} == {
        ("u0", "u1"),
        ("u2", "u3"),
    }
    assert log.friends.num_rows == 2
    assert log.remarks[-1].startswith(f"{name}: 2 pairs of friends")
    assert validate(log) == []
    log.write(tmp_path / "log")
    assert Log.read(tmp_path / "log").friends.equals(log.friends)
    again = read_log(tmp_path / "log")
    assert again.remarks[-1] == log.remarks[-1]


def test_what_is_left_out_of_a_graph_is_counted(tmp_path, listens):
    rows = "u0,u1\nu1,u0\nu0,u1\nu4,u4\nu9,u0\nu8,u8\n"
    log = read_log(listens, domain="social", friends=write(tmp_path / "g.csv", "user,friend\n" + rows))
    assert log.remarks[-1] == (
        "g.csv: 1 pairs of friends; 2 rows with an unknown user left out; "
        "1 rows of a user with himself left out; 2 rows that repeat a pair"
    )


def test_friends_of_parquet_have_ids_of_every_kind(tmp_path):
    path = parquet(tmp_path / "l.parquet", user=[7, 8, 9], item=["x", "y", "z"])
    for values in (
        pa.array([7, 9]),
        pa.array([Decimal(7), Decimal(9)], pa.decimal128(9, 1)),
        pa.array(["7", "9"]),
    ):
        graph = parquet(tmp_path / "g.parquet", a=values, b=pa.array([8, 8]))
        log = read_log(path, domain="social", friends=graph)
        assert log.friends.to_pylist() == [{"user": 0, "friend": 1}, {"user": 1, "friend": 2}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user,friend\nu8,u9\n", "g.csv: no row has two users of the log; expected ids of its 5 users"),
        ("a,b,c\nu0,u1,u2\n", "g.csv: the columns user and friend are needed, or two columns; found a, b, c"),
        ("user\nu0\n", "g.csv: the columns user and friend are needed, or two columns; found user"),
        ("user,friend\nu0,u1\nu0, \n", "g.csv, row 3, friend: a user is needed; found nothing"),
        ("user,friend\nu0,u1\nu0\n", "g.csv, row 3: a row must have 2 cells; found 1"),
        ("user,friend\n", "g.csv: there are no rows below the header"),
        ("", "g.csv: the file is empty"),
    ],
)
def test_a_graph_that_is_none_is_refused(tmp_path, listens, text, message):
    assert refused(listens, domain="social", friends=write(tmp_path / "g.csv", text)).startswith(message)


def test_only_social_logs_have_friends_and_only_once(tmp_path, listens, stored):
    graph = write(tmp_path / "g.csv", "user,friend\na,b\n")
    assert refused(listens, domain="content", friends=graph) == (
        "friends: a log of the domain social has them; this one is content"
    )
    assert refused(stored, friends=graph) == "friends: tiny has its own, 1 pairs"
    assert "there is no such file" in refused(listens, domain="social", friends=tmp_path / "none.csv")


# ---- the same on the command line


def test_validate_takes_several_files_and_a_graph(run, tmp_path, listens):
    more = write(tmp_path / "more.csv", "user,item,time\nu0,i9,1600009000\n")
    graph = write(tmp_path / "g.tsv", "u0\tu1\nu0\tzz\n")
    code, out, err = run("validate", listens, more, "--domain", "social", "--graph", graph)
    assert (code, err) == (0, "")
    assert "2 files are one log: listens.csv, more.csv\n" in out
    assert "g.tsv: 1 pairs of friends; 1 rows with an unknown user left out\n" in out
    assert out.endswith(
        f"{listens}, {more}: 6 rows, 6 sessions, 5 users, 4 items, 0 duplicates dropped; no rule is broken\n"
    )


def test_a_fit_reads_several_files_and_a_graph(run, tmp_path, listens, monkeypatch):
    asked = []
    monkeypatch.setattr("recgym.fit.fit", lambda log, **settings: asked.append(log) or 1 / 0)
    more = write(tmp_path / "more.csv", "user,item,time\nu0,i9,1600009000\n")
    graph = write(tmp_path / "g.tsv", "u0\tu1\n")
    with pytest.raises(ZeroDivisionError):
        run("fit", listens, more, "--domain", "social", "--graph", graph, "--out", tmp_path / "w")
    assert (len(asked[0]), len(asked[0].friends)) == (6, 1)


def test_bad_files_are_one_line_and_exit_code_2_in_every_command(run, tmp_path, stored):
    bad = parquet(tmp_path / "bad.parquet", user=["a"], item=pa.array([[1]]))
    (stored / "rows.parquet").write_bytes(b"PAR1")
    for path in (bad, stored):
        for command in (
            ("validate", path),
            ("fit", path, "--out", tmp_path / "w"),
            ("card", "social-2", "--log", path),
        ):
            code, out, err = run(*command, "--domain", "social")
            assert (code, out, err.count("\n")) == (2, "", 1)
            assert err.startswith("recgym: ")
            assert path.name in err
    assert "--graph has an effect only with --log LOG" in run("card", "social-2", "--graph", bad)[2]
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("t.csv", gzip.compress(b"user,item\na,x\n", mtime=0), "packed by gzip"),
        ("t.csv.xz", b"\xfd7zXZ\0rest", "packed by xz"),
        ("t.feather", b"ARROW1\0\0rest", "an Arrow or Feather file"),
        ("t.csv", b'{"user": 1, "item": 2}\n', "JSON"),
        ("t.csv", b"# exported 2020\nuser,item\na,x\n", "found a comment"),
    ],
)
def test_files_of_another_format_are_named(tmp_path, name, data, what):
    (tmp_path / name).write_bytes(data)
    assert what in refused(tmp_path / name, domain="social")


def test_names_of_files_and_remarks_are_shown_in_one_line(tmp_path, run, stored):
    place = tmp_path / "a\nb.csv"
    place.write_text("user,item\na,\n")
    assert refused(place, domain="social").startswith("a\\nb.csv, row 2, item")
    meta = json.loads((unsigned(stored) / "meta.json").read_text())
    meta["remarks"] = ["a\nb\x1b[31mred"]
    (stored / "meta.json").write_text(json.dumps(meta))
    code, out, _ = run("validate", stored)
    assert code == 0
    assert "a\\nb\\x1b[31mred\n" in out


def test_a_column_of_a_folder_and_a_file_must_agree(tmp_path):
    folder = tmp_path / "d" / "event=view"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text("user,item,event\nu,i,view\nu,j,cart\n")
    message = refused(tmp_path / "d", domain="ecommerce")
    assert message.startswith(
        "event=view/a.csv, row 3, event: a cell must agree with the name of the folder, view"
    )
    (folder / "a.csv").write_text("user,item,event\nu,i,view\n")
    assert len(read_log(tmp_path / "d", domain="ecommerce")) == 1
