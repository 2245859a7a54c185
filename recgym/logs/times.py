"""Columns of times as ms UTC. A column must have one unit, or one format of dates.

The unit of a number is that which puts it between 1990 and 2100: the ranges of s, ms, us, ns and of dates such as
20200913 or 20200913122749 do not overlap. The unit of the column is that of most rows; other rows are errors. Ns that
are all of 1990 may be .NET ticks, and need a stated unit.
"""

import re
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Array
from recgym.logs.arrow_types import is_text
from recgym.logs.columns import as_numpy, numbers_of_text
from recgym.logs.date_text import dates_in_format, dates_of_text
from recgym.logs.ids import INT, encode, is_missing
from recgym.logs.problems import LogError
from recgym.logs.time_units import (
    DATE,
    DAY_MS,
    END_MS,
    FIRST_MS,
    LABELS,
    MAX_FLOAT32_WHOLE,
    NOT_A_TIME,
    NOT_IN_FORMAT,
    OUTSIDE_YEARS,
    ROUNDED,
    TIME_RULES,
    UNITS,
    YEARS_MS,
    TimeEntries,
    no_times,
    outside_years,
    same_unit,
    scaled_to_ms,
    times_of_numbers,
)

QUARTER_MS = 900_000  # offsets of time zones are multiples of it
NAMED_ZONE = ", with %Z UTC or GMT: other names of zones are not read; %z reads offsets as +0100"
NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
WITH_COMMA, WITH_POINT = r"^[+-]?[0-9]{4,},[0-9]*$", r"^[+-]?[0-9]+\.[0-9]*$"  # numbers with a decimal sign


@dataclass
class Times:
    """Times of a column."""

    ms: Array  # (rows,) int64, UTC; undefined for an empty cell and if a rule is broken
    unit: str  # name of the unit in remarks
    fine: Array | None = None  # (rows,) ns by which times are later than their ms; None: by none
    are_whole_days: bool = False  # all are midnights of their own clock, or one time of several days
    faults: list[tuple[Array, str]] = field(
        default_factory=list
    )  # (rows,) bool, and the rule that they break


def read_times(cells: Any, unit: str | None, form: str | None, any_year: bool = False) -> Times:
    """Reads a column of times; empty cells are not errors.

    Args:
        cells: Arrow column: numbers, timestamps, dates, or text of numbers or dates.
        unit: unit of numbers, a key of UNITS; None: by their size.
        form: format of dates for `datetime.strptime`; None: any known format.
        any_year: allow times outside 1990-2100, for a given unit and for dates.
    """
    if is_text(cells.type) or form:
        codes, words = encode(cells)
        words = pc.utf8_trim_whitespace(words)
        empty = np.append(as_numpy(is_missing(words)), True)[codes]
        rows = np.bincount(codes[codes >= 0], minlength=len(words))
        entries = (dates_in_format(words, form) if form else _words(words, rows, unit)).at(codes)
    else:
        empty = as_numpy(cells.is_null())
        if pa.types.is_floating(cells.type):
            empty |= as_numpy(pc.fill_null(pc.is_nan(cells), True))
        entries = _cells(cells, unit)
    return _agreed(entries, empty, form, YEARS_MS if any_year else (FIRST_MS, END_MS))


def check_form(form: str) -> None:
    """Raises LogError if `datetime.strptime` cannot use a format."""
    try:
        datetime.strptime(datetime(2008, 4, 1, 12, 30, tzinfo=UTC).strftime(form), form)
    except (TypeError, ValueError, re.error) as error:
        raise LogError(f"time_format {form!r}: a form as %d/%m/%Y %H:%M is needed: {error}") from error
    if "%" not in form:
        raise LogError(f"time_format {form!r}: a form as %d/%m/%Y %H:%M is needed")
    plain = form.replace("%%", "")
    if "%I" in plain and "%p" not in plain:
        raise LogError(f"time_format {form!r}: hours of 12 (%I) need %p, or are hours of 24 (%H)")
    if "%p" in plain and "%I" not in plain:
        raise LogError(f"time_format {form!r}: %p is of hours of 12 (%I), and is not read beside other hours")


def remark(name: str, ms: Array, unit: str) -> str:
    """Remark on the range and the unit of the times of a file, `ms` (rows,), at least one."""
    exact = "datetime64[s]" if (ms % DAY_MS).any() else "datetime64[D]"
    first, last = (
        str(np.datetime64(int(at), "ms").astype(exact)).replace("T", " ") for at in (ms.min(), ms.max())
    )
    beyond = int(((ms < FIRST_MS) | (ms >= END_MS)).sum())
    more = f", {beyond:,} of {len(ms):,} rows outside 1990-2100" if beyond else ""
    return f"{name}: times from {first} to {last} UTC, unit {unit}{more}"


def _agreed(entries: TimeEntries, empty: Array, form: str | None, bounds: tuple[int, int]) -> Times:
    """Times with the unit of most rows; other rows break a rule."""
    label, ms, rule, ahead, fine = entries
    known = ~empty & (label >= 0)
    counts = np.bincount(label[known], minlength=len(LABELS))
    most = int(counts.argmax())
    unit = f"date ({form})" if form else LABELS[most]
    times = Times(ms, unit, fine if (fine[known] != 0).any() else None, _whole_days(ms, ahead))
    named = ", ".join(f"{LABELS[k]} in {counts[k]:,} rows" for k in np.argsort(-counts) if counts[k])
    times.faults.append((known & (label != most), f"times must have one unit ({named})"))
    zone = NAMED_ZONE if form and "%Z" in form else ""
    rules = {**TIME_RULES, NOT_IN_FORMAT: f"a time in the form {form} is needed{zone}"}
    for number, text in rules.items():
        times.faults.append((~empty & ~known & (rule == number), text))
    beyond = (ms < bounds[0]) | (ms >= bounds[1])
    beyond &= known & (label == most)
    is_stated = bounds == YEARS_MS and unit in UNITS
    text = (
        outside_years(int(ms[beyond][0]), unit) if is_stated and beyond.any() else TIME_RULES[OUTSIDE_YEARS]
    )
    times.faults.append((beyond, text))
    return times


def _whole_days(ms: Array, ahead: Array) -> bool:
    """Whether all times are midnights of their own clock, or one quarter of an hour of several days in UTC."""
    if not ((ms + ahead) % DAY_MS).any():
        return True
    if ahead.any():
        return False
    of_day = ms % DAY_MS
    return bool((of_day == of_day[0]).all() and of_day[0] % QUARTER_MS == 0 and (ms != ms[0]).any())


def _cells(cells: Any, unit: str | None) -> TimeEntries:
    """Times of a column of numbers, timestamps or dates."""
    kind = cells.type
    if pa.types.is_timestamp(kind):
        entries = same_unit(_filled(cells.cast(INT)), UNITS[kind.unit], DATE)
        return entries if kind.tz is None else entries._replace(ahead=_clock(cells) - entries.ms)
    if pa.types.is_date(kind):
        days = pa.types.is_date32(kind)
        cells = cells.cast(pa.int32()).cast(INT) if days else cells.cast(INT)
        return same_unit(_filled(cells), (DAY_MS, 1) if days else UNITS["ms"], DATE)
    if pa.types.is_null(kind):
        cells = cells.cast(INT)
    values = _filled(cells)
    if pa.types.is_float16(kind) or (
        pa.types.is_float32(kind) and np.abs(values).max(initial=0) > MAX_FLOAT32_WHOLE
    ):
        return no_times(len(cells), ROUNDED)
    return times_of_numbers(values, unit)


def _clock(cells: Any) -> Array:
    """Ms of the clock of timestamps with a zone; of UTC where the zone is unknown."""
    with suppress(pa.ArrowInvalid):
        cells = pc.local_timestamp(cells)
    return scaled_to_ms(_filled(cells.cast(INT)), UNITS[cells.type.unit])


def _filled(cells: Any) -> Array:
    """Numbers as int64 or float64, 0 for an empty cell."""
    values = as_numpy(pc.fill_null(cells, 0))
    if values.dtype.kind == "f" or (values.dtype == np.uint64 and values.max(initial=0) >= 1 << 63):
        return values.astype(np.float64)
    return values.astype(np.int64)


def _words(words: Any, rows: Array, unit: str | None) -> TimeEntries:
    """Times of distinct words, numbers and dates; `rows` is the number of rows of each."""
    with_comma = pc.match_substring_regex(words, WITH_COMMA)
    if not pc.any(pc.match_substring_regex(words, WITH_POINT)).as_py():  # a column has one decimal sign
        words = pc.if_else(with_comma, pc.replace_substring(words, ",", "."), words)
    numeric = as_numpy(pc.match_substring_regex(words, NUMBER))
    entries = no_times(len(words), NOT_A_TIME)
    for mask in (numeric, ~numeric):
        if mask.any():
            few = words.filter(pa.array(mask))
            part = (
                times_of_numbers(numbers_of_text(few), unit)
                if mask is numeric
                else dates_of_text(few, rows[mask])
            )
            for whole, some in zip(entries, part, strict=True):
                whole[mask] = some
    return entries
