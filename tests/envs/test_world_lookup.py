"""Which world an environment loads."""

import gymnasium as gym
import pytest
from env_helpers import IDS, world_for


def test_a_shipped_name_loads_the_shipped_world(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    world_for(IDS[0]).save(tmp_path / "ecommerce-2")
    assert gym.make(IDS[0]).unwrapped.privileged().world.name == "ecommerce-2"  # not the folder of that name
    with pytest.raises(ValueError, match=r"world 'ecommerce-2' is both shipped and a folder here"):
        gym.make(IDS[0], world="ecommerce-2")
    assert gym.make(IDS[0], world="./ecommerce-2").unwrapped.privileged().world.name == "synthetic-5"
    for member in (1, 0, "first"):
        with pytest.raises(ValueError, match=f"member is {member!r}, world 'ecommerce-2' has no members"):
            gym.make(IDS[0], member=member)
    own = world_for(IDS[0])
    with pytest.raises(ValueError, match=f"member is 0, world '{own.name}' has no members"):
        gym.make(IDS[0], world=own, member=0)
    world_for(IDS[4]).save(tmp_path / "social-1")
    with pytest.warns(DeprecationWarning, match="out of date"):
        earlier = gym.make("recgym/Social-v0")
    assert earlier.unwrapped.privileged().world.name == "social-1"
    assert earlier.unwrapped.num_users != world_for(IDS[4]).num_users


def test_an_own_world_overrides_the_row():
    small = world_for(IDS[2], num_items=30)
    env = gym.make("recgym/Content-v1", world=small).unwrapped
    assert (env.privileged().world.num_items, env.privileged().horizon) == (30, 50)
    for make in (gym.make, gym.make_vec):
        with pytest.raises(ValueError, match="n_items is 500, world synthetic-5 allows 1 to 30"):
            make("recgym/Content-v1", world=small, n_items=500)
    assert (
        gym.make("recgym/Content-v1", world=None, n_items=None, reward=None).unwrapped.action_space.n == 500
    )
