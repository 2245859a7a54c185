"""EB-NeRD (Ekstra Bladet news, 2024): pages of articles in view, and the clicked ones.

A row of behaviors.parquet is a page. In the log every article in view is a row, and the articles of a page are a slate.
The file shuffles them, so there is no position. `read_time` is of the page, not of an article; it is not read.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.logs.columns import Source, as_numpy
from recgym.logs.events_table import GAP_MINUTES
from recgym.logs.files import Files
from recgym.logs.generic import from_table
from recgym.logs.ids import TEXT, map_strings
from recgym.logs.log import Log
from recgym.logs.origin import Origin
from recgym.logs.parquet_files import parquet_columns
from recgym.logs.problems import LogError, LogProblem, raise_problems
from recgym.logs.table_settings import TableSettings

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
    """Log of one split: a folder with behaviors.parquet, and articles.parquet in it or one level above."""
    name = files.one(BEHAVIORS)
    table = parquet_columns(files, name, [*COLUMNS.values(), SHOWN, CLICKED], lists=(SHOWN, CLICKED))
    page, item = _flat(name, SHOWN, table[SHOWN])
    clicked_page, clicked_item = _flat(name, CLICKED, table[CLICKED])
    size = int(max(item.max(initial=0), clicked_item.max(initial=0))) + 1
    shown, clicked = page * size + item, clicked_page * size + clicked_item
    raise_problems(
        [
            LogProblem(
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
    categories, remark = _categories(files, name)
    if categories is not None:
        rows["category"] = map_strings(rows["item"], lambda article: categories.get(article) or "")
        unknown = sum(not categories.get(article) for article in map(str, np.unique(item).tolist()))
        remark += f"; of {unknown} articles it is unknown" if unknown else ""
    named = {**COLUMNS, "item": SHOWN, "click": CLICKED}
    log = from_table(
        pa.table(rows),
        TableSettings(name, "content", SOURCE, named, GAP_MINUTES, "ms", origin=Origin.of(name, page + 2)),
    )
    return replace(log, remarks=(remark, *log.remarks))


def _categories(files: Files, name: str) -> tuple[dict[str, str | None] | None, str]:
    """Category of every article (None without a file of articles in the folder or one level above), and a remark."""
    place = files
    if not files.find(ARTICLES) and files.zip is None:
        pages = files.path / name if files.path.is_dir() else files.path
        found = [path for level in pages.absolute().parents[:2] for path in sorted(level.glob(ARTICLES))]
        place = Files(found[0]) if found else files
    if not place.find(ARTICLES):
        return (
            None,
            f"{name}: no articles.parquet in its folder or one level above: articles have no category",
        )
    articles = parquet_columns(place, place.one(ARTICLES), ["article_id", "category_str"])
    words = (articles[column].cast(TEXT).to_pylist() for column in ("article_id", "category_str"))
    where = place.path if place is not files else place.one(ARTICLES)
    return dict(zip(*words, strict=True)), f"{name}: an article's category is that of {where}"


def _flat(name: str, column: str, lists: Any) -> tuple[Any, Any]:
    """Page and article of every entry of a column of lists; LogError for another column type."""
    kind = lists.type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)) or not pa.types.is_integer(
        kind.value_type
    ):
        raise LogError(f"{name}, {column}: lists of whole numbers are needed; the column is {kind}")
    lengths = as_numpy(pc.fill_null(pc.list_value_length(lists), 0))
    page, articles = np.repeat(np.arange(len(lists)), lengths), pc.list_flatten(lists)
    empty = np.flatnonzero(as_numpy(articles.is_null()))
    raise_problems(
        [LogProblem(name, int(page[at]) + 2, column, "an article is needed", "nothing") for at in empty]
    )
    return page, as_numpy(articles).astype(np.int64)
