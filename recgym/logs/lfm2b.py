"""LFM-2b (Last.fm): listening events of tracks with times.

The item is the track; albums, artists and features of users are not read. A session ends after 30 minutes without a
listen. There are no friends: `friends=` takes pairs of users from elsewhere.

Layout: the header `user_id track_id album_id timestamp` of listening-events.tsv.bz2, as public readers use it. The data
set's page no longer offers the files.
"""

from recgym.logs.columns import Source
from recgym.logs.table_form import TableForm
from recgym.logs.text_form import TextForm

SOURCE = Source(
    "lfm2b",
    "withdrawn by its publisher for licence reasons",
    "Schedl, M. et al. (2022). LFM-2b: a dataset of enriched music listening events for recommender systems research "
    "and fairness analysis. CHIIR 2022.",
    "Listens alone, to the second; no friends.",
)
FORM = TableForm(
    SOURCE,
    "social",
    ("listening-events.tsv*", "listening_events.tsv*"),
    {"user": "user_id", "item": "track_id", "time": "timestamp"},
    TextForm("\t", is_quoted=False),
)
