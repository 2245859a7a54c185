"""Remarks on prices and durations of items, on watch times, and on their units."""

import pandas as pd
import pytest

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


@pytest.mark.parametrize(
    ("watch", "duration", "said"),
    [
        ([12.0] * 5, [30.0] * 5, "the median of duration_ms is 30 ms; ms are expected"),
        ([12_000.0] * 5, [30.0] * 5, "the median of duration_ms is 30 ms; ms are expected"),
        ([9e4, 9e4, 9e4, 0, None], [3e4] * 5, "half of the rows have a watch_ms of 3 times the duration_ms"),
        ([9e4, 0, 0, 9e4, 9e4], [3e4, 3e4, 3e4, 0, None], ""),
        ([None] * 5, [3e4] * 5, ""),
        ([12_000.0] * 5, [None] * 5, ""),
        ([12.0] * 5, [None] * 5, "of the rows with a watch_ms 95 % have 12 ms or less; ms are expected"),
    ],
)
def test_times_in_seconds_under_a_key_of_milliseconds_are_remarked(watch, duration, said):
    found = remarks_on("ms are expected", "content", watch_ms=watch, duration_ms=duration)
    assert len(found) == (said != "")
    assert all(remark.startswith(said) for remark in found)


def test_the_unit_of_watch_times_is_said_and_what_a_world_of_them_lacks():
    times = {"watch_ms": [12_000.0, 8_000.0, None, 9_000.0, 7_000.0], "duration_ms": [3e4] * 5}
    unit = "watch_ms is in ms: the median of 4 rows is 8,500 ms, 8.5 s"
    yes_no = ["yes", "no", "no", "yes", "no"]
    assert remarks_on("watch_ms", "content", **times, click=yes_no, long_view=yes_no) == [unit]
    lacking = remarks_on(
        "watch_ms", "content", **{**times, "duration_ms": [3e4, 3e4, None, None, None]}, click=yes_no
    )
    need = "long_view and duration_ms in more than half of the rows"
    assert lacking == [f"{unit}; a world has watch times where the log has {need}, too"]
    assert remarks_on("watch_ms", "social", **times) == [unit]
