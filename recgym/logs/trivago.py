"""trivago (RecSys Challenge 2019): lists of hotels with prices, and the hotel that a user clicked out to.

Only rows "clickout item" have the list that was shown: each is a slate of up to 25 hotels, the `reference` is clicked.
Other actions (views of images, filters, searches) are left out and counted, as are the slates whose reference is not in
the list. Sessions are the file's.

Layout: the description of the challenge (recsys.trivago.cloud/challenge/dataset).
"""

from recgym.logs.columns import Source
from recgym.logs.table_form import TableForm

SOURCE = Source(
    "trivago",
    "terms of the challenge, research use",
    "Adamczak, J. et al. (2020). Session-based hotel recommendations dataset: as part of the ACM Recommender System "
    "Challenge 2019. ACM TIST 12(1), 1.",
    "Every slate has one click: pages without a clickout are not logged.",
)
FORM = TableForm(
    SOURCE,
    "ecommerce",
    ("train.csv*",),
    {
        "user": "user_id",
        "item": "reference",
        "session": "session_id",
        "time": "timestamp",
        "event": "action_type:clickout item>click:*>omit",
        "shown": "impressions",
        "price": "prices",
        "context_platform": "platform",
        "context_device": "device",
    },
    may_be_absent=True,
)
