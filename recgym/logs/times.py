"""Times as they are written -> ms UTC. A column has one unit, or one form of dates; rows that differ are faults.

The unit of numbers is the one that puts them between 1990 and 2100: these spans of s, ms, us, ns and of dates written
as 20200913 or 20200913122749 do not overlap, so that a number has one unit or none. Most rows decide for the column.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Array
from recgym.logs.columns import as_numpy
from recgym.logs.ids import FLOAT, INT, encode, is_missing
from recgym.logs.problems import LogError

UNITS = {"s": (1_000, 1), "ms": (1, 1), "us": (1, 1_000), "ns": (1, 1_000_000)}  # ms a unit, as a fraction
DAY_MS = 86_400_000
DIGITS = {"date (8 digits)": 8, "date (14 digits)": 14}
DATE, DAY_FIRST, MONTH_FIRST = "date", "date (day/month/year)", "date (month/day/year)"
LABELS = (*UNITS, *DIGITS, DATE, DAY_FIRST, MONTH_FIRST)
FIRST_MS, END_MS = 631_152_000_000, 4_102_444_800_000  # 1990 and 2100
YEARS_MS = (-62_135_596_800_000, 253_402_300_800_000)  # 1 and 10000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
ZONE = r":[0-9.]+([zZ]|[+-][0-9]{2}(:?[0-9]{2})?)$"
TIDY = (  # what is written in other ways than Arrow reads; no zone is UTC
    (r"\s*(UTC|GMT)$", ""),
    (r"\s+([+-][0-9]{2}:?[0-9]{2})$", r"\1"),
    (r"^([0-9]{4})[/.]([0-9]{1,2})[/.]([0-9]{1,2})", r"\1-\2-\3"),
    (r"^([0-9]{4})-([0-9])-", r"\1-0\2-"),
    (r"^([0-9]{4}-[0-9]{2})-([0-9])([T ]|$)", r"\1-0\2\3"),
    (r"^([0-9]{4}-[0-9]{2}-[0-9]{2}[T ])([0-9]):", r"\10\2:"),  # RE2: group 1, then a 0
)
SLASHED = (
    r"^(?P<a>[0-9]{1,2})[/.-](?P<b>[0-9]{1,2})[/.-](?P<year>[0-9]{4})"
    r"(?:[T,]?\s*(?P<h>[0-9]{1,2}):(?P<m>[0-9]{2})(?::(?P<s>[0-9]{2})(?P<f>\.[0-9]{1,9})?)?\s*(?P<half>[AaPp][Mm])?)?$"
)
FLOAT32_TIMES = 10  # distinct times that all are such as float32 holds: by chance in 1 of 10^18 logs
FLOAT32_WHOLE = 1 << 24  # up to here float32 holds every whole number
EIGHT_HOURS_S = 28_800  # float32 holds times that are multiples of it apart, if it holds one of them

ANY_ZONE = r"[T: ][0-9.:]+ ?([zZ]|[+-][0-9]{2}(:?[0-9]{2})?)$|(UTC|GMT)$"  # of a date with single spaces

HOURS = 10  # digits of 2008040112
SPAN = "a time from 1990 to 2100 is needed"
FORM, UNIT, STATED, ORDER, ROUNDED, OTHER, EITHER, ZONED, ZONELESS = range(9)
RULES = {
    FORM: "a time is needed: a number, or a date as 2008-04-01 12:30:00; "
    "time_format (--time-format) states another form",
    UNIT: f"{SPAN}, in s, ms, us, ns or as 20080401 or 20080401123000; time_unit (--time-unit) states another unit",
    STATED: f"{SPAN}; a table may have others where time_unit (--time-unit) is given",
    ORDER: "no row tells the day from the month; time_format (--time-format) states them, as in %d/%m/%Y or %m/%d/%Y",
    EITHER: "seconds after 2032 or dates as 2008040112, year to hour; time_unit (--time-unit s) or time_format "
    "(--time-format %Y%m%d%H) states which",
    ZONED: "a time without a zone is needed, as other rows have",
    ZONELESS: "a time with a zone is needed, as other rows have",
    ROUNDED: "the times are rounded as float32 rounds them, by up to 64 s; whole numbers or float64 are needed",
}


@dataclass
class Times:
    """Times of the rows."""

    ms: Array  # UTC, (rows,) int64; without meaning where a rule is broken or the cell is empty
    unit: str  # what the remark calls it
    faults: list[tuple[Array, str]] = field(
        default_factory=list
    )  # rows (rows,) bool, and the rule they break


class _Entries(NamedTuple):
    """The cells of a column, or the distinct ones."""

    label: Array  # index into LABELS, -1: none fits
    ms: Array
    rule: Array  # broken by those without a label, a key of RULES

    def at(self, index: Array) -> "_Entries":
        """The entries of these indices; -1 is an empty cell."""
        return _Entries(*(np.append(part, part.dtype.type(-1))[index] for part in self))


def read_times(cells: Any, unit: str | None, form: str | None, any_year: bool = False) -> Times:
    """Times of a column; empty cells are no fault here.

    Args:
        cells: Arrow column: numbers, timestamps, dates, or text of numbers or dates.
        unit: of the numbers, a key of UNITS; None: the rows decide.
        form: of the dates, as `datetime.strptime` reads it.
        any_year: take years before 1990 and from 2100 on too, where a unit is given or the times are dates.
    """
    if is_text(cells.type) or form:
        codes, words = encode(cells)
        words = pc.utf8_trim_whitespace(words)
        empty = np.append(as_numpy(is_missing(words)), True)[codes]
        rows = np.bincount(codes[codes >= 0], minlength=len(words))
        entries = (_stated(words, form) if form else _words(words, rows, unit)).at(codes)
    else:
        empty = as_numpy(cells.is_null())
        if pa.types.is_floating(cells.type):
            empty |= as_numpy(pc.fill_null(pc.is_nan(cells), True))
        entries = _cells(cells, unit)
    return _agreed(entries, empty, form, YEARS_MS if any_year else (FIRST_MS, END_MS))


def check_form(form: str) -> None:
    """LogError where `datetime.strptime` cannot read by this form."""
    try:
        datetime.strptime(datetime(2008, 4, 1, 12, 30, tzinfo=UTC).strftime(form), form)
    except (TypeError, ValueError, re.error) as error:
        raise LogError(f"time_format {form!r}: a form as %d/%m/%Y %H:%M is needed: {error}") from error
    if "%" not in form:
        raise LogError(f"time_format {form!r}: a form as %d/%m/%Y %H:%M is needed")


def remark(name: str, ms: Array, unit: str) -> str:
    """What was understood of the times of a file, ms (rows,), at least one."""
    exact = "datetime64[s]" if (ms % DAY_MS).any() else "datetime64[D]"
    first, last = (
        str(np.datetime64(int(at), "ms").astype(exact)).replace("T", " ") for at in (ms.min(), ms.max())
    )
    beyond = int(((ms < FIRST_MS) | (ms >= END_MS)).sum())
    more = f", {beyond:,} of {len(ms):,} rows outside 1990-2100" if beyond else ""
    return f"{name}: times from {first} to {last} UTC, unit {unit}{more}"


def is_text(kind: Any) -> bool:
    """Whether an Arrow type is one of text, coded or not."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_time(kind: Any) -> bool:
    """Whether an Arrow type is one of numbers, timestamps or dates."""
    types = pa.types
    allowed = (types.is_integer, types.is_floating, types.is_timestamp, types.is_date, types.is_null)
    return any(of_kind(kind) for of_kind in allowed)


def _agreed(entries: _Entries, empty: Array, form: str | None, bounds: tuple[int, int]) -> Times:
    """The label of most rows; the other rows break a rule."""
    label, ms, rule = entries
    known = ~empty & (label >= 0)
    counts = np.bincount(label[known], minlength=len(LABELS))
    most = int(counts.argmax())
    times = Times(ms, f"date ({form})" if form else LABELS[most])
    named = ", ".join(f"{LABELS[k]} in {counts[k]:,} rows" for k in np.argsort(-counts) if counts[k])
    times.faults.append((known & (label != most), f"times must have one unit ({named})"))
    rules = {**RULES, OTHER: f"a time in the form {form} is needed"}
    for number, text in rules.items():
        times.faults.append((~empty & ~known & (rule == number), text))
    beyond = (ms < bounds[0]) | (ms >= bounds[1])
    times.faults.append((known & (label == most) & beyond, RULES[STATED]))
    return times


def _cells(cells: Any, unit: str | None) -> _Entries:
    """A column of numbers, timestamps or dates."""
    kind = cells.type
    if pa.types.is_timestamp(kind):
        return _alike(_scaled(_filled(cells.cast(INT)), UNITS[kind.unit]), DATE)
    if pa.types.is_date(kind):
        days = pa.types.is_date32(kind)
        cells = cells.cast(pa.int32()).cast(INT) if days else cells.cast(INT)
        return _alike(_scaled(_filled(cells), (DAY_MS, 1) if days else UNITS["ms"]), DATE)
    if pa.types.is_null(kind):
        cells = cells.cast(INT)
    values = _filled(cells)
    if pa.types.is_float16(kind) or (
        pa.types.is_float32(kind) and np.abs(values).max(initial=0) > FLOAT32_WHOLE
    ):
        none = np.full(len(cells), -1)
        return _Entries(none, none, np.full(len(cells), ROUNDED))
    return _numbers(values, unit)


def _filled(cells: Any) -> Array:
    """Numbers with 0 where a cell is empty, int64 or float64."""
    values = as_numpy(pc.fill_null(cells, 0))
    if values.dtype.kind == "f" or (values.dtype == np.uint64 and values.max(initial=0) >= 1 << 63):
        return values.astype(np.float64)
    return values.astype(np.int64)


def _numbers(values: Array, unit: str | None) -> _Entries:
    """Numbers in the stated unit, or each in the one that puts it between 1990 and 2100."""
    if unit:
        entries = _alike(_scaled(values, UNITS[unit]), unit)
    else:
        entries = _Entries(
            np.full(len(values), -1), np.zeros(len(values), np.int64), np.full(len(values), UNIT)
        )
        for number, (name, (multiply, divide)) in enumerate(UNITS.items()):
            inside = (values >= FIRST_MS * divide // multiply) & (values < END_MS * divide // multiply)
            entries.label[inside] = number
            entries.ms[inside] = _scaled(values[inside], UNITS[name])
        for name, width in DIGITS.items():
            ms, valid = _from_digits(values, width)
            entries.label[valid] = LABELS.index(name)
            entries.ms[valid] = ms[valid]
    seconds = entries.label == LABELS.index("s")
    if not unit and seconds.any() and _from_digits(values[seconds], HOURS)[1].all():
        entries.label[seconds] = -1
        entries.rule[seconds] = EITHER
    counted = (entries.label >= 0) & (entries.label < len(UNITS))
    counted &= (entries.ms >= FIRST_MS) & (entries.ms < END_MS)
    if _is_rounded(values[counted]):
        entries.label[counted] = -1
        entries.rule[counted] = ROUNDED
    return entries


def _scaled(values: Array, scale: tuple[int, int]) -> Array:
    """Numbers in ms, halves up; what no year from 1 to 9999 holds (or is NaN) lies outside them."""
    multiply, divide = scale
    low, high = (2 * bound * divide // multiply for bound in YEARS_MS)
    if values.dtype.kind == "f":
        values = np.clip(np.nan_to_num(values, nan=np.inf, posinf=np.inf, neginf=-np.inf), low, high)
        return np.floor(values * (multiply / divide) + 0.5).astype(np.int64)
    limit = np.iinfo(np.int64)
    values = np.clip(values, max(low, limit.min + divide), min(high, limit.max - divide))
    return values * multiply if divide == 1 else (values + divide // 2) // divide


def _from_digits(values: Array, width: int) -> tuple[Array, Array]:
    """Ms of numbers such as 20080401 (width 8), 2008040112 (10) or 20080401123000 (14), and which are such dates."""
    low, high = 1990 * 10 ** (width - 4), 2100 * 10 ** (width - 4)
    inside = (values >= low) & (values < high)
    whole = np.where(inside, values, 0).astype(np.int64)
    day, clock = np.divmod(whole, 10 ** (width - 8))
    clock = clock * 10 ** (14 - width)
    ms, valid = _day_ms(day // 10_000, day // 100 % 100, day % 100)
    hour, minute, second = clock // 10_000, clock // 100 % 100, clock % 100
    valid &= inside & (whole == values) & (hour < 24) & (minute < 60) & (second < 60)
    return ms + ((hour * 60 + minute) * 60 + second) * 1000, valid


def _day_ms(year: Array, month: Array, day: Array) -> tuple[Array, Array]:
    """Ms of the day's begin, and which days exist."""
    months = ((year - 1970) * 12 + np.clip(month, 1, 12) - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1)
    valid = (month >= 1) & (month <= 12) & (day >= 1) & (days.astype("datetime64[M]") == months)
    return days.astype(np.int64) * DAY_MS, valid


def _is_rounded(values: Array) -> bool:
    """Whether numbers look as if float32 had held them; times that are whole days apart may well be such."""
    for part in (values[:1000], values):
        if not len(part) or (part != part.astype(np.float32)).any():
            return False
    if not ((values - values[0]) % EIGHT_HOURS_S).any():
        return False
    return len(np.unique(values)) >= FLOAT32_TIMES


def _words(words: Any, rows: Array, unit: str | None) -> _Entries:
    """Distinct words, each of so many rows: numbers and dates."""
    numeric = as_numpy(pc.match_substring_regex(words, NUMBER))
    entries = _Entries(*(np.full(len(words), start) for start in (-1, 0, FORM)))
    for mask in (numeric, ~numeric):
        if mask.any():
            few = words.filter(pa.array(mask))
            part = _numbers(_parsed(few), unit) if mask is numeric else _dates(few, rows[mask])
            for whole, some in zip(entries, part, strict=True):
                whole[mask] = some
    return entries


def _parsed(words: Any) -> Array:
    """Numbers as text -> int64 where all are whole, else float64."""
    try:
        return as_numpy(words.cast(INT))
    except pa.ArrowInvalid:
        return as_numpy(words.cast(FLOAT))


def _dates(words: Any, rows: Array) -> _Entries:
    """Dates as text: the year first, as in ISO 8601, or the month or day first."""
    tidy = words
    for pattern, better in TIDY:
        tidy = pc.replace_substring_regex(tidy, pattern, better)
    ms, valid = _year_first(tidy)
    entries = _Entries(np.where(valid, LABELS.index(DATE), -1), ms, np.full(len(words), FORM))
    if not valid.all():
        others = np.flatnonzero(~valid)
        part = _slashed(tidy.take(pa.array(others)), rows[others])
        for whole, some in zip(entries, part, strict=True):
            whole[others] = some
    _refuse_mixed_zones(entries, words, rows)
    return entries


def _refuse_mixed_zones(entries: _Entries, words: Any, rows: Array) -> None:
    """Dates with a zone among more rows without break a rule, and dates without among others: their hours differ."""
    is_date = entries.label >= 0
    zoned = as_numpy(pc.match_substring_regex(pc.replace_substring_regex(words, r"\s+", " "), ANY_ZONE))
    zoned &= is_date
    with_zone, without = (int(rows[part].sum()) for part in (zoned, is_date & ~zoned))
    if with_zone and without:
        fewer = zoned if with_zone < without else is_date & ~zoned
        entries.label[fewer] = -1
        entries.rule[fewer] = ZONED if with_zone < without else ZONELESS


def _year_first(words: Any) -> tuple[Array, Array]:
    """Ms of dates and times in ISO 8601, and which are such."""
    valid = np.ones(len(words), bool)
    ms = np.zeros(len(words), np.int64)
    zoned = pc.match_substring_regex(words, ZONE)
    for mask, kind in ((zoned, pa.timestamp("us", "UTC")), (pc.invert(zoned), pa.timestamp("us"))):
        rows = np.flatnonzero(as_numpy(mask))
        some = words.take(pa.array(rows))
        try:
            ms[rows] = (as_numpy(some.cast(kind).cast(INT)) + 500) // 1000
        except pa.ArrowInvalid:  # some are none, or of another kind of ISO 8601: one by one
            found = [_moment_ms(text, None) for text in some.to_pylist()]
            valid[rows] = [moment is not None for moment in found]
            ms[rows] = [moment or 0 for moment in found]
    return ms, valid


def _slashed(words: Any, rows: Array) -> _Entries:
    """Dates as 11/15/2019 8:55:22 AM: rows in which one number is no month decide what the other rows mean."""
    parts = pc.extract_regex(words, SLASHED)
    shaped = as_numpy(parts.is_valid())

    def number(name: str) -> Array:
        text = pc.fill_null(pc.struct_field(parts, name), "")
        return as_numpy(pc.if_else(pc.equal(text, ""), "0", text).cast(FLOAT))

    names = ("a", "b", "year", "h", "m", "s")
    a, b, year, hour, minute, second = (number(name).astype(np.int64) for name in names)
    half = as_numpy(pc.fill_null(pc.utf8_lower(pc.struct_field(parts, "half")), ""))
    shaped &= (minute < 60) & (second < 60) & np.where(half == "", hour < 24, (hour >= 1) & (hour <= 12))
    hour = np.where(half == "", hour, hour % 12 + 12 * (half == "pm"))
    clock = ((hour * 60 + minute) * 60 + second) * 1000 + np.floor(number("f") * 1000 + 0.5).astype(np.int64)

    by_day, has_day = _day_ms(year, b, a)
    by_month, has_month = _day_ms(year, a, b)
    has_day, has_month = has_day & shaped, has_month & shaped
    either = has_day & has_month
    day_rows, month_rows = (int(rows[part & ~either].sum()) for part in (has_day, has_month))
    day_first = np.where(either, day_rows > month_rows, has_day)
    label = np.where(day_first, LABELS.index(DAY_FIRST), LABELS.index(MONTH_FIRST))
    rule = np.full(len(words), FORM)
    if not day_rows + month_rows and (either & (a != b)).any():
        label[either] = -1
        rule[either] = ORDER
    label[~(has_day | has_month)] = -1
    return _Entries(label, np.where(day_first, by_day, by_month) + clock, rule)


def _stated(words: Any, form: str) -> _Entries:
    """Dates in a stated form."""
    found = [_moment_ms(text, form) for text in words.to_pylist()]
    label = np.array([-1 if moment is None else LABELS.index(DATE) for moment in found], np.int64)
    return _Entries(label, np.array([moment or 0 for moment in found], np.int64), np.full(len(found), OTHER))


def _moment_ms(text: str, form: str | None) -> int | None:
    try:
        moment = datetime.strptime(text, form) if form else datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return ((moment - EPOCH) // timedelta(microseconds=1) + 500) // 1000


def _alike(ms: Array, name: str) -> _Entries:
    return _Entries(np.full(len(ms), LABELS.index(name)), ms, np.full(len(ms), STATED))
