"""Ids and words as codes: integer codes and the distinct strings of a text column."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recgym.arrays import Array

INT, FLOAT, TEXT = pa.int64(), pa.float64(), pa.string()
SHORTENED = r"^[0-9]\.[0-9]+[eE]\+[0-9]+$"  # large numbers of a float column in scientific notation
NO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff"
MISSING = (  # words for a missing value
    "", "NA", "N/A", "n/a", "#N/A", "<NA>", "nan", "NaN", "NAN", "-nan", "-NaN", "NaT", "null", "NULL", "Null",
    "(null)", "None", "NONE", "none", "nil", "undefined", r"\N",
)  # fmt: skip


def natural_key(key: str) -> tuple[Any, ...]:
    """Key of natural order: 2 is before 10 and A2 before A10."""
    parts = re.split(r"([0-9]{1,300})", key)
    return tuple(int(part) if place % 2 else part for place, part in enumerate(parts))


def encode(values: Any) -> tuple[Array, Any]:
    """Code of every value (rows,) int32, -1 for null, and the string of each code."""
    coded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    chunks = coded.unify_dictionaries().chunks if isinstance(coded, pa.ChunkedArray) else [coded]
    if not chunks:
        return np.zeros(0, np.int32), pa.array([], TEXT)
    codes = [pc.fill_null(chunk.indices, -1).to_numpy(zero_copy_only=False) for chunk in chunks]
    return np.concatenate(codes).astype(np.int32, copy=False), as_text(chunks[0].dictionary)


def encode_ids(values: Any, listed: Any = None) -> tuple[Array, Any]:
    """Codes of ids as in `encode`; ids that differ by surrounding spaces or a decimal part of zeros have one code.

    The code is -1 for an empty cell, and for one of the words MISSING unless it is in `listed`.
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
    """Ids as strings without surrounding spaces and without a decimal part of zeros: 7.0 is 7; 007 stays 007.

    Characters without width around an id count as spaces; a letter and its accent are one character (Unicode's NFC).
    """
    words = as_text(values)
    if not pc.all(pc.string_is_ascii(words)).as_py():
        words = pc.utf8_trim(pc.utf8_normalize(pc.utf8_trim_whitespace(words), "NFC"), NO_WIDTH)
    words = pc.utf8_trim_whitespace(words)
    short = pc.match_substring_regex(words, SHORTENED)
    if pc.any(short).as_py():
        full = [
            _full(word) if is_short else word
            for word, is_short in zip(words.to_pylist(), short.to_pylist(), strict=True)
        ]
        words = pa.array(full, TEXT)
    return pc.replace_substring_regex(words, r"^([+-]?[0-9]+)\.0*$", r"\1")


def spellings(values: Any) -> list[str]:
    """One line that counts the ids which are written in several ways in a coded column of text, and shows the first."""
    if not pa.types.is_dictionary(values.type):
        return []
    codes, words = encode(values)
    used = np.flatnonzero(np.bincount(codes[codes >= 0], minlength=len(words)))
    words = words.take(pa.array(used))
    ids = id_text(words).dictionary_encode()
    place = ids.indices.to_numpy(zero_copy_only=False)
    several = np.flatnonzero(np.bincount(place, minlength=len(ids.dictionary)) > 1)
    several = several[~is_missing(ids.dictionary.take(pa.array(several))).to_numpy(zero_copy_only=False)]
    if not len(several):
        return []
    first = words.take(pa.array(np.flatnonzero(place == several[0])[:2])).to_pylist()
    return [
        f"{len(several):,} ids are written in several ways, such as {' and '.join(map(ascii, first))}, and are one "
        "each: spaces, characters without width, a decimal part of zeros and the form of accents do not count"
    ]


def _full(word: str) -> str:
    """Whole number in scientific notation with all its digits, if they are given; else unchanged."""
    digits, exponent = word.lower().split("e+")
    whole, decimals = digits.split(".")
    size = int(exponent)
    is_whole = len(decimals) >= size and not decimals[size:].strip("0")
    return whole + decimals[:size] if is_whole else word


def is_missing(words: Any) -> Any:
    """Whether each string is null, empty, or one of the words MISSING, without surrounding spaces."""
    return pc.fill_null(pc.is_in(pc.utf8_trim_whitespace(words), value_set=pa.array(MISSING)), True)


def map_strings(values: Any, name: Callable[[str], str]) -> Any:
    """Strings with `name` applied to each distinct one; null counts as an empty string."""
    codes, words = encode(values)
    coded = pa.array([name(word or "") for word in words.to_pylist()] + [name("")]).dictionary_encode()
    return pa.DictionaryArray.from_arrays(
        coded.indices.take(pa.array(codes % len(coded.indices))), coded.dictionary
    )


def map_ids(values: Any, name: Callable[[str], str]) -> Any:
    """`map_strings` of ids, which `name` gets as they are compared: 7.0 is 7."""
    codes, words = encode_ids(values)
    return map_strings(pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), words), name)


def index_ids(values: Any) -> tuple[Array, list[str]]:
    """Index of every value among the distinct ids that occur, and these ids as strings in natural order."""
    return in_natural_order(*encode(values))


def in_natural_order(codes: Array, names: Any) -> tuple[Array, list[str]]:
    """`index_ids` of values that are encoded already; the index of a code of -1 is 0."""
    occurs = np.flatnonzero(np.bincount(codes[codes >= 0], minlength=len(names)))
    ids: list[str] = names.take(pa.array(occurs)).to_pylist()
    order = sorted(range(len(ids)), key=lambda place: (natural_key(ids[place]), ids[place]))
    rank = np.zeros(len(names) + 1, np.int32)  # the last one: of -1
    rank[occurs[order]] = np.arange(len(ids), dtype=np.int32)
    return rank[codes], [ids[place] for place in order]


def lookup(values: Any, ids: Any) -> Array:
    """Index of every value in `ids`, -1 if it is not in it."""
    codes, names = encode(values)
    found = pc.fill_null(pc.index_in(names, value_set=as_text(ids)), -1).to_numpy().astype(np.int32)
    index: Array = np.append(found, np.int32(-1))[codes]
    return index


def as_text(values: Any) -> Any:
    """Numbers and strings as strings; whole numbers without an exponent."""
    if pa.types.is_floating(values.type):
        whole = pc.fill_null(
            pc.and_(pc.equal(values, pc.floor(values)), pc.less(pc.abs(values), 2.0**63)), False
        )
        full = pc.if_else(whole, values, pa.scalar(0, values.type)).cast(INT, safe=False).cast(TEXT)
        return pc.if_else(whole, full, values.cast(TEXT))
    return values if values.type == TEXT else values.cast(TEXT)


def labels(categories: Sequence[str]) -> list[str]:
    """Label of each item: its category and its number in it, "skirts 1", "skirts 2" ..."""
    count: dict[str, int] = {}
    made = []
    for category in categories:
        count[category] = count.get(category, 0) + 1
        made.append(f"{category} {count[category]}")
    return made


def first_rows(table: Any) -> Array:
    """Rows of a table that are not exact duplicates of an earlier row, in order.

    Only rows with equal hashes are compared, to save memory.
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
    """(rows,) hashes, equal for equal rows; only columns of numbers, times and strings count."""
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


def most_frequent(groups: Array, values: Array, num_groups: int) -> tuple[Array, Array]:
    """Most frequent value of each group (the smallest of ties), and which rows have another value."""
    size = int(values.max()) + 1 if len(values) else 1
    pairs, counts = np.unique(groups.astype(np.int64) * size + values, return_counts=True)
    order = np.lexsort(
        (-(pairs % size), counts)
    )  # the last one written is kept: most frequent, then smallest
    most = np.full(num_groups, -1, np.int64)
    most[pairs[order] // size] = pairs[order] % size
    return most, values != most[groups]
