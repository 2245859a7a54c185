"""Rules of the cells of a table of events."""

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from recgym.arrays import Array
from recgym.logs.columns import ROWS
from recgym.logs.ids import FLOAT
from recgym.logs.mapping import FALSE, TRUE

CONTEXT_CODES = {"context_hour": 24, "context_index": 1000}  # that a fit reads: numbers from 0, below a limit
DAY, DATE = "context_day", "context_date"  # that splits by days read: 20220425, 2022-04-25
READ_CONTEXTS = (*CONTEXT_CODES, DAY, DATE)
WHOLE_CONTEXTS = (*CONTEXT_CODES, DAY)
NULLABLE = (
    "slate", "position", "propensity", "price", "watch_ms", "category", "duration_ms", *CONTEXT_CODES
)  # fmt: skip
YES_NO_RULE = f"0 or 1 is needed, or one of {', '.join(filter(str.isalpha, (*TRUE, *FALSE)))}"
VALUE_RULE, NUMBER_RULE, WHOLE_RULE = "a value is needed", "a number is needed", "a whole number is needed"
BINARY_RULE, COUNT_RULE = "0 or 1 is needed", "a count from 0 to 2^53 - 1 is needed"
NO_QUANTITY = "; a quantity is no event: leave it out of the map, or map a column of 0 and 1"
COUNT_COLUMNS = {"listen": "listens"}  # event whose column may hold counts -> extra column of the counts
MAX_EXACT_WHOLE = {pa.float16(): 1 << 11, pa.float32(): 1 << 24, FLOAT: 1 << 53}  # all below it are exact
MIN_DURATION_MS = 1_000.0  # below it durations and watch times are probably seconds (KuaiRand's median: 76 s)
MAX_NAMED_WORDS = 10  # unknown words of an event column in messages
SPACED_QUOTES = r'^\s+".*"\s*$'  # a cell with spaces before its quotes, which then are characters of it
SPACED_RULE = "quotes must follow the separator without a space"
WHOLE_PATTERN = r"^(0|-?[1-9][0-9]{0,17})$"


def whole_rule(key: str) -> str:
    """The rule of a column of whole numbers, with its unit."""
    return WHOLE_RULE + ", in milliseconds: multiply seconds by 1000" * key.endswith("_ms")


def rounded_ms(values: Array) -> tuple[Array, int]:
    """Milliseconds as whole numbers, and the number of those with decimals; unchanged if most are below a second."""
    decimal = np.isfinite(values) & (values != np.floor(values))
    high = values[np.isfinite(values) & (values > 0)]
    if not decimal.any() or not len(high) or np.quantile(high, 0.95) < MIN_DURATION_MS:
        return values, 0
    return np.where(decimal, np.round(values), values), int(decimal.sum())


def broken_rules(
    key: str, values: Array, kind: Any, rating_scale: tuple[float, float] | None = None
) -> list[tuple[Array, str]]:
    """Rows whose number does not fit the column of the log, and the rule that each breaks."""
    if kind == FLOAT:
        most = np.inf if key == "propensity" else np.finfo(np.float32).max
        beyond = ~np.isfinite(values.astype(np.float64))
        large = ~beyond & (np.abs(values) > most)
        below = (values < 0) & (key == "duration_ms")
        beyond_rule = f"a finite number is needed, of at most {most:.3g} in size"
        rules = [
            (beyond, "a finite number is needed"),
            (large, beyond_rule),
            (below & ~beyond, "a duration must be 0 ms or above"),
        ]
        if key == "rating" and rating_scale:
            low, high = rating_scale
            rules.append(
                (~beyond & ((values < low) | (values > high)), f"a rating from {low:g} to {high:g} is needed")
            )
        return rules
    limits = np.iinfo(ROWS[key].to_pandas_dtype() if key in ROWS else np.int64)
    low, high = int(limits.min), int(limits.max)
    beyond = (values < low) | (values > high) | (values >= 2.0**63)
    broken = (
        (values != np.floor(values)) & ~beyond if values.dtype.kind == "f" else np.zeros(len(values), bool)
    )
    return [(broken, whole_rule(key)), (beyond, f"a whole number from {low} to {high} is needed")]


def shown_cell(value: Any, nothing: str) -> str:
    """A cell as a message shows it; `nothing` for an empty one."""
    if isinstance(value, date):
        return str(value)
    return nothing if value is None or value == "" or value != value else repr(value)
