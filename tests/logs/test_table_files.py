"""Several files of one log, files without header, and columns in names of folders."""

import numpy as np
import pyarrow as pa
import pytest
from log_files import parquet, parts, refused, write

from recgym.logs import read_log


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
    assert log.column("file_row").tolist() == ([1, 1, 2, 2] if ending == "parquet" else [2, 2, 3, 3])
    names = [name.rpartition("/")[2] for name in log.column("file")]
    assert names == [f"part-{k}.{ending}" for k in (0, 1, 0, 1)]
    assert log.remarks[0].startswith("2 files are one log: ")


def test_a_bad_row_of_the_second_file_is_named_by_its_own_row(tmp_path):
    files = parts(tmp_path / "events")
    files[1].write_text(files[1].read_text().replace("1600000002", "soon"))
    assert refused(tmp_path / "events").startswith("part-1.csv, row 3, time: a time is needed")
    files[1].write_text(files[1].read_text().replace("soon", "").replace("u1,", ","))
    assert refused(tmp_path / "events").startswith("part-1.csv, row ")


def test_files_with_other_columns_are_refused(tmp_path):
    files = parts(tmp_path / "events")
    write(tmp_path / "events" / "users.csv", "user,item,time,age\nu1,x,1,30\n")
    message = "users.csv: has also age, unlike part-0.csv; files of one log must have the same columns"
    assert refused(tmp_path / "events").startswith(message)
    write(tmp_path / "events" / "users.csv", "user,item\nu1,x\n")
    assert refused(tmp_path / "events").startswith("users.csv: has no column time, unlike part-0.csv")
    assert refused([files[0], files[0]]).endswith("part-0.csv: is given twice")
    assert refused([files[0], tmp_path / "gone.csv"]).endswith("gone.csv: there is no such file or folder")
    assert refused([]) == "path is [], expected the path of a file or folder, or a list of paths"


def test_columns_may_have_another_order_and_related_types(tmp_path):
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


def test_true_and_false_of_one_file_are_1_and_0_of_another(tmp_path):
    """As CSV and JSON lines have them: the files were refused."""
    csv = write(tmp_path / "a.csv", "user,item,click\nu,1,1\nu,2,0\n")
    lines = write(
        tmp_path / "b.jsonl", '{"user": "u", "item": 3, "click": 1}\n{"user": "u", "item": 4, "click": 0}\n'
    )
    typed = parquet(tmp_path / "c.parquet", user=["u"] * 2, item=[5, 6], click=[1.0, 0.0])
    log = read_log([csv, lines, typed], domain="content")
    assert log.column("click").tolist() == [True, False] * 3
    bad = parquet(tmp_path / "d.parquet", user=["u"], item=[5], click=[2])
    assert refused([csv, bad]).startswith("d.parquet, row 1, click: 0 or 1 is needed")


def test_files_without_header_are_one_log_and_duplicates_are_counted(tmp_path):
    for name in ("a.csv", "b.csv"):
        write(tmp_path / "x" / name, f"u1,i1,1600000000.5\nu2,i{name[0]},1600000001.5\n")
    log = read_log(tmp_path / "x", domain="content", mapping="user=#1,item=#2,time=#3")
    assert (len(log), log.duplicates) == (3, 1)
    assert sorted(log.column("file_row").tolist()) == [1, 2, 2]


@pytest.mark.parametrize("num_files", [1, 2])
def test_a_header_is_no_row_of_a_file_whose_columns_are_named_by_number(tmp_path, num_files):
    for name in "ab"[:num_files]:
        write(tmp_path / "x" / f"{name}.csv", "user_id,product_id\n17,55\n18,56.0\n")
    error = refused(tmp_path / "x", domain="ecommerce", mapping="user=#1,item=#2")
    assert error.startswith(
        "a.csv, row 1: 'user_id' and 'product_id' are words where all other ids are numbers"
    )
    assert error.endswith("as in user=user_id,item=product_id")


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
@pytest.mark.parametrize("mapping", ["user=#1,item=#2,time=#3", "user=#1,item=#2,event=#file:t>click"])
def test_columns_that_have_names_are_not_named_by_number(tmp_path, kind, mapping):
    path = tmp_path / f"t.{kind}"
    if kind == "parquet":
        parquet(path, user=["a", "b"], item=["x", "y"], time=[1_600_000_000, 1_600_000_001])
    else:
        write(path, '{"user": "a", "item": "x", "time": 1600000000}\n')
    message = "columns of Parquet and JSON have names, use these in the map: user, item, time"
    assert refused(path, mapping=mapping) == f"t.{kind}: {message}"


@pytest.mark.parametrize("rows", ["u1,55\n18,56\n", "a,b\n17,c\n18,56\n", "a,b\n", "17,55\n18,56\n"])
def test_words_among_ids_are_no_header(tmp_path, rows):
    write(tmp_path / "t.csv", rows)
    log = read_log(tmp_path / "t.csv", domain="ecommerce", mapping="user=#1,item=#2")
    assert len(log) == rows.count("\n")


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
