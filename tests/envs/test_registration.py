"""Registered environments are as their rows declare."""

import gymnasium as gym
import numpy as np
import pytest

from recgym import envs
from recgym.envs import ENVIRONMENTS, REGISTERED, EnvRow
from recgym.envs.rewards import parse_reward
from recgym.envs.world_lookup import WORLDS
from recgym.sim.friend_requests import friend_request_world
from recgym.sim.world import World


def declared(row: EnvRow, make) -> None:
    """Assert that the environment has the values of its row."""
    engine = make(row.id).unwrapped.privileged()
    world = World.load(WORLDS / row.world)
    assert (engine.world.name, engine.slate_size, engine.horizon) == (row.world, row.slate_size, row.horizon)
    assert engine.num == 1
    assert engine.world.domain == row.domain
    assert engine.world.num_items == (row.n_items or world.num_items)
    paid = parse_reward(world_for_row(row), row.reward).arrays(engine.world)
    np.testing.assert_array_equal(engine.reward.weight, paid.weight)
    np.testing.assert_array_equal(engine.reward.price_weight, paid.price_weight)
    assert engine.reward.watch_weight == paid.watch_weight


def world_for_row(row: EnvRow) -> World:
    world = World.load(WORLDS / row.world)
    return friend_request_world(world, row.n_items) if row.domain == "friends" else world


@pytest.mark.filterwarnings("ignore:.*is out of date")
@pytest.mark.parametrize("make", [gym.make, gym.make_vec])
@pytest.mark.parametrize("row", REGISTERED, ids=lambda row: row.id)
def test_an_environment_is_as_its_row_declares(row, make):
    declared(row, make)


ADDED = (
    EnvRow("recgym/Added-v0", "ecommerce", "ecommerce-1", 50, 2, 7, "conversion", "few products"),
    EnvRow("recgym/Added-v1", "social", "social-1", 30, 3, 9, "clicks", "few artists"),
    EnvRow("recgym/Added-v2", "content", "content-1", 12, 1, 5, "watch_time", "few videos"),
    EnvRow("recgym/Added-v3", "friends", "social-1", 20, 1, 4, "connections", "few friends"),
)


@pytest.mark.filterwarnings("ignore:.*is out of date")
def test_added_rows_are_as_declared_and_change_no_other(monkeypatch):
    rows = (*ADDED, *REGISTERED)
    monkeypatch.setattr(envs, "ENVIRONMENTS", (*ADDED, *ENVIRONMENTS))
    monkeypatch.setattr(envs, "REGISTERED", rows)
    envs.register_environments(rows)
    try:
        for row in rows:
            for make in (gym.make, gym.make_vec):
                declared(row, make)
    finally:
        for row in ADDED:
            gym.registry.pop(row.id)


def test_a_remote_worker_finds_an_id_by_its_package():
    assert gym.make("recgym:recgym/Content-v1").unwrapped.horizon == 50
    assert gym.make_vec("recgym:recgym/Content-v1", num_envs=2).num_envs == 2


def test_what_an_agent_shows_is_called_a_slate():
    """A page is the shop's: only the environment of whole pages says so."""
    for row in ENVIRONMENTS:
        assert ("slate" in row.about) == (row.slate_size > 1), row.id
        assert ("page" in row.about) == row.pages, row.id
        assert "screen" not in row.about, row.id
