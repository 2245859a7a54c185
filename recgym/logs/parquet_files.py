"""Parquet files: their columns, read in batches so that memory stays small."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recgym.logs.arrow_types import TEXT, plain, refuse_other_text
from recgym.logs.delimited import TABLE, require_columns
from recgym.logs.files import Files, reading
from recgym.logs.problems import LogError

MAGIC = b"PAR1"  # the first bytes of Parquet
BATCH_ROWS = 1 << 17
MAX_DICTIONARIES = 8  # batches, before their dictionaries are merged


def parquet_columns(files: Files, name: str, wanted: Sequence[str], lists: Sequence[str] = ()) -> Any:
    """Columns of a Parquet file, read in batches; strings become codes at once to save memory.

    Columns in `lists` are unchanged; LogError for another type of column that is not read.
    """
    schema = parquet_file(files, name).schema_arrow
    require_columns(name, schema.names, wanted, *TABLE)
    words = [column for column in wanted if pa.types.is_string(schema.field(column).type)]
    chunks: dict[str, list[Any]] = {column: [] for column in wanted}
    file, row = parquet_file(files, name, words), 1
    with reading(name):
        for batch in file.iter_batches(BATCH_ROWS, columns=list(wanted)):
            for column, parts in chunks.items():
                values = batch.column(column)
                refuse_other_text(values, name, column, row)
                parts.append(values if column in lists else _coded(plain(values, name, column)))
                if len(parts) == MAX_DICTIONARIES:
                    parts[:] = _one(parts).chunks
            row += len(batch)
    if not chunks[wanted[0]]:
        raise LogError(f"{name}: there are no rows")
    return pa.table({column: _one(parts) for column, parts in chunks.items()})


def holds_parquet(files: Files, name: str) -> bool:
    """Whether a file is Parquet, by its name or its first bytes."""
    if name.endswith((".parquet", ".pq")):
        return True
    with reading(name), files.open(name) as stream:
        return bool(stream.read(len(MAGIC)) == MAGIC)


def parquet_file(files: Files, name: str, words: Sequence[str] = ()) -> Any:
    """Open Parquet file that reads the columns `words` as codes; LogError for another file."""
    with reading(name, "not a Parquet file"):
        return pq.ParquetFile(files.seekable(name), read_dictionary=list(words))


def _one(parts: Sequence[Any]) -> Any:
    """Concatenated parts; strings as one part with one dictionary."""
    column = pa.chunked_array(parts)
    if not pa.types.is_dictionary(column.type):
        return column
    return pa.chunked_array([column.unify_dictionaries().combine_chunks()])


def _coded(values: Any) -> Any:
    if pa.types.is_large_string(values.type) or pa.types.is_string_view(values.type):
        values = values.cast(TEXT)
    return values.dictionary_encode() if values.type == TEXT else values
