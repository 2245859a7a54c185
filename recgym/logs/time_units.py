"""Units of numeric times, and the rules that times of a log keep."""

from typing import NamedTuple

import numpy as np

from recgym.arrays import Array

UNITS = {"s": (1_000, 1), "ms": (1, 1), "us": (1, 1_000), "ns": (1, 1_000_000)}  # ms a unit, as a fraction
DAY_MS = 86_400_000
NS_MS = 1_000_000  # ns a ms
FINE = "#fine"  # column of the ns that times differ from their ms by, until the rows have an order
DIGITS = {"date (8 digits)": 8, "date (14 digits)": 14}
DATE, DAY_FIRST, MONTH_FIRST = "date", "date (day/month/year)", "date (month/day/year)"
LABELS = (*UNITS, *DIGITS, DATE, DAY_FIRST, MONTH_FIRST)
FIRST_MS, END_MS = 631_152_000_000, 4_102_444_800_000  # 1990 and 2100
MAX_MS = 1 << 62  # of any time in ms; larger ones are cut
YEARS_MS = (-62_135_596_800_000, 253_402_300_800_000)  # 1 and 10000
MIN_FLOAT32_TIMES = 10  # distinct times that float32 holds exactly; by chance in 1 of 10^18 logs
MAX_FLOAT32_WHOLE = 1 << 24  # largest number up to which float32 holds all whole numbers
EIGHT_HOURS_S = 28_800  # float32 holds all times at such distances from one that it holds
HOUR_DIGITS = 10  # digits of 2008040112
TICKS_END = 662_380_416 * 10**9  # .NET ticks of the year 2100; as ns, a day of December 1990
YEARS_RULE = "a time from 1990 to 2100 is needed"
# rules that a time breaks
NOT_A_TIME, NO_UNIT, OUTSIDE_YEARS, AMBIGUOUS_DAY, ROUNDED = range(5)
NOT_IN_FORMAT, AMBIGUOUS_HOURS, WITH_ZONE, WITHOUT_ZONE, TICKS = range(5, 10)
TIME_RULES = {
    NOT_A_TIME: "a time is needed: a number, or a date as 2008-04-01 12:30:00; "
    "time_format (--time-format) states another form",
    NO_UNIT: f"{YEARS_RULE}, in s, ms, us, ns or as 20080401 or 20080401123000; time_unit (--time-unit) states another "
    "unit",
    OUTSIDE_YEARS: f"{YEARS_RULE}; a table may have others where time_unit (--time-unit) is given",
    AMBIGUOUS_DAY: "no row shows which number is the day; time_format (--time-format) states it, as in %d/%m/%Y or "
    "%m/%d/%Y",
    AMBIGUOUS_HOURS: "seconds after 2032 or dates as 2008040112, year to hour; time_unit (--time-unit s) or "
    "time_format (--time-format %Y%m%d%H) states which",
    TICKS: "ns of 1990 or .NET ticks (100 ns since the year 1); time_unit (--time-unit ns) states the first, and "
    "ticks must become a time since 1970",
    WITH_ZONE: "a time without a zone is needed, as other rows have",
    WITHOUT_ZONE: "a time with a zone is needed, as other rows have",
    ROUNDED: "the times are rounded as float32 rounds them, by up to 64 s; whole numbers or float64 are needed",
}


class TimeEntries(NamedTuple):
    """Times of cells, or of distinct cells, before the rows have agreed on a unit."""

    label: Array  # index into LABELS, -1: no unit fits
    ms: Array
    rule: Array  # key of TIME_RULES: the rule that a cell without a label breaks
    ahead: Array  # ms by which the clock of a date with a zone is ahead of UTC, else 0
    fine: Array  # ns by which the time is later than its ms, which are rounded

    def at(self, index: Array) -> "TimeEntries":
        """Entries at these indices; -1 is an empty cell."""
        return TimeEntries(*(np.append(part, part.dtype.type(-1))[index] for part in self))


def same_unit(values: Array, scale: tuple[int, int], name: str) -> TimeEntries:
    """Entries of numbers with one label; a number times the fraction `scale` is in ms."""
    label, rule = np.full(len(values), LABELS.index(name)), np.full(len(values), OUTSIDE_YEARS)
    ms = scaled_to_ms(values, scale)
    return TimeEntries(label, ms, rule, np.zeros(len(values), np.int64), finer_than_ms(values, ms, scale))


def outside_years(ms: int, unit: str) -> str:
    """The rule that a time in a stated unit breaks that is outside the years 1 to 9999, and the unit that suits it."""
    rule = "a time of the years 1 to 9999 is needed"
    multiply, divide = UNITS[unit]
    if abs(ms) >= MAX_MS // 2:
        return rule
    value, at = ms * divide // multiply, np.datetime64(ms, "ms")
    rule += f": {value} {unit} is in the year {1970 + int(at.astype('datetime64[Y]').astype(np.int64))}"
    for other, (up, down) in UNITS.items():
        if FIRST_MS <= (found := value * up // down) < END_MS:
            day = np.datetime64(found, "ms").astype("datetime64[D]")
            return f"{rule}, in {other} on {day}: time_unit (--time-unit {other}) states that"
    return rule


def no_times(count: int, rule: int) -> TimeEntries:
    """Entries that break one rule."""
    ms, ahead, fine = np.zeros((3, count), np.int64)
    return TimeEntries(np.full(count, -1), ms, np.full(count, rule), ahead, fine)


def times_of_numbers(values: Array, unit: str | None) -> TimeEntries:
    """Times of numbers in the stated unit, or each in the unit that puts it between 1990 and 2100."""
    if unit:
        entries = same_unit(values, UNITS[unit], unit)
    else:
        entries = no_times(len(values), NO_UNIT)
        for number, (name, (multiply, divide)) in enumerate(UNITS.items()):
            inside = (values >= FIRST_MS * divide // multiply) & (values < END_MS * divide // multiply)
            entries.label[inside] = number
            entries.ms[inside] = scaled_to_ms(values[inside], UNITS[name])
            entries.fine[inside] = finer_than_ms(values[inside], entries.ms[inside], UNITS[name])
        for name, width in DIGITS.items():
            ms, valid = ms_of_digits(values, width)
            entries.label[valid] = LABELS.index(name)
            entries.ms[valid] = ms[valid]
    seconds = entries.label == LABELS.index("s")
    if not unit and seconds.any() and ms_of_digits(values[seconds], HOUR_DIGITS)[1].all():
        entries.label[seconds] = -1
        entries.rule[seconds] = AMBIGUOUS_HOURS
    ns = entries.label == LABELS.index("ns")
    if not unit and ns.any() and (values[ns] < TICKS_END).all():
        entries.label[ns] = -1
        entries.rule[ns] = TICKS
    counted = (entries.label >= 0) & (entries.label < len(UNITS))
    counted &= (entries.ms >= FIRST_MS) & (entries.ms < END_MS)
    if _is_rounded(values[counted]):
        entries.label[counted] = -1
        entries.rule[counted] = ROUNDED
    return entries


def scaled_to_ms(values: Array, scale: tuple[int, int]) -> Array:
    """Numbers in ms, rounded half up; NaN is `MAX_MS`, and larger times are cut there."""
    multiply, divide = scale
    low, high = (bound * divide // multiply for bound in (-MAX_MS, MAX_MS))
    if values.dtype.kind == "f":
        values = np.clip(np.nan_to_num(values, nan=np.inf, posinf=np.inf, neginf=-np.inf), low, high)
        return np.floor(values * (multiply / divide) + 0.5).astype(np.int64)
    limit = np.iinfo(np.int64)
    values = np.clip(values, max(low, limit.min + divide), min(high, limit.max - divide))
    return values * multiply if divide == 1 else (values + divide // 2) // divide


def finer_than_ms(values: Array, ms: Array, scale: tuple[int, int]) -> Array:
    """Ns by which numbers are later than their rounded `ms`; 0 where the time is outside the years 1 to 9999."""
    multiply, divide = scale
    known = (ms > YEARS_MS[0]) & (ms < YEARS_MS[1])
    values = np.where(known, values, 0)
    whole = np.floor(values).astype(np.int64) if values.dtype.kind == "f" else values
    part = np.rint((values - whole) * (multiply * NS_MS // divide)).astype(np.int64)
    return np.where(known, (whole * multiply - ms * divide) * (NS_MS // divide) + part, 0)


def ms_of_digits(values: Array, width: int) -> tuple[Array, Array]:
    """Ms of numbers such as 20080401 (width 8), 2008040112 (10) or 20080401123000 (14), and which are valid dates."""
    low, high = 1990 * 10 ** (width - 4), 2100 * 10 ** (width - 4)
    inside = (values >= low) & (values < high)
    whole = np.where(inside, values, 0).astype(np.int64)
    day, clock = np.divmod(whole, 10 ** (width - 8))
    clock = clock * 10 ** (14 - width)
    ms, valid = ms_of_day(day // 10_000, day // 100 % 100, day % 100)
    hour, minute, second = clock // 10_000, clock // 100 % 100, clock % 100
    valid &= inside & (whole == values) & (hour < 24) & (minute < 60) & (second < 60)
    return ms + ((hour * 60 + minute) * 60 + second) * 1000, valid


def ms_of_day(year: Array, month: Array, day: Array) -> tuple[Array, Array]:
    """Ms of the start of a day, and which days exist."""
    months = ((year - 1970) * 12 + np.clip(month, 1, 12) - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1)
    valid = (month >= 1) & (month <= 12) & (day >= 1) & (days.astype("datetime64[M]") == months)
    return days.astype(np.int64) * DAY_MS, valid


def _is_rounded(values: Array) -> bool:
    """Whether numbers look rounded to float32; times at distances of whole days do not count."""
    for part in (values[:1000], values):
        if not len(part) or (part != part.astype(np.float32)).any():
            return False
    if not ((values - values[0]) % EIGHT_HOURS_S).any():
        return False
    return len(np.unique(values)) >= MIN_FLOAT32_TIMES
