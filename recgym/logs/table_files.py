"""Files of the generic table: which columns are read, as what, and how so that memory stays small."""

import re
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recgym.events import EVENTS
from recgym.logs.cells import NULLABLE
from recgym.logs.codes import FLOAT, INT, TEXT, as_text
from recgym.logs.mapping import ATTRIBUTES, CONTEXT, KEYS
from recgym.logs.problems import LogError
from recgym.logs.tables import FLAG, ID, Files, read_csv, read_header, require_columns

NUMBERS = {"step": INT, "slate": INT, "position": INT, "propensity": FLOAT, "price": FLOAT, "watch_ms": INT,
           "duration_ms": FLOAT, "rating": FLOAT}  # fmt: skip
DELIMITERS = (",", ";", "\t", "|")
BATCH_ROWS = 1 << 17
MERGED = 8  # batches after which their dictionaries become one
PLACE = "#"  # before the place of a column, from 1, in a file without header


def read_table(files: Files, name: str, columns: Mapping[str, str], domain: str) -> Any:
    """The mapped columns under their keys' names; without a map those whose names are keys."""
    flags = [event.name for event in EVENTS[domain]]
    parquet, places = name.endswith(".parquet"), by_place(columns)
    delimiter = "," if parquet else _delimiter(files, name)
    header = parquet_file(files, name).schema_arrow.names if parquet else read_header(files, name, delimiter)
    if places:
        header = [f"{PLACE}{k + 1}" for k in range(len(header))]
    _hint(name, header, columns)
    keys = [key for key in header if key in (*KEYS, *ATTRIBUTES, *flags) or key.startswith(CONTEXT)]
    require_columns(name, header, columns.values() or ("user", "item"))
    columns = columns or {key: key for key in keys}
    wanted = list(dict.fromkeys(columns.values()))
    if parquet:
        table = parquet_columns(files, name, wanted)
    else:
        types = {c: next(_type(key, flags) for key in columns if columns[key] == c) for c in wanted}
        nullable = [c for key, c in columns.items() if key in NULLABLE or key.startswith(CONTEXT)]
        named = header if places else None
        table = read_csv(files, name, types, delimiter=delimiter, nullable=nullable, header=named)
    return pa.table({key: _coded(table[column]) for key, column in columns.items()})


def by_place(columns: Mapping[str, str]) -> bool:
    """Whether a map names columns by their place, as #1; LogError where only some are."""
    placed = [column for column in columns.values() if re.fullmatch(f"{PLACE}[1-9][0-9]*", column)]
    if placed and len(placed) < len(columns):
        other = next(column for column in columns.values() if column not in placed)
        raise LogError(
            f"map: {other!r} is a name and {placed[0]!r} a place; a file without header has places alone"
        )
    return bool(placed)


def _hint(name: str, header: Sequence[str], columns: Mapping[str, str]) -> None:
    """LogError that says what to do where the first row looks like data, or no map names the columns."""
    missing = [column for column in columns.values() or ("user", "item") if column not in header]
    if missing and any(re.fullmatch(r"[-+]?[0-9][0-9.:/ -]*", cell) for cell in header):
        raise LogError(
            f"{name}, row 1: there is no column {missing[0]!r}, and {','.join(header[:6])!r} looks like data: where a "
            f"file has no header, name its columns by their place, as in user={PLACE}1,item={PLACE}2,time={PLACE}3"
        )
    if missing and not columns:
        raise LogError(
            f"{name}, row 1: there is no column {missing[0]!r}; say which column is what by a map, --map "
            f"user=COLUMN,item=COLUMN,time=COLUMN or mapping= in Python; found {', '.join(header)}"
        )


def parquet_columns(files: Files, name: str, wanted: Sequence[str]) -> Any:
    """Columns of a Parquet file, read in batches: words become codes at once, so that no text of all rows is held."""
    schema = parquet_file(files, name).schema_arrow
    require_columns(name, schema.names, wanted)
    words = [column for column in wanted if pa.types.is_string(schema.field(column).type)]
    chunks: dict[str, list[Any]] = {column: [] for column in wanted}
    for batch in parquet_file(files, name, words).iter_batches(BATCH_ROWS, columns=list(wanted)):
        for column, parts in chunks.items():
            parts.append(_coded(batch.column(column)))
            if len(parts) == MERGED:
                parts[:] = _one(parts).chunks
    if not chunks[wanted[0]]:
        return schema.empty_table().select(list(wanted))
    return pa.table({column: _one(parts) for column, parts in chunks.items()})


def parquet_file(files: Files, name: str, words: Sequence[str] = ()) -> Any:
    """A Parquet file to read from, these columns as codes; LogError where it is none."""
    try:
        return pq.ParquetFile(files.seekable(name), read_dictionary=list(words))
    except (pa.ArrowInvalid, OSError) as error:
        raise LogError(f"{name}: no Parquet file: {error}") from error


def _one(parts: Sequence[Any]) -> Any:
    """The parts one after the other; words as one part with one dictionary."""
    column = pa.chunked_array(parts)
    if not pa.types.is_dictionary(column.type):
        return column
    return pa.chunked_array([column.unify_dictionaries().combine_chunks()])


def _coded(values: Any) -> Any:
    if pa.types.is_large_string(values.type) or pa.types.is_string_view(values.type):
        values = values.cast(TEXT)
    return values.dictionary_encode() if values.type == TEXT else values


def _type(key: str, flags: Sequence[str]) -> Any:
    """Arrow type of a CSV column; None where the file tells (time, session, context)."""
    if key in ("user", "item", "event", "category"):
        return ID
    return FLAG if key in flags else NUMBERS.get(key)


def _delimiter(files: Files, name: str) -> str:
    header = " ".join(read_header(files, name, "\n"))
    return max(DELIMITERS, key=header.count)


def read_ids(path: str | PathLike[str]) -> Any:
    """A table with a column id from a CSV or Parquet file."""
    files = Files(path)
    name = files.one("*")
    if name.endswith(".parquet"):
        return with_id(name, parquet_file(files, name).read())
    delimiter = _delimiter(files, name)
    header = read_header(files, name, delimiter)
    types = {column: TEXT if column == "id" else None for column in ("id", *header)}
    return with_id(name, read_csv(files, name, types, delimiter=delimiter, nullable=header))


def with_id(name: str, table: Any) -> Any:
    """The table with its ids as strings; LogError where there is no column id."""
    require_columns(name, table.column_names, ("id",))
    return table.set_column(
        table.schema.get_field_index("id"), "id", as_text(table["id"])
    ).replace_schema_metadata(None)
