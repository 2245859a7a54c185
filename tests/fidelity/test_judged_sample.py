"""A shop is judged on fewer clicks where their pages have many items."""

import numpy as np

from recgym.fidelity import figures
from recgym.fidelity.figures import MAX_JUDGED, max_judged
from recgym.logs.kinds import CHOICES, IMPRESSIONS
from recgym.sim.synthetic import synthetic


def test_a_shop_of_large_pages_is_judged_on_a_sample(monkeypatch):
    world = synthetic(1, num_items=50, num_categories=1).with_arrays(page=np.zeros(50))
    assert max_judged(world, CHOICES) == MAX_JUDGED
    monkeypatch.setattr(figures, "MAX_OPTIONS", 100_000)
    assert max_judged(world, CHOICES) == 2_000
    assert max_judged(world, IMPRESSIONS) == MAX_JUDGED
