"""ContentWise Impressions (CIKM 2020): lists of series on a television service, and the series that were chosen.

Conventions of this reader:

* items are series, as the recommendations are. Any interaction (view, access, rating, purchase) is a click;
* the lists of `impressions-direct-link` are slates: a list with all series that were chosen from it, at the time of the
  first interaction. A list without its chosen series is left out and counted;
* a recommendation has one list and was shown to one user; another list or user is an error;
* an interaction without a recommendation (-1, or an empty cell) is a row of its own, without a slate;
* lists without an interaction (`impressions-non-direct-link`) have no time and are not read;
* a session ends after 30 minutes without an interaction.

Layout: the documented columns in Utils/dataset.py of github.com/ContentWise/contentwise-impressions; Parquet, or CSV.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Array
from recgym.logs.arrow_types import is_list
from recgym.logs.columns import Source, as_numpy
from recgym.logs.events_table import GAP_MINUTES
from recgym.logs.files import Files
from recgym.logs.generic import from_table, unread_remark
from recgym.logs.ids import INT, encode, encode_ids
from recgym.logs.log import Log
from recgym.logs.origin import Origin
from recgym.logs.parsing import TableParser
from recgym.logs.problems import LogError, LogProblem, problems_of, raise_problems
from recgym.logs.repeated_rows import joined
from recgym.logs.slate_lists import one_row_an_item
from recgym.logs.table_files import read_tables
from recgym.logs.table_settings import TableSettings

SOURCE = Source(
    "contentwise",
    "CC BY-NC-SA 4.0",
    "Perez Maurera, F. B. et al. (2020). ContentWise Impressions: an industrial dataset with impressions included. "
    "CIKM 2020.",
    "Every slate has a click: lists without an interaction have no time.",
)
INTERACTIONS = ("interactions/*.parquet", "interactions.csv*")
LISTS = ("impressions-direct-link/*.parquet", "impressions-direct-link.csv*")
COLUMNS = {
    "user": "user_id",
    "item": "series_id",
    "time": "utc_ts_milliseconds",
    "slate": "recommendation_id",
}
NONE = -1  # recommendation of an interaction without one
IMPRESSIONS = {"id": "recommendation_id", "shown": "recommended_series_list"}


def read(files: Files, options: Mapping[str, Any]) -> Log:
    """Log of all interactions, with the lists they came from."""
    names, lists = (_one_kind(files, patterns) for patterns in (INTERACTIONS, LISTS))
    table, origin, left_out = read_tables(files, names, COLUMNS, "content")
    settings = TableSettings(names[0], "content", SOURCE, COLUMNS, GAP_MINUTES, "ms")
    cells = TableParser(table, settings, origin)
    time, recommendation = cells.times("time").ms, as_numpy(cells.number("slate", INT).fill_null(NONE))
    raise_problems([*left_out, *cells.problems])
    beside, of_lists, left_out = read_tables(files, lists, IMPRESSIONS, "content")
    listed = as_numpy(beside["id"].cast(INT))
    lists_text = joined(beside["shown"]) if is_list(beside["shown"].type) else beside["shown"]
    raise_problems(
        [
            *left_out,
            *_several(listed, encode(lists_text)[0], of_lists, "list"),
            *_several(recommendation, encode_ids(table["user"])[0], origin, "user"),
        ]
    )
    table, origin = _grouped(table, origin, beside, time, recommendation)
    table, origin, remarks, problems = one_row_an_item(table, origin, "content", COLUMNS, may_be_absent=True)
    log = from_table(table, replace(settings, origin=origin, left_out=problems, time_unit=None))
    rest = [name for name in files.find(*INTERACTIONS, *LISTS) if name not in (*names, *lists)]
    remarks = [f"{names[0]}: {remark}" for remark in remarks]
    return replace(log, remarks=(*remarks, *log.remarks, *unread_remark(rest)))


def _one_kind(files: Files, patterns: Sequence[str]) -> list[str]:
    """Files of the first pattern that has any."""
    found = next((names for names in map(files.find, patterns) if names), [])
    if not found:
        raise LogError(f"{files.path}: there is no file {' or '.join(patterns)}")
    return found


def _several(recommendation: Array, values: Array, origin: Origin, what: str) -> list[LogProblem]:
    """Rows of a recommendation with another value than its first row."""
    _, first, place = np.unique(recommendation, return_index=True, return_inverse=True)
    bad = np.flatnonzero((values != values[first][place]) & (recommendation >= 0))
    rule, name = f"a recommendation must have one {what}", IMPRESSIONS["id"]
    return problems_of(bad, len(values), origin.place, name, rule, lambda row: str(recommendation[row]))


def _grouped(
    table: Any, origin: Origin, lists: Any, time: Array, recommendation: Array
) -> tuple[Any, Origin]:
    """One row for each recommendation, with its list and its chosen series; another interaction is its own row."""
    alone = np.arange(len(table)) + recommendation.max(initial=0) + 1
    group = np.where(recommendation < 0, alone, recommendation)
    order = np.lexsort((time, group))
    starts = np.flatnonzero(np.r_[True, group[order][1:] != group[order][:-1]])
    first = order[starts]
    codes, words = encode(table["item"])
    items = words.take(pa.array(codes[order], mask=codes[order] < 0))
    place = pc.index_in(pa.array(recommendation[first]), value_set=lists["id"].cast(INT))
    columns = {
        "user": table["user"].take(pa.array(first)),
        "time": pa.array(time[first], pa.timestamp("ms")),
        "slate": pa.array(recommendation[first], mask=recommendation[first] < 0),
        "item": pa.LargeListArray.from_arrays(pa.array(np.r_[starts, len(order)]), items),
        "shown": lists["shown"].take(place),
    }
    return pa.table(columns), origin.take(first)
