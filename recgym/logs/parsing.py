"""Cells of the generic table as the log's types. What does not fit is collected, with file, row and column of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Array
from recgym.events import EVENTS
from recgym.logs.columns import ROWS, Source, as_numpy
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
)
from recgym.logs.mapping import (
    FALSE,
    LEAST_RATING,
    TRUE,
    counted_as,
    is_binary,
    is_withdrawn,
    meaning,
    shows,
    unknown_words,
)
from recgym.logs.origin import Origin
from recgym.logs.prices import RULES, read_prices, sign_read
from recgym.logs.problems import LogProblem, problems_of, shown
from recgym.logs.times import NUMBER, Times, is_text, is_time, read_times

NULLABLE = ("slate", "position", "propensity", "price", "watch_ms", "category", "duration_ms")
YES_OR_NO = f"0 or 1 is needed, or one of {', '.join((*TRUE[2:], *FALSE[2:]))}"
NEEDED, NUMERIC, WHOLE = "a value is needed", "a number is needed", "a whole number is needed"
BINARY, COUNT = "0 or 1 is needed", "a count, 0 or above, is needed"
COUNTED = {"listen": "listens"}  # event whose column may hold counts -> extra column that keeps them
WHOLE_LIMIT = {
    pa.float16(): 1 << 11,
    pa.float32(): 1 << 24,
    FLOAT: 1 << 53,
}  # whole numbers are exact to here
MOST_WORDS = 10  # unknown words of an event column that are named
WHOLE_NUMBER = r"^(0|-?[1-9][0-9]{0,17})$"


@dataclass(frozen=True)
class Given:
    """What stands beside the table of events."""

    name: str  # the file, for messages
    domain: str
    source: Source
    columns: Mapping[str, str]  # key -> the file's name of the column, for messages
    gap_minutes: float
    time_unit: str | None = None  # of numbers, a key of times.UNITS; None: decided by the rows
    users: Any = None  # pa.Table with id, or None: those that occur
    items: Any = None
    origin: Origin | None = None  # of each row of the table; None: from row 2 on, below a header
    least_rating: float = LEAST_RATING
    time_format: str | None = None  # of dates, as datetime.strptime reads it
    any_year: bool = False  # times outside 1990-2100 are right
    duplicates: str | None = None  # "keep" or "drop"; None: `generic` decides
    left_out: tuple[LogProblem, ...] = ()  # rows of the file that the table lacks


@dataclass
class Cells:
    """A table whose columns carry the keys' names, where its rows came from, and what is wrong with them."""

    table: Any
    given: Given
    origin: Origin
    problems: list[LogProblem] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bad = np.zeros(len(self.table), bool)  # rows with a problem
        self.withdrawn = np.zeros(len(self.table), bool)  # rows that take an earlier event back
        self.are_outcomes = True  # each row says all that came of an item; False: rows are single actions
        self.has_impressions = False  # actions that say of an item no more than that it was shown

    def reject(self, key: str, bad: Any, rule: str, alike: bool = False, nothing: str = "nothing") -> None:
        """Note the rows where `bad` is true; as one problem where they are all rows, or `alike`.

        `nothing` is what a message calls an empty cell.
        """
        rows = np.flatnonzero(bad)
        if not len(rows):
            return
        self.bad[rows] = True
        cells = self.table[key]
        name = self.given.columns.get(key, key)
        self.problems += problems_of(
            rows,
            len(self.table),
            self.origin.place,
            name,
            rule,
            lambda row: _shown(cells[row].as_py(), nothing),
            alike,
        )

    def reject_column(self, key: str, rule: str) -> None:
        """Note a column of a type that cannot be read."""
        self.bad[:] = True
        self.problems.append(
            LogProblem(
                self.given.name,
                0,
                self.given.columns.get(key, key),
                rule,
                f"a column of {self.table[key].type}",
            )
        )

    def number(self, key: str, kind: Any) -> Any:
        """An Arrow column of whole numbers (INT) or finite numbers (FLOAT); NaN counts as empty."""
        cells = _decoded(self.table[key])
        wrong = np.zeros(len(cells), bool)
        if is_text(cells.type):
            cells, wrong = self._parsed(key, kind)
        elif cells.type == FLAG:
            cells = cells.cast(INT)
        elif not _is_number(cells.type):
            self.reject_column(key, "a column of numbers is needed")
            return pa.array(np.zeros(len(cells)), kind)
        empty, values = as_numpy(cells.is_null()), as_numpy(pc.fill_null(cells, 0))
        if values.dtype.kind == "f":
            empty |= np.isnan(values)
            values = np.where(empty, 0, values)
        for bad, rule in _unfit(key, values, kind):
            self.reject(key, bad & ~wrong, rule)
            wrong = wrong | bad
        if key not in NULLABLE:
            self.reject(
                key, empty & ~wrong, NEEDED, nothing="nothing: an empty cell, NA, nan, null or the like"
            )
        values = np.where(wrong, 0, values).astype(kind.to_pandas_dtype())
        if key == "slate":
            empty |= values == -1
        return pa.array(values, kind, mask=empty)

    def _parsed(self, key: str, kind: Any) -> tuple[Any, Array]:
        """Numbers of a column of text, and the rows that hold none."""
        codes, words = encode(self.table[key])
        words = pc.utf8_trim_whitespace(words)
        missing = as_numpy(is_missing(words))
        if key == "price":
            rows = np.bincount(codes[codes >= 0], minlength=len(words)) * ~missing
            texts = words.to_pylist()
            values, broken, currency = read_prices(texts, rows)
            rules = dict(enumerate(RULES))
            read_as = (f"are in {currency}" if currency else "", sign_read(texts, values, broken))
            self.remarks += [f"{self.given.name}: prices {what}" for what in read_as if what]
        else:
            broken = np.where(as_numpy(pc.match_substring_regex(words, NUMBER)), -1, 0)
            values = _exact(pc.if_else(pa.array(broken >= 0), "0", words), kind)
            rules = {0: WHOLE if kind == INT else NUMERIC}
        broken[missing] = -1
        for number, rule in rules.items():
            self.reject(key, np.append(broken == number, False)[codes], rule)
        cells = pa.array(values, mask=missing).take(pa.array(codes, mask=codes < 0))
        return cells, np.append(broken >= 0, False)[codes]

    def flag(self, key: str) -> dict[str, Any]:
        """The event's bool array from bools, 0 and 1, or their words; beside it the counts where there are some."""
        if is_text(self.table[key].type):
            codes, words = encode(self.table[key])
            words = pc.utf8_lower(pc.utf8_trim_whitespace(words))
            yes, no = (as_numpy(pc.is_in(words, value_set=pa.array(known))) for known in (TRUE, FALSE))
            if key not in COUNTED or (yes | no).all():
                self.reject(key, np.append(~(yes | no), True)[codes], YES_OR_NO)
                return {key: np.append(yes, False)[codes]}
        counts = as_numpy(self.number(key, FLOAT))
        if key not in COUNTED:
            self.reject(key, ~np.isin(counts, (0, 1)) & ~np.isnan(counts), BINARY)
            return {key: counts == 1}
        bad = (counts < 0) | (counts > WHOLE_LIMIT[FLOAT]) | (counts != np.floor(counts))
        self.reject(key, bad & ~np.isnan(counts), COUNT)
        counts = np.where(bad, 0, counts)
        if not (counts > 1).any():
            return {key: counts > 0}
        return {key: counts > 0, COUNTED[key]: counts.astype(np.int64)}

    def words(self, key: str) -> dict[str, Array]:
        """One bool array an event that the words of the column mean; the domain's response is always one."""
        self._reject_empty(key)
        domain, cells = self.given.domain, self.table[key]
        codes, names = encode(cells if is_text(cells.type) else as_text(_decoded(cells)))
        words: list[str] = names.to_pylist()
        unknown, rule = unknown_words(words, np.bincount(codes[codes >= 0], minlength=len(words)), domain)
        self._reject_words(key, codes, [code for code, word in enumerate(words) if word in unknown], rule)
        known = [word for word in words if word not in unknown]
        meant = meaning(known, domain)
        self._note_words(meant, codes, words)
        response = EVENTS[domain][0].name
        events = [
            e.name for e in EVENTS[domain] if e.name == response or any(e.name in m for m in meant.values())
        ]
        return {
            event: np.array([event in meant.get(word, ()) for word in [*words, ""]])[codes]
            for event in events
        }

    def _reject_words(self, key: str, codes: Array, unknown: list[int], rule: str) -> None:
        """Note the rows of unknown words: a problem for each of the first, and one for all the others."""
        most = MOST_WORDS if len(unknown) > MOST_WORDS + 1 else len(unknown)
        named, others = unknown[:most], unknown[most:]
        for code in named:
            self.reject(key, codes == code, rule, alike=True)
        rows = np.flatnonzero(np.isin(codes, others))
        if len(rows):
            self.bad[rows] = True
            what = f"{len(others):,} further unknown words in {len(rows):,} rows"
            place, name = self.origin.place(int(rows[0])), self.given.columns.get(key, key)
            self.problems.append(LogProblem(*place, name, rule, what))

    def _note_words(self, meant: Mapping[str, tuple[str, ...]], codes: Array, words: list[str]) -> None:
        """What the words of an event column say of the rows, and a remark of what each counts as."""
        rows = dict(zip(words, np.bincount(codes[codes >= 0], minlength=len(words)).tolist(), strict=True))
        self.withdrawn = np.array([is_withdrawn(word) for word in [*words, ""]])[codes]
        self.are_outcomes = is_binary(meant)
        self.has_impressions = any(shows(word, events) for word, events in meant.items())
        counts = [
            f"{word.strip()} {rows[word]:,} {counted_as(word, meant[word])}"
            for word in sorted(meant, key=lambda word: (-rows[word], word))
        ]
        self.remarks.append(f"{self.given.name}: event words: {shown(counts, width=80)}")

    def index(self, key: str, known: Any) -> tuple[Array, Any]:
        """Index of every id and the table of ids; those of `known`, where it is given, and no other."""
        codes, words = self.ids(key, None if known is None else known["id"])
        if known is None:
            index, names = in_natural_order(codes, words)
            return index, pa.table({"id": pa.array(names, TEXT)})
        found = pc.fill_null(pc.index_in(words, value_set=as_text(known["id"])), -1).to_numpy()
        index = np.append(found, -1)[codes].astype(np.int32)
        self.reject(key, (index < 0) & (codes >= 0), f"the id must stand in the table of {key}s")
        return np.maximum(index, 0), known

    def ids(self, key: str, listed: Any = None) -> tuple[Array, Any]:
        """Code of every id (rows,) int32, -1 where it is missing, and the ids as strings."""
        cells = self.table[key]
        cells = cells if is_text(cells.type) else _decoded(cells)
        if pa.types.is_nested(cells.type):
            self.reject_column(key, "ids are needed")
            return np.zeros(len(cells), np.int32), pa.array([""], TEXT)
        if cells.type in WHOLE_LIMIT:
            values = as_numpy(pc.fill_null(cells, 0)).astype(np.float64)
            limit = WHOLE_LIMIT[cells.type]
            rule = f"ids as text are needed: a column of {cells.type} rounds those from {limit:,} on"
            self.reject(key, np.abs(values) >= limit, rule)
        codes, words = encode_ids(cells, listed)
        self.reject(key, codes < 0, NEEDED)
        short = as_numpy(pc.match_substring_regex(words, SHORTENED)) & is_text(cells.type)
        self.reject(key, np.append(short, False)[codes], "an id with all its digits is needed")
        return codes, words

    def session(self, key: str) -> Array:
        """Sessions (rows,): int64 where all ids are whole numbers as they are usually written, else codes (int32)."""
        if pa.types.is_signed_integer(self.table[key].type):
            return as_numpy(self.number(key, INT))
        codes, words = self.ids(key)
        if as_numpy(pc.match_substring_regex(words, WHOLE_NUMBER)).all():
            return np.append(as_numpy(words.cast(INT)), -1)[codes]
        return codes

    def times(self, key: str) -> Times:
        """Times as ms UTC."""
        self._reject_empty(key, missing=True)
        cells = self.table[key]
        if not is_text(cells.type) and not is_time(_decoded(cells).type):
            is_clock = pa.types.is_time(cells.type)
            rule = (
                "a date is needed beside the time of day" if is_clock else "numbers, dates or text are needed"
            )
            self.reject_column(key, rule)
            return Times(np.zeros(len(cells), np.int64), "")
        cells, given = cells if is_text(cells.type) else _decoded(cells), self.given
        times = read_times(cells, given.time_unit, given.time_format, given.any_year)
        for bad, rule in times.faults:
            self.reject(key, bad, rule)
        return times

    def _reject_empty(self, key: str, missing: bool = False) -> None:
        """Note empty cells, with `missing` those with a word for it too."""
        cells = self.table[key]
        empty = as_numpy(cells.is_null())
        if pa.types.is_floating(cells.type):
            empty = as_numpy(pc.fill_null(pc.is_nan(cells), True))
        elif is_text(cells.type):
            codes, words = encode(cells)
            blank = is_missing(words) if missing else pc.equal(pc.utf8_trim_whitespace(words), "")
            empty = np.append(as_numpy(pc.fill_null(blank, True)), True)[codes]
        self.reject(key, empty, NEEDED)


def _unfit(key: str, values: Array, kind: Any) -> list[tuple[Array, str]]:
    """Rows whose number the log's column cannot hold, and the rule each breaks."""
    if kind == FLOAT:
        most = np.inf if key == "propensity" else np.finfo(np.float32).max
        beyond = ~np.isfinite(values.astype(np.float64)) | (np.abs(values) > most)
        below = (values < 0) & (key == "duration_ms")
        return [(beyond, "a finite number is needed"), (below & ~beyond, "a duration must be 0 ms or above")]
    limits = np.iinfo(ROWS[key].to_pandas_dtype() if key in ROWS else np.int64)
    low, high = int(limits.min), int(limits.max)
    beyond = (values < low) | (values > high) | (values >= 2.0**63)
    broken = (
        (values != np.floor(values)) & ~beyond if values.dtype.kind == "f" else np.zeros(len(values), bool)
    )
    return [(broken, WHOLE), (beyond, f"a whole number from {low} to {high} is needed")]


def _exact(words: Any, kind: Any) -> Array:
    """Numbers as text -> int64 where all are whole and a whole number is wanted, else float64."""
    if kind == INT:
        try:
            return as_numpy(words.cast(INT))
        except pa.ArrowInvalid:
            pass
    return as_numpy(words.cast(FLOAT))


def _decoded(cells: Any) -> Any:
    """Dictionary and large strings as plain strings."""
    kind = cells.type.value_type if pa.types.is_dictionary(cells.type) else cells.type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        kind = TEXT
    return cells if cells.type == kind else cells.cast(kind)


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind))


def _shown(value: Any, nothing: str) -> str:
    if isinstance(value, date):
        return str(value)
    return nothing if value is None or value == "" or value != value else repr(value)
