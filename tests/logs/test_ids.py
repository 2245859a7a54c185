"""Ids, codes and duplicate rows."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_files import write
from log_tables import AT, refused, rows_of, table

from recgym.logs import Log, LogError, read_log
from recgym.logs.ids import encode_ids, first_rows, id_text, in_natural_order, index_ids, lookup


def test_first_rows_against_a_set():
    rng = np.random.default_rng(0)
    rows = [(f"u{a}", int(b), float(c), None if d else "x") for a, b, c, d in rng.integers(0, 4, (500, 4))]
    columns = [list(column) for column in zip(*rows, strict=True)]
    columns[1][::7] = [None] * len(columns[1][::7])
    rows = list(zip(*columns, strict=True))
    seen: set = set()
    expected = [k for k, row in enumerate(rows) if not (row in seen or seen.add(row))]
    plain = pa.table(dict(zip("abcd", columns, strict=True)))
    coded = plain.set_column(0, "a", plain["a"].dictionary_encode())
    assert first_rows(plain).tolist() == first_rows(coded).tolist() == expected
    assert len(expected) < 400


def test_rows_that_share_a_hash_are_compared(monkeypatch):
    monkeypatch.setattr("recgym.logs.ids.row_hashes", lambda table: np.zeros(len(table), np.uint64))
    assert first_rows(pa.table({"a": [1, 2, 1, 3, 2], "b": ["x"] * 5})).tolist() == [0, 1, 3]


def test_ids_are_those_that_occur_whatever_a_dictionary_holds():
    coded = pa.chunked_array(
        [
            pa.DictionaryArray.from_arrays([1, 0], ["a10", "a2", "never"]),
            pa.DictionaryArray.from_arrays([0], ["b"]),
        ]
    )
    index, ids = index_ids(coded)
    assert ids == ["a2", "a10", "b"]
    assert index.tolist() == [0, 1, 2]
    assert lookup(coded, pa.array(["b", "a2"])).tolist() == [1, -1, 0]


@pytest.mark.parametrize("word", ["NA", "None", "null", "nan", "NaN", "NULL", "<NA>", "\\N", "", " ", "NaT"])
@pytest.mark.parametrize("key", ["user", "item", "session"])
def test_a_word_for_a_missing_id_is_no_user(tmp_path, word, key):
    rows = [{"user": f"u{k}", "item": f"i{k}", "session": f"s{k}"} for k in range(8)]
    for k in (1, 4, 5):
        rows[k][key] = word
    text = "\n".join(["user,item,session", *(",".join(row.values()) for row in rows)])
    error = refused(table(tmp_path, text + "\n"))
    assert rows_of(error) == [(3, key), (6, key), (7, key)]
    assert "a value is needed" in str(error)


def test_a_word_is_an_id_where_a_table_lists_it(tmp_path):
    path = table(tmp_path, "user,item\nNA,x\nPL,y\n")
    users = table(tmp_path, "id,country\nNA,Namibia\nPL,Poland\n", "users.csv")
    assert read_log(path, domain="social", users=users).users["id"].to_pylist() == ["NA", "PL"]


@pytest.mark.parametrize("kind", ["file", "frame", "coded"])
def test_ids_that_are_written_in_several_ways_are_counted(tmp_path, kind):
    users = ["e\u0301a", "\u00e9a", "\u200bb", "b", " 3", "3", "3.0", "A", "a", "e\u0301a"]
    frame = pd.DataFrame({"user": users, "item": [f"i{k}" for k in range(10)]})
    if kind == "file":
        log = read_log(table(tmp_path, frame.to_csv(index=False)), domain="social")
    else:
        log = Log.from_pandas(
            frame.astype({"user": "category"}) if kind == "coded" else frame, domain="social"
        )
    assert log.users["id"].to_pylist() == ["3", "A", "a", "b", "\u00e9a"]
    said = [line for line in log.remarks if "several ways" in line]
    first = "' 3' and '3'" if kind == "coded" else "'e\\u0301a' and '\\xe9a'"
    name = "t.csv" if kind == "file" else "frame"
    assert said == [
        f"{name}, user: 3 ids are written in several ways, such as {first}, and are one each: spaces, characters "
        "without width, a decimal part of zeros and the form of accents do not count"
    ]


def test_ids_that_are_the_same_number_are_one_user(tmp_path):
    log = read_log(table(tmp_path, 'user,item\n" 3",x\n3,y\n3.0,z\n7,x\n7.0 ,y\n'), domain="social")
    assert log.users["id"].to_pylist() == ["3", "7"]
    log = read_log(
        table(tmp_path, "user,item\n007,x\n7,y\n1e5,z\n100000,x\n1.10,x\n1.1,x\n"), domain="social"
    )
    assert log.users["id"].to_pylist() == ["1.1", "1.10", "1e5", "007", "7", "100000"]


@pytest.mark.parametrize(
    "kind", [np.int64, np.float64, np.float32, str, object, "category", "Int64", "string"]
)
def test_ids_of_every_type_agree_in_frame_csv_and_parquet(tmp_path, kind):
    frame = pd.DataFrame({"user": pd.Series([0, 7, 12345678, 7]).astype(kind), "item": ["a", "b", "c", "d"]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    logs = [
        Log.from_pandas(frame, domain="social"),
        *(read_log(tmp_path / name, domain="social") for name in ("t.csv", "t.parquet")),
    ]
    for log in logs:
        assert log.users["id"].to_pylist() == ["0", "7", "12345678"]
        assert log.to_pandas()["user"].tolist() == ["0", "7", "7", "12345678"]


def test_ids_that_a_float_column_cannot_hold_are_refused(tmp_path):
    for kind, first in ((np.float64, 2**53 + 2), (np.float32, 2**24 + 2)):
        frame = pd.DataFrame({"user": np.array([1, first], kind), "item": ["a", "b"]})
        with pytest.raises(LogError, match="frame, row 2, user: ids as text are needed: a column of"):
            Log.from_pandas(frame, domain="social")
    error = refused(table(tmp_path, "user,item\n1.23457E+18,a\n5,b\n"))
    assert str(error) == "t.csv, row 2, user: an id with all its digits is needed; found '1.23457E+18'"


def test_mixed_ids_of_an_object_column_are_text():
    frame = pd.DataFrame({"user": pd.Series([7, "7", 7.0, "x"], dtype=object), "item": list("abcd")})
    assert Log.from_pandas(frame, domain="social").users["id"].to_pylist() == ["7", "x"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("-a 07.é", min_size=1, max_size=6), min_size=1, max_size=12))
def test_ids_of_any_text_have_an_order_and_keep_apart(words):
    codes, ids = encode_ids(pa.array(words))
    index, names = in_natural_order(codes, ids)
    assert sorted(names) == sorted(ids.to_pylist())
    for word, place, code in zip(words, index, codes, strict=True):
        if code < 0:
            assert not word.strip()
        else:
            assert names[place] == id_text(pa.array([word]))[0].as_py()


def test_numbers_and_text_in_ids_are_not_compared():
    assert index_ids(pa.array(["-", "-5", "-10", "a", "a7b", "a07"]))[1] == [
        "-",
        "-5",
        "-10",
        "a",
        "a07",
        "a7b",
    ]


def test_an_id_with_a_nul_byte_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"user": ["u", "u\x00"], "item": ["a", "b"]}), path)
    with pytest.raises(LogError, match=r"t.parquet, row 2, user: an id without NUL bytes is needed"):
        read_log(path, domain="content")


def test_ids_that_look_the_same_are_the_same(tmp_path):
    text = "user,item\nCaf\u00e9,\u200bi\nCafe\u0301,i\u200b\n\u00a0Caf\u00e9\ufeff , i\n"
    log = read_log(write(tmp_path / "t.csv", text), domain="social")
    assert log.users["id"].to_pylist() == ["Caf\u00e9"]
    assert log.items["id"].to_pylist() == ["i"]
    inside = write(tmp_path / "t.csv", "user,item\na\u200db,i\nab,j\n")  # as emoji have it
    assert len(read_log(inside, domain="social").users) == 2


@pytest.mark.parametrize("choice", [None, "drop"])
def test_rows_that_differ_only_in_their_count_are_no_duplicates(tmp_path, choice):
    """Two sums of plays at one time are two rows; a third that repeats one of them is a duplicate."""
    path = table(tmp_path, f"user,item,time,listen\na,x,{AT},2\na,x,{AT},5\na,x,{AT},2\nb,x,{AT},1\n")
    log = read_log(path, domain="social", duplicates=choice)
    assert (len(log), log.duplicates, sorted(log.column("listens"))) == (3, 1, [1, 2, 5])
