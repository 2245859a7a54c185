"""Whether visits differ in taste from their start: visits to a shop whose first intents vary, and to one without."""

from types import SimpleNamespace

import numpy as np
import pytest

from recgym.fidelity.evaluation import Evaluation, LackingError
from recgym.fidelity.visit_spread import TASTES, added_loss
from recgym.logs.kinds import CHOICES
from recgym.sim.logged_visits import LoggedVisits
from recgym.sim.synthetic import synthetic

ITEMS, VISITS, CLICKS = 16, 150, 8


def added(taste: float, factors: float = 1.0):
    """Figures of a shop of one page in which intents are constant; `taste` is the spread of first intents [logits]."""
    world = synthetic(6, num_users=1, num_items=ITEMS, num_factors=4, num_categories=1)
    arrays = world.arrays
    world = world.with_arrays(
        factors=factors * arrays.factors, push=0 * arrays.push, page=0 * arrays.page
    ).with_params(sigma=0.0, mood=0.0, patience=0.0, pull=0.0, kappa=0.0, rho=0.0)
    rng, w = np.random.default_rng(4), world.arrays
    sigma = taste / np.sqrt(w.factors.var(0).sum()) if factors else 0.0
    intent = w.profile[0] + sigma * rng.normal(size=(VISITS, 4))
    x = intent @ w.factors.T + w.item_bias + world.params["theta"] * w.price
    item = np.argmax(np.repeat(x, CLICKS, 0) + rng.gumbel(size=(VISITS * CLICKS, ITEMS)), 1)
    begin, click = np.arange(VISITS + 1, dtype=np.int64) * CLICKS, np.ones((len(item), 1), np.int32)
    nobody = np.zeros(VISITS, np.int32)
    visits = LoggedVisits(nobody, nobody, begin, item[:, None], click, np.ones(1, np.int32))
    log = SimpleNamespace(visits=visits, item=item, visit=np.repeat(np.arange(VISITS), CLICKS))
    return added_loss(Evaluation(world, log, None, CHOICES, 40, 0))


def test_a_shop_whose_first_intents_vary_has_a_lower_loss_with_them():
    found = added(0.8)
    assert [row.id for row in found] == [f"visit_taste_loss/{taste}" for taste in TASTES]
    assert found[-1].high < 0.0


def test_a_shop_of_equal_visits_has_a_loss_that_is_not_lower():
    assert all(row.high > 0.0 for row in added(0.0))


def test_without_factors_there_is_nothing_along_which_intents_vary():
    with pytest.raises(LackingError, match="no factors"):
        added(0.0, factors=0.0)
