"""EB-NeRD (Ekstra Bladet news, 2024): pages of articles in view, and the clicked ones.

A row of behaviors.parquet is a page. In the log every article in view is a row, and the articles of a page are a slate.
The file shuffles them, so there is no position. `read_time` is of the page, not of an article; it is not read. One
split is read, with articles.parquet in its folder or one level above.

Layout: the files of the data set (recsys.eb.dk), as in the tests of github.com/ebanalyse/ebnerd-benchmark.
"""

from collections.abc import Mapping
from typing import Any

from recgym.logs.columns import Source
from recgym.logs.files import Files
from recgym.logs.log import Log
from recgym.logs.table_form import Attributes, TableForm

BEHAVIORS, ARTICLES = "*behaviors.parquet", "*articles.parquet"
FORM = TableForm(
    Source(
        "ebnerd",
        "research use only",
        "Kruse, J. et al. (2024). EB-NeRD: a large-scale dataset for news recommendation. RecSys Challenge 2024.",
        "A slate is a page; the order of its articles is not known.",
    ),
    "content",
    (BEHAVIORS,),
    {
        "user": "user_id",
        "time": "impression_time",
        "session": "session_id",
        "slate": "impression_id",
        "shown": "article_ids_inview",
        "item": "article_ids_clicked",
    },
    items=Attributes(ARTICLES, {"id": "article_id", "category": "category_str"}, levels_above=1),
    is_ordered=False,
)


def read(files: Files, options: Mapping[str, Any]) -> Log:
    """Log of one split."""
    return FORM.read_files(files, [files.one(BEHAVIORS)])
