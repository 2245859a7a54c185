"""Worlds with known optimal policies, for tests."""

import numpy as np

from recgym.logs.log import Log
from recgym.logs.sample import sample_log
from recgym.sim.schema import params
from recgym.sim.synthetic import synthetic
from recgym.sim.world import World

STATES = 5


def chain_world(stay: float = 0.95) -> World:
    """Five intents in a row. Item s pays in state s alone; item 5 + s is a stepping stone from s to s + 1."""
    pay = np.array([0.45, 0.1, 0.1, 0.1, 0.95])
    stone = np.array([0.4, 0.4, 0.4, 0.4])
    probability = np.concatenate([pay, stone])
    state = np.concatenate([np.arange(5), np.arange(4)])
    factors = np.zeros((9, STATES))
    factors[np.arange(9), state] = 28.0 + np.log(probability / (1 - probability))
    push = np.zeros((9, STATES))
    push[np.arange(5, 9), np.arange(4)] = -1.0
    push[np.arange(5, 9), np.arange(1, 5)] = 1.0
    profile = np.eye(STATES)[:1]
    return World.build(
        "chain",
        "social",
        {
            "params": params(leave_bias=np.log((1 - stay) / stay)),
            "choice": np.array([1]),
            "watch": np.array([0]),
            "user_cdf": np.ones(1),
            "profile": profile,
            "user_bias": np.zeros(1),
            "factors": factors,
            "push": push,
            "item_bias": np.full(9, -28.0),
            "event_item": np.zeros((9, 3)),
            "event_user": np.zeros((1, 3)),
            "leave_item": np.zeros(9),
            "category": np.zeros(9),
            "page": np.zeros(9),
            "price": np.zeros(9),
            "price_ratio": np.ones(9),
            "duration": np.zeros(9),
            "exposure": np.full(9, 1 / 9),
            "logged_stay": np.zeros(1),
            "context_cdf": np.ones(1),
            "context_bias": np.zeros(1),
            "leave_context": np.zeros(1),
            "examine": np.ones(10),
            "event_bias": np.array([0.0, -3.0, -3.0]),
            "event_gain": np.zeros(3),
            "event_link": np.zeros((3, 2)),
            "event_needs": np.array([-1, 0, 0]),
            "watch_quantiles": np.zeros((3, 3)),
            "leave_time": np.zeros(3),
            "leave_run": np.zeros(3),
        },
        categories=("only",),
    )


def two_intents():
    """The last two intents of the chain: item 3 pays 0.45 now, item 8 pays 0.4 and leads to where item 4 pays 0.95."""
    world = chain_world()
    factors = world.arrays.factors.copy()
    factors[3, 3] = 28.0 + np.log(0.45 / 0.55)
    return world.with_arrays(factors=factors, profile=np.eye(5)[3:4])


def two_intents_optimum(stay, horizon):
    """Values of the best and of the myopic policy from the first of the two intents, by value iteration."""
    first, second, myopic = 0.0, 0.0, 0.0
    for _ in range(horizon):
        stone = 0.4 * (1 + stay * second) + 0.6 * stay * first
        first, second, myopic = max(0.45 + stay * first, stone), 0.95 + stay * second, 0.45 + stay * myopic
    return first, myopic


def chain_optimum(world: World, stay: float, horizon: int) -> tuple[float, float]:
    """Value of the best policy and of the myopic one from state 0, by value iteration over what the world holds."""
    logit = world.arrays.factors.max(axis=1) + world.arrays.item_bias
    p = 1 / (1 + np.exp(-logit))
    best, myopic = np.zeros(STATES), 0.0
    for _ in range(horizon):
        step = p[:5] + stay * best
        stones = p[5:] * (1 + stay * best[1:]) + (1 - p[5:]) * stay * best[:-1]
        best = np.maximum(step, np.append(stones, -np.inf))
        myopic = p[0] + stay * myopic
    return float(best[0]), float(myopic)


LIKED, SHOWN, OWN = 7, 3, 5  # of two_tastes: what most like, what the log shows, what a minority likes


def two_tastes() -> World:
    """Ten items: item 7 pays .82 to 17 of 20 users and .35 to the others, who like item 5; item 3 pays .4 to all."""
    world = synthetic(domain="social", num_items=10, num_users=20)
    chance = np.full((2, 10), 0.15)
    chance[:, SHOWN], chance[:, LIKED], chance[:, OWN] = 0.4, [0.82, 0.35], [0.15, 0.85]
    logit = np.log(chance / (1 - chance))
    factors, profile = np.zeros((10, 8)), np.zeros((20, 8))
    factors[:, 0] = (logit[0] - logit[1]) / 2
    profile[:, 0] = np.where(np.arange(20) < 17, 1.0, -1.0)
    flat = {
        name: np.zeros_like(getattr(world.arrays, name))
        for name in ("push", "leave_item", "user_bias", "context_bias")
    }
    world = world.with_arrays(factors=factors, profile=profile, item_bias=logit.mean(axis=0), **flat)
    calm = dict.fromkeys(
        ("outside", "kappa", "rho", "theta", "leave_repeat", "leave_idle", "sigma", "mood"), 0.0
    )
    return world.with_params(**calm)


def lopsided_log(world: World, sessions: int = 600) -> Log:
    """A log of two_tastes that shows item 3 in half of its rows, the others evenly: counts mislead, rates do not."""
    rng = np.random.default_rng(0)
    share = np.full(10, 0.5 / 9)
    share[SHOWN] = 0.5

    def policy(engine):
        items = rng.choice(10, (engine.num, 1), p=share)
        return items, share[items]

    return sample_log(world, policy, sessions, 1)
