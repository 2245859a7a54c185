"""Diginetica (CIKM Cup 2016, track 2): views and purchases of a shop, with anonymous sessions.

The views and the purchases are two files. The user is the `userId`; where it is missing (most sessions), the session. A
time is the day `eventdate` and, as the time of day is not logged, `timeframe` ms since the session's first query, so
only the order within a session means something. Queries and their results are not read.

Layout: the headers of train-item-views.csv, train-purchases.csv and product-categories.csv, as public readers use them.
"""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from recgym.logs.columns import Source
from recgym.logs.ids import INT, TEXT, as_text, is_missing
from recgym.logs.origin import Origin
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
    users, sessions = (as_text(_words(table[key])) for key in ("user", "session"))
    users = pc.if_else(is_missing(users), pc.binary_join_element_wise("session", sessions, " "), users)
    days = _words(table["time"])
    moments = pc.strptime(days, "%Y-%m-%d", "ms", error_is_null=True).cast(INT)
    later = (
        pc.fill_null(table["context_timeframe"], 0)
        if pa.types.is_integer(table["context_timeframe"].type)
        else 0
    )
    times = pc.strftime(pc.add(moments, later).cast(pa.timestamp("ms")), "%Y-%m-%dT%H:%M:%S")
    for key, values in (("user", users), ("time", pc.coalesce(times, days))):
        table = table.set_column(table.schema.get_field_index(key), key, values.dictionary_encode())
    return table


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
