"""The items of a log as a table: category, page, price, duration, exposure. Axes: N items, C categories.

Means, spreads, quantiles and categories are those of the items that known rows show: an item that occurs only later
moves no other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recgym.arrays import Bools, Doubles, Ints
from recgym.fit.config import FitConfig
from recgym.logs.log import Log
from recgym.logs.vector_column import VECTOR

MAX_HALF = 65_504.0  # the largest number of 16 bits, in which prices are stored


@dataclass(frozen=True)
class ItemTable:
    """Public columns of N items, in order of exposure."""

    category: Ints  # (N,)
    categories: tuple[str, ...]  # (C,)
    page: Ints  # (N,) number of the page in its category, 0 where the log has none
    price: Doubles  # (N,) NaN where unknown
    duration: Doubles  # (N,) ms, NaN where unknown
    exposure: Doubles  # (N,) share of the known rows, 0 for an item that occurs only later
    columns: Mapping[str, Any]  # the log's other columns, (N,) each
    one_page: bool = False  # users choose among all items: categories are no pages

    @property
    def shown(self) -> Bools:
        """(N,) items that known rows show."""
        return self.exposure > 0

    @property
    def category_page(self) -> Ints:
        """(N,) number of the page that the item is on, by category and page; 0 where all are on one."""
        return np.zeros(len(self.page), np.int64) if self.one_page else self.shelf

    @property
    def shelf(self) -> Ints:
        """(N,) code of the item's category and page."""
        codes: Ints = np.unique(self.category * (self.page.max() + 1) + self.page, return_inverse=True)[1]
        return codes.astype(np.int64)

    @property
    def price_z(self) -> Doubles:
        """(N,) standardised log price, 0 where unknown."""
        known = np.isfinite(self.price) & (self.price > 0)
        logs = np.log(np.where(known, self.price, 1.0))
        of = logs[known & self.shown]
        spread = of.std() if len(of) else 0.0
        if not spread > 0:
            return np.zeros(len(logs))
        return np.where(known, np.clip((logs - of.mean()) / spread, -MAX_HALF, MAX_HALF), 0.0)

    def price_slope(self, effect: Doubles) -> float:
        """Slope of an item effect (N,) on `price_z` between items of one page, weighted by exposure; 0 without prices.

        The price of an item is constant, so that only the slope between items is identified.
        """
        category_page = self.category_page
        total = np.maximum(np.bincount(category_page, self.exposure), 1e-12)

        def within(values: Doubles) -> Doubles:
            centred: Doubles = (
                values - (np.bincount(category_page, self.exposure * values) / total)[category_page]
            )
            return centred

        price = within(self.price_z)
        spread = float((self.exposure * price**2).sum())
        return float((self.exposure * price * within(effect)).sum() / spread) if spread > 1e-9 else 0.0

    @property
    def price_ratio(self) -> Doubles:
        """(N,) price over the mean of the prices above 0; 1 where unknown, 0 for all where the catalogue has none."""
        priced = (self.price > 0) & self.shown
        if not priced.any():
            return np.zeros(len(priced))
        ratio: Doubles = self.price / self.price[priced].mean()
        return np.where(np.isfinite(ratio), np.minimum(ratio, MAX_HALF), 1.0)

    @property
    def known_duration(self) -> Doubles:
        """(N,) duration in ms; the median where unknown or 0, 0 where all are."""
        known = self.duration > 0
        own = self.duration[known & self.shown]
        return np.where(known, self.duration, np.median(own) if len(own) else 0.0)

    def duration_deciles(self) -> Doubles:
        """(9,) limits of the deciles of durations; empty where none is known."""
        own = self.duration[np.isfinite(self.duration) & self.shown]
        return np.quantile(own, np.linspace(0, 1, 11)[1:-1]) if len(own) else np.zeros(0)


def item_table_of(log: Log, kept: Ints, exposure: Doubles, config: FitConfig) -> ItemTable:
    """The rows `kept` (N,) of the items table of a log, with their exposures (N,)."""
    table = log.items.take(kept)
    columns = {name: table[name].to_pylist() for name in table.column_names if name != VECTOR}

    def numbers(name: str) -> Doubles:
        if name not in columns:
            return np.full(len(kept), np.nan)
        return np.array([np.nan if value is None else float(value) for value in columns[name]])

    labels = [str(value) for value in columns.get("category", ["item"] * len(kept))]
    category, categories = fold_categories(labels, exposure, config.max_categories)
    page = np.nan_to_num(numbers("page"), nan=0.0).astype(np.int64)
    rest = {name: columns[name] for name in columns if name not in ("id", "label", "category", "page")}
    return ItemTable(
        category, categories, np.maximum(page, 0), numbers("price"), numbers("duration_ms"), exposure, rest
    )


def fold_categories(labels: list[str], weight: Doubles, limit: int) -> tuple[Ints, tuple[str, ...]]:
    """Codes and names of categories by weight; those beyond `limit` are merged as the last, "other".

    Those without weight are "other", too, which is then added if need be.
    """
    total: dict[str, float] = {}
    for label, share in zip(labels, weight.tolist(), strict=True):
        total[label] = total.get(label, 0.0) + share
    names = sorted((name for name in total if total[name] > 0), key=lambda name: (-total[name], name))
    if len(names) > limit:
        names = [*[name for name in names if name != "other"][: limit - 1], "other"]
    elif "other" not in names and len(names) < len(total):
        names.append("other")
    code = {name: index for index, name in enumerate(names)}
    return np.array([code[label if label in code else "other"] for label in labels], np.int64), tuple(names)
