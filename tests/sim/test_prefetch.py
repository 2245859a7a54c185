"""Hints to load a row: the row is read or not, results are the same."""

import numba
import numpy as np

from recgym.jit import IS_COMPILED
from recgym.sim.prefetch import prefetch


@numba.njit  # not kept on disk: the code of a kept kernel cannot be read
def _sum_after_hint(table, row):
    prefetch(table[row])
    prefetch(table[row, 1:])
    return table[row].sum()


def test_a_hint_loads_each_line_and_changes_nothing():
    table = np.arange(300.0).reshape(3, 100)
    assert _sum_after_hint(table, 1) == table[1].sum()
    if IS_COMPILED:
        (code,) = _sum_after_hint.inspect_asm().values()
        assert "prefetcht0" in code or "prfm" in code


def test_a_hint_of_no_numbers():
    assert _sum_after_hint(np.zeros((2, 0)), 1) == 0.0
