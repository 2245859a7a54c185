"""The public columns of items that a world takes from a log."""

import numpy as np
import pytest
from visit_tables import visits

from recgym.fit import FitConfig
from recgym.fit.dataset import make_dataset
from recgym.fit.item_table import ItemTable
from recgym.fit.provenance import plain_arrays
from recgym.logs import Log


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


def test_an_item_without_a_duration_has_the_median():
    frame = visits(200, 5, seed=1)
    known = {"i0": 1_000.0, "i1": None, "i2": 3_000.0, "i3": 8_000.0, "i4": 0.0}
    log = Log.from_pandas(frame.assign(duration_ms=frame.item.map(known)), domain="content")
    dataset = make_dataset(log, FitConfig(), positives_only=False)
    names = np.array(log.items["id"].to_pylist())[dataset.item_row]
    found = dict(zip(names, plain_arrays(dataset, 2)["duration"], strict=True))
    assert found == {"i0": 1_000, "i1": 3_000, "i2": 3_000, "i3": 8_000, "i4": 3_000}
