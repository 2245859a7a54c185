"""KuaiSAR (Kuaishou, 2023): impressions of short videos with feedback and watch time, of users who also search.

The impressions of the recommendation service (rec_inter.csv) are read; those of search (src_inter.csv) are not. The
description puts clicks and impressions without one at about 1:1. A session ends after 30 minutes without an impression.
`context_search` is 1 where the user searched while watching. The category is the English name of the first level in
item_features.csv.

Layout: the description of the data set (github.com/Ethan00Si/KuaiSAR, pages/decriptions.md).
"""

from recgym.logs.columns import Source
from recgym.logs.table_form import Attributes, TableForm

SOURCE = Source(
    "kuaisar",
    "CC BY-NC-SA 4.0",
    "Sun, Z. et al. (2023). KuaiSAR: a unified search and recommendation dataset. CIKM 2023.",
    "Clicks and impressions without are about 1:1; searches are not read.",
)
FILE, ITEMS = "rec_inter.csv*", "item_features.csv*"
FORM = TableForm(
    SOURCE,
    "content",
    (FILE,),
    {
        "user": "user_id",
        "item": "item_id",
        "time": "timestamp",
        "watch_ms": "playing_time",
        "duration_ms": "duration_ms",
        "click": "click",
        "like": "like",
        "share": "forward",
        "follow": "follow",
        "context_search": "search",
    },
    items=Attributes(ITEMS, {"id": "item_id", "category": "first_level_category_name_en"}),
    settings={"time_unit": "ms"},
)
