"""Tenrec (Tencent, 2022): impressions of videos and articles in two feeds, QK and QB, with feedback.

Conventions of this reader:

* `file` names the table: QK-video, QB-video, QK-article, QB-article, or ctr_data_1M or sbr_data_1M; default: the only
  one that is there;
* there are no times: the order of the file is the order, and a user's rows are one session. Repeated rows are kept;
* `watching_times` counts how often an item was watched; it is not a watch time, and not read;
* the category is `video_category`, of an article `category_first`.

Layout: the description at github.com/yuangh-x/2022-NIPS-Tenrec and the headers of the files, as a public reader lists
them.
"""

from collections.abc import Mapping
from typing import Any

from recgym.logs.columns import Source
from recgym.logs.files import Files
from recgym.logs.log import Log
from recgym.logs.problems import LogError
from recgym.logs.table_form import TableForm

SOURCE = Source(
    "tenrec",
    "CC BY-NC 4.0",
    "Yuan, G. et al. (2022). Tenrec: a large-scale multipurpose benchmark dataset for recommender systems. "
    "NeurIPS 2022 Datasets and Benchmarks.",
    "No times: a session is all that the log has of a user.",
)
IDS = {"user": "user_id", "item": "item_id", "click": "click"}
FEEDBACK = {"like": "like", "share": "share", "follow": "follow"}
VIDEO = IDS | FEEDBACK | {"category": "video_category"}
COLUMNS = {
    "QK-video": VIDEO,
    "QB-video": VIDEO,
    "QK-article": IDS | FEEDBACK | {"category": "category_first"},
    "QB-article": IDS | {"category": "category_first"},
    "ctr_data_1M": VIDEO,
    "sbr_data_1M": VIDEO,
}


def read(files: Files, options: Mapping[str, Any]) -> Log:
    """Log of one table."""
    kinds = [kind for kind in COLUMNS if files.find(f"{kind}.csv*")]
    kind = options.get("file") or (kinds[0] if len(kinds) == 1 else None)
    if kind not in COLUMNS:
        raise LogError(f"file must be one of {', '.join(kinds or COLUMNS)}; it is {kind!r}")
    name = files.one(f"{kind}.csv", f"{kind}.csv.*")
    return TableForm(SOURCE, "content", (name,), COLUMNS[kind]).read_files(files, [name])
