"""The table of ids beside a world."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from own_logs import ENV, named

from recgym.envs.world_lookup import WORLDS, shipped_worlds
from recgym.logs.sample import sample_log
from recgym.rollout.play import make_vector
from recgym.sim.synthetic import synthetic
from recgym.sim.world import World
from recgym.sim.world_ids import IDS, Ids


def test_ids_are_stored_beside_an_own_world_and_in_none_that_ships(world, tmp_path):
    world.save(tmp_path / "own")
    again = World.load(tmp_path / "own")
    assert (again.user_ids, again.item_ids) == (world.user_ids, world.item_ids)
    assert again.sha256 == replace(world, ids=None).sha256
    synthetic(3).save(tmp_path / "own")
    assert World.load(tmp_path / "own").item_ids is None
    for name in shipped_worlds():
        assert not (WORLDS / name / IDS).exists()
        assert World.load(WORLDS / name).ids is None


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{", r"ids\.json is not valid JSON"),
        ("[]", r"ids\.json holds a JSON list, expected an object"),
        ('{"users": [], "items": []}', r"ids\.json: schema is missing"),
        ('{"schema": "x", "users": [], "items": []}', "expected the schema"),
        ('{"schema": "recgym.ids/1", "users": {}, "items": []}', r"ids\.json: users is {}, expected list"),
        ('{"schema": "recgym.ids/1", "users": [], "items": []}', "user ids must be 40 different texts"),
        ("[" * 100_000, r"ids\.json is not valid JSON"),
    ],
)
def test_a_broken_table_of_ids_is_refused(world, tmp_path, text, match):
    world.save(tmp_path / "own")
    (tmp_path / "own" / IDS).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"ids\.json differs from its checksum"):
        World.load(tmp_path / "own")
    (tmp_path / "own" / "SHA256SUMS").unlink()
    with pytest.raises(ValueError, match=match):
        World.load(tmp_path / "own")


def test_ids_must_be_texts_and_different(world):
    for ids in (("i",) * 30, tuple(range(30)), ("i",)):
        with pytest.raises(ValueError, match="item ids must be 30 different texts"):
            replace(world, ids=Ids(world.user_ids, ids)).with_params(rho=0.0)


def test_environments_name_ids_where_the_world_knows_them(world, tmp_path):
    world.save(tmp_path / "own", [world])
    place = str(tmp_path / "own")
    for kwargs, size in (({}, 30), ({"n_items": 12}, 12), ({"member": 1}, 30)):
        single, vector = gym.make(ENV, world=place, **kwargs), make_vector(ENV, 3, world=place, **kwargs)
        for env in (single, vector):
            assert tuple(env.unwrapped.item_ids) == world.item_ids[:size]
            assert tuple(env.unwrapped.user_ids) == world.user_ids
        _, info = vector.reset(seed=1)
        assert vector.unwrapped.user_ids[info["user"]].shape == (3,)
        slates = np.zeros((3, 2), int)
        assert (vector.unwrapped.item_ids[slates] == world.item_ids[0]).all()
    shipped = gym.make(ENV).unwrapped
    assert shipped.item_ids is None
    assert shipped.user_ids is None


def test_candidates_of_friends_have_no_item_ids():
    world = named(synthetic(1, domain="social"))
    env = gym.make("recgym/SocialFriends-v3", world=world, n_items=5).unwrapped
    assert env.item_ids is None
    assert tuple(env.user_ids) == world.user_ids
    with pytest.raises(ValueError, match="the log is of domain social, world synthetic-1 of friends"):
        env.index_log(sample_log(world, "random", 9, 1))
