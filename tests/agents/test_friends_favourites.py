"""The agent that shows what friends have."""

import numpy as np
import pytest
from env_helpers import registered

from agents import Problem, make_agent
from recgym.envs import row_of
from recgym.logs.sample import sample_log
from recgym.rollout.play import make_vector
from recgym.sim.synthetic import synthetic

pytestmark = pytest.mark.filterwarnings("ignore:.*is out of date")  # earlier ids observe no friends
ROW = row_of("recgym/Social-v2")._replace(id="recgym/SeeingFriends-v1", n_items=None, observes=("friends",))


@pytest.fixture(autouse=True)
def seeing():
    with registered(ROW):
        yield


def prepared(env_id, slate_size=1):
    world = synthetic(4, domain="social", num_items=30)
    env = make_vector(env_id, 20, world=world, observation="history", slate_size=slate_size)
    agent = make_agent("friends", Problem.of(env), 0)
    agent.prepare(sample_log(env, "random", 300, 2), 0)
    return agent, env


def test_it_shows_the_items_of_most_friends_and_of_these_the_most_popular():
    agent, env = prepared(ROW.id, 3)
    observation, info = env.reset(seed=1)
    slates = agent.act(observation)
    arrays = env.unwrapped.privileged().world.arrays
    tie = np.argsort(agent.tie_order)
    for user, slate in zip(info["user"], slates, strict=True):
        friends = arrays.friend[arrays.friend_start[user] : arrays.friend_start[user + 1]]
        count = np.array([(arrays.library[friends] == item).sum() for item in range(30)])
        np.testing.assert_array_equal(slate, np.lexsort((tie, -agent.score, -count))[:3])
    assert len({tuple(slate) for slate in slates}) > 5
    observation = env.step(slates)[0]
    again = agent.act(observation)
    assert all(not set(one) & set(two) for one, two in zip(slates, again, strict=True))


def test_without_friends_it_is_popularity():
    agent, env = prepared("recgym/Social-v1")
    popular = make_agent("popularity", Problem.of(env), 0)
    popular.prepare(sample_log(env, "random", 300, 2), 0)
    observation, _ = env.reset(seed=1)
    np.testing.assert_array_equal(agent.act(observation), popular.act(observation))
