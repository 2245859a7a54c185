"""Columns of text without a stated type: contexts of rows, and features in tables of users and items.

They are text, read as ids are. A column is of numbers, or of true and false, if each of its cells is one in the usual
notation and no two cells write one value in different ways: 007, 1e5 and True beside 1 make it text.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.logs.arrow_types import is_text
from recgym.logs.cell_rules import WHOLE_PATTERN
from recgym.logs.columns import as_numpy
from recgym.logs.ids import FLOAT, INT, encode_ids

PLAIN = r"^-?(0|[1-9][0-9]{0,14})(\.[0-9]+)?$"
WITH_COMMA = r"^[+-]?[0-9]+(,[0-9]+)?$"
MAX_DIGITS = 15  # that a float64 keeps of every decimal number
YES_NO = ({"true", "false"}, {"True", "False"}, {"TRUE", "FALSE"})


def words_of(cells: Any) -> Any:
    """Coded text of a column, without surrounding spaces and a decimal part of zeros; null for a missing value.

    A column of True and False alone, in one spelling, has the words of one of booleans: true and false.
    """
    codes, words = encode_ids(cells)
    if are_yes_no(words):
        words = pc.utf8_lower(words)
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), words)


def values_of(cells: Any) -> Any:
    """Column of text as whole numbers, numbers, booleans or coded text; null for a missing value."""
    coded = words_of(cells)
    words = coded.dictionary.take(pc.drop_null(pc.unique(coded.indices)))
    if not len(words):
        return coded
    if are_yes_no(words):
        return pc.equal(pc.utf8_lower(coded.cast(pa.string())), "true")
    if as_numpy(pc.match_substring_regex(words, WHOLE_PATTERN)).all():
        return coded.cast(pa.string()).cast(INT)
    if not _are_numbers(words):
        return coded
    return coded.cast(pa.string()).cast(FLOAT)


def are_yes_no(words: Any) -> bool:
    """Whether distinct words are of true and false alone, in one spelling."""
    return 0 < len(words) <= 2 and any(set(words.to_pylist()) <= pair for pair in YES_NO)


def are_comma_numbers(cells: Any) -> bool:
    """Whether all known cells of a column of text are numbers, some of them with a comma, which stay text."""
    words = words_of(cells).dictionary
    if not len(words):
        return False
    return bool(
        as_numpy(pc.match_substring_regex(words, WITH_COMMA)).all()
        and pc.any(pc.match_substring(words, ",")).as_py()
    )


def with_values(table: Any, prefix: str) -> Any:
    """The table with `values_of` its columns of text whose names start with the prefix."""
    for place, name in enumerate(table.column_names):
        if name.startswith(prefix) and is_text(table[name].type):
            table = table.set_column(place, name, values_of(table[name]))
    return table


def _are_numbers(words: Any) -> bool:
    """Whether distinct words are distinct numbers in the usual notation, or in that of Python."""
    digits = pc.utf8_length(pc.replace_substring_regex(words, r"^-?0?\.?|\.", ""))
    is_plain = as_numpy(pc.and_(pc.match_substring_regex(words, PLAIN), pc.less_equal(digits, MAX_DIGITS)))
    if not all(_is_shortest(word) for word in words.filter(pa.array(~is_plain)).to_pylist()):
        return False
    return len(np.unique(as_numpy(words.cast(FLOAT)))) == len(words)


def _is_shortest(word: str) -> bool:
    """Whether a word is what Python writes for a finite number."""
    try:
        number = float(word)
    except ValueError:
        return False
    return bool(np.isfinite(number)) and repr(number) == word
