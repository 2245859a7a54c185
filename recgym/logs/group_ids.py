"""Ids that tie the rows of a table of events together: sessions and slates; and lists in place of one item."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Array
from recgym.logs.arrow_types import is_number, is_text
from recgym.logs.cell_rules import WHOLE_PATTERN
from recgym.logs.columns import as_numpy
from recgym.logs.ids import INT, encode, in_natural_order
from recgym.logs.parsing import TableParser

LISTED = r"^[\[({].*[\])}]$|[|;,]|\S\s+\S"  # a list of items, in brackets or not
SLATE_RULE = (
    "a number or an id is needed, which the rows of one slate share; the items of a slate as a list in one cell are "
    "the key shown"
)

BRACKETS = r"^[\[({].*[|;,].*[\])}]$"
ITEM_RULE = "one item is needed; the items of a slate as a list in one cell are the key shown"
SIGNS = "|;,"


def check_items(parser: TableParser) -> None:
    """Notes lists in brackets in place of an item, and a remark if half of the rows have a sign of lists in an id."""
    cells, settings = parser.table["item"], parser.settings
    if not is_text(cells.type) or settings.items is not None:
        return
    codes, words = encode(cells)
    words = pc.utf8_trim_whitespace(words)
    is_list = as_numpy(pc.match_substring_regex(words, BRACKETS))
    parser.reject("item", np.append(is_list, False)[codes], ITEM_RULE)
    for sign in SIGNS:
        has_sign = np.append(as_numpy(pc.match_substring(words, sign)) & ~is_list, False)[codes]
        if 2 * has_sign.sum() > len(codes):
            what = f"{int(has_sign.sum()):,} rows have an item with {sign!r} in its id"
            parser.remarks.append(
                f"{settings.name}: {what}: each is one item; for lists of items see the key shown"
            )


def group_numbers(parser: TableParser) -> dict[str, Any]:
    """The columns session and slate of a table that has them."""
    read = {"session": session_numbers, "slate": slate_numbers}
    return {key: read[key](parser, key) for key in read if key in parser.table.column_names}


def session_numbers(parser: TableParser, key: str) -> Array:
    """Sessions (rows,): int64 if all ids are usual whole numbers, else codes (int32) in natural order."""
    if pa.types.is_signed_integer(parser.table[key].type):
        return as_numpy(parser.number(key, INT))
    return _numbers(*parser.ids(key))


def slate_numbers(parser: TableParser, key: str) -> Any:
    """Slates (rows,) as an Arrow array, null for an empty cell and for -1; numbered as sessions are."""
    if is_number(parser.table[key].type):
        numbers = parser.number(key, INT)
        return pc.if_else(pc.equal(numbers, -1), pa.scalar(None, INT), numbers)
    codes, words = parser.ids(key)
    is_listed = as_numpy(pc.match_substring_regex(words, LISTED))
    parser.reject(key, np.append(is_listed, False)[codes], SLATE_RULE)
    codes = np.where(np.append(as_numpy(pc.equal(words, "-1")), True)[codes], -1, codes)
    return pa.array(_numbers(codes, words).astype(np.int64), mask=codes < 0)


def _numbers(codes: Array, words: Any) -> Array:
    """(rows,) the ids as int64, if all are usual whole numbers; else ranks (int32) in natural order."""
    if as_numpy(pc.match_substring_regex(words, WHOLE_PATTERN)).all():
        return np.append(as_numpy(words.cast(INT)), -1)[codes]
    return in_natural_order(codes, words)[0]
