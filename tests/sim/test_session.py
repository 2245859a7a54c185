"""The session model against a reference implementation, and each of its terms against its definition."""

import gymnasium as gym
import numpy as np
import pytest
from frequencies import check_frequencies, engine_of

from recgym.envs import ENVIRONMENTS
from recgym.sim.expectations import expected
from recgym.sim.reward_arrays import make_reward
from recgym.sim.schema import BY_SHARES
from recgym.sim.session import (
    affinity,
    click_is_long_view,
    clicks_are_long_views,
    event_logit,
    has_required_event,
    second_event_probability,
)
from recgym.sim.synthetic import synthetic
from recgym.sim.watch_time import watch_time

DOMAINS = ("ecommerce", "content", "social")
SESSIONS = 100_000


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("slots", [pytest.param(1, marks=pytest.mark.slow), 6])
def test_event_and_leaving_frequencies_match_their_probabilities(domain, slots):
    check_frequencies(synthetic(1, domain=domain), slots, SESSIONS // slots, steps=3)


# acceptance of friends: tests/sim/test_friend_requests.py; whole pages: tests/sim/test_whole_pages.py
@pytest.mark.parametrize(
    "row", [r for r in ENVIRONMENTS if r.domain in DOMAINS and not r.pages], ids=lambda row: row.id
)
@pytest.mark.slow
def test_frequencies_of_every_registered_environment(row):
    world = gym.make(row.id).unwrapped.privileged().world
    check_frequencies(world, row.slate_size, SESSIONS, steps=2)


def test_one_choice_a_page_gives_at_most_one_click():
    engine = engine_of(synthetic(2), 5_000, 6)
    feedback = engine.step(np.tile(np.arange(6), (5_000, 1)))
    assert (feedback.events & 1).sum(1).max() == 1


def test_watch_time_agrees_with_its_events_and_required_events_happen():
    world = synthetic(3, domain="content")
    engine = engine_of(world, 20_000)
    slate = np.random.default_rng(0).integers(0, world.num_items, (20_000, 1))
    feedback = engine.step(slate)
    bits, watch, duration = feedback.events[:, 0], feedback.watch[:, 0], world.arrays.duration[slate[:, 0]]
    np.testing.assert_array_equal(bits & 1 == 1, watch >= np.minimum(duration, 7_000))
    np.testing.assert_array_equal((bits >> 1) & 1 == 1, watch >= np.minimum(duration, 18_000))
    shop = engine_of(synthetic(3), 20_000).step(slate).events[:, 0]
    assert not np.any((shop & 2 > 0) & (shop & 1 == 0))
    assert not np.any((shop & 4 > 0) & (shop & 2 == 0))


@pytest.mark.parametrize(
    ("domain", "event", "possible"),  # given events 0 and 1: neither, 0 alone, 1 alone, both
    [
        ("ecommerce", 1, (False, True, False, True)),  # a cart requires a click
        ("ecommerce", 2, (False, False, True, True)),  # a purchase requires a cart
        ("content", 1, (False, True, False, True)),  # a long view requires a click
        ("content", 2, (True, True, True, True)),  # a like requires nothing
        ("social", 2, (False, True, False, True)),  # a comment requires a listen
    ],
)
def test_an_event_requires_the_event_of_the_table(domain, event, possible):
    world = synthetic(domain=domain)
    cells = [(False, False), (True, False), (False, True), (True, True)]
    assert tuple(bool(has_required_event(world.arrays, event, *cell)) for cell in cells) == possible
    barred = [event_logit(world.arrays, 0, 0, event, 9.0, *cell) == -30.0 for cell in cells]
    assert barred == [not each for each in possible]


def test_a_click_on_an_item_of_at_most_seven_seconds_is_a_long_view():
    duration = np.r_[6_999.0, 7_000.0, 7_001.0, np.full(27, 9_000.0)]
    for domain in DOMAINS:
        w = synthetic(domain=domain).with_arrays(duration=duration).arrays
        short = [bool(click_is_long_view(w, item)) for item in range(3)]
        assert short == ([True, True, False] if domain == "content" else [False] * 3)
        if domain == "content":
            assert clicks_are_long_views(np.r_[duration[:3], np.nan]).tolist() == [*short, False]
        p = [second_event_probability(w, 0, item, 0.5, True) for item in range(3)]
        assert [each == 1.0 for each in p] == short
        assert second_event_probability(w, 0, 0, 0.5, False) == 0.0


def test_a_repeat_in_a_slate_is_an_empty_position():
    world = synthetic(4, domain="social")
    engine = engine_of(world, 10_000, 3)
    feedback = engine.step(np.tile([5, 5, 7], (10_000, 1)))
    assert (feedback.repeats == 1).all()
    assert (feedback.events[:, 1] == 0).all()
    assert feedback.events[:, 2].any()
    assert (engine.sessions.items[:, -3:] == [-1, 5, 7]).all()


@pytest.mark.parametrize("domain", DOMAINS)
def test_expected_reward_is_the_mean_of_rewards(domain):
    world = synthetic(5, domain=domain, num_items=6).with_arrays(examine=np.ones(50))
    weights = {event.name: 1.0 + e for e, event in enumerate(world.events)}
    reward = make_reward(world, weights, watch=0.5 if domain == "content" else 0.0)
    engine = engine_of(world, 60_000, reward=reward)
    slate = np.random.default_rng(0).integers(0, 6, (60_000, 1))
    expected_reward = engine.expected_reward()[np.arange(60_000), slate[:, 0]]
    got = engine.step(slate).reward
    assert abs((got - expected_reward).mean()) < 4 * (got - expected_reward).std() / np.sqrt(60_000)


def test_expected_reward_of_one_item_is_the_batch_row():
    world = synthetic(6, domain="content")
    engine = engine_of(world, 3, reward=make_reward(world, {"like": 2.0, "long_view": 1.0}))
    row = engine.expected_reward()[2, 4]
    assert row == expected(
        world.arrays, engine.reward, engine.sessions.user[2], 4, affinity(world.arrays, engine.sessions, 2, 4)
    )


def test_watch_time_is_the_quantile_of_its_interval():
    world = synthetic(7, domain="content").with_arrays(
        duration=np.full(30, 30_000.0), watch_quantiles=[[0, 0.5, 1], [0, 0.5, 1], [0, 1, 4]]
    )
    at = [watch_time(world.arrays, 0, piece, u) for piece in range(3) for u in (0.0, 0.5, 0.75)]
    np.testing.assert_allclose(at, [0, 3_500, 5_250, 7_000, 12_500, 15_250, 18_000, 30_000, 48_000])
    assert watch_time(world.arrays, 0, 0, 1 - 1e-16) < 7_000
    assert watch_time(world.arrays, 0, 1, 1 - 1e-16) < 18_000
    free = world.with_arrays(watch=np.full(1, BY_SHARES))
    at = [watch_time(free.arrays, 0, piece, u) for piece in range(3) for u in (0.0, 0.5, 0.75)]
    np.testing.assert_allclose(at, [0, 15_000, 22_500, 0, 15_000, 22_500, 0, 30_000, 75_000])
    with pytest.raises(ValueError, match="watch_quantiles has a negative share of the duration"):
        free.with_arrays(watch_quantiles=np.tile([-0.5, 0.5], (3, 1)))


def test_a_click_on_a_short_item_is_a_long_view_by_rules_alone():
    rules = synthetic(7, domain="content").with_arrays(
        duration=np.full(30, 5_000.0), event_bias=np.r_[0.0, -30.0, np.zeros(5)]
    )
    shares = rules.with_arrays(watch=np.full(1, BY_SHARES))
    user = item = 0
    assert second_event_probability(rules.arrays, user, item, 0.0, True) == 1.0
    assert second_event_probability(shares.arrays, user, item, 0.0, True) < 1e-6


def rollout(world, steps=6, num=400, slots=2):
    """Feedback and first state of sessions, to compare two worlds."""
    engine = engine_of(
        world, num, slots, reward=make_reward(world, {e.name: 1.0 for e in world.events}, watch=1.0)
    )
    rng = np.random.default_rng(1)
    parts = [
        engine.sessions.user.copy(),
        engine.sessions.context.copy(),
        engine.sessions.intent.ravel().copy(),
    ]
    for _ in range(steps):
        feedback = engine.step(rng.integers(0, 6, (num, slots)))
        parts += [feedback.events.ravel(), feedback.watch.ravel(), feedback.left, feedback.reward]
    return np.concatenate([np.asarray(part, float) for part in parts])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sigma", 1.0),
        ("patience", 2.0),
        ("mood", 2.0),
        ("eta", 3.0),
        ("pull", 0.8),
        ("kappa", -2.0),
        ("decay", 0.0),
        ("rho", 3.0),
        ("theta", 2.0),
        ("outside", -2.0),
        ("leave_bias", 0.0),
        ("leave_repeat", 3.0),
        ("leave_idle", 3.0),
    ],
)
def test_each_parameter_changes_behaviour(name, value):
    world = synthetic(8, num_items=8)
    assert (rollout(world) != rollout(world.with_params(**{name: value}))).any()


# replacements of arrays whose shifted and scaled values would be invalid
CHANGES = {
    "choice": lambda array: np.zeros(1),
    "watch": lambda array: np.zeros(1),
    "event_needs": lambda array: np.where(array == 0, -1, array) + np.array([0, 0, 2, 0, 0, 0, 0]),
    "user_cdf": np.sqrt,
    "context_cdf": np.sqrt,
    "category": lambda array: (array + np.arange(8)) % 4,
    "duration": lambda array: array * 0.2,
    "examine": lambda array: array * 0.3,
}
ELSEWHERE = {
    "params",
    "friend_start",
    "friend",
    "library",
    "kin",
    "page",
    "price_ratio",
    "logged_stay",
    "logged_again",
    "tastes_keep_rates",
    "exposure",
    "page_items",
    "page_chain",
    "whole_pages",
    "one_page",
    "next_start",
    "next_item",
    "next_logit",
    "next_level",
    "return_logit",
    "return_decay",
}  # tested below, and in test_leaving.py, test_logging_policy.py, test_friend_requests.py, test_posterior.py,
# test_whole_pages.py,
# and, with a table of transitions and with returns, in tests/fit/test_equations.py


@pytest.mark.parametrize("name", sorted(set(synthetic().arrays._fields) - ELSEWHERE))
def test_each_array_changes_behaviour(name):
    world = synthetic(9, domain="content", num_items=8)
    change = CHANGES.get(name, lambda array: np.roll(array, 1, axis=0) * 1.5 + 0.7)
    changed = world.with_arrays(**{name: change(getattr(world.arrays, name))})
    assert (rollout(world) != rollout(changed)).any()


def test_pages_are_observed():
    world = synthetic(9, domain="content", num_items=8)
    assert world.arrays.page[3] > 0
    views = []
    for pages in (world.arrays.page, np.zeros(8)):
        engine = engine_of(world.with_arrays(page=pages), 50)
        views.append(np.zeros((50, engine.features_width), np.float32))
        engine.step(np.full((50, 1), 3), features=views[-1])
    assert (views[0] != views[1]).any()


def test_revenue_follows_the_price():
    world = synthetic(9, num_items=8)
    paid = []
    for scale in (1.0, 2.0):
        priced = world.with_arrays(price_ratio=world.arrays.price_ratio * scale)
        engine = engine_of(priced, 50, reward=make_reward(priced, {"click": 1.0}, price=True))
        paid.append(engine.step(np.full((50, 1), 3)).reward.sum())
    assert paid[1] == pytest.approx(2 * paid[0], rel=1e-3)
    assert paid[0] > 0


def test_satiation_changes_its_category_only():
    world = synthetic(10, num_categories=3).with_params(kappa=-1.0, eta=0.0, pull=0.0, rho=0.0)
    engine = engine_of(world, 2_000)
    item = int(np.flatnonzero(world.arrays.category == 1)[0])
    before = np.array(
        [[affinity(world.arrays, engine.sessions, b, i) for i in range(30)] for b in range(200)]
    )
    feedback = engine.step(np.full((2_000, 1), item))
    after = np.array([[affinity(world.arrays, engine.sessions, b, i) for i in range(30)] for b in range(200)])
    clicked = feedback.events[:200, 0] & 1 == 1
    own = world.arrays.category == 1
    np.testing.assert_allclose((after - before)[clicked][:, own], -1.0, atol=1e-5)
    np.testing.assert_allclose((after - before)[clicked][:, ~own], 0.0, atol=1e-6)
    np.testing.assert_allclose((after - before)[~clicked], 0.0, atol=1e-6)


def test_certain_and_impossible_events():
    sure = synthetic(11, domain="social").with_params(outside=-60.0)
    engine = engine_of(sure.with_arrays(examine=np.ones(50)), 5_000)
    assert (engine.step(np.zeros((5_000, 1), np.int64)).events & 1).all()
    never = synthetic(11, domain="social").with_params(outside=90.0, leave_bias=90.0)
    feedback = engine_of(never, 5_000).step(np.zeros((5_000, 1), np.int64))
    assert not feedback.events.any()
    assert feedback.left.all()
