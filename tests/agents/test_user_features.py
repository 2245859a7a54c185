"""Agents that read the history where it holds public user features."""

from dataclasses import replace

import numpy as np
import pytest
from env_helpers import registered
from zoo import LIGHT, PRIVILEGED

from agents import AGENTS, Problem, agent_class, make_agent
from agents.features import Contexts
from agents.log_histories import read_histories
from recgym.envs import OBSERVED, row_of
from recgym.logs.sample import sample_log
from recgym.rollout.play import make_vector
from recgym.sim.synthetic import synthetic

pytestmark = pytest.mark.filterwarnings("ignore:.*is out of date")  # earlier ids observe no features of users
ROW = row_of("recgym/Content-v1")._replace(
    id="recgym/SeeingUsers-v0", n_items=None, reward="clicks", observes=OBSERVED
)
READERS = [
    row.name
    for row in AGENTS
    if row.name not in PRIVILEGED
    and not row.name.startswith("sb3-")
    and agent_class(row.name).requirements({}, 1)[0] == "history"
]


@pytest.fixture(autouse=True)
def seeing():
    with registered(ROW):
        yield


def two_groups():
    """Users whose one feature says which half of the items they like; 60 users, 10 items, nobody leaves early."""
    world = synthetic(domain="content", num_items=10, num_users=60)
    group = np.where(np.arange(60) % 2 == 0, 1.0, -1.0)
    factors, profile = np.zeros((10, 8)), np.zeros((60, 8))
    factors[:, 0] = np.where(np.arange(10) < 5, 2.0, -2.0)
    profile[:, 0] = group
    flat = {
        name: np.zeros_like(getattr(world.arrays, name))
        for name in (
            "push",
            "leave_item",
            "user_bias",
            "item_bias",
            "context_bias",
            "leave_run",
            "event_user",
        )
    }
    world = world.with_arrays(factors=factors, profile=profile, **flat)
    world = world.with_params(outside=1.0, kappa=0.0, rho=0.0, sigma=0.0, mood=0.0, theta=0.0)
    return replace(world, user_features=group[:, None].astype(np.float32), user_feature_names=("group",))


def log_without(world, strangers):
    """A log of random slates without the sessions of some users."""
    log = sample_log(world, "random", 600, 1)
    keep = ~np.isin(log.column("user"), strangers)
    return log.filter(keep) if hasattr(log, "filter") else replace(log, rows=log.rows.filter(keep))


@pytest.mark.parametrize("name", READERS)
def test_an_agent_that_reads_the_history_accepts_it(name):
    world = two_groups()
    env = make_vector(ROW.id, 4, world=world, observation="history")
    agent = make_agent(name, env, 0, **LIGHT.get(name, {}))
    agent.prepare(sample_log(world, "random", 60, 3), 0)
    agent.train(env, 200, 0)
    observation, _ = env.reset(seed=2)
    assert agent.act(observation).shape == (4,)
    assert agent.act({key: value[0] for key, value in observation.items()}) in range(10)


def test_histories_of_a_log_have_the_features_of_their_users():
    world = two_groups()
    problem = Problem.of(make_vector(ROW.id, 1, world=world, observation="history"))
    log = sample_log(world, "random", 30, 3)
    seen = read_histories(problem, log).observation(np.arange(len(log)), 10)
    np.testing.assert_array_equal(seen["user_features"], world.user_features[log.column("user")])
    contexts = Contexts(problem)
    assert contexts.names[-1] == "user feature 0"
    np.testing.assert_array_equal(contexts(seen)[:, -1], world.user_features[log.column("user"), 0])
    plain = Problem.of(make_vector("recgym/Content-v0", 1, world=world, observation="history"))
    assert plain.user_features is None
    assert "user_features" not in read_histories(plain, log).observation(np.arange(3), 10)


@pytest.mark.parametrize(("env_id", "share"), [(ROW.id, 0.95), ("recgym/Content-v0", None)])
def test_users_whom_the_log_lacks_get_the_items_of_their_group(env_id, share):
    """Deep CF: with the features of users nearly always right for strangers, without them as good as chance."""
    world, strangers = two_groups(), np.arange(40, 60)
    env = make_vector(env_id, 20, world=world, reward="clicks", observation="history")
    agent = make_agent("deep-cf", env, 0, width=8, hidden=16, epochs=3)
    agent.prepare(log_without(world, strangers), 0)
    right = []
    for seed in range(0, 400, 20):  # other contexts
        observation, info = env.reset(seed=seed, options={"user": strangers})
        liked = np.asarray(agent.act(observation)) < 5
        right += (liked == (world.user_features[info["user"], 0] > 0)).tolist()
    right = np.mean(right)
    if share is None:
        assert 0.3 <= right <= 0.7
    else:
        assert right >= share
