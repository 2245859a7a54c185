"""Parquet files of recgym's own."""

from pathlib import Path
from typing import Any

from recgym.checks import stated_path


def read_parquet(source: bytes | str | Path) -> Any:
    """The table of a whole Parquet file, or of its bytes, read in this thread.

    `pyarrow.parquet.read_table` reads ahead in threads of its own, and a process that ends soon after it, as a command
    does that refuses what it read, may be ended by a signal while those still run (pyarrow 26).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = source if isinstance(source, bytes) else stated_path(source, "source").read_bytes()
    file = pq.ParquetFile(pa.BufferReader(data))
    names = file.schema_arrow.names
    if not names or len(set(names)) < len(names):
        return file.read(use_threads=False)
    # one column after the other, as reading one takes about twice its memory
    columns = [file.read(columns=[name], use_threads=False).column(name) for name in names]
    return pa.table(columns, schema=file.schema_arrow)
