"""Worlds: saving and loading bit for bit, checks, subsets, atomic writes."""

import json
import re
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from recgym.envs.world_lookup import WORLDS, load_world, shipped_worlds
from recgym.sim.schema import ANY, ARRAY_SPANS, LAYOUT, PARAMS, params
from recgym.sim.synthetic import synthetic
from recgym.sim.world import World
from recgym.sim.world_files import expanded
from recgym.storage import Stored


def test_save_and_load_give_the_same_world(tmp_path):
    world = synthetic(3, domain="content").with_card(note="hello")
    again = World.load(world.save(tmp_path / "w"))
    for name in LAYOUT:
        np.testing.assert_array_equal(getattr(world.arrays, name), getattr(again.arrays, name), err_msg=name)
    np.testing.assert_array_equal(world.user_features, again.user_features)
    assert (again.sha256, again.card, again.categories) == (world.sha256, world.card, world.categories)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["w"]


def test_the_digest_depends_on_every_array_and_not_on_the_card():
    world = synthetic(3)
    assert world.with_card(x=1).sha256 == world.sha256
    assert world.with_params(rho=9.0).sha256 != world.sha256
    assert world.with_arrays(push=world.arrays.push * 2).sha256 != world.sha256


def test_saving_keeps_the_licence_beside_the_world(tmp_path):
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "LICENSE").write_text("mine")
    synthetic(1).save(tmp_path / "w")
    assert (tmp_path / "w" / "LICENSE").read_text() == "mine"


@pytest.mark.parametrize("seed", [-1, 1.5, "7", None, float("nan")])
def test_a_population_has_a_whole_number_as_its_seed(seed):
    with pytest.raises(ValueError, match=r"^seed is "):
        synthetic(3).drawn(seed)


def test_a_subset_has_the_most_exposed_items():
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
        ({"examine": np.full(50, 1.5)}, r"examine has numbers from 1\.5 to 1\.5, expected all in \[0, 1\]"),
        ({"exposure": np.full(30, 0.1)}, "exposure has the sum 3, expected 1"),
        ({"exposure": np.r_[1.5, np.zeros(28), -0.5]}, r"exposure has numbers from -0\.5 to 1\.5"),
        ({"logged_stay": np.array([1.01])}, r"logged_stay has numbers .*, expected all in \[0, 1\]"),
        (
            {"price_ratio": np.full(30, -1.0)},
            "price_ratio has numbers from -1 to -1, expected all at least 0",
        ),
        ({"duration": np.full(30, -1.0)}, "duration has numbers from -1"),
        ({"watch_quantiles": np.full((3, 2), -1.5)}, "watch_quantiles has numbers .* at least -1"),
        ({"watch": np.full(1, 3)}, "choice must be 0, 1, 2 or 3, and watch 0, 1 or 2"),
        ({"watch_quantiles": np.tile([1.0, 0.5], (3, 1))}, "watch_quantiles must not fall along a row"),
        ({"params": np.zeros(3)}, "world array params: axis params has size 3"),
        ({"nonsense": np.zeros(3)}, "unknown arrays: nonsense"),
    ],
)
def test_an_impossible_array_is_an_error_that_names_it(change, message):
    with pytest.raises(ValueError, match=message):
        synthetic().with_arrays(**change)


@pytest.mark.parametrize(
    ("name", "wrong", "right", "span"),
    [
        *((name, (-1e-9, -3.0), (0.0, 3.0), "at least 0") for name in ("sigma", "patience", "mood")),
        ("pull", (-0.1, 1.1), (0.0, 1.0), "in [0, 1]"),
        ("decay", (-0.1, 1.0, 2.0), (0.0, 0.999999), "in [0, 1)"),
    ],
)
def test_parameters_outside_their_documented_range_are_errors(name, wrong, right, span):
    for value in wrong:
        with pytest.raises(
            ValueError, match=re.escape(f"world parameter {name} is {value:g}, expected a number {span}")
        ):
            synthetic().with_params(**{name: value})
    for value in right:
        assert synthetic().with_params(**{name: value}).params[name] == value
    for value in (np.nan, np.inf):
        with pytest.raises(ValueError, match=f"parameter '{name}' is {value}, expected a finite number"):
            synthetic().with_params(**{name: value})


def test_every_documented_range_is_of_a_parameter_or_array():
    ranged = {param.name for param in PARAMS if param.span != ANY}
    assert ranged == {"sigma", "patience", "mood", "pull", "decay"}
    assert set(ARRAY_SPANS) <= set(LAYOUT)


def test_unknown_parameters_are_errors():
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
    with pytest.raises(ValueError, match=r"world\.json differs from its checksum"):
        World.load(folder)
    (folder / "SHA256SUMS").unlink()
    for text, message in (
        (json.dumps({**about, "schema": "x"}), "schema is 'x'"),
        ("{", r"world\.json is not valid JSON"),
        (
            json.dumps({**about, "categories": [1]}),
            r"world\.json: categories holds a value that is not a text",
        ),
        (json.dumps({**about, "card": []}), r"world\.json: card is \[\], expected dict"),
        (
            json.dumps({**about, "domain": "content"}),
            "w: world array event_item: axis E has size 3, expected 7",
        ),
        (
            json.dumps({**about, "events": ["click"]}),
            r"has the events \['click'\], expected those of its domain",
        ),
        (json.dumps({**about, "contexts": []}), "w: world array context_cdf: axis X has size 24, expected"),
    ):
        (folder / "world.json").write_text(text)
        with pytest.raises(ValueError, match=message):
            World.load(folder)
    (folder / "world.json").write_text(json.dumps(about))
    World.load(folder)
    (folder / "world.safetensors").write_bytes(b"short")
    with pytest.raises(ValueError, match=r"world\.safetensors is truncated or damaged"):
        World.load(folder)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ValueError, match="is a file"):
        synthetic().save(file)


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"terms": 1e308}, "card: terms is 1e[+]308, expected list"),
        ({"terms": [3]}, "card: terms 0 is 3, expected dict"),
        ({"terms": [{"term": "rho"}]}, "card: terms 0: status is missing"),
        ({"terms": [{"term": 1, "status": "fitted"}]}, "card: terms 0: term is 1, expected str"),
        ({"figures": ["x"]}, "card: figures 0 is 'x', expected dict"),
        ({"identity": {"items": 3}}, "card: identity holds a value that is not a text"),
        ({"judged": [1]}, "card: judged holds a value that is not a text"),
        ({"planning": []}, r"card: planning is \[\], expected dict"),
        ({"seed": 2**63}, "card: seed is 9223372036854775808, expected int of 64 bits"),
    ],
)
def test_an_entry_of_a_card_of_another_type_is_named(tmp_path, card, message):
    """Where it is given as where it is read."""
    with pytest.raises(ValueError, match=f"^{message}"):
        synthetic().with_card(**card)
    folder = synthetic().save(tmp_path / "w")
    about = json.loads((folder / "world.json").read_text())
    (folder / "SHA256SUMS").unlink()
    (folder / "world.json").write_text(json.dumps({**about, "card": {**about["card"], **card}}))
    with pytest.raises(ValueError, match=message) as caught:
        World.load(folder)
    assert "\n" not in str(caught.value)


def test_a_world_of_another_layout_is_an_error(tmp_path):
    folder = synthetic(3).save(tmp_path / "w")
    (folder / "SHA256SUMS").unlink()
    arrays = load_file(folder / "world.safetensors")
    for change, message in (
        ({"page": arrays["page"].astype(np.float64)}, "world array page is of float64, expected int16"),
        ({"push": np.full_like(arrays["push"], np.inf)}, "push holds a number that is not finite"),
        ({"category": arrays["category"] + 100}, "category leaves"),
        ({"choice": np.array([2], np.int32)}, "choice is 2, which is not one of the domain ecommerce"),
        ({"choice": np.array([7], np.int32)}, "choice must be 0, 1, 2 or 3"),
    ):
        save_file({**arrays, **change}, folder / "world.safetensors")
        with pytest.raises(ValueError, match=message):
            World.load(folder)
    with pytest.raises(ValueError, match="category holds a number that int16 cannot hold"):
        synthetic(3).with_arrays(category=np.full(30, 70_000))


def test_a_world_is_replaced_with_its_ensemble(tmp_path):
    first, other = synthetic(1), synthetic(2)
    folder = first.save(tmp_path / "w", members=[synthetic(10), synthetic(11), synthetic(12)])
    assert load_world(folder, 3).sha256 == synthetic(12).sha256
    shutil.rmtree(folder / "members" / "2")
    with pytest.raises(ValueError, match="the ensemble is not whole: members 2 are missing"):
        load_world(folder, 3)
    other.save(folder)
    assert World.load(folder).sha256 == other.sha256
    with pytest.raises(ValueError, match="has no members"):
        load_world(folder, 1)


def test_the_shipped_worlds_match_their_checksums():
    for name in shipped_worlds():
        stored = Stored(WORLDS / name, "world")
        assert set(stored.digests) == {"LICENSE", "world.json", "world.safetensors"}, name
        for file in stored.digests:
            stored.read(file)  # else: python -c "from pathlib import Path; import recgym.storage as s;
            # s.write_manifest(Path('recgym/worlds/NAME'))"


def test_equal_entries_are_stored_once(tmp_path):
    world = synthetic(3, domain="content")
    spreads = {name: np.zeros_like(getattr(world.arrays, name)) for name in ("user_bias", "event_user")}
    spreads["profile"] = np.full_like(world.arrays.profile, 0.25)
    changes = {name: np.zeros_like(getattr(world.arrays, name)) for name in ("profile", "push")}
    about = {name: getattr(world, name) for name in ("categories", "contexts", "user_feature_names")}
    world = World.build(
        "w", "content", {**world.arrays._asdict(), **changes}, **about, user_features=world.user_features,
        posterior=spreads,
    )  # fmt: skip
    place = world.save(tmp_path / "w")
    stored = load_file(place / "world.safetensors")
    assert {name for name, array in stored.items() if array.shape == (1, 1)} >= {
        "profile",
        "profile_sd",
        "push",
    }
    again = World.load(place)
    assert again.sha256 == world.sha256
    assert again.arrays.push.shape == world.arrays.push.shape
    np.testing.assert_array_equal(again.posterior.profile, world.posterior.profile)


def test_an_entry_for_too_many_is_an_error():
    arrays = {"user_cdf": np.zeros(1 << 20), "factors": np.zeros((1, 1 << 10)), "profile": np.zeros((1, 1))}
    with pytest.raises(ValueError, match="world array profile would have 1048576 x 1024 entries"):
        expanded(arrays)


def test_zeros_of_both_signs_are_stored_as_they_are(tmp_path):
    world = synthetic(3, domain="content")
    push = np.zeros_like(world.arrays.push)
    push[1] = -0.0
    world = world.with_arrays(push=push)
    assert World.load(world.save(tmp_path / "w")).sha256 == world.sha256
