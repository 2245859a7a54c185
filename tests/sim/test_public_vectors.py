"""Public vectors of items: what is kept of long ones, and that they follow their items."""

from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file
from sklearn.decomposition import PCA

from recgym.sim.public_vectors import MOST, checked_vectors, reduced
from recgym.sim.synthetic import synthetic
from recgym.sim.world import World

RNG = np.random.default_rng(0)


def with_vectors(world, width=3):
    vectors = np.arange(world.num_items)[:, None] + np.arange(width) / 10
    return replace(world, item_vectors=checked_vectors(vectors, world.num_items))


def test_long_vectors_are_projected_on_their_principal_axes():
    given = RNG.normal(size=(100, 200)) @ np.diag(1 / np.arange(1, 201))
    kept = reduced(given)
    expected = PCA(MOST, svd_solver="full").fit_transform(given)
    expected /= np.sqrt((expected**2).sum(axis=1).mean())
    assert kept.shape == (100, MOST)
    np.testing.assert_allclose(kept @ kept.T, expected @ expected.T, atol=1e-9)


def test_short_vectors_keep_their_axes():
    given = 5.0 + 3.0 * RNG.normal(size=(40, 7))
    kept = reduced(given)
    np.testing.assert_allclose((kept**2).sum(axis=1).mean(), 1.0)
    np.testing.assert_allclose(np.corrcoef(kept.T, given.T)[:7, 7:].diagonal(), 1.0)
    assert not reduced(np.ones((5, 80))).any()


def test_vectors_follow_their_items(tmp_path):
    world = with_vectors(synthetic(3, num_items=20))
    order = RNG.permutation(20)
    moved = world.permuted(order)
    np.testing.assert_array_equal(moved.item_vectors, world.item_vectors[order])
    np.testing.assert_array_equal(moved.arrays.factors, world.arrays.factors[order])
    cut = moved.subset(8)
    np.testing.assert_array_equal(cut.item_vectors, world.item_vectors[cut.fitted_numbers])
    again = World.load(cut.save(tmp_path / "w"))
    np.testing.assert_array_equal(again.item_vectors, cut.item_vectors)
    assert again.sha256 == cut.sha256
    np.testing.assert_array_equal(world.with_params(rho=1.0).item_vectors, world.item_vectors)


def test_a_world_without_vectors_stores_and_digests_none(tmp_path):
    world = synthetic(3)
    assert "item_vectors" not in load_file(world.save(tmp_path / "w") / "world.safetensors")
    assert with_vectors(world).sha256 != world.sha256
    assert World.load(tmp_path / "w").item_vectors is None


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.zeros((29, 3)), r"item_vectors has shape \(29, 3\), expected \(30, 1 to 64\)"),
        (np.zeros((30, 65)), r"shape \(30, 65\)"),
        (np.zeros((30, 0)), r"shape \(30, 0\)"),
        (np.zeros(30), r"shape \(30,\)"),
        (np.full((30, 2), np.nan), "item_vectors holds a number that is not finite"),
        (np.full((30, 2), 1e6), "or above 65504"),
    ],
)
def test_impossible_vectors_are_errors(vectors, message):
    with pytest.raises(ValueError, match=message):
        checked_vectors(vectors, 30)
