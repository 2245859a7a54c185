"""Lists in cells of text: 1|2|3, 1 2 3, [1, 2, 3], ['a', 'b'], ["a", "b"]; and lists as lengths and entries.

Brackets around a cell and quotes around an entry are not part of it. A list that has no end, lists in lists and a list
that was shortened on its way, as numpy prints [0 1 ... 9], are errors.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Array
from recgym.logs.arrow_types import is_list, is_number, is_text
from recgym.logs.columns import as_numpy
from recgym.logs.ids import encode, id_text, is_missing
from recgym.logs.mapping import LIST_OF_WORDS
from recgym.logs.origin import Origin
from recgym.logs.problems import LogError, LogProblem

LISTED = (
    "position",
    "price",
    "propensity",
    "watch_ms",
    "category",
    "duration_ms",
)  # keys of which cells may be lists
NUMBERS = ("price", "propensity", "watch_ms", "duration_ms")
SEPARATORS = ("|", ";", ",")  # of a list in text; else white space
ALONE = "\0"  # a separator that no cell has
EACH_RULES = {  # of a single cell beside several items
    "propensity": "a list with the propensity of each item given those above it is needed, not that of the slate",
    "position": "a list with the position of each item shown is needed, or no position: that of an item in its list",
}
EVENT_LIST = r"^\s*[\[({].*[\])}]\s*$|[|;]"
EVENT_RULE = f"one word is needed; {LIST_OF_WORDS} is the column of one event, EVENT={{}}:WORD>1:WORD>0"
LIST_RULE = "a list as 1|2|3, [1, 2, 3] or ['a', 'b'] is needed"
DECIMAL_RULE = "a list or a number with a comma; lists of items and numbers must differ in their separator"
WHOLE_RULE = "a list with all its entries is needed; this one is shortened"
SIGN_RULE = "lists with one separator are needed; other rows have {0!r}"
PAIRS = {"[": "]", "(": ")", "{": "}"}
BARE = r"""^[^\[\](){}'"…]*$"""
BRACKETED = r"""^(\[[^\[\](){}'"…]*\]|\([^\[\](){}'"…]*\)|\{[^\[\](){}'"…:]*\})$"""
_WORD = r"""\s*('[^'"\\|;,\s\[\](){}…]*'|"[^'"\\|;,\s\[\](){}…]*")\s*"""
DECIMAL = r"^[^\d,.\[\](){}]*[0-9]+(\.[0-9]{3})*,[0-9]+[^\d,.\[\](){}]*$"  # 9,99 or 1.234,50
QUOTE = re.compile(r"""u?'(?:[^'\\]|\\.)*'|u?"(?:[^"\\]|\\.)*\"""")
PRINTED = re.compile(r"\([\[{].*[\]}]\)$|^\w+\(\)$|^[a-z]?'.*'$")  # array([1]), set(), b'a'
SHORTENED = re.compile(r"[0-9]*(\.\.\.|…)")


class Lists(NamedTuple):
    """Lists of some rows: their lengths, and all entries as strings."""

    length: Array  # (rows,) int64
    entries: Any  # (entries,) Arrow strings

    @property
    def row(self) -> Array:
        """(entries,) row of each entry."""
        return np.repeat(np.arange(len(self.length)), self.length)

    @property
    def place(self) -> Array:
        """(entries,) place of each entry in its list, from 0."""
        place: Array = np.arange(len(self.entries)) - np.repeat(
            np.cumsum(self.length) - self.length, self.length
        )
        return place


def _quoted(sign: str) -> str:
    """Pattern of a list in brackets whose entries are quoted words with no separator, bracket or quote in them."""
    words = rf"{_WORD}({re.escape(sign) or chr(92) + 's'}{_WORD})*"
    return "^(" + "|".join(rf"\{opened}{words}\{closed}" for opened, closed in PAIRS.items()) + ")$"


def separator(cells: Any) -> str:
    """Separator of the lists in a column of text, "" for white space; quoted words in brackets do not count."""
    words = _unquoted(encode(cells)[1])
    found = (sign for sign in SEPARATORS if pc.any(pc.match_substring(words, sign)).as_py())
    return next(found, "")


def first_decimal(cells: Any) -> int:
    """First row of a text column whose comma may be a decimal comma, if those of all rows may be; else -1."""
    codes, words = encode(cells)
    has_comma = as_numpy(pc.match_substring(words, ","))
    if (has_comma & ~as_numpy(pc.match_substring_regex(words, DECIMAL))).any() or not has_comma.any():
        return -1
    return int(np.argmax(np.append(has_comma, False)[codes]))


def other_separator(cells: Any, sign: str) -> Array:
    """(rows,) cells of text without the separator `sign` that have another one, which no entry of a list has."""
    codes, words = encode(cells)
    bad = np.zeros(len(words), bool)
    if sign:
        is_list = as_numpy(pc.match_substring_regex(pc.utf8_trim_whitespace(words), f"{BARE}|{BRACKETED}"))
        words = pc.utf8_trim_whitespace(_unquoted(words))
        has_sign = as_numpy(pc.match_substring(words, sign))
        blank = rf"[^\s{re.escape(sign)}]\s+[^\s{re.escape(sign)}]"
        for pattern in (*map(re.escape, SEPARATORS), blank):
            occurs = as_numpy(pc.match_substring_regex(words, pattern))
            bad |= is_list & occurs & ~has_sign & ~(occurs & has_sign).any()
    return np.append(bad, False)[codes]


def _unquoted(words: Any) -> Any:
    """Lists in brackets without their quoted words; other words unchanged."""
    is_opened = pc.match_substring_regex(words, r"^\s*[\[({]")
    return pc.if_else(is_opened, pc.replace_substring_regex(words, QUOTE.pattern, ""), words)


def lists_of_text(cells: Any, sign: str | None) -> tuple[Lists, list[tuple[Array, str]]]:
    """Lists of text cells, and the rows that break a rule; without a separator (None) a cell is one entry."""
    known = pc.utf8_trim_whitespace(pc.if_else(is_missing(cells), "", pc.fill_null(cells, "")))
    if sign is None:
        return _split(known, ALONE), []
    is_short = pc.match_substring(known, "...")
    bracketed, quoted = (
        pc.and_(pc.match_substring_regex(known, form), pc.invert(is_short))
        for form in (BRACKETED, _quoted(sign))
    )
    is_simple = as_numpy(
        pc.or_(bracketed, pc.or_(quoted, pc.and_(pc.match_substring_regex(known, BARE), pc.invert(is_short))))
    )
    inner = pc.replace_substring_regex(pc.utf8_slice_codeunits(known, 1, -1), r"[|;,]\s*$", "")
    bare = pc.if_else(bracketed, inner, known)
    bare = pc.if_else(quoted, pc.replace_substring_regex(known, r"""[\[\](){}'"]""", ""), bare)
    if is_simple.all():
        return _split(pc.utf8_trim_whitespace(bare), sign), []
    others = np.flatnonzero(~is_simple)
    found = [entries_of(cell, sign) for cell in known.take(pa.array(others)).to_pylist()]
    faults = []
    for rule in (LIST_RULE, WHOLE_RULE):
        bad = np.zeros(len(cells), bool)
        bad[others] = [each == rule for each in found]
        faults.append((bad, rule))
    lists = _split(pc.if_else(pa.array(is_simple), pc.utf8_trim_whitespace(bare), ""), sign)
    return _with(lists, others, [[] if isinstance(each, str) else each for each in found]), faults


def _split(bare: Any, sign: str) -> Lists:
    """Lists of cells without brackets and quotes; an empty cell has no entry."""
    parts = pc.split_pattern(bare, sign) if sign else pc.utf8_split_whitespace(bare)
    length = np.where(as_numpy(pc.equal(bare, "")), 0, as_numpy(pc.list_value_length(parts))).astype(np.int64)
    is_kept = np.repeat(length > 0, as_numpy(pc.list_value_length(parts)))
    return Lists(length, of_ids(pc.list_flatten(parts).filter(pa.array(is_kept))))


def _with(lists: Lists, rows: Array, found: list[list[str]]) -> Lists:
    """Lists in which these rows have other entries."""
    length = lists.length.copy()
    length[rows] = [len(each) for each in found]
    more = pa.array([word for each in found for word in each], pa.string())
    row = np.concatenate([lists.row, np.repeat(rows, length[rows])])
    entries = pa.concat_arrays([lists.entries, id_text(more)])
    return Lists(length, entries.take(pa.array(np.argsort(row, kind="stable"))))


def entries_of(cell: str, sign: str) -> list[str] | str:
    """Entries of a cell with brackets or quotes, or the rule that it breaks."""
    if cell[0] + cell[-1] == "[]":
        try:
            found = json.loads(cell)
        except (ValueError, RecursionError):
            found = None
        if found is not None:
            is_flat = all(type(each) in (str, int, float) for each in found)
            return [str(each) for each in found] if is_flat else LIST_RULE
    is_opened = len(cell) > 1 and PAIRS.get(cell[0]) == cell[-1]
    opened = cell[0] if is_opened and _is_balanced(QUOTE.sub("", cell[1:-1])) else ""
    body = (cell[1:-1] if opened else cell).strip()
    entries = []
    while body:
        entry, body = _first(body, sign, opened)
        if entry is None:
            return LIST_RULE
        if SHORTENED.fullmatch(entry):
            return WHOLE_RULE
        entries.append(entry)
    return entries


def _first(body: str, sign: str, opened: str) -> tuple[str | None, str]:
    """First entry of a list, None for one that cannot be meant, and the rest."""
    quote = QUOTE.match(body)
    if quote:
        end = quote.end()
        rest = re.match(rf"\s*{re.escape(sign)}\s*|$" if sign else r"\s+|$", body[end:])
        if rest:
            word = quote[0].removeprefix("u")[1:-1]
            return re.sub(r"\\(['\"\\])", r"\1", word), body[end + rest.end() :]
    parts = body.split(sign or None, 1)
    entry, rest_of_it = parts[0].strip(), "".join(parts[1:]).strip()
    if opened:
        is_odd = any(mark in entry for mark in '[](){}"') or (opened == "{" and ":" in entry)
        is_odd |= bool(PRINTED.search(entry)) or entry[:1] in ("'", '"')
    else:
        is_odd = not _is_balanced(entry) or PAIRS.get(entry[:1]) == entry[-1:] or bool(PRINTED.search(entry))
    return None if is_odd else entry, rest_of_it


def _is_balanced(text: str) -> bool:
    """Whether every bracket that is opened is closed, in order."""
    open_ones: list[str] = []
    for mark in re.findall(r"[\[\](){}]", text):
        if mark in PAIRS:
            open_ones.append(PAIRS[mark])
        elif not open_ones or open_ones.pop() != mark:
            return False
    return not open_ones


def of_ids(values: Any) -> Any:
    """Ids as strings; only distinct ones are converted."""
    coded = values.dictionary_encode()
    return id_text(coded.dictionary).take(coded.indices)


def with_alone(shown: Lists, chosen: Lists, alone: Array) -> Lists:
    """Lists of shown items, with the chosen items of the rows `alone`."""
    if not alone.any():
        return shown
    length = np.where(alone, chosen.length, shown.length)
    row = np.concatenate([shown.row, chosen.row[alone[chosen.row]]])
    entries = pa.concat_arrays([shown.entries, chosen.entries.filter(pa.array(alone[chosen.row]))])
    return Lists(length, entries.take(pa.array(np.argsort(row, kind="stable"))))


def refuse_other_lists(table: Any, file: str, names: Mapping[str, str]) -> None:
    """Raises LogError for a column of other lists than of numbers or words."""
    for field in table.schema:
        is_wrong = is_list(field.type) and not _is_plain(
            field.type.value_type, field.name in ("shown", "item")
        )
        if is_wrong or (field.name == "shown" and not is_list(field.type) and not is_text(field.type)):
            column = names.get(field.name, field.name)
            rule = "lists of numbers or words are needed"
            raise LogError(f"{file}, {column}: {rule}; the column is {field.type}")


def _is_plain(kind: Any, of_ids: bool) -> bool:
    return is_number(kind) or is_text(kind) or (not of_ids and bool(pa.types.is_boolean(kind)))


def refuse_event_lists(cells: Any, origin: Origin, column: str) -> None:
    """Raises LogError for a list of words in a column of event words: it is the column of one event."""
    bad = np.ones(len(cells), bool)
    if not is_list(cells.type):
        codes, words = encode(cells if is_text(cells.type) else cells.cast(pa.string()))
        bad = np.append(as_numpy(pc.match_substring_regex(words, EVENT_LIST)), False)[codes]
    if bad.any():
        first = int(np.argmax(bad))
        rule = EVENT_RULE.format(column)
        raise LogError(str(LogProblem(*origin.place(first), column, rule, repr(cells[first].as_py()))))


def separators(table: Any, origin: Origin, names: Mapping[str, str]) -> dict[str, str | None]:
    """Separator of the lists in each column of text; None: a cell is one entry."""
    signs: dict[str, str | None] = {
        key: separator(table[key]) for key in table.column_names if is_text(table[key].type)
    }
    if "item" in signs and "shown" in table.column_names:  # ids of `shown`: what splits these splits those
        signs["item"] = signs.get("shown")
    if "category" in signs:  # its words may have spaces and commas
        signs["category"] = signs.get("shown") or None
    for key in set(NUMBERS) & set(signs):
        first = first_decimal(table[key]) if signs[key] == "," else -1
        if first >= 0 and signs.get("shown") == ",":
            cell = repr(table[key][first].as_py())
            raise LogError(str(LogProblem(*origin.place(first), names.get(key, key), DECIMAL_RULE, cell)))
        signs[key] = None if first >= 0 else signs[key]
    return signs
