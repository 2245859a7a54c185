"""What users did before the log begins: level and tastes from the table `earlier` of a log.

The exposures have no visits and one event of interest, `long_view`, which depends on what moves a click. Levels of
users and items are posterior means of a logistic regression on both; as features they know more than rates of users,
whose items differ. Tastes are found by moments (`recgym.taste`).

Axes: R rows, U users, N items.
"""

from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc

from recgym.arrays import Doubles, Floats, Ints
from recgym.fit.logistic import Side, fit_logistic
from recgym.logs import Log
from recgym.logs.columns import as_numpy
from recgym.taste import Rows, TasteSpread, taste_spread

MIN_ROWS = 1_000
ITEM_RIDGE = 4.0
DRAWS = 100  # of users, for the intervals


class Earlier(NamedTuple):
    """Exposures before the log, each user and item once."""

    user: Ints  # (R,) row of the log's users table
    item: Ints  # (R,) row of its items table
    category: Ints  # (R,) any numbers
    flag: Doubles  # (R,) 1 for a long view

    @classmethod
    def of(cls, log: Log) -> "Earlier | None":
        """Of a log; None where it holds too few."""
        if log.earlier is None or len(log.earlier) < MIN_ROWS or "category" not in log.items.column_names:
            return None
        user, item = (as_numpy(log.earlier[name]).astype(np.int64) for name in ("user", "item"))
        first, pair = np.unique(user * log.num_items + item, return_index=True, return_inverse=True)[1:]
        flag = np.zeros(len(first))
        np.maximum.at(flag, pair, as_numpy(log.earlier["long_view"]).astype(np.float64))
        category = as_numpy(pc.dictionary_encode(log.items["category"].combine_chunks()).indices)
        return cls(user[first], item[first], category[item[first]].astype(np.int64), flag)


class History(NamedTuple):
    """What earlier exposures say of the users and items of a dataset [logits of a long view]."""

    level: Doubles  # (U,) posterior mean
    item: Doubles  # (N,) the same of items
    found: TasteSpread | None  # None where too few pairs of rows show it

    @classmethod
    def of(cls, earlier: Earlier, users: Ints, items: Ints) -> "History":
        """For these rows of the log's tables (U,), (N,)."""
        rows = Rows(earlier.user, np.arange(len(earlier.user)), earlier.item, earlier.category, earlier.flag)
        found = taste_spread(rows, DRAWS, 0)
        if found is None or found.level == 0.0:
            return cls(np.zeros(len(users)), np.zeros(len(items)), None)
        ridge = 1.0 / found.level**2
        sides = [_side(earlier.user, users, ridge), _side(earlier.item, items, ITEM_RIDGE)]
        fit = fit_logistic(earlier.flag, np.zeros((len(earlier.flag), 0)), sides)
        return cls(fit.effects[0][users], fit.effects[1][items], found)


def _side(index: Ints, rows: Ints, ridge: float) -> Side:
    size = int(max(index.max(), rows.max())) + 1
    return Side(index.astype(np.int32), np.zeros((size, 0), np.float32), ridge, np.inf)


def with_history(features: Floats, effect: Doubles | None) -> Floats:
    """Features (rows, F) with a column of centred effects from before the log, where these are known."""
    if effect is None or not effect.any():
        return features
    return np.column_stack([features, effect - effect.mean()]).astype(np.float32)
