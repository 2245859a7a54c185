"""Yambda (Yandex Music, 2025): listens, likes and dislikes of tracks, 50m, 500m and 5b; the flat tables in Parquet.

multi_event.parquet is read, or listens.parquet where it is absent. A listen is a click; the watch time is the played
part of the track. A like or dislike joins the listen of its track in the session; another is a row of its own that
counts as a click, as it is no impression without a response, and a remark counts these. unlike and undislike are left
out. Times are seconds since an unknown start, in steps of 5 s; `context_is_organic` is 0 for what the recommender
chose. A session ends after 30 minutes.

Layout: the data set's card (huggingface.co/datasets/yandex/yambda).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from recgym.logs.columns import Source, as_numpy
from recgym.logs.files import Files
from recgym.logs.log import Log
from recgym.logs.origin import Origin
from recgym.logs.table_form import TableForm

SOURCE = Source(
    "yambda",
    "Apache-2.0",
    "Ploshkin, A. et al. (2025). Yambda-5B: a large-scale multi-modal dataset for ranking and retrieval. "
    "arXiv:2505.22238.",
    "Times are seconds since an unknown start; what was shown and not played is not logged.",
)
MULTI, LISTENS = "multi_event.parquet", "listens.parquet"
WORDS = "event_type:listen>click:like>like:dislike>hate:unlike>omit:undislike>omit"
COLUMNS = {
    "user": "uid",
    "item": "item_id",
    "time": "timestamp",
    "watch_ms": "played_ratio_pct",
    "duration_ms": "track_length_seconds",
    "context_is_organic": "is_organic",
}


def _in_ms(table: Any, origin: Origin) -> Any:
    """Duration in ms, and watch time as the played part [%] of it; null for rows without."""
    length, part = (as_numpy(table[key]).astype(np.float64) for key in ("duration_ms", "watch_ms"))
    duration, watch = length * 1000, np.round(length * part * 10)
    for key, values in (("duration_ms", duration), ("watch_ms", watch)):
        place = table.schema.get_field_index(key)
        table = table.set_column(place, key, pa.array(values, mask=np.isnan(values)))
    return table


FORM = TableForm(
    SOURCE,
    "content",
    (MULTI,),
    COLUMNS | {"event": WORDS},
    change=_in_ms,
    settings={"time_unit": "s", "any_year": True},
)


def read(files: Files, options: Mapping[str, Any]) -> Log:
    """Log of one folder of flat tables."""
    if files.find(MULTI):
        return _without_impressions(FORM.read_files(files, [files.one(MULTI)]))
    listens = replace(FORM, columns=COLUMNS | {"event": "#file:listens>click"})
    return listens.read_files(files, [files.one(LISTENS)])


def _without_impressions(log: Log) -> Log:
    """Log in which likes and dislikes without a listen count as clicks."""
    clicks = log.column("click").astype(bool)
    alone = int((~clicks).sum())
    if not alone:
        return log
    place = log.rows.schema.get_field_index("click")
    rows = log.rows.set_column(place, "click", pa.array(np.ones(len(clicks), bool)))
    remark = f"{alone:,} likes and dislikes without a listen in their session count as clicks"
    return replace(log, rows=rows, remarks=(*log.remarks, remark))
