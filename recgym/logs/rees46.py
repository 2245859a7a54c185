"""REES46: views, carts and purchases of a shop of many categories, one CSV file a month (2019-Oct.csv).

The rows are single actions. A session is the file's `user_session`, an item's category its `category_code`, which many
items lack. Layout: the header and first rows of 2019-Oct.csv, as on Kaggle (mkechinov).
"""

from recgym.logs.columns import Source
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
FORM = TableForm(SOURCE, "ecommerce", FILES, COLUMNS)
