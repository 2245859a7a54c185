"""RetailRocket (2015): views, carts and purchases of a shop over 4.5 months; impressions are not logged.

Conventions of this reader:

* a view is a click (a product page was opened); a cart or purchase joins the view before it
  (`recgym.logs.generic`), and one without a view is a row with the events that it needs;
* a session ends after 30 minutes without an event;
* an item's category is the last value of its property `categoryid` before the last event, else its first value, else
  "unknown"; a remark counts the rows of the latter. Other properties, also prices, are hashed words and are left out.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.logs.columns import Source, as_numpy
from recgym.logs.delimited import ID, read_csv, read_csv_and_lines
from recgym.logs.events_table import GAP_MINUTES
from recgym.logs.files import Files
from recgym.logs.generic import from_table
from recgym.logs.ids import INT, TEXT, encode_ids, map_ids
from recgym.logs.log import Log
from recgym.logs.origin import Origin
from recgym.logs.problems import LogError
from recgym.logs.table_settings import TableSettings
from recgym.logs.text_form import ANY_TEXT
from recgym.logs.unread_columns import UnreadColumns

SOURCE = Source(
    "retailrocket",
    "CC BY-NC-SA 4.0",
    "Zykov, R., Artem, N. and Alexander, A. (2022). Retailrocket recommender system dataset. Kaggle.",
    "A view is a click; sessions end after 30 minutes; nothing says what was shown.",
)
COLUMNS = {"user": "visitorid", "item": "itemid", "time": "timestamp", "event": "event"}
PROPERTIES = "item_properties_part*.csv"


def read(files: Files, options: Mapping[str, Any]) -> Log:
    """Log of all events."""
    name = files.one("events.csv")
    types = {"timestamp": INT, "visitorid": ID, "event": ID, "itemid": ID}
    table, lines = read_csv_and_lines(files, name, types)
    categories = _categories(files, int(pc.max(table["timestamp"]).as_py()))
    columns = {key: table[column] for key, column in COLUMNS.items()}
    columns["category"] = map_ids(table["itemid"], lambda item: categories.get(item, ""))
    unknown = int(pc.sum(pc.equal(columns["category"].cast(TEXT), "")).as_py())
    origin = Origin.of(name, lines)
    # two transactions of one item and ms are two
    unread = UnreadColumns(files, COLUMNS, "ecommerce", ANY_TEXT)
    given = TableSettings(name, "ecommerce", SOURCE, COLUMNS, GAP_MINUTES, "ms", origin=origin, unread=unread)
    log = from_table(pa.table(columns), given)
    remarks = [f"{name}: {unknown} rows of items without a categoryid"] if unknown else []
    return replace(log, remarks=(*remarks, *log.remarks))


def _categories(files: Files, end: int) -> dict[str, str]:
    """Category, at the time `end` [ms], of every item that has one."""
    types = {"timestamp": INT, "itemid": ID, "property": ID, "value": TEXT}
    names = files.find(PROPERTIES)
    if not names:
        raise LogError(f"{files.path}: there is no file {PROPERTIES}")
    table = pa.concat_tables(read_csv(files, name, types, where=("property", "categoryid")) for name in names)
    time, (item, ids) = as_numpy(table["timestamp"]), encode_ids(table["itemid"])
    order = np.lexsort((np.where(time <= end, time, -time), time <= end, item))  # the one to keep comes last
    last = order[np.r_[item[order][1:] != item[order][:-1], True]]
    last = last[item[last] >= 0]
    items, values = (
        ids.take(pa.array(item[last])).to_pylist(),
        table["value"].take(pa.array(last)).to_pylist(),
    )
    return {item: f"category {value}" for item, value in zip(items, values, strict=True)}
