"""Conversion of a table of events to the types of a log, with the problems of all cells."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Array
from recgym.events import EVENTS
from recgym.logs.arrow_types import is_number, is_text, is_time, plain_strings
from recgym.logs.cell_rules import (
    BINARY_RULE,
    COUNT_COLUMNS,
    COUNT_RULE,
    MAX_EXACT_WHOLE,
    MAX_NAMED_WORDS,
    NO_QUANTITY,
    NULLABLE,
    NUMBER_RULE,
    SPACED_QUOTES,
    SPACED_RULE,
    VALUE_RULE,
    YES_NO_RULE,
    broken_rules,
    rounded_ms,
    shown_cell,
    whole_rule,
)
from recgym.logs.columns import as_numpy
from recgym.logs.delimited import FLAG
from recgym.logs.ids import (
    FLOAT,
    INT,
    SHORTENED,
    TEXT,
    as_text,
    encode,
    encode_ids,
    in_natural_order,
    is_missing,
    spellings,
)
from recgym.logs.mapping import (
    FALSE,
    TRUE,
    counted_as,
    is_binary,
    is_withdrawn,
    meaning,
    shows,
    translated,
    unknown_words,
)
from recgym.logs.number_text import RULES, number_column
from recgym.logs.origin import Origin
from recgym.logs.problems import LogProblem, problems_of, shown
from recgym.logs.table_settings import TableSettings
from recgym.logs.times import NUMBER, Times, read_times


@dataclass
class TableParser:
    """A table whose columns have the names of the keys, the origin of its rows, and the problems found so far."""

    table: Any
    settings: TableSettings
    origin: Origin
    problems: list[LogProblem] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bad = np.zeros(len(self.table), bool)  # rows with a problem
        self.withdrawn = np.zeros(len(self.table), bool)  # rows that take an earlier event back
        self.are_outcomes = True  # each row has all events of an impression; False: a row is a single action
        self.are_whole_days = False  # of the times
        self.has_impressions = False  # some actions are impressions without an event

    def reject(self, key: str, bad: Any, rule: str, alike: bool = False, nothing: str = "nothing") -> None:
        """Notes problems of the rows where `bad` (rows,) is true; a single problem for all rows, or if `alike`.

        `nothing` is the name of an empty cell in a message.
        """
        rows = np.flatnonzero(bad)
        if not len(rows):
            return
        self.bad[rows] = True
        cells = self.table[key]
        name = self.settings.columns.get(key, key)
        self.problems += problems_of(
            rows,
            len(self.table),
            self.origin.place,
            name,
            rule,
            lambda row: shown_cell(cells[row].as_py(), nothing),
            alike,
        )

    def reject_column(self, key: str, rule: str) -> None:
        """Notes the problem of a column of a wrong type."""
        self.bad[:] = True
        self.problems.append(
            LogProblem(
                self.settings.name,
                0,
                self.settings.columns.get(key, key),
                rule,
                f"a column of {self.table[key].type}",
            )
        )

    def number(self, key: str, kind: Any) -> Any:
        """Arrow column of whole numbers (INT) or finite numbers (FLOAT); NaN counts as empty."""
        cells = plain_strings(self.table[key])
        wrong = np.zeros(len(cells), bool)
        if pa.types.is_null(cells.type):
            cells = cells.cast(kind)
        if is_text(cells.type):
            cells, wrong = self._parsed(key, kind)
        elif cells.type == FLAG and key in (event.name for event in EVENTS[self.settings.domain]):
            cells = cells.cast(INT)
        elif not is_number(cells.type):
            self.reject_column(key, "a column of numbers is needed")
            return pa.array(np.zeros(len(cells)), kind)
        empty, values = as_numpy(cells.is_null()), as_numpy(pc.fill_null(cells, 0))
        if values.dtype.kind == "f":
            empty |= np.isnan(values)
            values = np.where(empty, 0, values)
            values, count = rounded_ms(values) if key == "watch_ms" else (values, 0)
            name = f"{self.settings.name}, {self.settings.columns.get(key, key)}"
            self.remarks += [f"{name}: {count:,} watch times are rounded to whole milliseconds"] * (count > 0)
        for bad, rule in broken_rules(key, values, kind, self.settings.rating_scale):
            self.reject(key, bad & ~wrong, rule)
            wrong = wrong | bad
        if key not in NULLABLE:
            self.reject(
                key, empty & ~wrong, VALUE_RULE, nothing="nothing: an empty cell, NA, nan, null or the like"
            )
        values = np.where(wrong, 0, values).astype(kind.to_pandas_dtype())
        return pa.array(values, kind, mask=empty)

    def _parsed(self, key: str, kind: Any) -> tuple[Any, Array]:
        """Numbers of a text column, and the rows without a number."""
        is_price = key == "price"
        cells, broken, remarks = number_column(self.table[key], self.settings.columns.get(key, key), is_price)
        self.remarks += [f"{self.settings.name}: {remark}" for remark in remarks]
        needed = whole_rule(key) if kind == INT else NUMBER_RULE
        for number, rule in enumerate((needed, *RULES[1:])):
            self.reject(key, broken == number, rule)
        return cells if kind == INT else cells.cast(FLOAT, safe=False), broken >= 0

    def flag(self, key: str) -> dict[str, Any]:
        """Bool array of an event, from bools, 0 and 1, or their words; and the array of counts, if there are any."""
        if is_text(self.table[key].type):
            codes, words = encode(self.table[key])
            words = pc.utf8_lower(pc.utf8_trim_whitespace(words))
            yes, no = (as_numpy(pc.is_in(words, value_set=pa.array(known))) for known in (TRUE, FALSE))
            if key not in COUNT_COLUMNS or (yes | no).all():
                number = as_numpy(pc.fill_null(pc.match_substring_regex(words, NUMBER), False)) & ~(yes | no)
                self.reject(key, np.append(number, False)[codes], YES_NO_RULE + NO_QUANTITY, alike=True)
                column = self.settings.columns.get(key, key)
                rule = f"{YES_NO_RULE}; the map says what other words mean: {key}={column}:WORD>1:WORD>0"
                self.reject(key, np.append(~(yes | no | number), True)[codes], rule)
                return {key: np.append(yes, False)[codes]}
        counts = as_numpy(self.number(key, FLOAT))
        if key not in COUNT_COLUMNS:
            bad = ~np.isin(counts, (0, 1)) & ~np.isnan(counts)
            self.reject(key, bad, BINARY_RULE + NO_QUANTITY, alike=True)
            return {key: counts == 1}
        bad = (counts < 0) | (counts >= MAX_EXACT_WHOLE[FLOAT]) | (counts != np.floor(counts))
        self.reject(key, bad & ~np.isnan(counts), COUNT_RULE)
        counts = np.where(bad, 0, counts)
        if not (counts > 1).any():
            return {key: counts > 0}
        return {key: counts > 0, COUNT_COLUMNS[key]: counts.astype(np.int64)}

    def words(self, key: str) -> dict[str, Array]:
        """Bool array of each event in a column of words; the response of the domain is always one of them."""
        self._reject_empty(key)
        domain, cells = self.settings.domain, self.table[key]
        codes, names = encode(cells if is_text(cells.type) else as_text(plain_strings(cells)))
        words: list[str] = names.to_pylist()
        plain = translated(words, self.settings.words)
        unknown, rule = unknown_words(plain, np.bincount(codes[codes >= 0], minlength=len(words)), domain)
        self._reject_words(key, codes, [code for code, word in enumerate(plain) if word in unknown], rule)
        meant = meaning([word for word in plain if word not in unknown], domain)
        self._note_words(meant, codes, words, plain)
        response = EVENTS[domain][0].name
        events = [
            e.name for e in EVENTS[domain] if e.name == response or any(e.name in m for m in meant.values())
        ]
        return {
            event: np.array([event in meant.get(word, ()) for word in [*plain, ""]])[codes]
            for event in events
        }

    def _reject_words(self, key: str, codes: Array, unknown: list[int], rule: str) -> None:
        """Notes problems of unknown words: one for each of the first, and one for all others."""
        most = MAX_NAMED_WORDS if len(unknown) > MAX_NAMED_WORDS + 1 else len(unknown)
        named, others = unknown[:most], unknown[most:]
        for code in named:
            self.reject(key, codes == code, rule, alike=True)
        rows = np.flatnonzero(np.isin(codes, others))
        if len(rows):
            self.bad[rows] = True
            what = f"{len(others):,} further unknown words in {len(rows):,} rows"
            place, name = self.origin.place(int(rows[0])), self.settings.columns.get(key, key)
            self.problems.append(LogProblem(*place, name, rule, what))

    def _note_words(
        self, meant: Mapping[str, tuple[str, ...]], codes: Array, words: list[str], plain: list[str]
    ) -> None:
        """Notes withdrawn rows, kinds of rows, and a remark with what each word counts as."""
        rows = np.bincount(codes[codes >= 0], minlength=len(words)).tolist()
        self.withdrawn = np.array([is_withdrawn(word) for word in [*plain, ""]])[codes]
        self.are_outcomes = is_binary(meant)
        self.has_impressions = any(shows(word, events) for word, events in meant.items())
        known = sorted(
            (-count, word, text)
            for count, word, text in zip(rows, words, plain, strict=True)
            if text in meant
        )
        counts = [f"{word.strip()} {-count:,} {counted_as(text, meant[text])}" for count, word, text in known]
        self.remarks.append(f"{self.settings.name}: event words: {shown(counts, width=80)}")

    def index(self, key: str, known: Any) -> tuple[Array, Any]:
        """Index of every id, and the table of ids; ids outside the table `known`, if it is given, are problems."""
        codes, words = self.ids(key, None if known is None else known["id"])
        if known is None:
            index, names = in_natural_order(codes, words)
            return index, pa.table({"id": pa.array(names, TEXT)})
        found = pc.fill_null(pc.index_in(words, value_set=as_text(known["id"])), -1).to_numpy()
        index = np.append(found, -1)[codes].astype(np.int32)
        self.reject(key, (index < 0) & (codes >= 0), f"the id must be in the table of {key}s")
        return np.maximum(index, 0), known

    def ids(self, key: str, listed: Any = None) -> tuple[Array, Any]:
        """Code of every id (rows,) int32, -1 if it is missing, and the ids as strings."""
        cells = self.table[key]
        cells = cells if is_text(cells.type) else plain_strings(cells)
        if pa.types.is_nested(cells.type) or cells.type == FLAG:
            self.reject_column(key, "ids are needed")
            return np.zeros(len(cells), np.int32), pa.array([""], TEXT)
        if cells.type in MAX_EXACT_WHOLE:
            values = as_numpy(pc.fill_null(cells, 0)).astype(np.float64)
            limit = MAX_EXACT_WHOLE[cells.type]
            rule = f"ids as text are needed: a column of {cells.type} rounds those from {limit:,} on"
            self.reject(key, np.abs(values) >= limit, rule)
        if is_text(cells.type) and not pa.types.is_dictionary(cells.type):
            cells = cells.dictionary_encode()
        if is_text(cells.type):
            raw, spelt = encode(cells)
            is_spaced = as_numpy(pc.match_substring_regex(spelt, SPACED_QUOTES))
            self.reject(key, np.append(is_spaced, False)[raw], SPACED_RULE)
        codes, words = encode_ids(cells, listed)
        column = self.settings.columns.get(key, key)
        self.remarks += [f"{self.settings.name}, {column}: {line}" for line in spellings(cells)]
        self.reject(key, (codes < 0) & (key not in NULLABLE), VALUE_RULE)
        with_nul = as_numpy(pc.match_substring(words, "\0"))
        self.reject(key, np.append(with_nul, False)[codes], "an id without NUL bytes is needed")
        short = as_numpy(pc.match_substring_regex(words, SHORTENED)) & is_text(cells.type)
        self.reject(key, np.append(short, False)[codes], "an id with all its digits is needed")
        return codes, words

    def times(self, key: str) -> Times:
        """Times of a column, as ms UTC."""
        self._reject_empty(key, missing=True)
        cells = self.table[key]
        if not is_text(cells.type) and not is_time(plain_strings(cells).type):
            is_clock = pa.types.is_time(cells.type)
            rule = (
                "a date is needed beside the time of day" if is_clock else "numbers, dates or text are needed"
            )
            self.reject_column(key, rule)
            return Times(np.zeros(len(cells), np.int64), "")
        cells, settings = cells if is_text(cells.type) else plain_strings(cells), self.settings
        times = read_times(cells, settings.time_unit, settings.time_format, settings.any_year)
        for bad, rule in times.faults:
            self.reject(key, bad, rule)
        return times

    def _reject_empty(self, key: str, missing: bool = False) -> None:
        """Notes empty cells, and with `missing` those with a word for a missing value."""
        cells = self.table[key]
        empty = as_numpy(cells.is_null())
        if pa.types.is_floating(cells.type):
            empty = as_numpy(pc.fill_null(pc.is_nan(cells), True))
        elif is_text(cells.type):
            codes, words = encode(cells)
            blank = is_missing(words) if missing else pc.equal(pc.utf8_trim_whitespace(words), "")
            empty = np.append(as_numpy(pc.fill_null(blank, True)), True)[codes]
        self.reject(key, empty, VALUE_RULE)
