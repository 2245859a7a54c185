"""Public vectors of items in what agents read."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from zoo import LIGHT

from agents import Problem, agent_class, make_agent
from agents.deep.item_tower import public_features
from agents.features import Contexts, item_features
from agents.generative.semantic_ids import item_vectors
from recgym.logs.sample import sample_log
from recgym.sim.public_vectors import checked_vectors
from recgym.sim.synthetic import synthetic

READERS = ("content-based", "hybrid", "linucb", "lints", "neural-linear", "deep-cf", "dcf-dqn", "genrec")
WORLD = synthetic(domain="content", num_items=30)


def vector_env(vectors, name="linucb"):
    world = replace(WORLD, item_vectors=checked_vectors(vectors, 30))
    observation = agent_class(name).requirements({}, 1)[0]
    return gymnasium.make_vec("recgym/Content-v1", 8, world=world, observation=observation)


def seen_in(env):
    env.reset(seed=1)
    for items in (0, 3, 7):
        observation = env.step(np.full(env.num_envs, items))[0]
    return observation


def test_sessions_and_matches_by_hand():
    vectors = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float16)
    env = vector_env(vectors)
    contexts, observation = Contexts(Problem.of(env)), seen_in(env)
    events = observation["events"].reshape(8, 20, -1)[:, :, 0]
    assert 0 < events.sum() < 24
    for row, context in enumerate(contexts(observation)):
        liked = observation["shown"][row][events[row] > 0]
        mean = vectors[liked].astype(float).mean(axis=0) if len(liked) else np.zeros(4)
        np.testing.assert_allclose(context[-4:], mean, atol=1e-12)
        near = contexts.matches(observation)[row, :, -1]
        np.testing.assert_allclose(near, vectors.astype(float) @ mean, atol=1e-12)
    assert len(contexts.names) == contexts(observation).shape[1]
    assert len(contexts.match_names) == contexts.matches(observation).shape[2]


def test_the_libraries_of_friends_are_no_context_of_a_history():
    env = gymnasium.make_vec("recgym/Social-v2", 4, n_items=50, observation="history")
    observation = seen_in(env)
    contexts = Contexts(Problem.of(env))
    before = contexts(observation)
    assert before.shape == (4, 43)  # as notebook 3 says
    observation["friends"] = 1 - observation["friends"]
    assert np.array_equal(contexts(observation), before)


def test_vectors_are_columns_of_the_items():
    vectors = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float16)
    problem = Problem.of(vector_env(vectors))
    names, features = item_features(problem)
    assert names[-4:] == ("vector 0", "vector 1", "vector 2", "vector 3")
    np.testing.assert_array_equal(features[:, -4:], vectors)
    np.testing.assert_allclose(public_features(problem)[0][:, -4:], 2.0 * vectors, rtol=1e-6)
    assert item_vectors(problem).shape[1] == features.shape[1]


def test_without_vectors_nothing_is_added():
    problem = Problem.of(gymnasium.make_vec("recgym/Content-v1", 2, world=WORLD, observation="history"))
    assert "vector" not in problem.items
    assert len(Contexts(problem).match_names) == 6
    assert public_features(problem)[0].shape == (30, 3)


@pytest.mark.parametrize("name", READERS)
def test_an_agent_reads_the_vectors(name):
    """The same log and seed with the vectors of other items: other items are shown."""
    rng = np.random.default_rng(0)
    vectors = np.repeat(4.0 * rng.normal(size=(6, 8)), 5, axis=0)
    shown = []
    for given in (vectors, vectors[rng.permutation(30)]):
        env = vector_env(given, name)
        params = {"epochs": 20} if name == "neural-linear" else LIGHT.get(name, {})
        agent = make_agent(name, Problem.of(env), 0, **params)
        log = sample_log(env.unwrapped.privileged().world, "logged", 60, 3)
        agent.prepare(log, 0)
        shown.append([agent.act(seen_in(env)) for _ in range(3)])
    assert not np.array_equal(shown[0], shown[1])
