"""Vectors of items in a log: lists in the table of items, or a file beside it."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recgym.logs import Log, LogError, read_log
from recgym.logs.vector_column import vectors_of

ROWS = pd.DataFrame(
    {"user": ["u", "u", "v"], "item": ["a", "b", "c"], "click": [1, 0, 1], "time": [1e9, 1.1e9, 1.2e9]}
)
WANTED = np.array([[0.5, -1.0], [2.0, 1e-3], [1.25, -0.4995]])  # item c has none: the mean
CELLS = {
    "json": ["[0.5, -1]", "[2.0, 1e-3]", ""],
    "bare": ["0.5 -1", "2 .001", ""],
    "bars": ["0.5|-1", "2|0.001", ""],
}


@pytest.fixture
def events(tmp_path):
    path = tmp_path / "events.csv"
    ROWS.to_csv(path, index=False)
    return path


def of_table(events, cells):
    items = events.with_name("items.csv")
    pd.DataFrame({"id": ["a", "b", "c"], "vector": cells}).to_csv(items, index=False)
    return read_log(events, source="generic", domain="content", items=items)


@pytest.mark.parametrize("form", CELLS)
def test_vectors_in_cells_of_text(events, form):
    log = of_table(events, CELLS[form])
    np.testing.assert_allclose(vectors_of(log.items), WANTED, rtol=1e-6)


def test_vectors_in_parquet_and_data_frames_and_after_writing(events, tmp_path):
    cells = [[0.5, -1.0], [2.0, 1e-3], None]
    items = tmp_path / "items.parquet"
    pq.write_table(pa.table({"id": ["a", "b", "c"], "vector": cells}), items)
    log = read_log(events, source="generic", domain="content", items=items)
    frame = Log.from_pandas(
        ROWS, domain="content", items=pd.DataFrame({"id": ["a", "b", "c"], "vector": cells})
    )
    log.write(tmp_path / "log")
    for found in (log, frame, Log.read(tmp_path / "log")):
        np.testing.assert_allclose(vectors_of(found.items), WANTED, rtol=1e-6)


def test_vectors_in_a_file_beside_the_table(events):
    items = events.with_name("items.csv")
    items.write_text("id,category\na,x\nb,y\nc,x\n")
    np.save(items.with_suffix(".npy"), WANTED.astype(np.float16))
    log = read_log(events, source="generic", domain="content", items=items)
    np.testing.assert_allclose(vectors_of(log.items), WANTED.astype(np.float16), rtol=1e-6)
    assert "items.npy: vectors of 2 numbers for 3 items" in log.remarks


def test_a_log_without_vectors_has_none(events):
    assert vectors_of(read_log(events, domain="content", source="generic").items) is None


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["1 2", "1 2 3", "1 2"], r"row 3, vector: a vector of 2 finite numbers .*; found 3 numbers"),
        (["1 2", "1 x", "1 2"], r"row 3, vector: a vector of 2 finite numbers"),
        (["1 2", "1 inf", "1 2"], r"row 3, vector: .*; found nan"),
        (["1 2", "1 1e60", "1 2"], r"row 3, vector"),
        (["[1, 2]", "[1 2", "[1, 2]"], r"row 3, vector: a list as"),
        (["", "", ""], r"items\.csv: column vector (is empty|must be a list)"),
        ([1.0, 2.0, 3.0], r"items\.csv: column vector must be a list of numbers for each item"),
    ],
)
def test_bad_cells_are_errors_that_name_the_row(events, cells, message):
    with pytest.raises(LogError, match=message):
        of_table(events, cells)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 4)), r"items\.npy: 2 vectors, items\.csv has 3 items"),
        (np.zeros(3), r"items\.npy: an array of numbers, .*; found \(3,\) of float64"),
        (np.array([[1.0], [np.nan], [2.0]]), r"items\.npy, row 2, vector: .*; found nan"),
        (np.array([[{}], [1], [2]], object), r"items\.npy: no array of numbers as numpy\.save writes"),
    ],
)
def test_bad_files_are_errors_that_name_them(events, array, message):
    items = events.with_name("items.csv")
    items.write_text("id,category\na,x\nb,y\nc,x\n")
    np.save(items.with_suffix(".npy"), array, allow_pickle=True)
    with pytest.raises(LogError, match=message):
        read_log(events, source="generic", domain="content", items=items)


def test_vectors_given_twice_are_an_error(events):
    of_table(events, CELLS["bare"])
    np.save(events.with_name("items.npy"), WANTED)
    with pytest.raises(LogError, match=r"items\.npy: items\.csv has a column vector, too"):
        read_log(events, source="generic", domain="content", items=events.with_name("items.csv"))
