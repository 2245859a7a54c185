"""Steam reviews (McAuley, 2018): reviews of games by day, one Python dict a line.

Every review is a click; the user is the `username`, as few lines have a `user_id`. Repeated lines (pages that were
collected twice) are dropped and counted. Hours played are of the whole life of an account; they are not read.

Layout: the fields and the form of lines that public readers of steam_reviews.json.gz use (SASRec and others).
"""

from recgym.logs.columns import Source
from recgym.logs.table_form import TableForm

SOURCE = Source(
    "steam",
    "not stated; research use",
    "Kang, W.-C. and McAuley, J. (2018). Self-attentive sequential recommendation. ICDM 2018.",
    "A row is a review of a game, by day; nothing says what was shown or played when.",
)
FORM = TableForm(
    SOURCE,
    "content",
    ("steam_reviews.json*",),
    {"user": "username", "item": "product_id", "time": "date"},
    are_all_compared=False,  # the fields of the page differ
    settings={"duplicates": "drop"},
)
