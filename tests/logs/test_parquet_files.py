"""Parquet files are read in batches, with little memory."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recgym.logs import parquet_files, read_log


def test_batches_of_a_parquet_file_give_all_rows(tmp_path, monkeypatch):
    rng = np.random.default_rng(2)
    words = {
        "user": [f"u{k}" for k in rng.integers(0, 50, 1000)],
        "item": [f"i{k}" for k in rng.integers(0, 30, 1000)],
    }
    frame = pa.table(
        {
            **words,
            "time": rng.integers(1_600_000_000, 1_601_000_000, 1000),
            "click": rng.random(1000) < 0.5,
            "rest": [0] * 1000,
        }
    )
    pq.write_table(frame, tmp_path / "t.parquet")
    whole = read_log(tmp_path / "t.parquet", domain="content")
    monkeypatch.setattr(parquet_files, "BATCH_ROWS", 7)
    monkeypatch.setattr(parquet_files, "MAX_DICTIONARIES", 3)
    parts = read_log(tmp_path / "t.parquet", domain="content")
    assert parts.rows.equals(whole.rows)
    assert parts.items.equals(whole.items)
    assert "rest" not in parts.rows.column_names


def test_memory_of_a_parquet_file_stays_below_that_of_its_text(tmp_path):
    """300,000 rows of long words: their text alone would be 300 MB."""
    rows = 300_000
    rng = np.random.default_rng(3)
    long = pa.array(["x" * 500 + str(k) for k in range(1000)])
    columns = {
        name: pa.DictionaryArray.from_arrays(rng.integers(0, 1000, rows), long) for name in ("user", "item")
    }
    pq.write_table(
        pa.table({**columns, "time": rng.integers(10**9, 2 * 10**9, rows)}),
        tmp_path / "t.parquet",
        store_schema=False,
    )
    code = (
        "import resource, sys; from recgym.logs import read_log; import pyarrow.parquet\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "before = peak(); log = read_log(sys.argv[1], domain='content'); print(len(log), peak() - before)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "t.parquet")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    length, megabytes = done.stdout.split()
    assert int(length) == rows
    assert float(megabytes) < 200
