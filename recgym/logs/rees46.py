"""REES46: views, carts and purchases of a shop of many categories, one CSV file a month (2019-Oct.csv).

The rows are single actions. A session is the file's `user_session`, an item's category its `category_code`, which many
items lack. The published files have a few rows without a session, and those of the cosmetics shop some with a price
below 0: they are left out, and a remark counts them. Layout: the header and first rows of 2019-Oct.csv, as on Kaggle
(mkechinov).
"""

from typing import Any

import numpy as np
import pyarrow.compute as pc

from recgym.arrays import Array
from recgym.logs.columns import Source, as_numpy
from recgym.logs.ids import as_text, encode, is_missing
from recgym.logs.table_form import TableForm

SOURCE = Source(
    "rees46",
    "free use with a link to REES46, as the page of the data set says",
    "Kechinov, M. (2019). eCommerce behavior data from multi category store. Kaggle; REES46 Marketing Platform.",
    "A view is a click; remove_from_cart rows are left out; nothing says what was shown.",
)
COLUMNS = {
    "user": "user_id",
    "item": "product_id",
    "session": "user_session",
    "time": "event_time",
    "event": "event_type",
    "price": "price",
    "category": "category_code",
}
FILES = ("20[0-9][0-9]-[A-Z][a-z][a-z].csv*",)
BELOW_0 = r"^\s*-\s*[0-9.]*[1-9]"


def _has_session(table: Any) -> tuple[Array, str]:
    sessions, ids = encode(table["session"])
    prices, words = encode(as_text(table["price"]))
    is_known = np.append(~as_numpy(is_missing(ids)), False)[sessions]
    is_below = np.append(as_numpy(pc.match_substring_regex(words, BELOW_0)), False)[prices]
    return is_known & ~is_below, "without a session or with a price below 0"


FORM = TableForm(SOURCE, "ecommerce", FILES, COLUMNS, keep=_has_session)
