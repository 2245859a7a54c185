"""Form of a table of events: which columns mean what, how the files are written, and which tables are beside them.

The generic reader makes one of its options; most data sets are one and nothing else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Array
from recgym.logs.arrow_types import is_list, is_text
from recgym.logs.column_names import by_place
from recgym.logs.columns import Source
from recgym.logs.events_table import GAP_MINUTES, log_of_table
from recgym.logs.files import Files
from recgym.logs.header_row import refuse_header
from recgym.logs.ids import TEXT, as_text, encode, id_text, map_strings
from recgym.logs.list_text import entries_of, refuse_event_lists, separator
from recgym.logs.log import Log
from recgym.logs.mapping import OMITTED, OTHER_WORDS, event_words, flag_words, rating_rule, translated
from recgym.logs.origin import Origin
from recgym.logs.problems import LogError, shown
from recgym.logs.slate_lists import one_row_an_item
from recgym.logs.table_files import layout_remarks, read_columns, read_tables
from recgym.logs.table_settings import TableSettings
from recgym.logs.text_form import ANY_TEXT, TextForm
from recgym.logs.unread_columns import UnreadColumns


@dataclass(frozen=True)
class Attributes:
    """File of attributes of the items, beside the events."""

    pattern: str  # of the file's name; without such a file the items lack the attributes
    columns: Mapping[str, str]  # column of "id", and of category, price or duration_ms
    text: TextForm = ANY_TEXT
    first_before: str = ""  # sign that ends the first of several categories in a cell
    levels_above: int = 0  # folders above that of the events in which the file may be

    def joined(self, files: Files, table: Any, name: str) -> tuple[Any, list[str]]:
        """The events of the file `name` with the attributes of their items, and remarks."""
        keys = [key for key in self.columns if key != "id"]
        place, names, remarks = files, files.find(self.pattern), []
        above = [] if names else self._above(files, name)
        if above:
            place, names = Files(above[0]), [above[0].name]
            remarks = [f"{' and '.join(keys)} of items are those of {above[0]}"]
        if not names:
            where = " in its folder or above" * bool(self.levels_above)
            return table, [f"there is no file {self.pattern}{where}: items have no {' and no '.join(keys)}"]
        parts = [read_columns(place, each, self.columns, self.text) for each in names]
        beside = pa.concat_tables(parts, promote_options="permissive").unify_dictionaries()
        remarks += self._varying(beside, keys, names)
        codes, words = encode(table["item"])
        at = pc.index_in(id_text(words), value_set=id_text(as_text(_plain(beside["id"]))))
        row = at.take(pa.array(codes, mask=codes < 0))
        for key in keys:
            values = beside[key]
            if key == "category":
                values = map_strings(values, lambda word: _first(word, self.first_before))
            values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
            table = table.append_column(key, values.take(row))
        return table, remarks

    def _varying(self, beside: Any, keys: Sequence[str], names: Sequence[str]) -> list[str]:
        """Remarks on the number of ids that have several rows of another value."""
        ids, words = encode(id_text(as_text(_plain(beside["id"]))))
        first = np.zeros(len(words) + 1, np.int64)
        first[ids[::-1]] = np.arange(len(ids))[::-1]  # the last one written is kept, the first row
        remarks = []
        for key in keys:
            values = encode(beside[key])[0]
            count = len(np.unique(ids[values != values[first[ids]]]))
            what = (
                f"{shown(names)}: {count:,} ids have several rows of another {key}: the first is the item's"
            )
            remarks += [what] if count else []
        return remarks

    def _above(self, files: Files, name: str) -> list[Path]:
        """Files of this pattern in the folder of the events and above it."""
        if files.zip is not None or not self.levels_above:
            return []
        events = files.path / name if files.path.is_dir() else files.path
        levels = events.absolute().parents[: self.levels_above + 1]
        return [path for level in levels for path in sorted(level.glob(self.pattern))]


def _plain(values: Any) -> Any:
    return values.cast(TEXT) if pa.types.is_dictionary(values.type) else values


def _first(word: str, sign: str) -> str:
    return (word.strip().partition(sign)[0] if sign else word).strip()


@dataclass(frozen=True)
class TableForm:
    """Form of the tables of a data set."""

    source: Source
    domain: str
    files: tuple[str, ...]  # patterns of the files' names; all that match are one log
    columns: Mapping[str, str]  # column of each key, see `recgym.logs.mapping.parse_mapping`
    text: TextForm = ANY_TEXT
    items: Attributes | None = None
    keep: Callable[[Any], tuple[Array, str]] | None = None  # rows to keep (rows,), and what the others are
    change: Callable[[Any, Origin], Any] | None = None  # changes the columns, of rows with this origin
    is_ordered: bool = True  # the order of a slate is known
    may_be_absent: bool = False  # slates may lack their chosen item; they are left out
    are_all_compared: bool = True  # exact duplicates are equal in the columns that are not read, too
    settings: Mapping[str, Any] = field(default_factory=dict)  # further fields of TableSettings
    is_own_map: bool = False  # the columns were given as a map

    def read(self, files: Files, options: Mapping[str, Any] | None = None) -> Log:
        """Log of the files that match the patterns."""
        names = files.find(*self.files)
        if not names:
            raise LogError(f"{files.path}: there is no file {' or '.join(self.files)}")
        return self.read_files(files, names)

    def read_files(self, files: Files, names: list[str]) -> Log:
        """Log of these files."""
        columns, words = event_words(self.columns, self.domain)
        columns, flags = flag_words(columns, self.domain)
        columns, least = rating_rule(columns)
        name = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
        stated = {"gap_minutes": GAP_MINUTES, "least_rating": least, **self.settings}
        settings = TableSettings(name, self.domain, self.source, columns, words=words, **stated)
        is_dated = settings.time_format is not None
        table, origin, left_out = read_tables(files, names, columns, self.domain, is_dated, self.text)
        table = _explained(table, flags)
        if by_place(columns):
            refuse_header(table, origin)
        unread = UnreadColumns(files, columns, self.domain, self.text, self.is_own_map)
        unread.refuse_responses(names)
        compared = unread if self.are_all_compared else None
        if {"shown", "event"} <= {*table.column_names}:
            refuse_event_lists(table["event"], origin, columns.get("event", "event"))
        table, origin, remarks = _kept_events(table, origin, words)
        if self.keep is not None:
            table, origin, more = _kept(table, origin, *self.keep(table))
            remarks += more
        if self.change is not None:
            table = self.change(table, origin)
        if "shown" in table.column_names:
            table, origin, more, problems = one_row_an_item(
                table,
                origin,
                self.domain,
                dict(columns),
                may_be_absent=self.may_be_absent,
                words=words,
                unread=unread,
            )
            settings = replace(settings, columns={**columns, "item": columns.get("shown", "shown")})
            if not self.is_ordered:
                table = table.drop_columns(["position"])
            remarks += more
            left_out += problems
        if self.items is not None:
            table, more = self.items.joined(files, table, names[0])
            remarks += more
        settings = replace(settings, origin=origin, left_out=tuple(left_out), unread=compared)
        log = log_of_table(table, settings, Log.build)
        unread.refuse_marks(names)
        together = [f"{len(names)} files are one log: {shown(names)}"] if len(names) > 1 else []
        remarks = [f"{name}: {remark}" for remark in remarks]
        together += layout_remarks(files, names, columns, self.text)
        return replace(log, remarks=(*together, *remarks, *log.remarks, *unread.remarks(names)))


def _explained(table: Any, flags: Mapping[str, Mapping[str, str]]) -> Any:
    """The table with 0 and 1 for the words that the map explains, in lists beside `shown`, too; other words stay."""
    for key, words in flags.items():
        if key not in table.column_names:
            continue
        cells = table[key]
        if is_list(cells.type) and is_text(cells.type.value_type):
            whole = pa.concat_arrays(cells.chunks)
            entries = map_strings(whole.flatten(), partial(_meaning, words, None))
            ends = np.cumsum(pc.fill_null(pc.list_value_length(whole), 0).to_numpy(zero_copy_only=False))
            offsets = pa.array(np.r_[0, ends].astype(np.int32))
            cells = pa.ListArray.from_arrays(offsets, entries, mask=whole.is_null())
        elif is_text(cells.type):
            sign = separator(cells) if "shown" in table.column_names else None
            cells = map_strings(cells, partial(_meaning, words, sign))
        table = table.set_column(table.column_names.index(key), key, cells)
    return table


def _meaning(words: Mapping[str, str], sign: str | None, word: str) -> str:
    """The mark of a word, or a list with those of its entries, which `sign` separates, where the map has them all."""
    meant = words.get(word.strip().lower())
    if meant is not None or sign is None or not word.strip():
        return word if meant is None else meant
    found = entries_of(word.strip(), sign)
    marks = [] if isinstance(found, str) else [words.get(entry.strip().lower()) for entry in found]
    known = [mark for mark in marks if mark is not None]
    return (sign or " ").join(known) if known and len(known) == len(marks) else word


def _kept_events(table: Any, origin: Origin, words: Mapping[str, str]) -> tuple[Any, Origin, list[str]]:
    """Rows whose event word is not omitted by the map, their origin, and remarks, also on words that do not occur."""
    if not words:
        return table, origin, []
    codes, names = encode(table["event"])
    texts = names.to_pylist()
    rows = np.bincount(codes[codes >= 0], minlength=len(texts))
    occur = {word.strip().lower() for word, count in zip(texts, rows, strict=True) if count} | {OTHER_WORDS}
    absent = [word for word in words if word not in occur]
    remarks = [f"event words of the map that do not occur: {shown(absent)}"] if absent else []
    omitted = np.array([meaning == OMITTED for meaning in translated(texts, words)] + [False])
    named = [f"{word} {rows[code]:,}" for code, word in enumerate(texts) if omitted[code] and rows[code]]
    what = f"of other events: {shown(named, width=80)}"
    table, origin, left_out = _kept(table, origin, ~omitted[codes], what)
    return table, origin, [*remarks, *left_out]


def _kept(table: Any, origin: Origin, keep: Array, what: str) -> tuple[Any, Origin, list[str]]:
    """Rows to keep, their origin, and a remark that counts the others; LogError if there is none to keep."""
    rows = np.flatnonzero(keep)
    if len(rows) == len(table):
        return table, origin, []
    if not len(rows):
        raise LogError(f"{origin.names[0]}: no row is left; all rows are {what}")
    remark = f"{len(table) - len(rows):,} rows left out, {what}"
    return table.take(pa.array(rows)), origin.take(rows), [remark]
