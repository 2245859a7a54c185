"""Ids that tie rows together: sessions and slates as numbers, and lists in place of one item."""

import pandas as pd
import pyarrow as pa
import pytest
from log_files import parquet, refused, write

from recgym.logs import Log, LogError, read_log

SHOWN = "the key shown"
AT = 1_600_000_000


def slates(tmp_path, cells):
    """Slates of rows 10 s apart, of one user and item, with these cells."""
    rows = "".join(f"u,i{at},{AT + 10 * at},{cell}\n" for at, cell in enumerate(cells))
    return read_log(write(tmp_path / "t.csv", f"user,item,time,slate\n{rows}"), domain="ecommerce")


@pytest.mark.parametrize(
    ("cells", "numbers", "steps"),
    [
        (["3", "3", "12", "-1", ""], [3, 3, 12, None, None], [0, 0, 1, 2, 3]),
        (["s2", "s2", "s10", "s10", "-1"], [0, 0, 1, 1, None], [0, 0, 1, 1, 2]),
        (["7", "007", "1e5", "100000"], [2, 1, 0, 3], [0, 1, 2, 3]),
        ([" a", "a ", "NA", "nan"], [0, 0, None, None], [0, 0, 1, 2]),
        (["7.0", "7", "8"], [7, 7, 8], [0, 0, 1]),
        (["9f1c-2a", "9f1c-2a", "0b77-11"], [1, 1, 0], [0, 0, 1]),
    ],
)
def test_slates_are_ids_as_sessions_are(tmp_path, cells, numbers, steps):
    log = slates(tmp_path, cells)
    assert log.rows["slate"].to_pylist() == numbers
    assert log.column("step").tolist() == steps


def test_numbers_of_a_typed_file_stay(tmp_path):
    columns = {"user": ["u"] * 3, "item": list("ijk"), "time": [AT, AT, AT + 9]}
    for cells in ([5, 5, -1], [5.0, 5.0, None], ["5", "5", None]):
        log = read_log(parquet(tmp_path / "t.parquet", **columns, slate=cells), domain="ecommerce")
        assert log.rows["slate"].to_pylist() == [5, 5, None]


@pytest.mark.parametrize("cell", ["a b c", "[1; 2; 3]", "i|j", "1;2", "['a']", "(4)"])
def test_a_list_in_place_of_a_slate_says_which_key_reads_it(tmp_path, cell):
    rows = f"u,i,{AT},{cell}\nu,j,{AT + 9},s1\nu,k,{AT + 9},s1\n"
    message = refused(write(tmp_path / "t.csv", f"user,item,time,slate\n{rows}"))
    assert message.startswith("t.csv, row 2, slate: ")
    assert SHOWN in message


@pytest.mark.parametrize("key", ["slate", "item"])
def test_a_column_of_lists_says_which_key_reads_it(tmp_path, key):
    columns = {"user": ["u", "v"], "item": ["i", "j"], "slate": [1, 2]} | {key: [["i", "j"], ["j"]]}
    assert SHOWN in refused(parquet(tmp_path / "t.parquet", **columns))
    with pytest.raises(LogError, match=f"^frame, {key}: numbers, .* {SHOWN};"):
        Log.from_pandas(pd.DataFrame(columns), domain="content")


@pytest.mark.parametrize("cell", ["[1; 2]", "['a'; 'b']", "(1|2)", "{3;4}"])
def test_a_list_in_brackets_is_no_item(tmp_path, cell):
    message = refused(write(tmp_path / "t.csv", f"user,item,time\nu,i,{AT}\nu,{cell},{AT + 9}\n"))
    assert message.startswith("t.csv, row 3, item: one item is needed")
    assert SHOWN in message


def test_items_with_the_sign_of_lists_are_counted(tmp_path):
    text = "user,item\nu,a|b\nu,c|d\nu,e\n"
    said = "2 rows have an item with '|' in its id: each is one item; for lists of items see the key shown"
    assert f"t.csv: {said}" in read_log(write(tmp_path / "t.csv", text), domain="social").remarks
    few = write(tmp_path / "few.csv", 'user,item\nu,"Crosby, Stills & Nash"\nu,Abba\nu,Cher\n')
    assert not any("one item" in line for line in read_log(few, domain="social").remarks)


def test_sessions_and_slates_of_unsigned_numbers(tmp_path):
    columns = {key: pa.array([4, 4, 9], pa.uint64()) for key in ("session", "slate")}
    log = read_log(
        parquet(tmp_path / "t.parquet", user=["u"] * 3, item=list("ijk"), **columns), domain="ecommerce"
    )
    assert log.rows["slate"].to_pylist() == log.rows["session"].to_pylist() == [4, 4, 9]
