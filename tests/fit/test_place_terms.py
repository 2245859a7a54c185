"""Effects of the place in the visit: recovered from a known world, and none where there are none."""

import numpy as np
import pytest

from recgym.fit import FitConfig
from recgym.fit.additive import Ridges, fit_additive, place_matters
from recgym.fit.dataset import make_dataset
from recgym.fit.place_terms import MAX_PLACES, place_side
from recgym.fit.session_batches import Batches
from recgym.logs.sample import sample_log
from recgym.logs.splits import VALIDATION
from recgym.numerics import sigmoid
from recgym.sim.synthetic import synthetic

PLACES = np.r_[-0.25 * np.log(np.arange(1, 7)), -0.65]  # and a fall at the seventh step


def dataset_of(places, sessions=2_500, slate_size=1):
    """Rows of a feed whose users differ and whose responses fall with the place, or do not."""
    world = synthetic(2, domain="content", num_users=40, num_items=20, num_factors=2)
    flat = {name: 0 * getattr(world.arrays, name) for name in ("push", "profile")}
    world = world.with_arrays(place_bias=places, **flat).with_params(
        sigma=0.0, mood=0.0, kappa=0.0, rho=0.0, leave_idle=0.8
    )
    log = sample_log(world, "random", sessions, seed=4, horizon=10, slate_size=slate_size)
    return make_dataset(log, FitConfig(), positives_only=False)


@pytest.fixture(scope="module")
def falling():
    return dataset_of(PLACES)


def fitted(dataset, *, place):
    nothing = [np.zeros((size, 0), np.float32) for size in (dataset.num_users, dataset.num_items)]
    return fit_additive(dataset, dataset.row_period <= VALIDATION, *nothing, Ridges(place=place))


def test_a_known_effect_is_recovered(falling):
    nothing = [np.zeros((size, 0), np.float32) for size in (falling.num_users, falling.num_items)]
    assert place_matters(falling, *nothing)[0]
    found = fitted(falling, place=True).place
    assert found[0] == 0.0
    np.testing.assert_allclose(found[: len(PLACES)], PLACES, atol=0.15)


def test_a_world_without_an_effect_gets_none():
    dataset = dataset_of(np.zeros(1))
    nothing = [np.zeros((size, 0), np.float32) for size in (dataset.num_users, dataset.num_items)]
    assert not place_matters(dataset, *nothing)[0]
    assert not fitted(dataset, place=False).place.any()


def test_effects_fulfil_the_score_equations(falling):
    rows = falling.row_period <= VALIDATION
    found = fitted(falling, place=True)
    rest = (falling.positive - sigmoid(found.logits(falling)))[rows]
    side = place_side(falling)
    score = np.bincount(side.which[rows], rest, MAX_PLACES)[: len(found.place)]
    slope = score @ side.table[: len(score), 0]
    own = score / side.ridge
    effect = own + side.table[: len(score), 0] * slope / side.slope_ridge
    np.testing.assert_allclose(effect - effect[0], found.place, atol=0.02)


def test_items_of_one_slate_have_one_place():
    dataset = dataset_of(PLACES, 40, slate_size=3)
    np.testing.assert_array_equal(dataset.place, dataset.step // 3)
    batch = Batches(dataset, dataset.starts[:4], dataset.lengths[:4], 10_000, "cpu")[0]
    np.testing.assert_array_equal(
        batch.place.numpy()[batch.mask > 0], dataset.place[batch.row[batch.mask > 0]]
    )
