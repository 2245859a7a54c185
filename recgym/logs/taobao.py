"""Taobao UserBehavior (Alibaba, 2017): page views, favourites, carts and purchases over nine days.

The file has no header: user, item, category, behaviour (pv, fav, cart, buy), time in s. Some times are outside the nine
days, 25 November to 3 December 2017 in Beijing; these rows are left out, and a remark counts them. Layout: the page of
the data set, Tianchi 649.
"""

from typing import Any

import numpy as np
import pyarrow as pa

from recgym.arrays import Array
from recgym.logs.columns import Source, as_numpy
from recgym.logs.table_form import TableForm

SOURCE = Source(
    "taobao",
    "CC BY-NC-SA 4.0",
    "Zhu, H. et al. (2018). Learning tree-based deep model for recommender systems. KDD 2018; Tianchi data set 649.",
    "A page view is a click, as is a favourite; nothing says what was shown.",
)
COLUMNS = {
    "user": "#1",
    "item": "#2",
    "category": "#3",
    "event": "#4:pv>click:fav>click:cart>cart:buy>purchase",
    "time": "#5",
}
FILE = "UserBehavior.csv*"
FIRST_S, END_S = 1_511_539_200, 1_512_316_800  # 25 November and 4 December 2017, 0:00 in Beijing


def _in_period(table: Any) -> tuple[Array, str]:
    time = table["time"]
    inside = np.ones(len(table), bool)
    if pa.types.is_integer(time.type):
        seconds = as_numpy(time)
        inside = (seconds >= FIRST_S) & (seconds < END_S)
    return inside, "outside the nine days of the data set"


FORM = TableForm(SOURCE, "ecommerce", (FILE,), COLUMNS, keep=_in_period, settings={"time_unit": "s"})
