"""Users who click the last item again, and never an older one: two effects, not one of all items of the visit."""

import numpy as np
import pandas as pd
import pytest
import torch

from recgym.fidelity.figures import evaluation_of
from recgym.fit import FitConfig
from recgym.fit.api import with_ids
from recgym.fit.recipe_clicks import fit_clicks
from recgym.logs import Log
from recgym.logs.splits import split_since

ITEMS, VISITS, AGAIN = 40, 1500, 0.25


def drawn_log():
    """Next items are neighbours of the last one, half of them shared both ways; an older item does not come again."""
    rng = np.random.default_rng(0)
    rows = []
    for visit in range(VISITS):
        item = [int(rng.integers(ITEMS))]
        while rng.random() > 0.15 and len(item) < 12:
            if rng.random() < AGAIN:
                item.append(item[-1])
                continue
            near = [(item[-1] + move) % ITEMS for move in (-2, -1, 1, 2, 3)]
            fresh = [other for other in near if other not in item]
            item.append(int(rng.choice(fresh)) if fresh else item[-1])
        rows += [(visit, step, code) for step, code in enumerate(item)]
    session, step, item = np.array(rows).T
    frame = pd.DataFrame({"user": session, "session": session, "step": step, "item": item})
    return Log.from_pandas(frame, domain="ecommerce")


def repeats(table, lag):
    same = table.visit[lag:] == table.visit[:-lag]
    return (table.item[lag:] == table.item[:-lag])[same].mean()


@pytest.mark.slow
def test_the_last_item_is_clicked_again_as_often_as_in_the_log():
    past, late = split_since(drawn_log(), "visit:1200")
    config = FitConfig(dim=4, bootstrap=20)
    world = with_ids(fit_clicks(past, "w", config, 0, torch.device("cpu"), lambda *_: None), past)
    free = evaluation_of(world, late, past, 20, 0, 4_000)[0].free
    assert repeats(free.drawn, 1) == pytest.approx(repeats(free.known, 1), rel=0.08)
    assert repeats(free.drawn, 2) == pytest.approx(repeats(free.known, 2), abs=0.025)
