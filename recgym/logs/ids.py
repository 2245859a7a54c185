"""Ids and words as codes: a column of text is held as numbers and its distinct values."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recgym.arrays import Array

INT, FLOAT, TEXT = pa.int64(), pa.float64(), pa.string()
SHORTENED = r"^[0-9]\.[0-9]+[eE]\+[0-9]+$"  # as programs write large numbers of a column of floats
MISSING = (  # words that programs write for a value they do not have
    "", "NA", "N/A", "n/a", "#N/A", "<NA>", "nan", "NaN", "NAN", "-nan", "-NaN", "NaT", "null", "NULL", "Null",
    "(null)", "None", "NONE", "none", "nil", "undefined", r"\N",
)  # fmt: skip


def natural(key: str) -> tuple[Any, ...]:
    """Sort key that puts 2 before 10 and A2 before A10."""
    parts = re.split(r"([0-9]{1,300})", key)
    return tuple(int(part) if place % 2 else part for place, part in enumerate(parts))


def encode(values: Any) -> tuple[Array, Any]:
    """Code of every value (rows,) int32, -1 where it is null, and the values behind the codes as strings."""
    coded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    chunks = coded.unify_dictionaries().chunks if isinstance(coded, pa.ChunkedArray) else [coded]
    if not chunks:
        return np.zeros(0, np.int32), pa.array([], TEXT)
    codes = [pc.fill_null(chunk.indices, -1).to_numpy(zero_copy_only=False) for chunk in chunks]
    return np.concatenate(codes).astype(np.int32, copy=False), as_text(chunks[0].dictionary)


def encode_ids(values: Any, listed: Any = None) -> tuple[Array, Any]:
    """As `encode`, of ids: those that differ by spaces around them or by a decimal part of zeros are one.

    The code is -1 where a cell is empty or has one of the words MISSING that is not among the ids `listed`.
    """
    codes, words = encode(values)
    words = id_text(words)
    missing = is_missing(words)
    if listed is not None:
        missing = pc.and_(missing, pc.invert(pc.is_in(words, value_set=as_text(listed))))
    merged = pc.if_else(missing, pa.scalar(None, TEXT), words).dictionary_encode()
    place = pc.fill_null(merged.indices, -1).to_numpy(zero_copy_only=False).astype(np.int32)
    return np.append(place, np.int32(-1))[codes], merged.dictionary


def id_text(values: Any) -> Any:
    """Ids as strings without spaces around them; a whole number has no decimal part: 7.0 is 7, and 007 is 007."""
    words = pc.utf8_trim_whitespace(as_text(values))
    short = pc.match_substring_regex(words, SHORTENED)
    if pc.any(short).as_py():
        full = [
            _full(word) if is_short else word
            for word, is_short in zip(words.to_pylist(), short.to_pylist(), strict=True)
        ]
        words = pa.array(full, TEXT)
    return pc.replace_substring_regex(words, r"^([+-]?[0-9]+)\.0*$", r"\1")


def _full(word: str) -> str:
    """A whole number written with an exponent in full, where it has all its digits."""
    digits, exponent = word.lower().split("e+")
    whole, decimals = digits.split(".")
    size = int(exponent)
    is_whole = len(decimals) >= size and not decimals[size:].strip("0")
    return whole + decimals[:size] if is_whole else word


def is_missing(words: Any) -> Any:
    """Which strings are empty or one of the words MISSING, spaces aside; a null is."""
    return pc.fill_null(pc.is_in(pc.utf8_trim_whitespace(words), value_set=pa.array(MISSING)), True)


def renamed(values: Any, name: Callable[[str], str]) -> Any:
    """Words with every distinct one put through `name`; a null counts as an empty word."""
    codes, words = encode(values)
    coded = pa.array([name(word or "") for word in words.to_pylist()] + [name("")]).dictionary_encode()
    return pa.DictionaryArray.from_arrays(
        coded.indices.take(pa.array(codes % len(coded.indices))), coded.dictionary
    )


def index_ids(values: Any) -> tuple[Array, list[str]]:
    """Index of every value among the distinct ids that occur, and these ids as strings in natural order."""
    return in_natural_order(*encode(values))


def in_natural_order(codes: Array, names: Any) -> tuple[Array, list[str]]:
    """`index_ids` of values that are encoded already; the index of a code of -1 is 0."""
    occurs = np.flatnonzero(np.bincount(codes[codes >= 0], minlength=len(names)))
    ids: list[str] = names.take(pa.array(occurs)).to_pylist()
    order = sorted(range(len(ids)), key=lambda place: (natural(ids[place]), ids[place]))
    rank = np.zeros(len(names) + 1, np.int32)  # the last one: of -1
    rank[occurs[order]] = np.arange(len(ids), dtype=np.int32)
    return rank[codes], [ids[place] for place in order]


def lookup(values: Any, ids: Any) -> Array:
    """Index of every value among `ids`, -1 where it is not there."""
    codes, names = encode(values)
    found = pc.fill_null(pc.index_in(names, value_set=as_text(ids)), -1).to_numpy().astype(np.int32)
    index: Array = np.append(found, np.int32(-1))[codes]
    return index


def as_text(values: Any) -> Any:
    """Numbers and words as strings; whole numbers in full, without an exponent."""
    if pa.types.is_floating(values.type):
        whole = pc.fill_null(
            pc.and_(pc.equal(values, pc.floor(values)), pc.less(pc.abs(values), 2.0**63)), False
        )
        full = pc.if_else(whole, values, pa.scalar(0, values.type)).cast(INT, safe=False).cast(TEXT)
        return pc.if_else(whole, full, values.cast(TEXT))
    return values if values.type == TEXT else values.cast(TEXT)


def labels(categories: Sequence[str]) -> list[str]:
    """A label an item, made of its category and its number within it: "skirts 1", "skirts 2" ..."""
    count: dict[str, int] = {}
    made = []
    for category in categories:
        count[category] = count.get(category, 0) + 1
        made.append(f"{category} {count[category]}")
    return made


def first_rows(table: Any) -> Array:
    """Rows of a table that do not repeat an earlier row exactly, in order.

    Equal rows have equal hashes; only rows that share one are compared, so the memory is that of the hashes.
    """
    hashes = row_hashes(table)
    order = np.argsort(hashes, kind="stable")
    hashes = hashes[order]
    alike = np.r_[False, hashes[1:] == hashes[:-1], False]
    suspects = np.sort(order[alike[1:] | alike[:-1]])
    del hashes, order
    few = table.take(pa.array(suspects))
    columns = [
        pa.array(encode(few[name])[0]) if _is_words(few[name].type) else few[name]
        for name in few.column_names
    ]
    numbered = pa.table([*columns, pa.array(suspects)], [*few.column_names, "#"])
    grouped = numbered.group_by(few.column_names, use_threads=False).aggregate([("#", "min")])
    first = np.ones(len(table), bool)
    first[suspects] = False
    first[grouped["#_min"].to_numpy()] = True
    return np.flatnonzero(first)


def row_hashes(table: Any) -> NDArray[np.uint64]:
    """A number for every row, the same for equal rows; columns that are neither numbers nor words do not count."""
    hashes = np.zeros(len(table), np.uint64)
    for name in table.column_names:
        kind = table[name].type
        if _is_words(kind):
            bits = encode(table[name])[0].astype(np.int64)
        elif pa.types.is_floating(kind):
            bits = (pc.fill_null(table[name].cast(FLOAT), np.pi).to_numpy() + 0.0).view(
                np.int64
            )  # -0.0 is 0.0
        elif pa.types.is_integer(kind) or pa.types.is_timestamp(kind):
            bits = pc.fill_null(table[name].cast(INT, safe=False), -1).to_numpy()
        else:
            continue
        hashes ^= bits.view(np.uint64)
        hashes *= np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing (Knuth, 1973)
        hashes ^= hashes >> np.uint64(32)
    return hashes


def _is_words(kind: Any) -> bool:
    return bool(pa.types.is_dictionary(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind))


def usual(groups: Array, values: Array, num_groups: int) -> tuple[Array, Array]:
    """The most frequent value (the smaller at a tie) of each group, and which rows deviate from it."""
    size = int(values.max()) + 1 if len(values) else 1
    pairs, counts = np.unique(groups.astype(np.int64) * size + values, return_counts=True)
    order = np.lexsort((-(pairs % size), counts))  # the last one written wins: most frequent, then smallest
    most = np.full(num_groups, -1, np.int64)
    most[pairs[order] // size] = pairs[order] % size
    return most, values != most[groups]
