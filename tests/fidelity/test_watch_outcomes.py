"""Minutes watched by outcome: each label names all rows that it says."""

import numpy as np

from recgym.fidelity.watch_metrics import _by_outcome


def test_rows_without_a_click_are_all_of_them():
    """A log may have long views without a click."""
    click, long = np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 0], bool)
    found = {label: np.flatnonzero(rows).tolist() for label, rows in _by_outcome(click, long).items()}
    assert found == {
        "all rows": [0, 1, 2, 3], "no click": [2, 3], "click without long view": [1], "long view": [0, 2],
    }  # fmt: skip
