"""The weights that an environment publishes are those that it pays."""

import gymnasium as gym
import numpy as np
import pytest
from env_helpers import SMALL, content

from recgym.envs.rewards import MAX_WEIGHT, REWARDS, RewardSpec, default_reward_remark, parse_reward
from recgym.sim.synthetic import synthetic

STEPS = 200
CASES = [
    ("recgym/Ecommerce-v1", "clicks"),
    ("recgym/Ecommerce-v1", "conversion"),
    ("recgym/Ecommerce-v1", "revenue"),
    ("recgym/Ecommerce-v1", {"cart": 0.25, "click": np.float32(0.5)}),
    ("recgym/Content-v1", "engagement"),
    ("recgym/Content-v1", "watch_time"),
    ("recgym/SocialFriends-v3", "connections"),
]


def expected_reward(spec, items, actions, info):
    """Reward of one item a row, from what info counts, shape (B,)."""
    paid = sum(weight * info[name] for name, weight in spec.weights.items())
    if spec.by_price:
        paid = paid * items["price_ratio"][actions]
    if spec.per_minute:
        paid = paid + spec.per_minute * np.minimum(info["watch_minutes"], spec.max_minutes)
    return paid


@pytest.mark.parametrize(("env_id", "reward"), CASES, ids=str)
def test_rewards_are_those_of_the_published_weights(env_id, reward):
    world = synthetic(domain={"Eco": "ecommerce", "Con": "content", "Soc": "social"}[env_id[7:10]])
    kwargs = {"reward": reward, "world": world, "n_items": 12}
    env = gym.make_vec(env_id, num_envs=16, **kwargs).unwrapped
    spec = env.reward_spec
    assert spec == gym.make(env_id, **kwargs).unwrapped.reward_spec
    assert spec.weights == env.reward_weights
    assert tuple(spec.weights) == env.event_names
    env.reset(seed=0)
    rng, total = np.random.default_rng(0), 0.0
    for _ in range(STEPS):
        actions = rng.integers(0, 12, 16)
        _, rewards, _, _, info = env.step(actions)
        np.testing.assert_allclose(rewards, expected_reward(spec, env.items, actions, info), rtol=1e-12)
        total += rewards.sum()
    assert total > 0


def test_the_longest_videos_are_rewarded_up_to_the_limit():
    world = synthetic(domain="content")
    hour = world.with_arrays(duration=np.full(world.num_items, 3_600_000.0))
    env = gym.make_vec("recgym/Content-v1", num_envs=64, world=hour, reward="watch_time").unwrapped
    env.reset(seed=0)
    minutes = [env.step(np.zeros(64, int)) for _ in range(20)]
    assert max(info["watch_minutes"].max() for *_, info in minutes) > env.reward_spec.max_minutes
    assert max(rewards.max() for _, rewards, *_ in minutes) == env.reward_spec.max_minutes == 5.0


def test_published_weights_are_a_copy():
    env = gym.make("recgym/Ecommerce-v1").unwrapped
    env.reward_spec.weights["click"] = 9.0
    assert env.reward_spec.weights["click"] == 1.0


def test_signals_that_a_reward_pays_for():
    paid = {
        domain: {name: spec_of(domain, name).paid for name in REWARDS if spec_of(domain, name)}
        for domain in ("ecommerce", "content", "social")
    }
    assert paid["ecommerce"]["revenue"] == paid["ecommerce"]["conversion"] == {"purchase"}
    assert paid["content"]["engagement"] == {"long_view", "like", "comment", "share", "follow", "hate"}
    assert paid["content"]["watch_time"] == {"watch"}
    assert paid["social"] == {"clicks": {"listen"}, "engagement": {"listen"}}
    assert RewardSpec({"click": 0.0}).paid == set()


@pytest.mark.parametrize("make", [gym.make, gym.make_vec])
def test_revenue_needs_prices(make):
    shop = synthetic(domain="ecommerce")
    free = shop.with_arrays(price_ratio=np.zeros(shop.num_items))
    with pytest.raises(ValueError, match=f"reward 'revenue' needs a world with prices; {free.name} has none"):
        make("recgym/Ecommerce-v1", world=free, reward="revenue")
    assert (
        make("recgym/Ecommerce-v1", world=free, reward="conversion").unwrapped.reward_weights["purchase"] == 1
    )
    one = shop.with_arrays(price_ratio=np.eye(shop.num_items)[0])
    assert make("recgym/Ecommerce-v1", world=one, reward="revenue").unwrapped.reward_spec.by_price


def spec_of(domain, name):
    try:
        return parse_reward(synthetic(domain=domain), name)
    except ValueError:
        return None


def click_only(*fitted):
    terms = [
        {"term": f"event:{event.name}", "status": "fitted" if event.name in fitted else "assumed"}
        for event in SMALL.events
    ]
    return SMALL.with_card(terms=terms)


@pytest.mark.parametrize("make", [gym.make, gym.make_vec])
def test_a_world_of_clicks_alone_pays_clicks_by_default(make):
    env = content(make, world=click_only("click")).unwrapped
    assert env.arguments.reward == "clicks"
    assert env.reward_weights["click"] == 1
    assert sum(env.reward_weights.values()) == 1
    assert np.all(env.reset(seed=0)[1]["reward_is_assumed"] == 0)
    asked = content(make, world=click_only("click"), reward="engagement").unwrapped
    assert asked.reward_weights["long_view"] == 1
    assert np.all(asked.reset(seed=0)[1]["reward_is_assumed"] == 1)
    for fitted in (("click", "long_view"), (), ("like",)):
        assert content(make, world=click_only(*fitted)).unwrapped.arguments.reward == "engagement"


def test_another_default_reward_is_remarked():
    assert default_reward_remark(click_only("click")) == (
        "environments of this world pay clicks by default, not engagement: the log has none of the events that it pays "
        "for (long_view, like, comment, share, follow, hate)"
    )
    for fitted in (("click", "long_view"), (), ("like",)):
        assert default_reward_remark(click_only(*fitted)) == ""
    for domain in ("ecommerce", "social"):
        assert default_reward_remark(synthetic(domain=domain)) == ""


def test_the_largest_weights_pay_a_finite_reward_in_single_precision():
    world = synthetic(domain="ecommerce")
    weights = dict.fromkeys(("click", "cart", "purchase"), MAX_WEIGHT)
    env = gym.make_vec("recgym/EcommerceSlate-v1", num_envs=64, world=world, n_items=12, reward=weights)
    env.reset(seed=1)
    paid = np.array([env.step(np.tile(np.arange(6), (64, 1)))[1] for _ in range(20)])
    assert paid.max() > MAX_WEIGHT
    assert np.isfinite(paid.astype(np.float32)).all()


@pytest.mark.parametrize("weight", [1e308, 1e39, -1e31, 10**31, 10**400])
def test_weights_whose_sum_would_overflow_are_refused(weight):
    with pytest.raises(ValueError, match=r"reward weight of 'cart' is .*, expected a"):
        parse_reward(synthetic(domain="ecommerce"), {"click": 1.0, "cart": weight})


def test_weights_of_numpy_are_numbers():
    spec = parse_reward(synthetic(domain="ecommerce"), {"click": np.float32(0.5), "cart": np.int8(2)})
    assert spec.weights == {"click": 0.5, "cart": 2.0, "purchase": 0.0}
    assert {type(weight) for weight in spec.weights.values()} == {float}
