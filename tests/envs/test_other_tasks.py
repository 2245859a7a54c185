"""Logs of one id serve the other ids of its world."""

from itertools import permutations

import gymnasium as gym
import numpy as np
import pytest

from agents import make_agent
from recgym.envs import EARLIER, ENVIRONMENTS
from recgym.logs import read_log, sample_log

SHOP = [row.id for row in (*ENVIRONMENTS, *EARLIER) if row.domain == "ecommerce"]
FEED = [row.id for row in ENVIRONMENTS if row.domain == "content"]


def world_of(env):
    return env.unwrapped.privileged().world


@pytest.mark.filterwarnings("ignore:.*is out of date")
@pytest.mark.parametrize(
    ("one", "other"), [*permutations(SHOP, 2), *permutations(FEED, 2)], ids=lambda name: name.split("/")[1]
)
def test_a_log_is_mapped_onto_the_numbers_of_another_id(one, other):
    source, target = gym.make(one), gym.make(other)
    log = sample_log(source, "random", sessions=8, seed=1)
    mapped = target.unwrapped.index_log(log)
    assert mapped.indexed_by == target.unwrapped.index_digest
    assert len(mapped) == len(log)
    same = [world_of(env).fitted_numbers for env in (source, target)]
    np.testing.assert_array_equal(
        same[1][mapped.column("item")], same[0][log.column("item")], "an item is another one"
    )
    for name in ("user", "click", "session", "step", "propensity"):
        np.testing.assert_array_equal(mapped.column(name), log.column(name))
    if world_of(source).numbering is not None:
        what = f"mapped from the item numbers of {one} onto those of this environment"
        assert [what] == [remark for remark in mapped.remarks if "mapped" in remark]


def test_a_stored_log_of_fewer_items_trains_agents_of_the_slate(tmp_path):
    few = gym.make("recgym/Content-v1", n_items=40)
    sample_log(few, "random", sessions=30, seed=1).write(tmp_path / "log")
    env = gym.make("recgym/ContentSlate-v1", n_items=30)
    log = env.unwrapped.index_log(read_log(tmp_path / "log"))
    assert any("rows left out: their 10 items have no row in world content-2" in each for each in log.remarks)
    agent = make_agent("item-knn", env, 0)
    agent.prepare(log, 0)
    assert len(set(agent.act(agent.env.reset(seed=1)[0]).ravel().tolist())) == 6


def test_logs_of_other_worlds_and_domains_are_refused():
    shop, friends = gym.make("recgym/Ecommerce-v1").unwrapped, gym.make("recgym/SocialFriends-v3").unwrapped
    music = gym.make("recgym/Social-v2").unwrapped
    for env, log, what in (
        (friends, sample_log(music, "random", 4), "the log is of domain social, world social-3 of friends"),
        (music, sample_log(friends, "random", 4), "the log is of domain friends, world social-3 of social"),
        (shop, sample_log(music, "random", 4), "the log is of domain social, world ecommerce-2 of ecommerce"),
    ):
        with pytest.raises(ValueError, match=what):
            env.index_log(log)
    strange = world_of(shop).permuted(np.arange(217)[::-1])
    with pytest.raises(ValueError, match="it is on the indices of another world, by their fingerprints"):
        shop.index_log(sample_log(strange, "random", 4))
