"""Worlds whose slates have one response at most: the engine, forecasts and expectations against the equation."""

import numpy as np
import pytest
from frequencies import check_frequencies, engine_of
from reference import response_probability

from recgym.fidelity.indexed_log import align
from recgym.logs.sample import sample_log
from recgym.sim.expectations import item_expectation, slate_expectation
from recgym.sim.page_exposure import exposure_of
from recgym.sim.reward_arrays import make_reward
from recgym.sim.schema import INDEPENDENT, ONE_OF_SLATE
from recgym.sim.synthetic import synthetic
from recgym.sim.teacher_forcing import predict, simulate

DOMAINS = ("ecommerce", "content", "social")


def choosing(domain="social", seed=1, **numbers):
    """A world of slates with one response at most; weights of positions fall."""
    world = synthetic(seed, domain=domain).with_params(**numbers)
    return world.with_arrays(choice=[ONE_OF_SLATE], examine=0.7 ** np.arange(50))


@pytest.mark.parametrize("domain", DOMAINS)
def test_frequencies_of_all_events_and_of_leaving_match_the_equation(domain):
    check_frequencies(choosing(domain), 5, 20_000, steps=3)


def test_slates_have_one_response_at_most_and_other_events_without_one():
    world = choosing("content", outside=-3.0)
    slate = np.tile([3, 1, 3, 7, 2], (20_000, 1))
    feedback = engine_of(world, 20_000, 5).step(slate)
    events = feedback.events
    responses = (events & 1).sum(1)
    assert set(responses.tolist()) == {0, 1}
    assert (events[:, 2] == 0).all()  # a repeat is an empty position
    like = next(e for e, event in enumerate(world.events) if event.name == "like")
    assert ((events >> like) & 1)[events & 1 == 0].any()  # a like needs no click
    assert (feedback.watch[:, [0, 1, 3, 4]] > 0).mean() > 0.99


def test_a_position_of_weight_nought_never_has_the_response():
    world = choosing(outside=-5.0).with_arrays(examine=np.r_[1.0, 0.0, np.ones(48)])
    events = engine_of(world, 5_000, 3).step(np.tile([0, 1, 2], (5_000, 1))).events & 1
    assert events[:, 1].sum() == 0
    assert events[:, [0, 2]].sum() > 4_000


@pytest.mark.parametrize("domain", DOMAINS)
def test_forecasts_are_those_of_the_equation(domain):
    plain = {"sigma": 0.0, "mood": 0.0, "patience": 0.0}
    world = choosing(domain, **plain)
    log = align(world, sample_log(world, "random", 200, 3, slate_size=4, horizon=1))
    engine = engine_of(world, len(log.visits.user), 4)
    out = predict(world, log.visits)
    s = engine.sessions._replace(user=log.visits.user, context=log.visits.context)
    s = s._replace(intent=world.arrays.profile[s.user])
    wanted = response_probability(world, s, log.visits.slate[log.visits.begin[:-1]])
    np.testing.assert_allclose(out.chance[log.visits.begin[:-1], :, 0], wanted, atol=1e-6)


def test_forecasts_are_calibrated_with_hidden_variables_and_simulations_have_their_rates():
    world = choosing("content", mood=1.0, sigma=0.0, patience=0.8)
    log = align(world, sample_log(world, "random", 1_500, 3, slate_size=3, horizon=12))
    out = predict(world, log.visits)
    for part in (np.ones(len(log.step), bool), log.clock > 3):
        for e, event in enumerate(world.events):
            flag, chance = log.events[event.name][part], out.chance[log.step, log.place, e][part]
            error = np.sqrt((chance * (1 - chance)).sum())
            assert abs(flag.sum() - chance.sum()) < 4 * error, event.name
    drawn = simulate(world, log.visits, 5).events & 1
    assert drawn.sum(1).max() == 1
    chance = out.chance[..., 0].sum(1)  # at most one: slates are the draws
    assert abs(drawn.sum() - chance.sum()) < 5 * np.sqrt((chance * (1 - chance)).sum())


@pytest.mark.parametrize("domain", DOMAINS)
def test_expectations_are_means_of_simulations(domain):
    world = choosing(domain, sigma=0.0, mood=0.0)
    reward = make_reward(world, {event.name: 1.0 + e for e, event in enumerate(world.events)})
    for slate in (np.array([[4, 1, 4, 6]]), np.array([[4]])):
        engine = engine_of(world, 40_000, slate.shape[1], reward=reward)
        of = (
            slate_expectation if slate.shape[1] > 1 else lambda w, r, s, b, i: item_expectation(w, r, s, b, 4)
        )
        known = [of(world.arrays, reward, engine.sessions, b, slate) for b in range(0, 40_000, 100)]
        own = np.array(known)
        feedback = engine.step(np.repeat(slate, 40_000, axis=0))
        for got, mean in ((feedback.reward, own[:, 0]), (1.0 - feedback.left, own[:, 1])):
            error = np.hypot(got.std() / np.sqrt(len(got)), mean.std() / np.sqrt(len(mean)))
            assert abs(got.mean() - mean.mean()) < 4 * error


def test_a_session_does_not_depend_on_the_batch():
    world = choosing("content", sigma=0.5, mood=0.5)
    many, one = engine_of(world, 8, 3, seed=5), engine_of(world, 1, 3, seed=5 + 6)
    rng = np.random.default_rng(0)
    for _ in range(6):
        slate = rng.integers(0, world.num_items, (8, 3))
        whole, single = many.step(slate), one.step(slate[6:7])
        assert (whole.events[6] == single.events[0]).all()
        assert (whole.watch[6] == single.watch[0]).all()
        assert whole.left[6] == single.left[0]


def test_the_logging_policy_shows_items_as_to_independent_responses():
    world = choosing("ecommerce").with_arrays(page=np.arange(30) % 3)
    other = world.with_arrays(choice=[INDEPENDENT])
    for own, same in zip(exposure_of(world), exposure_of(other), strict=True):
        np.testing.assert_array_equal(own, same)
