"""Dates and times as text, as ms UTC."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Array
from recgym.logs.columns import as_numpy
from recgym.logs.ids import FLOAT, INT
from recgym.logs.time_units import (
    AMBIGUOUS_DAY,
    DATE,
    DAY_FIRST,
    LABELS,
    MONTH_FIRST,
    NOT_A_TIME,
    NOT_IN_FORMAT,
    WITH_ZONE,
    WITHOUT_ZONE,
    TimeEntries,
    ms_of_day,
)

UTC_NAMES = ("utc", "gmt")  # of %Z; strptime takes the machine's own zone for UTC, too
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES_MS = (-12 * 3_600_000, 14 * 3_600_000)  # by which clocks are ahead of UTC
ZONE = r":([0-9.]+)([zZ]|[+-][0-9]{2}(?::?[0-9]{2})?)$"
ISO_REWRITES = (  # to the form that Arrow reads; no zone means UTC
    (r"\s*(UTC|GMT)$", ""),
    (r"\s+([+-][0-9]{2}:?[0-9]{2})$", r"\1"),
    (r"^([0-9]{4})[/.]([0-9]{1,2})[/.]([0-9]{1,2})", r"\1-\2-\3"),
    (r"^([0-9]{4})-([0-9])-", r"\1-0\2-"),
    (r"^([0-9]{4}-[0-9]{2})-([0-9])([T ]|$)", r"\1-0\2\3"),
    (r"^([0-9]{4}-[0-9]{2}-[0-9]{2}[T ])([0-9]):", r"\10\2:"),  # RE2: group 1, then a 0
)
BELOW_US = r"(?P<kept>:[0-9]{2}[.,][0-9]{6})(?P<rest>[0-9]+)"  # digits of a second that are finer than us
SLASHED = (
    r"^(?P<a>[0-9]{1,2})[/.-](?P<b>[0-9]{1,2})[/.-](?P<year>[0-9]{4})"
    r"(?:[T,]?\s*(?P<h>[0-9]{1,2}):(?P<m>[0-9]{2})(?::(?P<s>[0-9]{2})(?P<f>\.[0-9]{1,9})?)?\s*(?P<half>[AaPp][Mm])?)?$"
)
ANY_ZONE = r"[T: ][0-9.:]+ ?([zZ]|[+-][0-9]{2}(:?[0-9]{2})?)$|(UTC|GMT)$"  # zone of a date with single spaces


def dates_of_text(words: Any, rows: Array) -> TimeEntries:
    """Times of dates as text: the year first, as in ISO 8601, or the month or day first."""
    tidy = words
    for pattern, better in ISO_REWRITES:
        tidy = pc.replace_substring_regex(tidy, pattern, better)
    finer, tidy = _below_us(tidy), pc.replace_substring_regex(tidy, BELOW_US, r"\1")
    entries = _entries(*_year_first(tidy), NOT_A_TIME)
    valid = entries.label >= 0
    if not valid.all():
        others = np.flatnonzero(~valid)
        part = _slashed(tidy.take(pa.array(others)), rows[others])
        for whole, some in zip(entries, part, strict=True):
            whole[others] = some
    entries.fine[:] += finer
    _refuse_mixed_zones(entries, words, rows)
    return entries


def _entries(us: Array, ahead: Array, valid: Array, rule: int) -> TimeEntries:
    """Entries of dates in us UTC, with the ms by which their clock is ahead; those not valid break a rule."""
    ms = (us + 500) // 1000
    label = np.where(valid, LABELS.index(DATE), -1)
    return TimeEntries(label, ms, np.full(len(us), rule), ahead, (us - ms * 1000) * 1000)


def _below_us(words: Any) -> Array:
    """Ns of dates that are finer than us: the seventh to ninth digit of a second."""
    parts = pc.extract_regex(words, BELOW_US)
    if not pc.any(parts.is_valid()).as_py():
        return np.zeros(len(words), np.int64)
    digits = pc.utf8_slice_codeunits(pc.fill_null(pc.struct_field(parts, "rest"), "0"), 0, 3)
    return as_numpy(pc.utf8_rpad(digits, 3, "0").cast(INT))


def _refuse_mixed_zones(entries: TimeEntries, words: Any, rows: Array) -> None:
    """Marks rows with a time zone among more rows without one, and the reverse, as errors: their hours differ."""
    is_date = entries.label >= 0
    zoned = as_numpy(pc.match_substring_regex(pc.replace_substring_regex(words, r"\s+", " "), ANY_ZONE))
    zoned &= is_date
    with_zone, without = (int(rows[part].sum()) for part in (zoned, is_date & ~zoned))
    if with_zone and without:
        fewer = zoned if with_zone < without else is_date & ~zoned
        entries.label[fewer] = -1
        entries.rule[fewer] = WITH_ZONE if with_zone < without else WITHOUT_ZONE


def _year_first(words: Any) -> tuple[Array, Array, Array]:
    """Us of dates and times in ISO 8601, ms by which their clock is ahead of UTC, and which are valid."""
    valid = np.ones(len(words), bool)
    us, ahead = np.zeros((2, len(words)), np.int64)
    zoned = pc.match_substring_regex(words, ZONE)
    for mask, kind in ((zoned, pa.timestamp("us", "UTC")), (pc.invert(zoned), pa.timestamp("us"))):
        rows = np.flatnonzero(as_numpy(mask))
        some = words.take(pa.array(rows))
        try:
            us[rows] = as_numpy(some.cast(kind).cast(INT))
            if mask is zoned:
                clock = pc.replace_substring_regex(some, ZONE, r":\1").cast(pa.timestamp("us"))
                ahead[rows] = (as_numpy(clock.cast(INT)) - us[rows]) // 1000
        except pa.ArrowInvalid:  # a word is not a date, or another form of ISO 8601
            us[rows], ahead[rows], valid[rows] = _moments(some.to_pylist(), None)
    return us, ahead, valid & (ahead >= ZONES_MS[0]) & (ahead <= ZONES_MS[1])


def _slashed(words: Any, rows: Array) -> TimeEntries:
    """Times of dates such as 11/15/2019 8:55:22 AM; rows with a number above 12 decide the order of day and month."""
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
    fraction = np.rint(number("f") * 1_000_000).astype(np.int64)  # us
    clock = ((hour * 60 + minute) * 60 + second) * 1000 + (fraction + 500) // 1000

    by_day, has_day = ms_of_day(year, b, a)
    by_month, has_month = ms_of_day(year, a, b)
    has_day, has_month = has_day & shaped, has_month & shaped
    either = has_day & has_month
    day_rows, month_rows = (int(rows[part & ~either].sum()) for part in (has_day, has_month))
    day_first = np.where(either, day_rows > month_rows, has_day)
    label = np.where(day_first, LABELS.index(DAY_FIRST), LABELS.index(MONTH_FIRST))
    rule = np.full(len(words), NOT_A_TIME)
    if not day_rows + month_rows and (either & (a != b)).any():
        label[either] = -1
        rule[either] = AMBIGUOUS_DAY
    label[~(has_day | has_month)] = -1
    ms, fine = np.where(day_first, by_day, by_month) + clock, (fraction + 500) % 1000 - 500
    return TimeEntries(label, ms, rule, np.zeros(len(words), np.int64), fine * 1000)


def dates_in_format(words: Any, form: str) -> TimeEntries:
    """Times of dates in a given format."""
    return _entries(*_moments(words.to_pylist(), form), NOT_IN_FORMAT)


def iso_milliseconds(text: str) -> float | None:
    """Time in ms of an ISO date, in UTC unless it names a zone; None for another text."""
    moment = _moment(text.strip(), None)
    return None if moment is None else moment[0] / 1000.0


def _moments(texts: list[str], form: str | None) -> tuple[Array, Array, Array]:
    """Us of dates in a format, or in ISO 8601, ms by which their clock is ahead of UTC, and which are valid."""
    found = [_moment(text, form) for text in texts]
    moments = np.array([moment or (0, 0) for moment in found], np.int64).reshape(-1, 2)
    return moments[:, 0], moments[:, 1], np.array([moment is not None for moment in found], bool)


def _moment(text: str, form: str | None) -> tuple[int, int] | None:
    try:
        moment = datetime.strptime(text, form) if form else datetime.fromisoformat(text)
        if form and "%Z" in form and (time.strptime(text, form).tm_zone or "").lower() not in UTC_NAMES:
            return None
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    us = (moment - EPOCH) // timedelta(microseconds=1)
    ahead = (moment.utcoffset() or timedelta()) // timedelta(milliseconds=1)
    return (us, ahead) if ZONES_MS[0] <= ahead <= ZONES_MS[1] else None
