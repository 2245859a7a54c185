"""Logs sampled from an environment: its users, rules and limits hold in them."""

import gymnasium as gym
import numpy as np
import pytest

from recgym.logs.sample import sample_log
from recgym.sim.synthetic import synthetic

SHOP, FEED = "recgym/Ecommerce-v1", "recgym/Content-v1"
WORLDS = {SHOP: synthetic(4), FEED: synthetic(5, domain="content", num_items=12)}


def made(env_id, **kwargs):
    return gym.make(env_id, world=WORLDS[env_id], **kwargs)


def test_users_are_those_of_the_environment():
    users = sample_log(made(FEED, users=[3, 7]), sessions=40, seed=1).column("user")
    assert set(users) == {3, 7}


@pytest.mark.parametrize("policy", ["logged", "random"])
def test_prices_are_below_the_ceiling(policy):
    env = made(SHOP, rules={"price_ceiling": 0.8})
    log = sample_log(env, policy, sessions=30, seed=1)
    shown = log.column("item")
    assert env.unwrapped.items["price_ratio"][shown].max() <= 0.8
    assert len(np.unique(shown)) > 3
    free = sample_log(env, policy, sessions=30, seed=1, rules=False)
    assert free.rows.equals(sample_log(made(SHOP), policy, sessions=30, seed=1).rows)
    assert env.unwrapped.items["price_ratio"][free.column("item")].max() > 0.8


@pytest.mark.parametrize("policy", ["logged", "random"])
def test_an_item_is_not_shown_again_after_the_event(policy):
    log = sample_log(made(FEED, rules={"never_again": "click"}, horizon=8), policy, sessions=60, seed=1)
    rows = zip(log.column("session"), log.column("item"), log.column("click"), strict=True)
    clicked, again = set(), 0
    for session, item, click in rows:
        again += (session, item) in clicked
        clicked |= {(session, item)} if click else set()
    assert again == 0
    assert clicked


def test_propensities_are_of_the_items_that_are_left():
    log = sample_log(made(FEED, rules={"never_again": "click"}, horizon=6), "random", sessions=40, seed=1)
    session, click = log.column("session"), log.column("click").astype(int)
    before = np.cumsum(click) - click
    starts = log.session_starts()
    before -= np.repeat(before[starts], np.diff(np.r_[starts, len(log)]))
    np.testing.assert_allclose(log.column("propensity"), 1.0 / (12 - before))
    assert len(np.unique(session)) == 40


def test_a_provider_has_its_share_of_single_items():
    log = sample_log(made(FEED, rules={"provider": {"items": [2, 9], "share": 0.5}}), sessions=30, seed=1)
    own = np.isin(log.column("item"), [2, 9])
    for begin, end in zip(log.session_starts(), np.r_[log.session_starts()[1:], len(log)], strict=True):
        few = own[begin:end][:20]
        assert (np.cumsum(few) >= np.arange(1, len(few) + 1) // 2).all()


@pytest.mark.parametrize(
    "rules",
    [{"per_category": 1}, {"provider": {"items": [2, 9], "share": 0.5}}],
    ids=lambda rules: next(iter(rules)),
)
def test_a_rule_within_a_slate_is_refused(rules):
    env = made(FEED, rules=rules, slate_size=3)
    with pytest.raises(ValueError, match=f"does not keep the rule {next(iter(rules))} of the environment"):
        sample_log(env, sessions=5)
    assert len(sample_log(env, sessions=5, rules=False))


def test_slates_of_a_given_policy_that_break_a_rule_are_refused():
    env = made(SHOP, rules={"price_ceiling": 0.8})
    dear = int(np.argmax(env.unwrapped.items["price_ratio"]))

    def policy(engine):
        return np.full((engine.num, 1), dear), np.ones((engine.num, 1))

    with pytest.raises(ValueError, match=f"item {dear} at position 0 breaks the rule price_ceiling"):
        sample_log(env, policy, sessions=5)


def test_sessions_end_at_the_limit_of_the_environment():
    for env in (made(FEED, max_episode_steps=3), gym.wrappers.TimeLimit(made(FEED), 3)):
        assert sample_log(env, sessions=20, seed=1).column("step").max() == 2


def given(slates, propensity, sessions=6, slots=2):
    """A policy function: constants are those of all positions."""
    size = (sessions, slots)

    def full(value):
        return np.full(size, value) if np.ndim(value) == 0 else value

    return lambda engine: (full(slates), full(propensity))


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (given(np.zeros((1, 2), int), 0.5), r"slates of shape \(1, 2\), expected \(6, 2\)"),
        (given(np.zeros(6, int), 0.5), r"slates of shape \(6,\)"),
        (given(np.zeros((9, 2), int), 0.5), r"slates of shape \(9, 2\)"),
        (given(np.zeros((6, 3), int), 0.5), r"slates of shape \(6, 3\)"),
        (given(0, np.full(6, 0.5)), r"propensities of shape \(6,\)"),
        (
            lambda engine: ([[0, 1], [2]], np.full((6, 2), 0.5)),
            "returned as slates is .*, which is no array: ",
        ),
        (given(3.0, 0.5), "slates of type float64, expected whole numbers"),
        (given(True, 0.5), "slates of type bool"),
        (given(12, 0.5), "item 12 at position 0 of session 0; items are 0 to 11"),
        (given(-1, 0.5), "item -1 at position 0"),
        (given(0, "a"), "propensities of type <U1"),
        (given(0, np.nan), r"propensity nan at position 0 of session 0; it must be in \(0, 1\]"),
        (given(0, 0.0), "propensity 0.0 at"),
        (given(0, 2.0), "propensity 2.0 at"),
        (lambda engine: np.zeros((6, 2), int), "the policy returned array"),
        (lambda engine: None, "the policy returned None, expected slates"),
    ],
)
def test_what_a_given_policy_returns_is_checked(policy, words):
    with pytest.raises(ValueError, match=words):
        sample_log(WORLDS[FEED], policy, sessions=6, slate_size=2)


def test_a_given_policy_may_return_anything_for_sessions_that_have_ended():
    ended = np.zeros(20, bool)

    def policy(engine):
        ended[:] = engine.sessions.step < engine.sessions.step.max()
        return np.where(ended, 99, 3)[:, None], np.where(ended, np.nan, 1.0)[:, None]

    log = sample_log(WORLDS[FEED], policy, sessions=20, horizon=8)
    assert ended.any()
    assert set(log.column("item")) == {3}
    assert set(log.column("propensity")) == {1.0}


def test_whole_numbers_of_any_type_are_items():
    log = sample_log(WORLDS[FEED], given(np.int32(5), np.float32(0.25)), sessions=6, slate_size=2, horizon=3)
    assert log.column("item").dtype == np.int32
    assert set(log.column("propensity")) == {0.25}
