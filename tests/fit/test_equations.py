"""The torch equations against the simulator's scalar ones, on random worlds, sessions and slates: 1e-5."""

import numpy as np
import pytest
import torch
from reference import response_probability
from session_terms import terms_from_world
from torch_slates import (
    Slates,
    event_chances,
    events_from_world,
    fresh,
    hazard_from_world,
    response_chances,
    slate_affinities,
    slate_leave_logits,
)

from recgym.sim import session as sim
from recgym.sim.scalar_math import sigmoid
from recgym.sim.session_arrays import empty_feedback, empty_sessions
from recgym.sim.session_start import begin_session
from recgym.sim.synthetic import synthetic
from recgym.sim.world import World

SESSIONS, STEPS = 4, 25
RANGES = dict(eta=(0, 2), pull=(0, 0.9), kappa=(-1, 1), decay=(0, 0.95), rho=(-2, 2), theta=(-1, 1), outside=(-1, 2),
              leave_bias=(-3, 1), leave_repeat=(-1, 1), leave_idle=(-1, 1))  # fmt: skip


def random_world(domain: str, seed: int) -> World:
    rng = np.random.default_rng([seed, 77])
    world = synthetic(seed, domain=domain, num_users=5, num_items=9, num_factors=3, num_categories=3)
    world = world.with_params(**{name: rng.uniform(*ends) for name, ends in RANGES.items()})
    short = np.where(rng.random(9) < 0.4, 5_000.0, 30_000.0)
    link = rng.normal(size=world.arrays.event_link.shape)
    pair = np.sort(rng.permutation(90)[:30])  # of items that follow one another
    return world.with_arrays(
        duration=short, event_link=link, place_bias=rng.normal(size=9),
        next_start=np.searchsorted(pair, 9 * np.arange(11)), next_item=pair % 9, next_logit=rng.normal(size=30),
        next_level=rng.normal(size=10), return_logit=rng.normal(size=9), return_decay=[0.7],
    )  # fmt: skip


def random_slates(world: World, slots: int, seed: int) -> Slates:
    """Random items with repeats inside a slate, and random responses: at most one a slate for one choice a slate."""
    rng = np.random.default_rng([seed, 78])
    shape = (SESSIONS, STEPS, slots)
    item, responded = rng.integers(world.num_items, size=shape), rng.random(shape) < 0.5
    responded &= fresh(torch.as_tensor(item)).numpy()
    if world.arrays.choice[0] == 0:
        responded &= np.cumsum(responded, axis=2) == 1
    user, context = rng.integers(world.num_users, size=SESSIONS), rng.integers(24, size=SESSIONS)
    doubles = [torch.as_tensor(v).double() for v in (responded, *rng.normal(size=(2, SESSIONS)))]
    return Slates(*(torch.as_tensor(v) for v in (user, context, item)), *doubles)


def simulated(world: World, slates: Slates):
    """Affinities, responses (B, T, K), events (B, T, K, 2, 2, E) given both firsts, leaving logits (B, T)."""
    num, steps, slots = slates.item.shape
    w, s, events = world.arrays, empty_sessions(world, num), len(world.events)
    x, response = np.full((num, steps, slots), np.nan), np.zeros((num, steps, slots))
    chance, leave = np.zeros((num, steps, slots, 2, 2, events)), np.zeros((num, steps))
    feedback = empty_feedback(num, slots)
    for b in range(num):
        begin_session(w, s, b, int(slates.user[b]), int(slates.context[b]))
        s.intent[b] = w.profile[s.user[b]]
        s.mood[b], s.patience[b] = float(slates.random_intercept[b]), float(slates.patience[b])
    for t in range(steps):
        slate = slates.item[:, t].numpy()
        response[:, t] = response_probability(world, s, slate)
        feedback.events[:] = slates.responded[:, t].numpy()
        for b in range(num):
            for k, item in enumerate(slate[b]):
                x[b, t, k] = sim.affinity(w, s, b, item)
                for first in range(2):
                    for second in range(2):
                        for e in range(1, events):
                            logit = sim.event_logit(
                                w, s.user[b], item, e, x[b, t, k], bool(first), bool(second and e > 1)
                            )
                            possible = sim.has_required_event(w, e, bool(first), bool(second))
                            chance[b, t, k, first, second, e] = sigmoid(logit) if possible else 0.0
                        if first and sim.click_is_long_view(w, item):
                            chance[b, t, k, first, second, 1] = 1.0
            leave[b, t] = sim.apply_feedback(w, s, b, slate, feedback)
    return x, response, chance, leave


def logistic(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("domain", ["ecommerce", "content", "social"])
def test_torch_equals_the_simulator(domain, seed, slots):
    world = random_world(domain, seed)
    slates = random_slates(world, slots, seed)
    x, response, chance, leave = simulated(world, slates)
    terms, there = terms_from_world(world), fresh(slates.item)
    ours = slate_affinities(terms, slates)
    np.testing.assert_allclose(logistic(ours.numpy()), logistic(x), atol=1e-5)
    examine = torch.as_tensor(world.arrays.examine[:slots]).double()
    responses = response_chances(ours, there, examine, one_choice=world.arrays.choice[0] == 0)
    np.testing.assert_allclose(responses.numpy(), response, atol=1e-5)
    event_terms = events_from_world(world)
    for first in range(2):
        for second in range(2):
            flags = [torch.full(slates.item.shape, float(flag)).double() for flag in (first, second)]
            events = event_chances(event_terms, slates, ours, *flags)[..., 1:]
            np.testing.assert_allclose(events.numpy(), chance[..., first, second, 1:], atol=1e-5)
    hazard = slate_leave_logits(hazard_from_world(world), slates, terms.category)
    np.testing.assert_allclose(logistic(hazard.numpy()), logistic(leave), atol=1e-5)
