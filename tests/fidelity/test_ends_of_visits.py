"""The forecast of a visit's end, in a world of clicks: after its last click, or after pages without one."""

import numpy as np
import pytest
import torch
from click_logs import click_log

from recgym.fit import FitConfig
from recgym.fit.recipe_clicks import fit_clicks
from recgym.sim.free_visits import free_visits, page_slots
from recgym.sim.logged_visits import LoggedVisits, PageItems
from recgym.sim.teacher_forcing import predict_choices


@pytest.mark.slow
@pytest.mark.parametrize("categories", [True, False])
def test_visits_of_a_world_end_as_often_as_it_forecasts(categories):
    log = click_log(visits=1500)[0]
    if not categories:
        from dataclasses import replace

        log = replace(log, items=log.items.drop_columns(["category"]))
    world = fit_clicks(log, "w", FitConfig(dim=4, epochs=2), 0, torch.device("cpu"), lambda *_: None)
    rows = [
        (step.visit[at], step.step[at], step.slate[at, place])
        for step in free_visits(world, 10_000, 3, slate_size=page_slots(world), horizon=500, pages=True)
        for at, place in [np.nonzero(step.events & 1)]
    ]
    visit, step, item = (np.concatenate(column) for column in zip(*rows, strict=True))
    order = np.lexsort((step, visit))
    visit, item = visit[order], item[order]
    first = np.flatnonzero(np.r_[True, visit[1:] != visit[:-1]])
    begin = np.r_[first, len(visit)]
    clock = np.arange(len(visit)) - np.repeat(first, np.diff(begin)) + 1
    ended = np.zeros(len(visit))
    ended[begin[1:] - 1] = 1.0
    zeros = np.zeros(len(first), np.int32)
    visits = LoggedVisits(
        zeros, zeros, begin, item[:, None].astype(np.int64), np.ones((len(item), 1), np.int32), np.ones(1, np.int32)
    )  # fmt: skip
    arrays = world.arrays
    same = (arrays.category[item][:, None] == arrays.category) & (arrays.page[item][:, None] == arrays.page)
    options = PageItems(np.r_[0, np.cumsum(same.sum(1))], np.nonzero(same)[1])
    left = predict_choices(world, visits, options).left
    assert left.mean() == pytest.approx(ended.mean(), abs=0.006)
    for t in (1, 2, 3, 5):
        at = clock == t
        assert left[at].mean() == pytest.approx(ended[at].mean(), abs=0.012)
