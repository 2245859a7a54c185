"""Rules of the contexts of a log that a fit and splits by days read, by their names."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Array, Bools
from recgym.logs.arrow_types import is_number, is_text
from recgym.logs.cell_rules import CONTEXT_CODES, DATE, DAY, READ_CONTEXTS
from recgym.logs.columns import as_numpy
from recgym.logs.ids import INT, encode
from recgym.logs.time_units import ms_of_digits

ISO_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"


def broken_contexts(rows: Any) -> list[tuple[str, str, Array]]:
    """Name, rule, and rows that break it, of each context of READ_CONTEXTS among the columns of a log.

    Hours and indices may be empty, days may not: a visit of no day has no place in a split.
    """
    found = []
    for name in READ_CONTEXTS:
        if name not in rows.column_names:
            continue
        cells = rows[name].cast(pa.int32()) if pa.types.is_null(rows[name].type) else rows[name]
        rule, is_kind, broken = _rules(name)
        bad = broken(cells) if is_kind(cells.type) else np.ones(len(cells), np.bool_)
        found.append((name, rule, np.flatnonzero(bad)))
    return found


def iso_dates(cells: Any) -> Any:
    """Dates and times of a typed column as text, 2022-04-25; other columns unchanged."""
    if not (pa.types.is_date(cells.type) or pa.types.is_timestamp(cells.type)):
        return cells
    if pa.types.is_timestamp(cells.type) and cells.type.tz is not None:
        cells = pc.local_timestamp(cells)
    return pc.strftime(cells.cast(pa.timestamp("ms"), safe=False), format="%Y-%m-%d").dictionary_encode()


def _rules(name: str) -> tuple[str, Any, Any]:
    """Rule of a context, which types may keep it, and a function of its cells: which of them break it."""
    if name == DAY:
        return "a day as 20220425 is needed", is_number, _no_day
    if name == DATE:
        return "a date as 2022-04-25 is needed", is_text, _no_date
    most = CONTEXT_CODES[name] - 1
    return f"a whole number from 0 to {most} is needed", is_number, lambda cells: _no_code(cells, most)


def _no_code(cells: Any, most: int) -> Bools:
    """Which cells are no whole number from 0 to `most`."""
    values = as_numpy(cells).astype(np.float64)
    is_code: Bools = (values >= 0) & (values <= most) & (values == np.floor(values))
    return ~is_code & ~np.isnan(values)


def _no_day(cells: Any) -> Bools:
    """Which cells are no number of eight digits that is a day."""
    return ~ms_of_digits(np.nan_to_num(as_numpy(cells).astype(np.float64)), 8)[1].astype(np.bool_)


def _no_date(cells: Any) -> Bools:
    """Which cells are no text of an ISO date."""
    codes, words = encode(cells)
    is_iso = pc.match_substring_regex(words, ISO_DAY)
    digits = pc.replace_substring(pc.if_else(is_iso, words, "0"), "-", "").cast(INT)
    return np.append(~ms_of_digits(as_numpy(digits), 8)[1], True)[codes].astype(np.bool_)
