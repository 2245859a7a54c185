"""Remarks on prices and durations of items."""

import pandas as pd

from recgym.logs import Log


def remarks_on(word: str, domain: str = "ecommerce", **columns) -> list[str]:
    """The remarks with a word on a log of five items, one row each."""
    frame = {"user": list("aabbc"), "item": list("vwxyz"), "time": pd.date_range("2024-01-01", periods=5)}
    log = Log.from_pandas(pd.DataFrame(frame | columns), domain=domain)
    return [remark for remark in log.remarks if word in remark]


def test_items_without_a_price_are_counted():
    some = remarks_on("price", price=[3.0, None, 0.0, None, 5.0])
    assert some == ["2 of 5 items have no price: in a world they count as the mean price"]
    assert remarks_on("price", price=[3.0, 4.0, 0.0, 1.0, 5.0]) == []
    assert remarks_on("price", price=[None] * 5) == []


def test_items_without_a_duration_are_counted():
    some = remarks_on("duration", "content", duration_ms=[3000.0, None, 0.0, 4000.0, 5000.0])
    assert some == [
        "2 of 5 items have no duration: in a world they have the median duration, also where agents see it"
    ]
    assert remarks_on("duration", "content", duration_ms=[3000.0] * 5) == []
