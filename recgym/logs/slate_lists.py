"""Slates as a list in one cell: one row for each shown item.

The column `shown` has the ids of the items that were shown together: a list of Parquet or JSON, or text split by | ; ,
or white space, in brackets or not. The cell of `item` is empty, or the chosen items, split as `shown` is. Prices,
propensities, positions and events may be lists of the same length. With a column `item`, a cell of OF_CHOSEN that is no
such list describes the chosen items alone. A propensity must be such a list: that of a slate is not that of its items.
Other cells hold for all items of their slate.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Array
from recgym.events import EVENTS
from recgym.logs.arrow_types import is_list, is_text
from recgym.logs.columns import as_numpy
from recgym.logs.ids import TEXT, encode, is_missing
from recgym.logs.list_text import (
    EACH_RULES,
    LISTED,
    SIGN_RULE,
    Lists,
    lists_of_text,
    of_ids,
    other_separator,
    refuse_other_lists,
    separators,
    with_alone,
)
from recgym.logs.mapping import SHOWN
from recgym.logs.origin import Origin
from recgym.logs.problems import LogError, LogProblem, problems_of
from recgym.logs.repeated_rows import REPEAT, slate_repeats
from recgym.logs.slate_events import words_without_event, yes_of
from recgym.logs.unread_columns import UnreadColumns

CHUNK_ROWS = 1 << 16  # slates that are split at once
OF_CHOSEN = ("price", "watch_ms", "category", "duration_ms")  # given once: of the chosen item, as an event is
ABSENT, EMPTY = "slates that lack their chosen item left out", "rows without an item left out"
UNLISTED = "rows without a list of the items shown: each chosen item is a row without a slate"
CHOSEN_TWICE = "slates show a chosen item more than once: each of its places has the response"
OF_NONE = (
    "slates without a chosen item have a single {}: it would be that of the chosen item, and is not used"
)
CHOSEN_RULE = "a chosen item must be among the items shown"
AGREE_RULE = "the chosen items must be those with a {}"
OWNER_RULE = "an event needs a chosen item, or a list with an entry for each item shown"
WHOSE_RULE = "a list with an entry for each item shown is needed: no column item says whose a single entry is"


def one_row_an_item(
    table: Any,
    origin: Origin,
    domain: str,
    names: dict[str, str],
    *,
    may_be_absent: bool = False,
    words: Mapping[str, str] | None = None,
    unread: UnreadColumns | None = None,
) -> tuple[Any, Origin, list[str], tuple[LogProblem, ...]]:
    """Splits the slates of a table with a column `shown`.

    Slates whose lists cannot be read are left out; other slates with a problem are kept, so that the rest of their
    cells is checked.

    Args:
        table: columns with the names of keys.
        origin: origin of its rows.
        domain: ecommerce, content or social.
        names: column of the file of each key, for messages.
        may_be_absent: leave out slates without their chosen item, with a remark; else they are problems.
        words: meaning of words of the event column.
        unread: columns of the files that are not read, which exact duplicates have alike.

    Returns:
        The table with one row for each shown item, its origin, remarks, and problems.
    """
    refuse_other_lists(table, origin.names[0], names)
    signs = separators(table, origin, names)
    unreadable, problems = np.zeros(len(table), bool), []
    if "shown" in signs:
        unreadable = other_separator(table["shown"], signs["shown"] or "")
        rows, cells, rule = np.flatnonzero(unreadable), table["shown"], SIGN_RULE.format(signs["shown"])
        column = names.get("shown", "shown")
        problems = problems_of(
            rows, len(table), origin.place, column, rule, lambda at: repr(cells[at].as_py())
        )
    has_words = "event" in table.column_names
    passive = words_without_event(table["event"], domain, words or {}) if has_words else []
    if "slate" not in table.column_names:
        table = table.append_column(REPEAT, pa.array(slate_repeats(table, unread, origin)))
    parts, places, counts = [], [], Counter[str]()
    for start in range(0, len(table), CHUNK_ROWS):
        bad = unreadable[start : start + CHUNK_ROWS]
        chunk = _Chunk(table.slice(start, CHUNK_ROWS), origin, start, signs, names, passive, bad, problems)
        part, row, found = chunk.split(EVENTS[domain], may_be_absent)
        parts.append(part)
        places.append(row + start)
        counts.update(found)
    remarks = [f"{count:,} {what}" for what, count in counts.items() if count]
    whole = pa.concat_tables(parts).unify_dictionaries()
    if not len(whole) and not problems:
        raise LogError(f"{origin.names[0]}: no row is left: {'; '.join(remarks)}")
    return whole, origin.take(np.concatenate(places)), remarks, tuple(dict.fromkeys(problems))


class _Chunk(NamedTuple):
    """Some rows of a table with slates."""

    table: Any
    origin: Origin
    start: int  # index of the first row in the whole table
    signs: dict[str, str | None]  # separator of each column of text
    names: dict[str, str]
    passive: Sequence[str]  # words of the event column that are no event of an item
    unreadable: Array  # (rows,) rows with a list that cannot be read, so far
    problems: list[LogProblem]  # so far

    def split(self, events: Sequence[Any], may_be_absent: bool) -> tuple[Any, Array, dict[str, int]]:
        """Rows of the items, the slate of each, and counts for remarks."""
        table, flags = self.table, [event.name for event in events]
        shown = self.lists("shown")
        chosen = (
            self.lists("item")
            if "item" in table.column_names
            else Lists(np.zeros(len(table), np.int64), pa.array([], TEXT))
        )
        alone = (shown.length == 0) & (chosen.length > 0)
        shown = with_alone(shown, chosen, alone)
        is_chosen, is_absent, chosen_twice = _matches(shown, chosen)
        if not may_be_absent:
            self.reject("item", is_absent, CHOSEN_RULE)
        row = shown.row
        columns: dict[str, Any] = {"item": shown.entries.dictionary_encode()}
        counts = {
            EMPTY: int((shown.length == 0).sum()),
            UNLISTED: int(alone.sum()),
            CHOSEN_TWICE: chosen_twice,
        }
        for key in table.column_names:
            if key in ("shown", "item"):
                continue
            if key in flags:
                columns[key] = self.flag(key, shown, chosen, alone)
                if key == flags[0] and "item" in table.column_names:
                    self.agree(key, columns[key], shown, chosen)
                continue
            is_split = key in LISTED and (key in self.signs or is_list(table[key].type))
            cells = self.beside(key, shown, alone) if is_split else _whole(table[key].take(pa.array(row)))
            columns[key] = cells
            if key in EACH_RULES:
                self.reject(key, self.is_single(key, shown), EACH_RULES[key])
            if key in OF_CHOSEN:
                columns[key], unused = self.of_chosen(key, cells, shown, chosen, is_chosen)
                counts[OF_NONE.format(key)] = unused
        if "position" not in columns:
            columns["position"] = pa.array(shown.place, mask=alone[row])
        if "slate" not in columns:
            columns["slate"] = pa.array(row + self.start, mask=alone[row])
        columns |= self.responses(columns, shown, chosen, is_chosen, flags)
        is_left_out = self.unreadable | (is_absent & may_be_absent)
        kept = np.flatnonzero(~is_left_out[row])
        out = pa.table(columns).take(pa.array(kept))
        return out, row[kept], {ABSENT: int(is_absent.sum()), **counts}

    def responses(
        self, columns: dict[str, Any], shown: Lists, chosen: Lists, is_chosen: Array, flags: Sequence[str]
    ) -> dict[str, Any]:
        """The events of the items: the word of the row for a chosen item, else `shown`."""
        has_item = "item" in self.table.column_names
        if "event" not in columns:
            return {flags[0]: pa.array(is_chosen)} if has_item and flags[0] not in columns else {}
        codes, words = encode(self.table["event"])
        is_event = np.append([word not in self.passive for word in words.to_pylist()], False)[codes]
        is_open = (chosen.length == 0) & (shown.length > (0 if has_item else 1))
        self.reject("event", is_event & is_open, OWNER_RULE)
        if not has_item:
            return {}
        codes, words = encode(columns["event"])
        codes = np.where(is_chosen, codes, len(words))
        dictionary = pa.concat_arrays([_whole(words), pa.array([SHOWN])])
        of_rows = pa.array(codes.astype(np.int32), mask=codes < 0)
        return {"event": pa.DictionaryArray.from_arrays(of_rows, dictionary)}

    def is_single(self, key: str, shown: Lists) -> Array:
        """(rows,) cells with one entry beside several items."""
        is_single: Array = (self.lists(key).length == 1) & (shown.length > 1)
        return is_single

    def of_chosen(
        self, key: str, cells: Any, shown: Lists, chosen: Lists, is_chosen: Array
    ) -> tuple[Any, int]:
        """Cells of the items, null beside the chosen one of a cell given once; and those given once for none."""
        lists, is_single = self.lists(key), self.is_single(key, shown)
        if "item" not in self.table.column_names:
            self.reject(key, is_single, WHOSE_RULE)
            return cells, 0
        of_none = (is_single & (chosen.length == 0))[lists.row] & ~as_numpy(is_missing(lists.entries))
        none = pa.scalar(None, cells.type)
        return pc.if_else(pa.array(is_single[shown.row] & ~is_chosen), none, cells), int(of_none.sum())

    def flag(self, key: str, shown: Lists, chosen: Lists, alone: Array) -> Any:
        """Cells of an event beside the items: a list's entries, or the cell of the row for a chosen item, else 0."""
        cells, row = self.table[key], shown.row
        is_split = is_list(cells.type) or is_text(cells.type)
        length = self.lists(key).length if is_split else np.ones(len(cells), np.int64)
        values = self.beside(key, shown, alone) if is_split else _whole(cells.take(pa.array(row)))
        is_scalar = (length <= 1) & ((shown.length > 1) | (not is_split))
        has_item = "item" in self.table.column_names
        is_open = is_scalar & (chosen.length == 0) & (shown.length > (0 if has_item else 1))
        bad = np.zeros(len(cells), bool)
        bad[row[(yes_of(values) == 1) & is_open[row]]] = True
        self.reject(key, bad, OWNER_RULE)
        if not has_item:
            return values
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        none = pa.scalar("0" if is_text(values.type) else 0).cast(values.type)
        return pc.if_else(pa.array(_matches(shown, chosen)[0] | ~is_scalar[row]), values, none)

    def agree(self, key: str, values: Any, shown: Lists, chosen: Lists) -> None:
        """Notes rows whose responses are not those of their chosen items."""
        yes, row = yes_of(values), shown.row
        length = np.bincount(row[yes == 1], minlength=len(shown.length))
        is_chosen, is_missing, _ = _matches(Lists(length, shown.entries.filter(pa.array(yes == 1))), chosen)
        bad = is_missing.copy()
        bad[row[yes == 1][~is_chosen]] = True
        bad[row[yes < 0]] = False  # told by the reader of the column
        bad &= ~_matches(shown, chosen)[1]
        self.reject(key, bad, AGREE_RULE.format(key))

    def lists(self, key: str) -> Lists:
        """Lists of a column."""
        cells = self.table[key]
        if is_list(cells.type):
            length = as_numpy(pc.fill_null(pc.list_value_length(cells), 0)).astype(np.int64)
            return Lists(length, of_ids(_whole(pc.list_flatten(cells))))
        if not is_text(cells.type):
            known = as_numpy(cells.is_valid()).astype(np.int64)
            return Lists(known, of_ids(_whole(cells.drop_null())))
        lists, faults = lists_of_text(_whole(cells.cast(TEXT)), self.signs[key])
        for bad, rule in faults:
            self.reject(key, bad, rule)
            self.unreadable[bad] = True
        return lists

    def beside(self, key: str, shown: Lists, alone: Array) -> Any:
        """Entries of a column beside the items: of a list of the same length, or the same cell for all."""
        lists = self.lists(key)
        row, place = shown.row, shown.place
        fits = (lists.length == shown.length) | (lists.length <= 1)
        self.reject(key, ~fits & ~alone, "as many entries as items shown are needed, or one")
        first = np.cumsum(lists.length) - lists.length
        at = first[row] + np.where(lists.length[row] == shown.length[row], place, 0)
        none = (lists.length[row] == 0) | (alone & ~fits)[row]
        return lists.entries.take(pa.array(np.where(none, 0, at), mask=none)).dictionary_encode()

    def reject(self, key: str, bad: Array, rule: str) -> None:
        """Notes problems of the cells of some rows, but of those that have a list that cannot be read."""
        rows = np.flatnonzero(bad & ~self.unreadable)
        if not len(rows):
            return
        cells = self.table[key]
        found = problems_of(
            rows,
            len(bad) + 1,
            lambda at: self.origin.place(at + self.start),
            self.names.get(key, key),
            rule,
            lambda at: repr(cells[at].as_py()),
        )
        self.problems.extend(found)


def _whole(values: Any) -> Any:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _matches(shown: Lists, chosen: Lists) -> tuple[Array, Array, int]:
    """Which shown entries are chosen (entries,), and which rows have a chosen item that was not shown (rows,).

    The last is the number of rows that show a chosen entry more than once.
    """
    codes, words = encode(pa.chunked_array([shown.entries, chosen.entries], TEXT))
    of_shown, of_chosen = np.split(codes.astype(np.int64), [len(shown.entries)])
    size = len(words) + 1
    keys, wanted = shown.row * size + of_shown, chosen.row * size + of_chosen
    absent = np.zeros(len(shown.length), bool)
    absent[chosen.row[~np.isin(wanted, keys)]] = True
    is_chosen = np.isin(keys, wanted)
    ordered = np.sort(keys[is_chosen], kind="stable")
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]] // size)
    return is_chosen, absent, len(twice)
