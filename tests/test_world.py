"""Worlds: saved and loaded bit for bit, checked, cut, and never half-written."""

import json

import numpy as np
import pytest

from recgym.sim.schema import LAYOUT, params
from recgym.sim.synthetic import synthetic
from recgym.sim.world import World


def test_save_and_load_give_the_same_world(tmp_path):
    world = synthetic(3, domain="content").with_card(note="hello")
    again = World.load(world.save(tmp_path / "w"))
    for name in LAYOUT:
        np.testing.assert_array_equal(getattr(world.arrays, name), getattr(again.arrays, name), err_msg=name)
    np.testing.assert_array_equal(world.user_features, again.user_features)
    assert (again.sha256, again.card, again.categories) == (world.sha256, world.card, world.categories)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["w"]


def test_digest_sees_every_array_and_not_the_card():
    world = synthetic(3)
    assert world.with_card(x=1).sha256 == world.sha256
    assert world.with_params(rho=9.0).sha256 != world.sha256
    assert world.with_arrays(push=world.arrays.push * 2).sha256 != world.sha256


def test_saving_keeps_the_licence_beside_the_world(tmp_path):
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "LICENSE").write_text("mine")
    synthetic(1).save(tmp_path / "w")
    assert (tmp_path / "w" / "LICENSE").read_text() == "mine"


def test_subset_keeps_the_most_shown():
    world = synthetic(3, num_items=20)
    cut = world.subset(5)
    np.testing.assert_array_equal(cut.arrays.factors, world.arrays.factors[:5])
    assert cut.arrays.exposure.sum() == pytest.approx(1)
    assert world.subset(20) is world
    with pytest.raises(ValueError, match="n_items is 21, world synthetic-3 allows 1 to 20"):
        world.subset(21)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"push": np.zeros((3, 8))}, "world array push: axis N has size 3, expected 30"),
        ({"item_bias": np.full(30, np.nan)}, "item_bias holds a number that is not finite"),
        ({"item_bias": np.zeros((30, 1))}, "item_bias has shape"),
        ({"category": np.full(30, 4)}, "category leaves"),
        ({"user_cdf": np.linspace(1, 0, 50)}, "user_cdf is not a cumulative distribution"),
        ({"event_needs": np.array([-1, 0, 2])}, "event_needs must name an earlier event"),
        ({"exposure": np.linspace(0.1, 1, 30)}, "not ordered by exposure"),
        ({"examine": np.full(50, 1.5)}, "examine leaves"),
        ({"params": np.zeros(3)}, "world array params: axis params has size 3"),
        ({"nonsense": np.zeros(3)}, "unknown arrays: nonsense"),
    ],
)
def test_an_impossible_world_is_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        synthetic().with_arrays(**change)


def test_unknown_parameters_are_refused():
    with pytest.raises(ValueError, match="parameter 'roh' is unknown; there are sigma"):
        synthetic().with_params(roh=1.0)
    with pytest.raises(ValueError, match="parameters roh are unknown"):
        params(roh=1.0)


def test_broken_folders_name_the_file(tmp_path):
    with pytest.raises(ValueError, match=r"world\.json is missing"):
        World.load(tmp_path)
    folder = synthetic().save(tmp_path / "w")
    about = json.loads((folder / "world.json").read_text())
    (folder / "world.json").write_text(json.dumps({**about, "schema": "x"}))
    with pytest.raises(ValueError, match="schema is 'x'"):
        World.load(folder)
    (folder / "world.json").write_text("{")
    with pytest.raises(ValueError, match="holds a broken world"):
        World.load(folder)
    (folder / "world.json").write_text(json.dumps(about))
    (folder / "world.safetensors").write_bytes(b"short")
    with pytest.raises(ValueError, match="holds a broken world"):
        World.load(folder)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ValueError, match="is a file"):
        synthetic().save(file)
