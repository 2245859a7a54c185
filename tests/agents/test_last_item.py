"""The last item of agents that read the history is that of the environments, on slates of mixed categories too."""

import gymnasium
import numpy as np
import pytest
import torch
from dcf_networks import random_towers

from agents import Problem, make_agent
from agents.deep.states import to_states
from agents.features import Contexts
from recgym.envs.observation_columns import observation_columns
from recgym.sim.synthetic import synthetic

WORLD = synthetic(7, domain="content", num_items=40).with_params(outside=0.0)


@pytest.fixture(scope="module", params=["recgym/Content-v1", "recgym/ContentSlate-v1"])
def visits(request):
    """Observations of some visits, the last item's category (B, C), and whether the last slate had a response."""
    env = gymnasium.make_vec(request.param, 64, world=WORLD, observation="features+history")
    problem, (observation, _) = Problem.of(env), env.reset(seed=3)
    names = observation_columns(env.privileged())
    last = [k for k, name in enumerate(names) if name.startswith("category of the last item")]
    (clicked,) = (k for k, name in enumerate(names) if name == "events of the last slate: click")
    rng, steps = np.random.default_rng(5), []
    for _ in range(5):
        features = observation["features"]
        steps.append((observation, features[:, last], features[:, clicked] > 0))
        slates = rng.permuted(np.tile(np.arange(40), (64, 1)), axis=1)[:, : problem.slate_size]
        observation, *_ = env.step(slates.reshape(env.action_space.shape))
    return problem, steps


def test_linear_bandits_match_the_category_of_the_last_item(visits):
    problem, steps = visits
    contexts, own = Contexts(problem), np.asarray(problem.items["category"])
    names = contexts.match_names
    for observation, last, clicked in steps:
        found = contexts.matches(observation)
        for name, which in (("with", clicked), ("without", ~clicked)):
            column = found[:, :, names.index(f"last item of its category, {name} a response")]
            np.testing.assert_array_equal(column, last[:, own] * which[:, None])


def test_towers_know_the_category_of_the_last_item(visits):
    problem, steps = visits
    towers, own = random_towers(problem), np.asarray(problem.items["category"])
    for observation, last, _ in steps:
        states = to_states(observation, torch.device("cpu"))
        terms = towers.category_terms(states, torch.ones(len(last), 3))
        np.testing.assert_array_equal(terms.numpy(), last)
        items = torch.arange(40).expand(len(last), -1)
        of_items = towers.repeat_features(states, items)[:, :, 2]
        np.testing.assert_array_equal(of_items.detach().numpy(), last[:, own])


def test_markov_reads_the_last_item(visits):
    problem, steps = visits
    agent = make_agent("markov", problem, after="shown")
    category = np.append(np.asarray(problem.items["category"]), -1)
    for observation, last, _ in steps:
        found = category[agent.last(observation)]
        np.testing.assert_array_equal(found, np.where(last.any(axis=1), last.argmax(axis=1), -1))
