"""Examination of positions: recovered from logs of known truth, and absent where all positions are alike."""

import numpy as np
import pandas as pd
import pytest

from recgym.fit.config import FitConfig
from recgym.fit.dataset import Dataset, make_dataset
from recgym.fit.examination import fit_examination
from recgym.logs import Log
from recgym.logs.sample import sample_log
from recgym.numerics import logit, sigmoid
from recgym.sim.synthetic import synthetic

ITEMS, SLATES = 25, 2_500


def slates(examine, strength, *, slot_of_item=False, seed=0):
    """Slates of a known examination, and logits fitted as if all were seen; the policy ranks by strength * quality.

    `slot_of_item`: each item has a position of its own.
    """
    rng, num = np.random.default_rng(seed), len(examine)
    quality = rng.normal(-0.8, 0.8, ITEMS)
    if slot_of_item:
        item = rng.integers(ITEMS // num, size=(SLATES, num)) * num + np.arange(num)
    else:
        item = rng.random((SLATES, ITEMS)).argsort(1)[:, :num]
        order = (-strength * quality[item] - rng.gumbel(size=item.shape)).argsort(1)
        item = np.take_along_axis(item, order, 1)
    click = rng.random(item.shape) < np.asarray(examine) * sigmoid(quality[item])
    slate = np.repeat(np.arange(SLATES), num)
    frame = pd.DataFrame({
        "user": slate // 2 % 200, "session": slate // 2, "step": slate % 2, "position": np.tile(np.arange(num), SLATES),
        "item": item.ravel(), "time": pd.to_datetime(1_600_000_000 + 60 * slate, unit="s"), "click": click.ravel(),
    })  # fmt: skip
    dataset = make_dataset(Log.from_pandas(frame, domain="ecommerce"), FitConfig(), positives_only=False)
    count = np.bincount(dataset.item)
    rate = (np.bincount(dataset.item, dataset.positive) + 1.0) / (count + 4.0)
    return dataset, logit(rate)[dataset.item]


def fitted(dataset: Dataset, x):
    return fit_examination(dataset, x, np.zeros(len(x)), 2.0)


def standard_error(dataset, found, examine):
    """Of eps_k beside eps_1: the error of a ratio of two counts of responses, more where positions go with items."""
    count = np.bincount(np.arange(len(dataset.item)) - dataset.step_starts, dataset.positive)
    return examine * np.sqrt((1.0 / count + 1.0 / count[0]) / (1.0 - found.of_items))


@pytest.mark.parametrize(
    ("examine", "strength"), [([1.0, 0.6, 0.35, 0.15], 0.0), ([1.0, 0.6, 0.3, 0.5], 5.0)]
)
def test_it_is_recovered_whether_or_not_good_items_are_on_top(examine, strength):
    dataset, x = slates(examine, strength)
    found = fitted(dataset, x)
    error = np.abs(found.examine - examine)
    assert (error <= 3.0 * standard_error(dataset, found, np.array(examine))).all()
    chance = found.seen(dataset) * sigmoid(found.logits(dataset, x))
    assert chance[dataset.known].mean() == pytest.approx(dataset.positive[dataset.known].mean(), abs=1e-6)
    for k in range(len(examine)):
        at = dataset.known & (np.arange(len(x)) - dataset.step_starts == k)
        assert chance[at].mean() == pytest.approx(dataset.positive[at].mean(), abs=0.03)


def test_the_position_that_is_seen_most_has_one_wherever_it_is():
    examine = np.array([0.5, 1.0, 0.25])
    dataset, x = slates(examine, 2.0)
    found = fitted(dataset, x)
    assert found.examine.max() == 1.0
    assert np.abs(found.examine - examine).max() < 0.12


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("strength", [0.0, 2.0, 50.0])
def test_popular_items_on_top_are_no_effect_of_positions(strength, seed):
    assert fitted(*slates([1.0] * 4, strength, seed=seed)) is None


def test_items_that_stand_at_one_position_alone_show_no_effect_of_it():
    assert fitted(*slates([1.0, 0.6, 0.3, 0.1], 0.0, slot_of_item=True)) is None


def test_positions_behind_the_last_fitted_one_are_as_it():
    dataset, x = slates([1.0, 0.3], 0.0)
    table = fitted(dataset, x).table(5)
    assert len(table) == 5
    assert (table[1:] == table[1]).all()


def test_one_position_alone_has_no_effect():
    assert fitted(*slates([1.0], 0.0)) is None


def test_that_of_the_simulator_is_recovered():
    world = synthetic(3, domain="content", num_users=40, num_items=20)
    flat = {name: np.zeros_like(getattr(world.arrays, name)) for name in ("push", "profile", "place_bias")}
    examine = np.r_[1.0, 0.7, 0.5, 0.3, np.ones(46)]
    world = world.with_arrays(**flat, examine=examine)
    world = world.with_params(mood=0.0, sigma=0.0, kappa=0.0, rho=0.0)
    log = sample_log(world, "random", 2_500, seed=2, slate_size=4, horizon=3)
    dataset = make_dataset(log, FitConfig(), positives_only=False)
    rate = np.bincount(dataset.item, dataset.positive) / np.bincount(dataset.item)
    found = fitted(dataset, logit(rate)[dataset.item])
    error = np.abs(found.examine - examine[:4])
    assert (error <= 3.0 * standard_error(dataset, found, examine[:4])).all()
