"""The public columns of items that a world takes from a log."""

import numpy as np
import pytest

from recgym.fit.item_table import ItemTable


def table(price: list[float]) -> ItemTable:
    num, zeros = len(price), np.zeros(len(price), int)
    unknown = np.full(num, np.nan)
    return ItemTable(zeros, ("any",), zeros, np.array(price), unknown, np.full(num, 1 / num), {})


@pytest.mark.parametrize(
    ("price", "ratio"),
    [
        ([2.0, np.nan, 6.0], [0.5, 1.0, 1.5]),
        ([2.0, 0.0, 6.0], [0.5, 0.0, 1.5]),  # a stated price of 0 is a price
        ([np.nan, 0.0, np.nan], [0.0, 0.0, 0.0]),
        ([np.nan, np.nan], [0.0, 0.0]),
    ],
)
def test_an_item_without_a_price_counts_as_the_mean(price, ratio):
    np.testing.assert_array_equal(table(price).price_ratio, ratio)
