"""Cells of the generic table as the log's types; what does not fit is told by file, row and column."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.events import EVENTS
from recgym.logs.codes import FLOAT, INT, TEXT, encode, index_ids, lookup
from recgym.logs.log import ROWS, Array, Source, as_numpy
from recgym.logs.mapping import LEAST_RATING, meaning
from recgym.logs.origin import Origin
from recgym.logs.problems import LogError, Problem, refuse
from recgym.logs.tables import FLAG, misfits

NULLABLE = ("slate", "position", "propensity", "price", "watch_ms", "category", "duration_ms")
# unit -> times of this unit are below it where nothing else is said, ms a unit
NUMBER, ZONE = r"^\s*[0-9.]+\s*$", r":[0-9.]+([zZ]|[+-][0-9]{2}(:?[0-9]{2})?)$"
UNITS = {"s": (1e11, 1e3), "ms": (1e14, 1.0), "us": (1e17, 1e-3), "ns": (np.inf, 1e-6)}


@dataclass(frozen=True)
class Given:
    """What stands beside the table of events."""

    name: str  # the file, for messages
    domain: str
    source: Source
    columns: Mapping[str, str]  # key -> the file's name of the column, for messages
    gap_minutes: float
    time_unit: str | None  # of whole numbers, a key of UNITS; None: told by their size
    users: Any = None  # pa.Table with id, or None: those that occur
    items: Any = None
    origin: Origin | None = None  # of each row of the table; None: from row 2 on, below a header
    least_rating: float = LEAST_RATING


@dataclass(frozen=True)
class Cells:
    """A table whose columns carry the keys' names, and where its rows came from."""

    table: Any
    given: Given
    origin: Origin

    def refuse_where(self, key: str, bad: Any, rule: str) -> None:
        """Raise a LogError that lists the rows where `bad` is true."""
        name = self.given.columns.get(key, key)
        shown = self.table[key]
        refuse(
            [
                Problem(*self.origin.place(row), name, rule, _shown(shown[int(row)].as_py()))
                for row in np.flatnonzero(bad)
            ]
        )

    def number(self, key: str, kind: Any) -> Any:
        """An Arrow column of whole numbers (INT) or numbers (FLOAT); NaN counts as empty."""
        cells = _decoded(self.table[key])
        if cells.type == TEXT:
            name = self.given.columns.get(key, key)
            refuse(misfits(self.origin.place, name, cells, kind, key in NULLABLE))
            cells = pc.utf8_trim_whitespace(cells)
            cells = pc.if_else(pc.match_substring_regex(cells, "[0-9]"), cells, pa.scalar(None, TEXT)).cast(
                kind
            )
        elif not _is_number(cells.type):
            raise LogError(f"{self.given.name}, {key}: a column of numbers is needed; it is {cells.type}")
        if pa.types.is_floating(cells.type):
            cells = pc.if_else(pc.is_nan(cells), pa.scalar(None, cells.type), cells)
            if kind == INT:
                whole = pc.fill_null(pc.equal(cells, pc.floor(cells)), True)
                self.refuse_where(key, ~as_numpy(whole), "a whole number is needed")
        if key not in NULLABLE:
            self.refuse_where(key, as_numpy(cells.is_null()), "a value is needed")
        limits = np.iinfo(ROWS[key].to_pandas_dtype()) if kind == INT else None
        if limits is not None and limits.bits < 64:
            beyond = pc.or_(pc.less(cells, limits.min), pc.greater(cells, limits.max))
            rule = f"a whole number from {limits.min} to {limits.max} is needed"
            self.refuse_where(key, as_numpy(pc.fill_null(beyond, False)), rule)
        return cells.cast(kind).combine_chunks()

    def flag(self, key: str) -> Array:
        """A bool array from bools, 0 and 1, or their words."""
        cells = _decoded(self.table[key])
        if cells.type == TEXT:
            name = self.given.columns.get(key, key)
            refuse(misfits(self.origin.place, name, cells, FLAG, False))
            return as_numpy(pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(cells)), pa.array(["1", "true"])))
        values = as_numpy(cells.cast(INT) if cells.type == FLAG else cells).astype(np.float64)
        self.refuse_where(key, (values != 0) & (values != 1), "0 or 1 is needed")
        matched: Array = values == 1
        return matched

    def words(self, key: str) -> dict[str, Array]:
        """One bool array an event that the words of the column mean; the domain's response is always one."""
        self._refuse_empty(key)
        codes, words = index_ids(self.table[key])
        meant = meaning(words, self.given.domain)
        response = EVENTS[self.given.domain][0].name
        events = [
            e.name
            for e in EVENTS[self.given.domain]
            if e.name == response or any(e.name in m for m in meant.values())
        ]
        return {event: np.array([event in meant[word] for word in words])[codes] for event in events}

    def index(self, key: str, known: Any) -> tuple[Array, Any]:
        """Index of every id and the table of ids; those of `known`, where it is given, and no other."""
        if pa.types.is_nested(self.table[key].type):
            raise LogError(f"{self.given.name}, {key}: ids are needed; the column is {self.table[key].type}")
        self._refuse_empty(key)
        if known is None:
            codes, names = index_ids(self.table[key])
            return codes, pa.table({"id": pa.array(names, TEXT)})
        codes = lookup(self.table[key], known["id"])
        self.refuse_where(key, codes < 0, f"the id must stand in the table of {key}s")
        return codes, known

    def milliseconds(self, key: str) -> Array:
        """Times as ms UTC, shape (rows,) int64."""
        self._refuse_empty(key)
        if _is_text(self.table[key].type):
            _, words = encode(self.table[key])
            if not as_numpy(pc.match_substring_regex(words, NUMBER)).all():
                return self._dates(key)
        cells = _decoded(self.table[key])
        if pa.types.is_timestamp(cells.type) or pa.types.is_date(cells.type):
            return as_numpy(cells.cast(pa.timestamp("ms"), safe=False).cast(INT))
        values = as_numpy(
            self.number(key, FLOAT if pa.types.is_floating(cells.type) or cells.type == TEXT else INT)
        )
        largest = np.abs(values).max()
        unit = self.given.time_unit or next(unit for unit, (below, _) in UNITS.items() if largest < below)
        scale = UNITS[unit][1]
        if scale < 1:
            return (values // round(1 / scale)).astype(np.int64)
        return np.round(values * scale).astype(np.int64) if values.dtype.kind == "f" else values * int(scale)

    def _dates(self, key: str) -> Array:
        """Dates and times as text -> ms; those without a zone are UTC."""
        codes, texts = encode(self.table[key])
        texts = pc.utf8_trim_whitespace(texts)
        zoned = pc.match_substring_regex(texts, ZONE)
        undated = np.zeros(len(texts), bool)
        moments = np.zeros(len(texts), np.int64)
        for mask, kind in ((zoned, pa.timestamp("us", "UTC")), (pc.invert(zoned), pa.timestamp("us"))):
            rows = np.flatnonzero(as_numpy(mask))
            try:
                us = texts.take(pa.array(rows)).cast(kind).cast(INT).to_numpy()
                moments[rows] = (us + 500) // 1000
            except pa.ArrowInvalid:  # some are none, or of another kind of ISO 8601: one by one
                told = [_moment(text) for text in texts.take(pa.array(rows)).to_pylist()]
                undated[rows] = [moment is None for moment in told]
                moments[rows] = [moment or 0 for moment in told]
        worded = ~as_numpy(pc.match_substring_regex(texts, NUMBER))
        bad = undated & worded if (undated & worded).any() else undated
        self.refuse_where(key, bad[codes], "a time is needed: a number, or a date as 2008-04-01 12:30:00")
        return moments[codes]

    def _refuse_empty(self, key: str) -> None:
        cells = self.table[key]
        empty = as_numpy(cells.is_null())
        if pa.types.is_floating(cells.type):
            empty = as_numpy(pc.fill_null(pc.is_nan(cells), True))
        elif _is_text(cells.type):
            codes, words = encode(cells)
            blank = as_numpy(pc.equal(pc.utf8_trim_whitespace(words), ""))
            empty = empty | np.append(blank, True)[codes]
        self.refuse_where(key, empty, "a value is needed")


def _is_text(kind: Any) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _decoded(cells: Any) -> Any:
    """Dictionary and large strings as plain strings."""
    kind = cells.type.value_type if pa.types.is_dictionary(cells.type) else cells.type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        kind = TEXT
    return cells if cells.type == kind else cells.cast(kind)


def _moment(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind))


def _shown(value: Any) -> str:
    return "nothing" if value is None or value == "" or value != value else repr(value)
