"""Problem: the reward that the environment hands over, single and vector."""

import gymnasium
import pytest
from zoo import WORLDS

from agents import Problem

REWARDS = [  # environment, domain, reward, weights that are not 0, multiplied by the price ratio, reward per minute
    ("Ecommerce-v1", "ecommerce", "clicks", {"click": 1.0}, False, 0.0),
    ("Ecommerce-v1", "ecommerce", "engagement", {"click": 1.0, "cart": 2.0, "purchase": 5.0}, False, 0.0),
    ("Ecommerce-v1", "ecommerce", "conversion", {"purchase": 1.0}, False, 0.0),
    ("Ecommerce-v1", "ecommerce", "revenue", {"purchase": 1.0}, True, 0.0),
    ("Ecommerce-v1", "ecommerce", {"cart": 0.3, "click": -1}, {"click": -1.0, "cart": 0.3}, False, 0.0),
    ("Content-v1", "content", "watch_time", {}, False, 1.0),
    ("SocialFriends-v3", "social", "connections", {"connect": 1.0}, False, 0.0),
]


@pytest.mark.parametrize("is_vector", [False, True])
@pytest.mark.parametrize(("env_id", "domain", "reward", "weights", "by_price", "per_minute"), REWARDS)
def test_reward_is_the_environments(env_id, domain, reward, weights, by_price, per_minute, is_vector):
    kwargs = {"world": WORLDS[domain], "reward": reward}
    if env_id == "SocialFriends-v3":
        del kwargs["world"]
    env_id = f"recgym/{env_id}"
    if is_vector:
        env = gymnasium.make_vec(env_id, 3, vectorization_mode="vector_entry_point", **kwargs)
    else:
        env = gymnasium.make(env_id, **kwargs)
    problem = Problem.of(env)
    assert tuple(problem.reward_weights) == problem.event_names
    assert {name: weight for name, weight in problem.reward_weights.items() if weight} == weights
    assert (problem.reward_by_price, problem.reward_per_minute) == (by_price, per_minute)
    assert problem.reward_max_minutes == 5.0
