"""Studies of genrec: figures by hand, and small runs."""

import numpy as np
import pytest
from zoo import LIGHT

from recgym.bench.decoder_studies import (
    BASES,
    Study,
    adapter,
    difference,
    gain_share,
    stages,
    table,
    transfer,
)
from recgym.sim.synthetic import synthetic


def test_shares_and_differences_by_hand():
    found = [
        {
            "(a)": np.array([1.0, 1.0]),
            "(b), all weights": np.array([3.0, 3.0]),
            "(b), LoRA": np.array([2.0, 3.0]),
        },
        {
            "(a)": np.array([2.0, 2.0]),
            "(b), all weights": np.array([4.0, 4.0]),
            "(b), LoRA": np.array([3.0, 4.0]),
        },
    ]
    kept = gain_share(found, "(b), LoRA", "(b), all weights", "(a)")
    assert (kept.mean, kept.low, kept.high) == pytest.approx((0.75, 0.75, 0.75))
    assert difference(found, "(b), LoRA", "(a)").mean == pytest.approx(1.5)
    assert "| (b), LoRA | 3.00 | +1.50 [+1.50, +1.50] | 1.50, 1.50 |" in table(found, BASES["adapter"])


@pytest.mark.slow
def test_small_studies():
    small = {**LIGHT["genrec"], "candidates": 4, "lora_rank": 2}
    study = Study(small, sessions=40, visits=6, steps=64, kwargs={"world": synthetic(4)})
    shop = "recgym/Ecommerce-v1"
    assert {name: len(returns) for name, returns in adapter(study, shop, 1).items()} == {
        "(a)": 6, "(b), all weights": 6, "(b), LoRA": 6
    }  # fmt: skip
    assert set(stages(study._replace(params=LIGHT["genrec"]), shop, 1)) == {"(b)", "(c)"}
    found = transfer(study._replace(params=LIGHT["genrec"]), shop, shop, 1, shares=(0.1, 1.0))
    assert set(found) == {"10% scratch", "10% transfer", "100% scratch", "100% transfer"}
