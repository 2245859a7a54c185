"""Items that no log shows, recommended by their vectors, in a world whose truth makes these informative."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest

from agents import Problem, agent_class, make_agent
from recgym.logs.sample import sample_log
from recgym.sim.public_vectors import checked_vectors, reduced
from recgym.sim.synthetic import synthetic

KINDS, ITEMS, USERS = 4, 80, 20
AGENTS = {
    "content-based": {},
    "hybrid": {},
    "linucb": {"mode": "shared"},
    "genrec": {
        "stage": "sft", "width": 16, "layers": 1, "pretrain_epochs": 0, "epochs": 10, "batch": 32, "rate": 5e-3
    },
}  # fmt: skip
SESSIONS = {"genrec": 600}  # of the log, 200 of the others


def kinds_world():
    """Users like one of four kinds of items: .6 of it have a response, .05 of others; vectors are a noisy kind."""
    rng = np.random.default_rng(0)
    kind = rng.permutation(ITEMS) % KINDS
    world = synthetic(domain="content", num_items=ITEMS, num_users=USERS, num_categories=1)
    factors, profile = np.zeros((ITEMS, 8)), np.zeros((USERS, 8))
    low, high = (np.log(p / (1 - p)) for p in (0.05, 0.6))
    factors[np.arange(ITEMS), kind] = 1.0
    profile[np.arange(USERS), np.arange(USERS) % KINDS] = high - low
    flat = {
        name: np.zeros_like(getattr(world.arrays, name))
        for name in ("push", "leave_item", "user_bias", "context_bias", "price", "page", "event_user")
    }
    same = {"item_bias": np.full(ITEMS, low), "duration": np.full(ITEMS, 2e4), "price_ratio": np.ones(ITEMS)}
    world = world.with_arrays(
        factors=factors, profile=profile, exposure=np.full(ITEMS, 1 / ITEMS), **flat, **same
    )
    calm = dict.fromkeys(
        ("outside", "kappa", "rho", "theta", "leave_repeat", "leave_idle", "sigma", "mood", "pull"), 0.0
    )
    vectors = np.eye(8)[kind] + 0.15 * rng.normal(size=(ITEMS, 8))
    return replace(world.with_params(**calm), item_vectors=checked_vectors(reduced(vectors), ITEMS))


WORLD = kinds_world()


def rate_of_late_items(name, params):
    """Responses for each late item that an agent shows, in steps 4 to 10 of sessions of early items."""
    observation = agent_class(name).requirements({}, 1)[0]
    env = gymnasium.make_vec("recgym/Content-v1", 200, world=WORLD, arrival=(0.3, 1), observation=observation)
    late = env.unwrapped.arrival > 0
    agent = make_agent(name, Problem.of(env), 0, **params)
    log = sample_log(env, "random", SESSIONS.get(name, 200), 1)
    assert not late[log.column("item")].any()
    if agent.learns_from_log:
        agent.prepare(log, 0)
    seen = env.reset(seed=3, options={})[0]
    engine = env.unwrapped.privileged()
    engine.sessions.episode[:] = 1  # all items have arrived
    rng, responses = np.random.default_rng(0), []
    live = np.ones(200, bool)
    for step in range(10):
        of_agent = step >= 4
        items = (
            agent.act(seen, np.tile(late, (200, 1))) if of_agent else rng.choice(np.flatnonzero(~late), 200)
        )
        seen, _, left, cut, info = env.step(items)
        engine.sessions.episode[:] = 1
        responses += info["click"][live].tolist() if of_agent else []
        live &= ~(left | cut)
    assert late[items].all()
    return float(np.mean(responses))


@pytest.fixture(scope="module")
def at_random():
    rate = rate_of_late_items("random", {})
    assert rate == pytest.approx(0.1875, abs=0.04)
    return rate


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in SESSIONS else []) for name in AGENTS]
)
def test_new_items_earn_twice_the_response_rate_of_random_ones(name, at_random):
    assert rate_of_late_items(name, AGENTS[name]) >= 2 * at_random
