"""Types of columns of text: contexts of rows, and features of users and items."""

import pandas as pd
import pyarrow as pa
import pytest
from log_files import parquet, refused, write
from log_tables import table

from recgym.logs import Log, read_log
from recgym.logs.text_values import values_of

TEXT = [
    ["007", "7"], ["01234", "1234"], ["1e5", "100000"], ["1e5", "2e5"], ["0.10", "0.1"], ["true", "1"],
    ["True", "true"],
    ["12345678901234567891", "12345678901234567892"], ["0.12345678901234567891", "0.5"], ["2020-01-01", "2020-01-02"],
    ["12:00", "12:00:00"], ["0x10", "16"], ["+7", "7"], ["-0", "0"], ["1,5", "2"], ["inf", "1"], ["1_000", "1000"],
    ["\u0661", "1"],
]  # fmt: skip


@pytest.mark.parametrize("cells", TEXT, ids=" ".join)
def test_text_stays_text(tmp_path, cells):
    """Contexts, features of users and of items, and categories: different cells are different words."""
    folder = ";".join(cells)
    log = read_log(
        write(
            tmp_path / "t.csv",
            "user;item;context_x;category\n" + "".join(f"u{k};i{k};{c};{c}\n" for k, c in enumerate(cells)),
        ),
        domain="ecommerce",
    )
    assert log.column("context_x").tolist() == cells, folder
    assert log.items["category"].to_pylist() == cells
    for kind in "ui":
        write(
            tmp_path / f"{kind}.csv",
            "id;zip;category\n" + "".join(f"{kind}{k};{c};{c}\n" for k, c in enumerate(cells)),
        )
    rows = write(tmp_path / "r.csv", "user,item\nu0,i0\nu1,i1\n")
    log = read_log(rows, domain="ecommerce", users=tmp_path / "u.csv", items=tmp_path / "i.csv")
    for facts, name in ((log.users, "zip"), (log.items, "zip"), (log.items, "category")):
        assert facts[name].cast(pa.string()).to_pylist() == cells


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1", "-2", "0"], [1, -2, 0]),
        (["1.0", "7", " 3 "], [1, 7, 3]),
        (["9.90", "0.5", ""], [9.9, 0.5, None]),
        (["1e-05", "0.1"], [1e-05, 0.1]),
        (["0.12345678901234568", "3"], [0.12345678901234568, 3.0]),
        (["True", "False", "NA"], [True, False, None]),
        (["TRUE", "TRUE"], [True, True]),
        (["NA", ""], [None, None]),
        (["a", "nan", "null"], ["a", None, None]),
    ],
)
def test_numbers_and_flags_of_text(cells, values):
    found = values_of(pa.array(cells)).to_pylist()
    assert (found, list(map(type, found))) == (values, list(map(type, values)))


def test_one_file_of_text_decides_for_all(tmp_path):
    paths = [
        write(tmp_path / f"{k}.csv", f"user,item,context_x\nu,i,{cell}\n")
        for k, cell in enumerate(("7", "007", "9"))
    ]
    assert read_log(paths, domain="ecommerce").column("context_x").tolist() == ["7", "007", "9"]
    assert read_log(paths[::2], domain="ecommerce").column("context_x").tolist() == [7, 9]


def test_stated_types_are_kept(tmp_path):
    path = parquet(
        tmp_path / "t.parquet", user=["u", "v"], item=["a", "b"], context_x=["7", "8"], context_y=[7, 8]
    )
    frame = pd.DataFrame(
        {"user": ["u", "v"], "item": ["a", "b"], "context_x": ["7", "8"], "context_y": [7, 8]}
    )
    for log in (read_log(path, domain="content"), Log.from_pandas(frame, domain="content")):
        assert log.column("context_x").tolist() == ["7", "8"]
        assert log.column("context_y").tolist() == [7, 8]


@pytest.mark.parametrize(
    ("key", "cells", "read"),
    [
        ("context_hour", ["08", "8", ""], [8, 8, None]),
        ("context_index", ["08", "8", ""], [8, 8, None]),
        ("context_day", ["20220425", "020220425", "20220425.0"], [20220425] * 3),
    ],
)
def test_contexts_that_are_whole_numbers_by_name(tmp_path, key, cells, read):
    rows = "".join(f"u,{at},{cell}\n" for at, cell in enumerate(cells))
    log = read_log(table(tmp_path, f"user,item,{key}\n{rows}"), domain="content")
    assert log.rows[key].to_pylist() == read
    path = table(tmp_path, f"user,item,{key}\nu,a,{cells[0]}\nu,b,8 pm\n")
    assert refused(path) == f"t.csv, row 3, {key}: a whole number is needed; found '8 pm'"


def test_items_without_a_category_are_counted(tmp_path):
    rows = write(tmp_path / "r.csv", "user,item\nu,a\nu,b\n")
    items = write(tmp_path / "i.csv", "id,category\na,NA\nb,x\n")
    frame = pd.DataFrame({"id": ["a", "b"], "category": [None, "x"]})
    made = Log.from_pandas(pd.DataFrame({"user": ["u"], "item": ["a"]}), domain="ecommerce", items=frame)
    for log in (read_log(rows, domain="ecommerce", items=items), made):
        assert log.items["category"].to_pylist() == ["unknown", "x"]
        assert any("1 items have no category: it is unknown" in remark for remark in log.remarks)


@pytest.mark.parametrize("spelling", [str, str.lower, str.upper])
def test_a_category_of_true_and_false_is_one_whatever_it_is_written_as(tmp_path, spelling):
    """Booleans of Parquet, JSON lines and frames, and the words of any writer of CSV."""
    vip = [True, None, False]
    rows = {"user": ["u"] * 3, "item": ["a", "b", "c"], "time": [1600000000, 1600000001, 1600000002]}
    ids = {"id": ["a", "b", "c"], "category": vip}
    words = [None if value is None else spelling(str(value)) for value in vip]
    pd.DataFrame({**rows, "category": words}).to_csv(tmp_path / "t.csv", index=False)
    pd.DataFrame({**ids, "category": words}).to_csv(tmp_path / "i.csv", index=False)
    pd.DataFrame({**rows, "category": vip}).to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    parquet(tmp_path / "t.parquet", **rows, category=vip)
    parquet(tmp_path / "i.parquet", **ids)
    pd.DataFrame(rows).to_csv(tmp_path / "bare.csv", index=False)
    frame = pd.DataFrame(rows)
    logs = [
        *(read_log(tmp_path / f"t.{kind}", domain="social") for kind in ("csv", "jsonl", "parquet")),
        *(
            read_log(tmp_path / "bare.csv", domain="social", items=tmp_path / f"i.{kind}")
            for kind in ("csv", "parquet")
        ),
        *(Log.from_pandas(frame.assign(category=each), domain="social") for each in (vip, words)),
        Log.from_pandas(frame, domain="social", items=pd.DataFrame(ids)),
    ]
    for log in logs:
        assert log.items["category"].to_pylist() == ["true", "unknown", "false"]


def test_text_of_a_table_of_ids_is_the_same_from_every_file(tmp_path):
    """Words for a missing value, spaces and decimals of zeros are read as in CSV where a file states the type, too."""
    ids = pd.DataFrame({"id": ["a", "b", "c", "d"], "tier": ["gold", "NA", "", " 1.0"]})
    ids.to_csv(tmp_path / "u.csv", index=False)
    ids.to_parquet(tmp_path / "u.parquet")
    rows = pd.DataFrame({"user": ["a", "b", "c", "d"], "item": "i", "time": 1600000000})
    rows.to_csv(tmp_path / "t.csv", index=False)
    logs = [
        read_log(tmp_path / "t.csv", domain="social", users=tmp_path / f"u.{kind}")
        for kind in ("csv", "parquet")
    ]
    logs.append(Log.from_pandas(rows, domain="social", users=ids))
    for log in logs:
        assert log.users["tier"].to_pylist() == ["gold", None, None, "1"]
