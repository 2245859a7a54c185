"""Parquet files of recgym's own."""

from pathlib import Path
from typing import Any


def read_parquet(source: bytes | Path) -> Any:
    """The table of a whole Parquet file, or of its bytes, read in this thread.

    `pyarrow.parquet.read_table` reads ahead in threads of its own, and a process that ends soon after it, as a command
    does that refuses what it read, may be ended by a signal while those still run (pyarrow 26).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = source.read_bytes() if isinstance(source, Path) else source
    return pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
