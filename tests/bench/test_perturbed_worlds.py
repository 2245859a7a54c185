"""Changed worlds: nothing at severity 0, closed forms above it."""

import numpy as np
import pytest

from recgym.bench.perturbations import PERTURBATIONS, world_arguments
from recgym.bench.perturbed_worlds import TILT, WORLD_CHANGES, changed_world
from recgym.bench.suite import PRESETS
from recgym.sim.schema import LAYOUT
from recgym.sim.synthetic import synthetic


@pytest.fixture(scope="module")
def world():
    return synthetic(5, domain="content").drawn()


@pytest.mark.parametrize("name", WORLD_CHANGES)
def test_severity_0_is_the_world_itself_and_others_change_what_they_name(world, name):
    assert changed_world(world, name, 0.0, 1) is world
    changed = changed_world(world, name, 0.4, 1)
    assert changed.sha256 == changed_world(world, name, 0.4, 1).sha256
    assert changed.index_digest == world.index_digest
    differ = {
        each
        for each in LAYOUT
        if not np.array_equal(getattr(world.arrays, each), getattr(changed.arrays, each))
    }
    expected = {
        "preference_drift": {"profile"},
        "user_mix": {"user_cdf"},
        "position_bias": {"examine"},
    }
    if name == "unseen_items":
        assert differ <= {each for each in LAYOUT if LAYOUT[each].axes[0] == "N"}
        moved = (world.arrays.factors != changed.arrays.factors).any(axis=1)
        assert moved.sum() == round(0.4 * world.num_items)
        assert np.allclose(np.sort(world.arrays.item_bias), np.sort(changed.arrays.item_bias))
    else:
        assert differ == expected[name]


BY_ITEM = {"N", "I", "J", "P", "G"}  # axes of items, and of pairs of items
NUMBERS = {"library", "next_item"}  # arrays that hold numbers of items
OTHER = {"params", "1", "U", "d", "X", "K", "E", "2", "W", "Q", "T", "R", "V", "F", "S", "k", "L", "M", "O"}


def test_unseen_items_move_all_that_is_known_of_an_item():
    assert {
        axis for row in LAYOUT.values() for axis in row.axes
    } == BY_ITEM | OTHER  # a new axis is decided here
    world = synthetic(1, domain="social", num_users=60).drawn()
    num, rng = world.num_items, np.random.default_rng(0)
    arrays = {
        name: rng.random(array.shape).astype(array.dtype)
        for name, array in world.arrays._asdict().items()
        if LAYOUT[name].axes[0] == "N" and array.dtype.kind == "f" and name != "exposure"
    }
    code = np.sort(rng.permutation((num + 1) * num)[: num * num // 5])
    pairs = {
        "next_start": np.searchsorted(code, num * np.arange(num + 2)), "next_item": code % num,
        "next_logit": rng.normal(size=len(code)), "next_level": rng.normal(size=num + 1),
        "return_logit": rng.normal(size=num),
    }  # fmt: skip
    world = world.with_arrays(**arrays, **pairs)
    changed = changed_world(world, "unseen_items", 1.0, 1)
    differ = {
        name
        for name in LAYOUT
        if not np.array_equal(getattr(world.arrays, name), getattr(changed.arrays, name))
    }
    by_item = {name for name, row in LAYOUT.items() if row.axes[0] in BY_ITEM} | NUMBERS
    assert by_item - differ <= {
        "category",
        "page",
        "price_ratio",
        "duration",
    }  # whole numbers, or one for all
    assert differ <= by_item
    order = np.argmax(changed.arrays.item_bias[:, None] == world.arrays.item_bias, axis=1)
    for row, moved in zip(world.arrays.library, changed.arrays.library, strict=True):
        assert sorted(order[moved[moved >= 0]]) == row[row >= 0].tolist()


def test_changes_have_their_size(world):
    before = world.arrays
    drifted = changed_world(world, "preference_drift", 0.3, 2).arrays.profile
    weight = np.diff(np.r_[0.0, before.user_cdf])
    mean = weight @ before.profile
    moved = (np.sqrt(0.7) + np.sqrt(0.3)) * (before.profile.mean(axis=0) - mean)
    assert np.allclose(drifted.mean(axis=0), mean + moved, atol=1e-3)
    own, other = before.profile - before.profile.mean(axis=0), drifted - drifted.mean(axis=0)
    alike = (own * other).sum() / np.sqrt((own**2).sum() * (other**2).sum())
    assert alike == pytest.approx(np.sqrt(0.7), abs=0.06)
    assert (other**2).sum() == pytest.approx((own**2).sum(), rel=0.06)
    examined = changed_world(world, "position_bias", 0.5, 2).arrays.examine
    assert np.allclose(examined, before.examine * 0.5 ** np.arange(len(before.examine)))
    like = before.profile @ (weight @ before.profile)
    tilted = np.diff(np.r_[0.0, changed_world(world, "user_mix", 1.0, 2).arrays.user_cdf])
    odds = np.log(tilted[1:] / weight[1:]) - np.log(tilted[:-1] / weight[:-1])
    assert np.allclose(odds, -TILT * np.diff(like) / like.std(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("severity", PERTURBATIONS["user_mix"].severities)
@pytest.mark.parametrize("env_id", sorted({row.env_id for row in PRESETS["robustness"].experiments}))
def test_tilted_weights_are_a_distribution_in_the_worlds_of_the_preset(env_id, severity):
    """Sums that were rounded up were above the last, which was set to 1: the world was refused."""
    made = world_arguments(env_id, {}, {"user_mix": severity})["world"]
    cdf = made.arrays.user_cdf
    assert cdf[-1] == 1.0
    assert (np.diff(cdf) >= 0).all()
