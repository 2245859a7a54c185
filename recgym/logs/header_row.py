"""A header in a file whose columns are named by their number: it would become a user and an item."""

from typing import Any

import numpy as np
import pyarrow.compute as pc

from recgym.logs.arrow_types import is_text
from recgym.logs.columns import as_numpy
from recgym.logs.ids import encode
from recgym.logs.origin import Origin
from recgym.logs.problems import LogError

IDS = ("user", "item")
NUMBER = r"^\s*[-+]?[0-9]+(\.[0-9]*)?\s*$"


def refuse_header(table: Any, origin: Origin) -> None:
    """LogError where both ids of the first row, and of no row that is not the first of a file, are words.

    `table` has the keys as column names.
    """
    starts = np.flatnonzero(np.r_[True, np.diff(origin.file) != 0])
    ids = [key for key in IDS if key in table.column_names and is_text(table[key].type)]
    found = []
    for key in ids:
        codes, words = encode(table[key])
        is_number = as_numpy(pc.match_substring_regex(words, NUMBER)).astype(bool)
        is_word = ~np.append(is_number, True)[codes]
        if (
            not is_word[0]
            or is_word.sum() == len(is_word)
            or not np.isin(np.flatnonzero(is_word), starts).all()
        ):
            return
        found.append(words[codes[0]].as_py())
    if found:
        name, row = origin.place(0)
        named = ",".join(f"{key}={word}" for key, word in zip(ids, found, strict=True))
        raise LogError(
            f"{name}, row {row}: {' and '.join(map(repr, found))} are words where all other ids are numbers, as in a "
            f"header: where a file has one, name its columns by it, as in {named}"
        )
