"""Diginetica (CIKM Cup 2016, track 2): views and purchases of a shop, with anonymous sessions.

The views and the purchases are two files. The user is the `userId`, of another row of the session where a row lacks it;
where all rows do (most sessions), the session. A time is the day `eventdate` and, as the time of day is not logged,
`timeframe` ms since the session's first query, so only the order within a session means something. Queries and their
results are not read.

Layout: the headers of train-item-views.csv, train-purchases.csv and product-categories.csv, as public readers use them.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.logs.columns import Source, as_numpy
from recgym.logs.ids import INT, TEXT, as_text, encode, is_missing
from recgym.logs.origin import Origin
from recgym.logs.problems import problems_of, raise_problems
from recgym.logs.table_form import Attributes, TableForm
from recgym.logs.text_form import TextForm

SOURCE = Source(
    "diginetica",
    "terms of the challenge, research use",
    "CIKM Cup 2016, track 2: personalized e-commerce search challenge. DIGINETICA.",
    "Times are days with an order in the session; users are mostly unknown.",
)
SEMICOLON = TextForm(";")
FILES = ("train-item-views.csv*", "train-purchases.csv*")


def _known(table: Any, origin: Origin) -> Any:
    """Users and times: the session for an unknown user, the day and the ms within the session."""
    days = _words(table["time"])
    moments = pc.strptime(days, "%Y-%m-%d", "ms", error_is_null=True).cast(INT)
    later = pc.add(moments, _timeframes(table["context_timeframe"], origin))
    times = pc.strftime(later.cast(pa.timestamp("ms")), "%Y-%m-%dT%H:%M:%S")
    for key, values in (("user", _users(table)), ("time", pc.coalesce(times, days))):
        table = table.set_column(table.schema.get_field_index(key), key, values.dictionary_encode())
    return table


def _users(table: Any) -> Any:
    """Users as text: of a row without one the first of its session, else the session."""
    users, sessions = (as_text(_words(table[key])) for key in ("user", "session"))
    users = pc.if_else(is_missing(users), pa.scalar(None, TEXT), users)
    codes, words = encode(sessions)
    first = np.full(len(words) + 1, -1)  # the last one: of rows without a session
    known = np.flatnonzero(as_numpy(users.is_valid()))[::-1]
    first[codes[known]] = known  # the last one written is kept, the first row
    first[-1] = -1
    of_session = users.take(pa.array(first[codes], mask=first[codes] < 0))
    return pc.coalesce(users, of_session, pc.binary_join_element_wise("session", sessions, " "))


def _timeframes(cells: Any, origin: Origin) -> Any:
    """Milliseconds since the start of the session; 0 for an empty cell, LogError for another that is no such number."""
    words = as_text(_words(cells))
    is_fit = pc.or_(is_missing(words), pc.match_substring_regex(words, r"^[0-9]{1,12}$"))
    bad = np.flatnonzero(~as_numpy(pc.fill_null(is_fit, True)))
    rule = "milliseconds since the start of the session are needed"
    raise_problems(
        problems_of(bad, len(words), origin.place, "timeframe", rule, lambda row: repr(words[row].as_py()))
    )
    return pc.fill_null(pc.if_else(is_missing(words), pa.scalar(None, TEXT), words).cast(INT), 0)


def _words(cells: Any) -> Any:
    return cells.cast(TEXT) if pa.types.is_dictionary(cells.type) else as_text(cells)


FORM = TableForm(
    SOURCE,
    "ecommerce",
    FILES,
    {
        "user": "userId",
        "item": "itemId",
        "session": "sessionId",
        "time": "eventdate",
        "context_timeframe": "timeframe",
        "event": "#file:train-item-views>click:train-purchases>purchase",
    },
    SEMICOLON,
    Attributes("product-categories.csv*", {"id": "itemId", "category": "categoryId"}, SEMICOLON),
    change=_known,
)
