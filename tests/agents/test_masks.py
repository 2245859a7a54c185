"""Masks: a million draws over the registry obey them, and the references are right under them."""

import gymnasium
import numpy as np
import pytest
from worlds import STATES, chain_world
from zoo import CASES, LIGHT, PRIVILEGED, log_for, make_env, rows_of

from agents import Problem, make_agent
from recgym.sim.synthetic import synthetic

SESSIONS = 512
COSTLY = (
    "dcf-dqn",
    "decision-transformer",
    "deep-cf",
    "genrec",
    "gru4rec",
    "hybrid",
    "item-knn",
    "neural-linear",
    "oracle-plan",
    "sasrec",
    "slateq",
    "user-knn",
)


def learnt(name, task):
    """An agent after a short training, and what it observes of many sessions in their fourth step."""
    train_env = make_env(task, name)
    agent = make_agent(name, Problem.of(train_env), 4, **LIGHT.get(name, {}))
    agent.prepare(log_for(task), 4)
    agent.train(train_env, 200, 4)
    env = make_env(task, name, SESSIONS if name in PRIVILEGED else 64)
    agent.bind(env)
    observation, _ = env.reset(seed=1)
    for _ in range(3):
        observation, *_ = env.step(agent.act(observation))
    if name not in PRIVILEGED:
        observation = rows_of(observation, np.tile(np.arange(64), SESSIONS // 64))
    return agent, observation


def masked_draws(name, task, items):
    """Let an agent fill slates of so many items in all under random masks; how many it drew."""
    agent, observation = learnt(name, task)
    num, slots = agent.problem.num_items, agent.problem.slate_size
    rng, drawn = np.random.default_rng(0), 0
    while drawn < items:
        allowed = rng.random((64, num)) < rng.uniform(0.1, 0.9, (64, 1))
        allowed[np.arange(64)[:, None], rng.random((64, num)).argsort(axis=1)[:, :slots]] = True
        mask = np.tile(allowed, (SESSIONS // 64, 1))
        for explore in (False, True):
            slates = agent.act(observation, mask, explore).reshape(SESSIONS, slots)
            assert np.take_along_axis(mask, slates, axis=1).all(), f"{name} in {task} shows what is barred"
            ordered = np.sort(slates, axis=1)
            assert (ordered[:, 1:] != ordered[:, :-1]).all(), f"{name} in {task} repeats an item in a slate"
            drawn += slates.size
    few = np.arange(num)[None].repeat(SESSIONS, 0) < slots - 1
    with pytest.raises(ValueError, match=f"allows {slots - 1} items, a slate needs {slots}"):
        agent.act(observation, few)
    return drawn


@pytest.mark.slow
def test_a_million_draws_under_random_masks():
    drawn = {
        (name, task): masked_draws(name, task, 2_000 if name in COSTLY or name[:3] == "sb3" else 60_000)
        for name, task in CASES
    }
    assert sum(drawn.values()) > 1_000_000
    assert len(drawn) == len(CASES)


def barred(num, *items):
    mask = np.ones(num, bool)
    mask[list(items)] = False
    return mask


def test_logged_under_a_mask_is_the_same_policy_renormalised():
    """Against its own draws in the second step, without those that a mask excludes; by the item shown before."""
    world = synthetic(domain="content", num_items=6).with_arrays(logged_stay=np.array([0.7]))
    env = gymnasium.make_vec("recgym/Content-v1", 40_000, world=world)
    agent = make_agent("logged", Problem.of(env))
    agent.bind(env)
    observation, _ = env.reset(seed=0)
    before = agent.act(observation)
    observation, _, terminated, *_ = env.step(before)
    mask = np.tile(barred(6, 1, 4), (40_000, 1))
    mask[::2] = True  # these keep the draw that they have without a mask
    free, bound = agent.act(observation), agent.act(observation, mask)
    np.testing.assert_array_equal(bound[::2], free[::2])
    seen = []
    for item in np.unique(before):
        rows = np.flatnonzero((before == item) & ~terminated)
        allowed = free[rows][~np.isin(free[rows], [1, 4])]
        (shares, wanted), (own, num) = shares_of(allowed, 6), shares_of(bound[rows[rows % 2 == 1]], 6)
        error = np.sqrt(shares * (1 - shares) * (1 / wanted + 1 / num))
        assert (np.abs(own - shares) <= 4 * error).all()
        seen.append(shares)
    assert np.ptp(seen, axis=0).max() > 0.3  # the category matters, and what was shown


def test_logged_fills_a_slate_under_a_mask_from_the_allowed_items():
    """In the first step the policy is exposure alone: pairs in closed form, one place after the other."""
    world = synthetic(domain="content", num_items=6)
    env = gymnasium.make_vec("recgym/Content-v1", 40_000, world=world, slate_size=2)
    agent = make_agent("logged", Problem.of(env))
    agent.bind(env)
    observation, _ = env.reset(seed=0)
    slates = agent.act(observation, np.tile(barred(6, 1, 4), (40_000, 1)))
    q = np.where(barred(6, 1, 4), world.arrays.exposure, 0.0)
    q = q / q.sum()
    pairs = np.outer(q, q) * (1 - np.eye(6)) / (1 - q)[:, None]
    own, num = shares_of(slates @ [6, 1], 36)
    assert (np.abs(own - pairs.ravel()) <= 4 * np.sqrt(pairs * (1 - pairs) / num).ravel()).all()


def shares_of(numbers, size):
    """Share of each number, and of how many."""
    return np.bincount(numbers, minlength=size) / len(numbers), len(numbers)


@pytest.mark.parametrize("away", [(), (5,), (0,), (4,), (0, 8), (0, 1, 2, 3, 4)])
def test_oracle_plan_under_a_mask_is_near_the_optimum_of_the_allowed_items(away):
    """Value iteration over the allowed items of the chain of stepping stones says what each choice is worth."""
    stay, horizon, num = 0.95, 30, 24
    world, mask = chain_world(stay), np.tile(barred(9, *away), (24, 1))
    logit = world.arrays.factors.max(axis=1) + world.arrays.item_bias
    p, at = 1 / (1 + np.exp(-logit)), np.r_[np.arange(5), np.arange(4)]
    moved = np.r_[np.arange(5), np.arange(1, 5)]
    pays = np.where(at == np.arange(STATES)[:, None], p, 0.0)  # (states, items)
    value, worth = np.zeros(STATES), []
    for _ in range(horizon):
        q = pays + stay * (pays * value[moved] + (1 - pays) * value[:, None])
        worth.append(np.where(mask[0], q, -np.inf))
        value = worth[-1].max(axis=1)
    env = gymnasium.make_vec(
        "recgym/Social-v2", num, world=world, horizon=horizon, autoreset_mode="Disabled", reward="clicks"
    )
    agent = make_agent("oracle-plan", Problem.of(env), 0, simulations=100)
    agent.bind(env)
    observation, _ = env.reset(seed=3)
    lost, live = np.zeros(num), np.ones(num, bool)
    for left in range(horizon - 1, horizon - 7, -1):
        state = env.unwrapped.privileged().sessions.intent.argmax(axis=1)
        action = agent.act(observation, mask)
        assert mask[0, action].all()
        lost += np.where(live, worth[left][state].max(axis=1) - worth[left][state, action], 0.0)
        observation, _, terminated, truncated, _ = env.step(action)
        live &= ~(terminated | truncated)
        if (terminated | truncated).any():
            observation, _ = env.reset(options={"reset_mask": terminated | truncated})
    assert lost.mean() < 0.05 * worth[horizon - 1][0].max()
