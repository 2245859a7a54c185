"""UCI 553, "e-shop clothing 2008": clicks of a Polish shop for maternity clothes, April to August 2008.

Items without a click, ids of users and times of day are not logged. Therefore:

* a user is the country of the session's address (a segment, not a person);
* `time` is null; `context_date` is the day (ISO), `context_month` the month;
* `step` is the file's ORDER minus 1; every row is a click;
* `context_page` is the page of the shop on which the item was clicked; `page` and `region` (1 to 6, from top left to
  bottom right) of an item never change, so that the page of 18 pictures is known.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from recgym.arrays import Array
from recgym.logs.columns import Source, as_numpy
from recgym.logs.delimited import read_csv_and_lines
from recgym.logs.files import Files
from recgym.logs.ids import INT, TEXT, first_rows, index_ids, labels, most_frequent
from recgym.logs.log import Log
from recgym.logs.origin import Origin
from recgym.logs.problems import LogProblem, raise_problems
from recgym.logs.sessionize import number_steps
from recgym.logs.text_layout import TextLayout

SOURCE = Source(
    "eshop2008",
    "CC BY 4.0",
    "Lapczynski, M. and Bialowas, S. (2013). Discovering patterns of users' behaviour in an e-shop. "
    "Studia Ekonomiczne 151, 144-153. UCI Machine Learning Repository, data set 553.",
    "A user is a country; every row is a click.",
)
CATEGORIES = ("trousers", "skirts", "blouses", "sale")
COLOURS = (
    "beige", "black", "blue", "brown", "burgundy", "gray", "green", "navy blue", "of many colours",
    "olive", "pink", "red", "violet", "white",
)  # fmt: skip
COUNTRIES = (
    "Australia", "Austria", "Belgium", "British Virgin Islands", "Cayman Islands", "Christmas Island",
    "Croatia", "Cyprus", "Czech Republic", "Denmark", "Estonia", "unidentified", "Faroe Islands",
    "Finland", "France", "Germany", "Greece", "Hungary", "Iceland", "India", "Ireland", "Italy",
    "Latvia", "Lithuania", "Luxembourg", "Mexico", "Netherlands", "Norway", "Poland", "Portugal",
    "Romania", "Russia", "San Marino", "Slovakia", "Slovenia", "Spain", "Sweden", "Switzerland",
    "Ukraine", "United Arab Emirates", "United Kingdom", "USA", "biz", "com", "int", "net", "org",
)  # fmt: skip
CATEGORY, ITEM, PHOTO = "page 1 (main category)", "page 2 (clothing model)", "model photography"
LIMITS = {  # column -> lowest and highest code of the official description
    "month": (1, 12),
    "day": (1, 31),
    "country": (1, len(COUNTRIES)),
    CATEGORY: (1, len(CATEGORIES)),
    "colour": (1, len(COLOURS)),
    "location": (1, 6),
    PHOTO: (1, 2),
    "page": (1, 5),
}
FIXED = (
    CATEGORY,
    "colour",
    "location",
    PHOTO,
    "price",
    "page",
)  # constant for an item, by the official description
COLUMNS = {
    "year": INT,
    "order": INT,
    "session ID": INT,
    ITEM: TEXT,
    "price": INT,
    **dict.fromkeys(LIMITS, INT),
}
PATTERNS = ("e-shop clothing 2008.csv", "e-shop clothing 2008.csv.gz")


def read(files: Files, options: Mapping[str, Any]) -> Log:
    """Log of all clicks; a remark names each item that has two places in the file."""
    name = files.names[0] if len(files.names) == 1 else files.one(*PATTERNS)
    table, lines = read_csv_and_lines(files, name, COLUMNS, TextLayout(";"))
    kept = first_rows(table)
    duplicates, table, file_row = len(table) - len(kept), table.take(pa.array(kept)), lines[kept]
    cells = {column: as_numpy(table[column]) for column in COLUMNS if column != ITEM}
    raise_problems([*_beyond_limits(name, cells, file_row), *_broken_orders(name, cells, file_row)])

    item, ids = index_ids(table[ITEM])
    user, countries = index_ids(table["country"])
    items, remarks = _items(name, ids, item, cells, file_row)
    users = pa.table({"id": countries, "country": [COUNTRIES[int(code) - 1] for code in countries]})
    year, month, day = (cells[column].tolist() for column in ("year", "month", "day"))
    dates = [f"{y:04d}-{m:02d}-{d:02d}" for y, m, d in zip(year, month, day, strict=True)]
    columns = {
        "user": user,
        "item": item,
        "session": cells["session ID"],
        "step": cells["order"] - 1,
        "price": cells["price"].astype(np.float32),
        "click": np.ones(len(item), bool),
        "context_page": cells["page"].astype(np.int16),
        "context_month": cells["month"].astype(np.int16),
        "context_date": pa.array(dates).dictionary_encode(),
        **Origin.of(name, file_row).columns(),
    }
    return Log.build(
        columns,
        users=users,
        items=items,
        domain="ecommerce",
        source=SOURCE,
        duplicates=duplicates,
        remarks=remarks,
    )


def _items(
    name: str, ids: list[str], item: Array, cells: Mapping[str, Array], file_row: Array
) -> tuple[Any, list[str]]:
    """Table of items by the most frequent values of their rows, and a remark for each row with another value."""
    most, remarks = {}, []
    for column in FIXED:
        most[column], deviates = most_frequent(item, cells[column], len(ids))
        for row in np.flatnonzero(deviates):
            value, kept = cells[column][row], most[column][item[row]]
            remarks.append(
                f"{name}, row {file_row[row]}: item {ids[item[row]]} has {column} {value}; "
                f"elsewhere {kept}, kept"
            )
    category = [CATEGORIES[code - 1] for code in most[CATEGORY]]
    table = pa.table(
        {
            "id": ids,
            "category": category,
            "price": most["price"].astype(np.float32),
            "page": most["page"].astype(np.int32),
            "region": most["location"].astype(np.int32),
            "colour": [COLOURS[code - 1] for code in most["colour"]],
            "photo": ["en face" if code == 1 else "profile" for code in most[PHOTO]],
            "label": labels(category),
        }
    )
    return table, remarks


def _beyond_limits(name: str, cells: Mapping[str, Array], file_row: Array) -> list[LogProblem]:
    return [
        LogProblem(
            name,
            int(file_row[row]),
            column,
            f"a code from {low} to {high} is needed",
            str(cells[column][row]),
        )
        for column, (low, high) in LIMITS.items()
        for row in np.flatnonzero((cells[column] < low) | (cells[column] > high))
    ]


def _broken_orders(name: str, cells: Mapping[str, Array], file_row: Array) -> list[LogProblem]:
    """Rows at which ORDER is not 1, 2, 3 ... within the session."""
    order = np.lexsort((cells["order"], cells["session ID"]))
    session, number = cells["session ID"][order], cells["order"][order]
    expected = number_steps(session) + 1
    return [
        LogProblem(
            name, int(file_row[order[at]]), "order", "must run 1, 2, 3 ... within a session", str(number[at])
        )
        for at in np.flatnonzero(number != expected)
    ]
