"""Agents under rules: slates that keep them, and are the best of those that do."""

from itertools import permutations

import gymnasium
import numpy as np
import pytest
from zoo import LIGHT

from agents import Problem, agent_class, make_agent
from agents.slates import top_k
from recgym.logs.sample import sample_log
from recgym.rollout.play import play
from recgym.rollout.slate_rules import choose
from recgym.sim.synthetic import synthetic

WORLD = synthetic(5, domain="content", num_items=40)
RULES = {
    "never_again": "hate",
    "per_category": 2,
    "price_ceiling": 2.0,
    "provider": {"items": tuple(range(0, 40, 3)), "share": 0.4},
}
KWARGS = {"world": WORLD, "slate_size": 4, "rules": RULES}


class Scores:
    """Shows the largest of given scores."""

    def __init__(self, problem, scores):
        self.problem, self.scores = problem, scores

    def act(self, observation, mask=None, explore=False):
        scores = np.tile(self.scores, (len(mask), 1))
        return top_k(scores, self.problem.slate_size, mask, ties=np.arange(len(self.scores)))


def vector(name="popularity", num_envs=4, **changes):
    observation = agent_class(name).requirements({}, 4)[0]
    return gymnasium.make_vec(
        "recgym/Content-v1", num_envs, **{**KWARGS, "observation": observation, **changes}
    )


def test_the_slate_is_the_best_from_the_top_among_all_that_keep_the_rules():
    """Against all slates of the 12 best items, in lexicographic order of score."""
    env, rng = vector(), np.random.default_rng(0)
    observation = env.reset(seed=1)[0]
    category = WORLD.arrays.category
    for _ in range(5):
        scores = rng.normal(size=40)
        masks = env.unwrapped.action_masks().reshape(4, 4, 40)
        found = choose(Scores(Problem.of(env), scores), env, observation, masks.any(axis=1), explore=False)
        best = np.argsort(-scores)
        for row in range(4):
            kept = (
                slate
                for slate in permutations(best[:16], 4)
                if all(masks[row, k, item] for k, item in enumerate(slate))
                and np.bincount(category[list(slate)]).max() <= 2
            )
            assert tuple(found[row]) == next(kept)
        observation, _, left, cut, _ = env.step(found)
        if (left | cut).any():
            break


def test_few_items_of_a_provider_are_enough():
    """Two items for one reserved position of four: fewer than a slate needs."""
    env = vector(rules={"provider": {"items": [3, 8], "share": 0.25}})
    observation = env.reset(seed=1)[0]
    scores = -np.arange(40.0)
    masks = env.unwrapped.action_masks().reshape(4, 4, 40)
    found = choose(Scores(Problem.of(env), scores), env, observation, masks.any(axis=1), explore=False)
    assert found.tolist() == [[0, 1, 2, 3]] * 4


@pytest.mark.parametrize("name", ["random", "popularity", "linucb", "item-knn", "logged", "deep-cf"])
def test_agents_train_and_are_judged_under_rules(name):
    env = vector(name)
    agent = make_agent(name, Problem.of(env), 0, **LIGHT.get(name, {}))
    agent.bind(env)
    log = sample_log(env, "logged", 60, 3, rules=False) if agent.learns_from_log else None
    agent.prepare(log, 0)
    agent.train(env, 60, 0)

    def bound(judged):
        agent.bind(judged)
        return agent

    # the environment refuses a slate that breaks a rule
    kwargs = {**KWARGS, "observation": env.unwrapped.arguments.observation}
    assert play("recgym/Content-v1", kwargs, bound, 7, 6)[0]["return"].shape == (6,)
