"""Conversion of the column types of Parquet and data frames to the few types that a log is read from.

Numbers, booleans, timestamps and strings are kept; all string types become plain strings. Decimals become text, as in a
CSV file, so that an id of 30 digits keeps its digits. UUIDs and UTF-8 bytes become text, durations whole ms.
"""

from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from recgym.logs.problems import LogError, LogProblem, raise_problems

TEXT = pa.string()
TYPES_RULE = "numbers, words, booleans or times are needed"
LISTS_RULE = "the items of a slate as a list in one cell are the key shown"
UTF8_RULE = "text in UTF-8 is needed"  # which lone surrogates have no form in


def plain(values: Any, name: str, column: str, row: int = 1) -> Any:
    """Arrow column of numbers, booleans, timestamps or strings; LogError that names the column for another type.

    `row` is the number of the first row, for the message about a cell that is not UTF-8.
    """
    refuse_other_text(values, name, column, row)
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
    except NotImplementedError:
        raise LogError(f"{name}, {column}: {TYPES_RULE}; the column is {kind}") from None


def refuse_other_text(values: Any, name: str, column: str, row: int) -> None:
    """Raises LogError with the first cell of text, bytes or lists of these that is not UTF-8."""
    for chunk in values.chunks if isinstance(values, pa.ChunkedArray) else [values]:
        cells = pc.list_flatten(chunk) if is_list(chunk.type) else chunk
        is_coded = pa.types.is_dictionary(cells.type)
        words = cells.dictionary if is_coded else cells
        if any(is_kind(words.type) for is_kind in _WORDS) and not _is_utf8(words):
            raw = words.cast(pa.large_binary())
            raw = raw.take(cells.indices) if is_coded else raw
            at, word = next((at, word) for at, word in enumerate(raw.to_pylist()) if _is_broken(word))
            place = pc.list_parent_indices(chunk)[at].as_py() if is_list(chunk.type) else at
            raise_problems([LogProblem(name, row + place, column, UTF8_RULE, repr(word))])
        row += len(chunk)


def _is_utf8(words: Any) -> bool:
    try:
        words.cast(TEXT).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _is_broken(word: bytes | None) -> bool:
    try:
        (word or b"").decode()
    except UnicodeDecodeError:
        return True
    return False


def refuse_spans(kind: Any, name: str, column: str) -> None:
    """Raises LogError if a column of times holds durations."""
    if pa.types.is_duration(kind):
        raise LogError(f"{name}, {column}: a time is needed; the column holds durations, {kind}")


def refuse_list(kind: Any, name: str, column: str) -> None:
    """Raises LogError if a column of items or slates holds lists."""
    if is_list(kind):
        raise LogError(f"{name}, {column}: {TYPES_RULE}, and {LISTS_RULE}; the column is {kind}")


def _plain(values: Any) -> Any:
    """Column of a plain type; NotImplementedError for another type."""
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


def is_number(kind: Any) -> bool:
    """Whether an Arrow type is numeric; the type of a column of nulls is."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind))


def is_text(kind: Any) -> bool:
    """Whether an Arrow type is text, plain or dictionary-coded."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_time(kind: Any) -> bool:
    """Whether an Arrow type is numeric, a timestamp or a date."""
    types = pa.types
    allowed = (types.is_integer, types.is_floating, types.is_timestamp, types.is_date, types.is_null)
    return any(of_kind(kind) for of_kind in allowed)


def plain_strings(cells: Any) -> Any:
    """Dictionary-coded and large strings as plain strings; other columns unchanged."""
    kind = cells.type.value_type if pa.types.is_dictionary(cells.type) else cells.type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        kind = TEXT
    return cells if cells.type == kind else cells.cast(kind)


_TYPES = pa.types
_WORDS = (
    _TYPES.is_string, _TYPES.is_large_string, _TYPES.is_string_view,
    _TYPES.is_binary, _TYPES.is_large_binary, _TYPES.is_binary_view,
)  # fmt: skip
_KEPT = (
    _TYPES.is_integer, _TYPES.is_floating, _TYPES.is_boolean, _TYPES.is_null, _TYPES.is_timestamp, _TYPES.is_date,
)  # fmt: skip


def plain_uuids(values: Any) -> Any:
    """UUIDs (an extension type of Arrow) as text of 8-4-4-4-12 hexadecimal digits."""
    coded = values.storage.dictionary_encode()
    words = pa.array(
        [None if raw is None else str(UUID(bytes=raw)) for raw in coded.dictionary.to_pylist()], TEXT
    )
    return pa.DictionaryArray.from_arrays(coded.indices, words)


def is_list(kind: Any) -> bool:
    """Whether an Arrow type is a list."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))
