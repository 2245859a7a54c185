"""Changed worlds: nothing at severity 0, closed forms above it."""

import numpy as np
import pytest

from recgym.bench.perturbed_worlds import TILT, WORLD_CHANGES, changed_world
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


def test_changes_have_their_size(world):
    before = world.arrays
    drifted = changed_world(world, "preference_drift", 0.3, 2).arrays.profile
    alike = (before.profile * drifted).sum() / np.sqrt((before.profile**2).sum() * (drifted**2).sum())
    centre = (before.profile.mean(axis=0) ** 2).sum() / (before.profile**2).sum(axis=1).mean()
    cross = np.sqrt(0.7) + np.sqrt(0.3) * centre  # of independent users with one mean
    assert alike == pytest.approx(cross / np.sqrt(1 + 2 * np.sqrt(0.21) * centre), abs=0.06)
    examined = changed_world(world, "position_bias", 0.5, 2).arrays.examine
    assert np.allclose(examined, before.examine * 0.5 ** np.arange(len(before.examine)))
    weight = np.diff(np.r_[0.0, before.user_cdf])
    like = before.profile @ (weight @ before.profile)
    tilted = np.diff(np.r_[0.0, changed_world(world, "user_mix", 1.0, 2).arrays.user_cdf])
    odds = np.log(tilted[1:] / weight[1:]) - np.log(tilted[:-1] / weight[:-1])
    assert np.allclose(odds, -TILT * np.diff(like) / like.std(), rtol=1e-3, atol=1e-3)
