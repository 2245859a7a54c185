"""Columns of the kinds that Parquet and data frames know, as the few that a log is made from.

Numbers, booleans, moments and words stay; words of every kind become plain strings. Decimals become their text, as they
stand in a CSV file, so that an id of 30 digits stays whole; UUIDs and UTF-8 bytes become text, time spans whole ms.
"""

from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from recgym.logs.problems import LogError

TEXT = pa.string()
NEEDED = "numbers, words, booleans or times are needed"


def plain(values: Any, name: str, column: str) -> Any:
    """A column (Arrow) as numbers, booleans, moments or words; LogError, which names it, for any other kind."""
    if isinstance(values, pa.ChunkedArray):
        chunks = [plain(chunk, name, column) for chunk in values.chunks or [pa.array([], values.type)]]
        return pa.chunked_array(chunks)
    kind = values.type
    if isinstance(kind, pa.BaseExtensionType):
        storage = plain_uuids(values) if kind.extension_name == "arrow.uuid" else values.storage
        return plain(storage, name, column)
    if pa.types.is_dictionary(kind):
        words = plain(values.dictionary, name, column)
        if words.type != TEXT:
            return words.take(values.indices)
        return pa.DictionaryArray.from_arrays(values.indices.cast(pa.int32()), words)
    try:
        return _plain(values)
    except pa.ArrowInvalid:
        raise LogError(f"{name}, {column}: {NEEDED}; the column has bytes that are no UTF-8 text") from None
    except NotImplementedError:
        raise LogError(f"{name}, {column}: {NEEDED}; the column is {kind}") from None


def refuse_spans(kind: Any, name: str, column: str) -> None:
    """LogError where a column of times has spans of time."""
    if pa.types.is_duration(kind):
        raise LogError(f"{name}, {column}: a time is a moment; the column has spans of time, {kind}")


def _plain(values: Any) -> Any:
    """NotImplementedError for a kind that is none of them, ArrowInvalid for bytes that are no text."""
    kind = values.type
    if pa.types.is_decimal(kind):
        return pc.replace_substring_regex(values.cast(TEXT), r"^([+-]?[0-9]+)\.0+$", r"\1")
    if pa.types.is_duration(kind):
        return values.cast(pa.duration("ms"), safe=False).cast(pa.int64())
    if pa.types.is_float16(kind):
        return values.cast(pa.float32())
    if any(is_kind(kind) for is_kind in _WORDS):
        return values if kind == TEXT else values.cast(TEXT)
    if any(is_kind(kind) for is_kind in _KEPT):
        return values
    raise NotImplementedError


_TYPES = pa.types
_WORDS = (
    _TYPES.is_string, _TYPES.is_large_string, _TYPES.is_string_view,
    _TYPES.is_binary, _TYPES.is_large_binary, _TYPES.is_binary_view,
)  # fmt: skip
_KEPT = (
    _TYPES.is_integer, _TYPES.is_floating, _TYPES.is_boolean, _TYPES.is_null, _TYPES.is_timestamp, _TYPES.is_date,
)  # fmt: skip


def plain_uuids(values: Any) -> Any:
    """UUIDs (Arrow's extension type) as the text that everybody writes: 8-4-4-4-12 hexadecimal digits."""
    coded = values.storage.dictionary_encode()
    words = pa.array(
        [None if raw is None else str(UUID(bytes=raw)) for raw in coded.dictionary.to_pylist()], TEXT
    )
    return pa.DictionaryArray.from_arrays(coded.indices, words)
