"""EB-NeRD (Ekstra Bladet news, 2024): pages of articles in view, which of them were clicked.

A row of behaviors.parquet is a page: here every article in view is a row, those of a page share a slate. The order in
view is shuffled in the file, so there is no position. `read_time` is that of the page itself and not of an article.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.logs.cells import Given
from recgym.logs.codes import TEXT, renamed
from recgym.logs.files import Files
from recgym.logs.generic import GAP_MINUTES, from_table
from recgym.logs.log import Log, Source, as_numpy
from recgym.logs.origin import Origin
from recgym.logs.problems import Problem, refuse
from recgym.logs.table_files import parquet_columns

SOURCE = Source(
    "ebnerd",
    "research use only",
    "Kruse, J. et al. (2024). EB-NeRD: a large-scale dataset for news recommendation. RecSys Challenge 2024.",
    "A slate is a page; the order of its articles is not known.",
)
BEHAVIORS, ARTICLES = "*behaviors.parquet", "*articles.parquet"
SHOWN, CLICKED = "article_ids_inview", "article_ids_clicked"
COLUMNS = {"user": "user_id", "time": "impression_time", "session": "session_id", "slate": "impression_id"}


def read(files: Files, options: Mapping[str, Any]) -> Log:
    """The log of one split (a folder with behaviors.parquet; articles.parquet beside it names categories)."""
    name = files.one(BEHAVIORS)
    table = parquet_columns(files, name, [*COLUMNS.values(), SHOWN, CLICKED], lists=(SHOWN, CLICKED))
    page, item = _flat(table[SHOWN])
    clicked_page, clicked_item = _flat(table[CLICKED])
    size = int(max(item.max(initial=0), clicked_item.max(initial=0))) + 1
    shown, clicked = page * size + item, clicked_page * size + clicked_item
    refuse(
        [
            Problem(
                name,
                int(clicked_page[i]) + 2,
                CLICKED,
                "a clicked article must be in view",
                str(clicked_item[i]),
            )
            for i in np.flatnonzero(~np.isin(clicked, shown))
        ]
    )
    rows = {key: table[column].take(pa.array(page)) for key, column in COLUMNS.items()}
    rows |= {"item": pa.array(item), "click": pa.array(np.isin(shown, clicked))}
    if files.find(ARTICLES):
        articles = parquet_columns(files, files.one(ARTICLES), ["article_id", "category_str"])
        words = (articles[column].cast(TEXT).to_pylist() for column in ("article_id", "category_str"))
        category = dict(zip(*words, strict=True))
        rows["category"] = renamed(rows["item"], lambda article: category.get(article) or "")
    named = {**COLUMNS, "item": SHOWN, "click": CLICKED}
    return from_table(
        pa.table(rows),
        Given(name, "content", SOURCE, named, GAP_MINUTES, "ms", origin=Origin.of(name, page + 2)),
    )


def _flat(lists: Any) -> tuple[Any, Any]:
    """Page and article of every entry of a column of lists."""
    lengths = as_numpy(pc.fill_null(pc.list_value_length(lists), 0))
    return np.repeat(np.arange(len(lists)), lengths), as_numpy(pc.list_flatten(lists)).astype(np.int64)
