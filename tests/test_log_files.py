"""The files of a log: what they are packed in, damaged files, kinds of columns, separators, several files."""

import bz2
import gzip
import os
import zipfile
from decimal import Decimal
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recgym.logs import Log, LogError, read_log
from recgym.logs.separators import BLOCK, separator_of, single

HEADER = "user,item,time\n"
ROWS = "".join(f"u{k % 7},i{k % 11},{1_600_000_000 + k}\n" for k in range(2_000))


def refused(path, **options) -> str:
    with pytest.raises(LogError) as error:
        read_log(path, **{"domain": "content", **options})
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


PACKED = gzip.compress((HEADER + ROWS).encode())


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("t.csv", b"", "t.csv: the file is empty"),
        ("t.csv", b"\n \n\n", "t.csv: the file is empty"),
        ("t.csv.gz", gzip.compress(b""), "t.csv.gz: the file is empty"),
        ("t.csv.gz", PACKED[: len(PACKED) // 2], "t.csv.gz: cannot be read: Truncated compressed stream"),
        ("t.csv.gz", PACKED[:-8] + b"12345678", "t.csv.gz: cannot be read: zlib inflate failed"),
        ("t.csv.gz", b"user,item\na,b\n", "t.csv.gz: cannot be read: zlib inflate failed"),
        ("t.parquet", b"", "t.parquet: no Parquet file"),
        ("t.csv", "user,item\na,b\n".encode("utf-16"), "t.csv, row 1: the file is not in utf8"),
        ("t.csv", "user,item\na,b\n".encode("utf-16-le"), "t.csv, row 1: the file is no text in UTF-8"),
        ("t.csv", b"x" * 3_000_000, "t.csv, row 1: a line of more than 1,048,576 characters"),
        ("t.csv", b'user,"' + b"x" * 200_000 + b'",item\n', "t.csv, row 1: a quote is not closed, or field larger"),
        ("t.zip", b"PK\x03\x04 and then nothing", "no zip, or not the whole of one"),
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


def test_blank_lines_before_the_header_do_not_count(tmp_path):
    log = read_log(write(tmp_path / "t.csv", "\n\nuser,item\n\na,b\n"), domain="content")
    assert log.column("file_row").tolist() == [2]


def test_a_truncated_or_damaged_parquet_file_is_refused(tmp_path):
    path = parquet(tmp_path / "t.parquet", user=["a"] * 500, item=[f"i{k}" for k in range(500)])
    whole = path.read_bytes()
    write(path, whole[: len(whole) // 2])
    assert refused(path).startswith("t.parquet: no Parquet file: ")
    write(path, whole[:30] + b"\xff" * 40 + whole[70:])
    assert "t.parquet" in refused(path)


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
    assert "it is a pipe or a device" in refused("/dev/null")
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
    "half floats": pa.array([1.5, None, 2.25], pa.float16()),
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
    "bytes that are no UTF-8 text": pa.array([b"\xff\xfe"]),
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
    assert refused(path).startswith("t.parquet, row 1: there is no column 'item'; say which column is what")
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
    with pytest.raises(LogError, match="frame: cannot be read"):
        Log.from_pandas(frame.assign(item=[1, "a", {}]), domain="content")


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
    lines = [f"{k}::{'x' * (k % 50)}::{k}" for k in range(3 * BLOCK // 30)]
    text = "\n".join(lines).encode()
    assert len(text) > 2 * BLOCK
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
