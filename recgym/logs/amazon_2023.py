"""Amazon Reviews 2023: ratings of products, as JSON lines of reviews, or as CSV of ratings alone.

A rating of 4 or more counts as a click, an assumption that a remark states. The item is the `parent_asin`, its category
the `main_category` of meta_*.jsonl, where this file is there. Several categories in one folder are one log. A session
ends after 30 minutes without a review: it is not a session of shopping.

Layout: the page of the data set (amazon-reviews-2023.github.io) and readers of its 5-core CSV files.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from recgym.logs.columns import Source
from recgym.logs.files import Files
from recgym.logs.generic import unread_remark
from recgym.logs.log import Log
from recgym.logs.problems import LogError
from recgym.logs.table_form import Attributes, TableForm

SOURCE = Source(
    "amazon_2023",
    "not stated by its page; research use",
    "Hou, Y. et al. (2024). Bridging language and items for retrieval and recommendation. arXiv:2403.03952.",
    "A rating of 4 or more counts as a click; times are of reviews.",
)
JSON, CSV, META = ("*.jsonl", "*.jsonl.gz"), ("*.csv", "*.csv.gz"), "meta_*.jsonl*"
FORM = TableForm(
    SOURCE,
    "ecommerce",
    (*JSON, *CSV),
    {"user": "user_id", "item": "parent_asin", "time": "timestamp", "rating": "rating"},
    items=Attributes(META, {"id": "parent_asin", "category": "main_category"}),
    settings={"rating_scale": (1.0, 5.0)},
)


def read(files: Files, options: Mapping[str, Any]) -> Log:
    """Log of the files of reviews, else of ratings."""
    meta = files.find(META)
    names = [name for name in files.find(*JSON) if name not in meta] or files.find(*CSV)
    if not names:
        raise LogError(f"{files.path}: there is no file {' or '.join((*JSON, *CSV))} of reviews")
    log = FORM.read_files(files, names)
    rest = [name for name in files.find(*CSV) if name not in names]
    return replace(log, remarks=(*log.remarks, *unread_remark(rest)))
