"""MIND (Microsoft News, 2019): pages of news with the clicked ones; small and large, one or several splits.

A row of behaviors.tsv is a page: every news in it is a row of the log, and the news of a page are a slate. The file
shuffles them, so there is no position. A session ends after 30 minutes without a page; the click history before the log
is not read. The category is that of news.tsv. The test split has no labels and is an error.

Layout: the description of the data set by Microsoft (Azure Open Datasets, msnews/msnews.github.io).
"""

from typing import Any

import numpy as np
import pyarrow.compute as pc

from recgym.logs.columns import Source, as_numpy
from recgym.logs.ids import TEXT
from recgym.logs.origin import Origin
from recgym.logs.problems import LogProblem, raise_problems
from recgym.logs.table_form import Attributes, TableForm
from recgym.logs.text_form import TextForm

SOURCE = Source(
    "mind",
    "Microsoft Research License Terms, no commercial use",
    "Wu, F. et al. (2020). MIND: a large-scale dataset for news recommendation. ACL 2020.",
    "A slate is a page; the order of its news is not known.",
)
FILE, NEWS = "behaviors.tsv*", "news.tsv*"
TABS = TextForm("\t", is_quoted=False)
LABELLED = r"^\s*(\S+-[01]\s*)+$"


def _labels(table: Any, origin: Origin) -> Any:
    """Items and labels of pages such as "N1-0 N2-1"."""
    pages = table["shown"].cast(TEXT)
    bad = np.flatnonzero(~as_numpy(pc.fill_null(pc.match_substring_regex(pages, LABELLED), False)))
    rule = "items with labels as N1-0 N2-1 are needed; the test split has none"
    raise_problems(
        [LogProblem(*origin.place(row), "#5", rule, repr((pages[row].as_py() or "")[:40])) for row in bad[:1]]
    )
    items = pc.replace_substring_regex(pages, r"-[01](\s|$)", r"\1")
    labels = pc.replace_substring_regex(pages, r"\S+-([01])", r"\1")
    table = table.set_column(table.schema.get_field_index("shown"), "shown", items)
    return table.append_column("click", labels)


FORM = TableForm(
    SOURCE,
    "content",
    (FILE,),
    {"user": "#2", "time": "#3", "shown": "#5"},
    TABS,
    Attributes(NEWS, {"id": "#1", "category": "#2"}, TABS),
    change=_labels,
    is_ordered=False,
    settings={"time_format": "%m/%d/%Y %I:%M:%S %p"},
)
