"""Environments whose items have numbers that carry nothing."""

import json

import gymnasium as gym
import numpy as np
import pytest
from env_helpers import registered
from own_logs import as_own, named
from safetensors.numpy import load_file
from zoo import LIGHT

from agents import make_agent
from recgym.envs import EARLIER, ENVIRONMENTS, EnvRow
from recgym.envs.arguments import Arguments
from recgym.envs.task_engine import task_world
from recgym.envs.world_lookup import load_world
from recgym.logs.sample import sample_log
from recgym.rollout.play import make_vector
from recgym.sim.numbering import random_order
from recgym.sim.synthetic import synthetic

ROW = EnvRow("recgym/Numbered-v0", "content", "a folder", 20, 1, 30, "clicks", "videos", numbering=11)
PAGES = EnvRow("recgym/Paged-v0", "ecommerce", "ecommerce-2", None, 1, 20, "clicks", "pages", 3, pages=True)
SOCIAL = ENVIRONMENTS[5]._replace(id="recgym/NumberedFriends-v0", numbering=11)


@pytest.fixture(autouse=True)
def rows(folder):
    with registered(ROW._replace(world=str(folder)), SOCIAL, PAGES):
        yield


@pytest.fixture(scope="module")
def world():
    return named(synthetic(8, domain="content", num_items=40, num_users=50))


@pytest.fixture(scope="module")
def folder(world, tmp_path_factory):
    return world.save(tmp_path_factory.mktemp("worlds") / "world")


def test_a_row_with_a_numbering_cuts_first(world):
    env = gym.make(ROW.id).unwrapped
    plain = gym.make("recgym/Content-v1", world=world, n_items=20).unwrapped
    assert env.item_ids.tolist() == plain.item_ids[random_order(20, 11)].tolist()
    assert env.index_digest != plain.index_digest
    assert env.world_sha256 != plain.world_sha256
    vector = make_vector(ROW.id, 3).unwrapped
    assert vector.item_ids.tolist() == env.item_ids.tolist()
    for name, column in env.items.items():
        np.testing.assert_array_equal(column, plain.items[name][random_order(20, 11)], err_msg=name)


def test_a_world_that_is_given_keeps_its_numbers(world):
    env = gym.make(ROW.id, world=world).unwrapped
    assert env.item_ids.tolist() == list(world.ids.items[:20])


@pytest.mark.parametrize("row", [row for row in EARLIER if row.world != "social-3"], ids=lambda row: row.id)
def test_rows_of_earlier_worlds_have_none(row):
    assert row.numbering is None
    assert task_world(Arguments.parse({"row": row._asdict()})).numbering is None


def test_a_row_that_was_stored_before_there_were_numberings_is_read():
    row = {name: value for name, value in EARLIER[0]._asdict().items() if name != "numbering"}
    assert Arguments.parse({"row": row}).row == EARLIER[0]
    with pytest.raises(ValueError, match="expected the fields id"):
        Arguments.parse({"row": {**row, "colour": 1}})
    with pytest.raises(ValueError, match="expected the fields id"):
        Arguments.parse({"row": {"id": "x"}})


def test_kinds_of_candidates_are_in_no_order():
    category = gym.make(SOCIAL.id).unwrapped.items["category"]
    row = SOCIAL._replace(numbering=None)
    plain = task_world(Arguments.parse({"row": row._asdict()})).arrays.category
    assert np.any(np.diff(category) < 0)
    np.testing.assert_array_equal(np.sort(category), plain)


@pytest.mark.parametrize("name", ["popularity", "item-knn", "dcf-dqn"])
def test_agents_learn_the_same_from_a_log_of_the_world_and_from_an_own_one(world, name):
    drawn = sample_log(world, "random", 400, 3)
    acts = []
    for log in (drawn, as_own(world, drawn)):
        env = make_vector(ROW.id, 8, observation="history")
        agent = make_agent(name, env, 0, **LIGHT.get(name, {}))
        agent.prepare(env.unwrapped.index_log(log), 0)
        acts.append(agent.act(env.reset(seed=3)[0]))
    np.testing.assert_array_equal(*acts)
    with pytest.raises(ValueError, match="the log is on another world's indices"):
        agent.prepare(drawn, 0)


def test_popularity_shows_the_item_with_most_clicks_of_an_own_log(world, run, tmp_path):
    own = as_own(world, sample_log(world, "logged", 400, 3), 1)
    own.write(tmp_path / "log")
    env = gym.make(ROW.id, observation="history").unwrapped
    clicks = np.bincount(own.column("item"), own.column("click"), own.num_items)
    names = np.array(own.items["id"].to_pylist(), object)
    known = np.isin(names, env.item_ids)
    best = names[known][np.argmax(clicks[known])]
    agent = make_agent("popularity", env, 0, by="count")
    agent.prepare(env.index_log(own), 0)
    assert env.item_ids[agent.act(env.reset(seed=1)[0])] == best
    out = tmp_path / "agent"
    options = ("--log", tmp_path / "log", "--sessions", 20, "--out", out)
    code, _, err = run("train", "popularity", ROW.id, *options, "--params", json.dumps({"by": "count"}))
    assert (code, "mapped by the ids of world synthetic-8" in err) == (0, True)
    score = load_file(out / "agent.safetensors")["score"]
    assert env.item_ids[np.argmax(score)] == best


def test_an_environment_of_pages_shows_the_page_of_the_item():
    env, vector = gym.make(PAGES.id, observation="history"), make_vector(PAGES.id, 4, observation="history")
    items, rng, clicks = env.unwrapped.items, np.random.default_rng(0), 0
    for seed in range(8):
        env.reset(seed=seed)
        vector.reset(seed=seed)
        over = False
        while not over:
            action = int(rng.integers(env.action_space.n))
            observation, reward, left, cut, info = env.step(action)
            batch = vector.step(np.full(4, action))
            for name, value in observation.items():
                np.testing.assert_array_equal(batch[0][name][0], value, err_msg=name)
            assert (reward, left, cut) == tuple(part[0] for part in batch[1:4])
            last = observation["shown"][-1]
            assert last == action or info["click"] == 1
            assert all(items[name][last] == items[name][action] for name in ("category", "page"))
            assert reward == info["click"] == env.unwrapped.slate_events[0, 0]
            assert env.unwrapped.action_masks().all()
            clicks, over = clicks + reward, left or cut
    assert clicks > 15  # of single products there would be about 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"world": "ecommerce-1"}, "pages is True, world ecommerce-1 is not fitted to clicks on pages"),
        (
            {"world": load_world("ecommerce-2").with_arrays(examine=np.ones(3))},
            "^pages is True, world ecommerce-2: whole pages have up to 3 items, the world has one of ",
        ),
        ({"slate_size": 2}, "slate_size is 2, an item that stands for its page"),
        ({"pages": 1}, "pages is 1, expected True or False"),
    ],
)
def test_pages_that_cannot_be_shown_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        gym.make(PAGES.id, **changes)
