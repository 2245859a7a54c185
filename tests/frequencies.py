"""Frequencies of simulated events against their probabilities."""

import numpy as np
from reference import (
    event_probability,
    fresh,
    leaving_probability,
    next_intent,
    response_probability,
)

from recgym.sim.engine import Engine
from recgym.sim.reward_arrays import make_reward


def engine_of(world, num, slots=1, seed=0, horizon=50, reward=None):
    engine = Engine(world, num, slate_size=slots, horizon=horizon, reward=reward or make_reward(world, {}))
    engine.seed(np.arange(num, dtype=np.uint64) + np.uint64(seed))
    engine.reset()
    return engine


def z_score(happened, probability):
    """Difference between a count and the sum of its probabilities, in standard errors."""
    return (happened.sum() - probability.sum()) / np.sqrt((probability * (1 - probability)).sum() + 1e-9)


def check_frequencies(world, slots, sessions, steps):
    """Compare frequencies of events and of leaving with the probabilities of the reference implementation."""
    engine = engine_of(world, sessions, slots)
    rng = np.random.default_rng(0)
    for _ in range(steps):
        slate = rng.integers(0, world.num_items, (engine.num, slots))
        before = engine.snapshot()
        feedback = engine.step(slate)
        p = response_probability(world, before, slate)
        for k in range(slots):
            assert abs(z_score((feedback.events & 1)[:, k], p[:, k])) < 4
        # events of an item with no response can be compared only if every item is examined, and each has its own logit
        shown = (feedback.events & 1) == 1
        examined = world.arrays.choice[0] == 1 and (world.arrays.examine[:slots] == 1).all()
        if examined or world.arrays.choice[0] == 3:
            shown = fresh(slate)
        for e in range(1, len(world.events)):
            q = event_probability(world, before, slate, feedback.events, e)
            assert abs(z_score(((feedback.events >> e) & 1)[shown], q[shown])) < 4, world.events[e].name
        leaving = leaving_probability(world, before, engine.sessions, slate, feedback.events)
        assert abs(z_score(feedback.left, leaving)) < 4
        np.testing.assert_allclose(
            engine.sessions.intent, next_intent(world, before, slate, feedback.events), atol=1e-5
        )
