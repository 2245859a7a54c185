"""Cells of slates in which an item has an event, before the columns are read."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Array
from recgym.logs.arrow_types import is_text
from recgym.logs.columns import as_numpy
from recgym.logs.ids import encode
from recgym.logs.mapping import FALSE, OPENED, SHOWN, SYNONYMS, TRUE, meaning, translated


def words_without_event(cells: Any, domain: str, meanings: Mapping[str, str]) -> list[str]:
    """Words of an event column that say that nothing happened to an item."""
    words = encode(cells)[1].to_pylist()
    plain = translated(words, meanings)
    meant = meaning(plain, domain)
    calm = (SHOWN, OPENED, *FALSE, "")
    known = [word.strip().lower() for word in plain]
    return [
        word
        for word, text, name in zip(words, plain, known, strict=True)
        if not meant[text] and SYNONYMS.get(name, name) in calm
    ]


def yes_of(values: Any) -> Array:
    """(rows,) 1 for a cell with an event, 0 for one without, -1 for an empty or unknown one."""
    if not is_text(values.type):
        numbers = np.nan_to_num(as_numpy(pc.fill_null(values.cast(pa.float64()), np.nan)), nan=-1.0)
        return np.where(numbers < 0, -1, numbers > 0)
    codes, words = encode(values)
    known = [_is_event(word.strip().lower()) for word in words.to_pylist()]
    return np.array([*known, -1])[codes]


def _is_event(word: str) -> int:
    if word in TRUE or word in FALSE:
        return int(word in TRUE)
    try:
        return int(float(word) > 0)
    except ValueError:
        return -1
