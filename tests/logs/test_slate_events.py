"""Cells of slates in which an item has an event."""

import numpy as np
import pyarrow as pa
import pytest

from recgym.logs.slate_events import words_without_event, yes_of


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array(["1", "yes", "0.0", "No", "2", "soon", "", None]), [1, 1, 0, 0, 1, -1, -1, -1]),
        (pa.array([1.0, 0.0, None, np.nan, 3.0]), [1, 0, -1, -1, 1]),
        (pa.array([True, False, None]), [1, 0, -1]),
    ],
)
def test_cells_with_and_without_an_event(values, expected):
    assert yes_of(values).tolist() == expected


def test_a_view_is_an_event_unless_the_table_has_clicks():
    assert words_without_event(pa.array(["view", "none", "odd"]), "ecommerce", {}) == ["none"]
    assert words_without_event(pa.array(["view", "click"]), "ecommerce", {}) == ["view"]
    assert words_without_event(pa.array(["a", "b"]), "ecommerce", {"a": "shown", "b": "click"}) == ["a"]
