"""The map of the hidden intent."""

import gymnasium as gym
import numpy as np
import pytest
from env_helpers import world_for

from recgym.envs.intent_map import IntentMap
from recgym.sim.synthetic import synthetic


def map_of(env_id, world, steps=3, **kwargs):
    env = gym.make(env_id, world=world, render_mode="ansi", render_hidden=True, **kwargs).unwrapped
    env.reset(seed=1)
    for item in range(steps):
        if any(env.step(item)[2:4]):
            break
    return env, IntentMap.of(env._record, 0)


def test_inner_products_in_two_dimensions_are_those_of_the_map():
    world = synthetic(5, domain="content", num_items=12)
    flat = {
        name: np.where(np.arange(world.num_factors) < 2, getattr(world.arrays, name), 0)
        for name in ("factors", "profile")
    }
    push = np.where(np.arange(world.arrays.push.shape[1]) < 2, world.arrays.push, 0)
    env, found = map_of("recgym/Content-v1", world.with_arrays(**flat, push=push), steps=0)
    intent, factors = env.privileged().sessions.intent[0], flat["factors"]
    intent[2:] = 0
    found = IntentMap.of(env._record, 0)
    affinity = (factors - factors.mean(axis=0)) @ intent
    on_map = found.items @ found.path[-1]
    assert np.corrcoef(affinity, on_map)[0, 1] == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("name", ["Ecommerce-v1", "Content-v1", "Social-v2", "SocialFriends-v3"])
def test_the_items_wanted_most_are_those_of_the_most_responses(name):
    settings = {"render_mode": "ansi", "render_hidden": True, "n_items": 50}
    response = gym.make(f"recgym/{name}", **settings).unwrapped.event_names[0]
    env = gym.make(f"recgym/{name}", reward={response: 1.0}, **settings).unwrapped
    views = 0
    for seed in range(20):
        env.reset(seed=seed)
        for _ in range(6):
            value = env.privileged().expected_reward()[0]
            found = IntentMap.of(env._record, 0)
            assert value[list(found.wanted)] == pytest.approx(np.sort(value)[:-4:-1], rel=1e-6)
            views += 1
            if any(env.step(int(value.argmax()))[2:4]):
                break
    assert views > 50


def test_the_path_has_every_intent_and_the_map_is_within_1():
    env, found = map_of("recgym/Content-v1", synthetic(5, domain="content", num_items=12))
    s = env.privileged().sessions
    assert len(found.path) == s.step[0] + 2  # the first, one a step, and the present one
    assert np.abs(found.items).max() <= 1
    assert np.abs(found.path).max() <= 1


def test_friend_suggestions_show_the_candidates_taste():
    env, found = map_of("recgym/SocialFriends-v3", world_for("recgym/SocialFriends-v3"), n_items=10)
    s = env.privileged().sessions
    accepted = np.flatnonzero(s.tie[0] < 0)
    assert not set(found.wanted) & set(accepted.tolist())
    assert found.items.shape == (10, 2)
