"""Items that arrive late, and rules on what is shown: masks, refusals, and slates of every kind."""

from functools import partial

import gymnasium
import numpy as np
import pytest
from env_helpers import SMALL

from recgym.logs.sample import sample_log
from recgym.sim.synthetic import synthetic

WORLD = synthetic(5, domain="content", num_items=40)
SLATE = {"world": WORLD, "slate_size": 4}


def content(num_envs=6, **kwargs):
    return gymnasium.make_vec("recgym/Content-v1", num_envs, **{"world": WORLD, **kwargs})


def masks_of(env):
    return env.unwrapped.action_masks().reshape(env.num_envs, env.unwrapped.arguments.slate_size, -1)


def allowed(env, rng):
    """A random slate of each row that the masks allow."""
    masks, slates = masks_of(env), []
    for row in masks:
        slate = []
        for mask in row:
            slate.append(rng.choice(np.setdiff1d(np.flatnonzero(mask), slate)))
        slates.append(slate)
    return np.array(slates).reshape(env.action_space.shape)


def test_a_share_of_the_catalogue_arrives_at_even_distances():
    env = gymnasium.make("recgym/Content-v1", world=WORLD, arrival=(0.25, 5)).unwrapped
    assert np.bincount(env.arrival).tolist() == [30, 2, 2, 2, 2, 2]
    present = []
    env.reset(seed=3)
    for _ in range(7):
        present.append(int(env.action_masks().sum()))
        env.reset()
    assert present == [30, 32, 34, 36, 38, 40, 40]
    env.reset(seed=3)
    assert env.action_masks().sum() == 30


def test_rows_of_a_vector_count_their_own_episodes():
    env = content(arrival=(0.25, 3))
    env.reset(seed=1)
    rng = np.random.default_rng(0)
    for _ in range(60):
        info = env.step(allowed(env, rng))[4]
        episode = env.unwrapped.privileged().sessions.episode
        np.testing.assert_array_equal(masks_of(env)[:, 0], env.unwrapped.arrival <= episode[:, None])
        np.testing.assert_array_equal(info["action_mask"], env.unwrapped.action_masks())
    assert len(np.unique(episode)) > 1
    env.reset(seed=1)
    with pytest.raises(
        ValueError, match=r"action of row 0: item \d+ at position 0 arrives in episode 3, this is"
    ):
        env.step(np.full(6, env.unwrapped.arrival.argmax()))


def test_sessions_are_those_without_arrivals():
    plain, late = content(), content(arrival=(0.25, 3))
    items = np.flatnonzero(late.unwrapped.arrival == 0)[:5]
    for env in (plain, late):
        env.reset(seed=2)
    for item in items:
        first, second = (env.step(np.full(6, item))[:4] for env in (plain, late))
        for one, other in zip(first, second, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_log_of_the_environment_does_not_show_late_items():
    env = content(arrival=(0.25, 3))
    late = np.flatnonzero(env.unwrapped.arrival)
    for policy in ("logged", "random"):
        log = sample_log(env, policy, 80, 1)
        assert not np.isin(log.column("item"), late).any()
    share = sample_log(env, "random", 80, 1).column("propensity")
    np.testing.assert_allclose(share, 1 / 30)


def test_an_accepted_candidate_may_be_shown_again_without_rules_alone():
    world = synthetic(3, domain="social").with_params(connect_bias=60.0, leave_bias=-60.0, leave_idle=0.0)
    make = partial(gymnasium.make, "recgym/SocialFriends-v3", world=world, n_items=9)
    plain, ruled = make(action_mask=True), make(rules={"per_category": 1})
    for env in (plain, ruled):
        env.reset(seed=0)
        assert env.step(3)[1] == 1.0
        assert not env.unwrapped.action_masks()[3]
    _, reward, _, _, info = plain.step(3)
    assert (reward, info["connect"], plain.unwrapped.privileged().sessions.step[0]) == (0.0, 0, 2)
    with pytest.raises(ValueError, match="item 3 at position 0 is a friend already"):
        ruled.step(3)


def test_an_item_is_never_shown_again_after_the_event():
    env = content(rules={"never_again": "click"})
    env.reset(seed=1)
    rng, clicked = np.random.default_rng(0), [set() for _ in range(6)]
    for _ in range(15):
        items = allowed(env, rng)
        _, _, left, cut, info = env.step(items)
        for row in range(6):
            clicked[row] |= {int(items[row])} if info["click"][row] else set()
            if not left[row] | cut[row]:
                assert set(np.flatnonzero(~masks_of(env)[row, 0])) == clicked[row]
        if (left | cut).any():
            break
    row = next(row for row in range(6) if clicked[row])
    items = allowed(env, rng)
    items[row] = next(iter(clicked[row]))
    if not (left | cut)[row]:
        with pytest.raises(ValueError, match="breaks the rule never_again: it had the event click"):
            env.step(items)


def test_a_rule_lapses_where_too_few_items_are_left():
    env = gymnasium.make("recgym/Content-v1", world=SMALL, rules={"never_again": "click"}, slate_size=11)
    env = env.unwrapped
    env.reset(seed=1)
    for _ in range(50):
        _, _, left, cut, _ = env.step(np.flatnonzero(env.action_masks()[:12])[:11])
        if left or cut:
            break
        assert env.action_masks()[:12].sum() in (11, 12)


def test_a_ceiling_of_prices():
    env = content(rules={"price_ceiling": 1.0})
    env.reset(seed=1)
    np.testing.assert_array_equal(masks_of(env)[0, 0], WORLD.arrays.price_ratio <= 1.0)
    with pytest.raises(ValueError, match="breaks the rule price_ceiling, 1"):
        env.step(np.full(6, WORLD.arrays.price_ratio.argmax()))
    for id_, world in (("recgym/Content-v1", "content-2"), ("recgym/SocialFriends-v3", "social-3")):
        with pytest.raises(ValueError, match=f"price_ceiling needs prices that differ, world {world}"):
            gymnasium.make(id_, rules={"price_ceiling": 0.5})


@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
def test_a_provider_gets_its_share(slots, share):
    own = tuple(range(20))
    env = content(slate_size=slots, rules={"provider": {"items": own, "share": share}})
    rng = np.random.default_rng(0)
    env.reset(seed=1)
    count, shown, over = np.zeros(6), np.zeros(6), np.zeros(6, bool)
    for _ in range(4):
        slates = allowed(env, rng).reshape(6, slots)
        for k in range(slots):
            shown += 1
            count += np.isin(slates[:, k], own)
            assert (over | (count >= np.floor(share * shown))).all()
        _, _, left, cut, _ = env.step(slates.reshape(env.action_space.shape))
        over |= left | cut


def test_a_repeat_does_not_use_up_the_position_of_a_provider():
    share = {"rules": {"provider": {"items": [0, 1, 2, 3], "share": 0.2}}}
    env = gymnasium.make("recgym/Content-v1", world=WORLD, slate_size=6, horizon=3, **share)
    env.reset(seed=1)
    for slate, place in (([30, 31, 32, 33, 30, 34], 5), ([30, 31, 32, 33, 34, 1], 4)):
        with pytest.raises(ValueError, match=f"item 34 at position {place} breaks the rule provider"):
            env.step(np.array(slate))
    rng, seen = np.random.default_rng(0), 0
    for seed in range(200):  # of what is accepted, the provider has its share of each slate
        slate = rng.permutation(rng.choice(8, 6) + np.r_[0, 0, 30, 30, 30, 30])
        env.reset(seed=seed)
        try:
            env.step(slate)
        except ValueError:
            continue
        shown = list(dict.fromkeys(slate.tolist()))
        assert sum(item < 4 for item in shown) >= len(shown) // 5
        seen += len(shown) == 5
    assert seen > 5


def test_a_slate_has_at_most_so_many_of_a_category():
    env = content(slate_size=4, rules={"per_category": 2})
    env.reset(seed=1)
    category = WORLD.arrays.category
    alike = np.flatnonzero(category == category[0])[:4]
    other = np.flatnonzero(category != category[0])[:2]
    with pytest.raises(
        ValueError, match="at position 2 breaks the rule per_category: 2 of its category are above"
    ):
        env.step(np.tile(np.r_[alike[:3], other[:1]], (6, 1)))
    env.step(np.tile(np.r_[alike[:2], other], (6, 1)))
    env.step(np.tile(np.r_[alike[:2], alike[0], other[0]], (6, 1)))  # a repeat is an empty place
    env.step(np.tile(np.r_[alike[0], alike[0], alike[1], other[0]], (6, 1)))  # of which none is above


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arrival": 0.2}, r"arrival is 0\.2, expected \(share"),
        ({"arrival": (1.5, 3)}, r"share of the catalogue is 1\.5, expected a number in \(0, 1\)"),
        ({"arrival": (0.5, 0)}, "arrival: episodes"),
        ({"arrival": (0.99, 5)}, "rules and arrivals leave 0 items for a slate, 4 are needed"),
        ({"rules": {"never": "hate"}}, "rules: rule 'never' is unknown; there are never_again, per_category"),
        ({"rules": {"never_again": "dislike"}}, "never_again is 'dislike', the events are click, long_view"),
        ({"rules": {"per_category": 0}}, "per_category"),
        (
            {"rules": {"price_ceiling": -1.0}},
            r"rules: price_ceiling is -1, the cheapest item's price ratio is 0?\.",
        ),
        ({"rules": {"provider": {"items": [40], "share": 0.5}}}, "provider has item 40, there are 40"),
        (
            {"rules": {"provider": {"items": [1], "share": 0.5}}},
            "leave 1 items of the provider for a slate, 2",
        ),
        ({"rules": {"provider": {"items": [1, 1], "share": 0.5}}}, "list an item twice"),
        ({"rules": {"provider": {"items": [1], "share": 2}}}, r"share is 2, expected a number in \(0, 1\]"),
        ({"rules": {"provider": [1]}}, "rules: provider is"),
        ({"rules": {"per_category": 1}, "world": SMALL, "slate_size": 5}, "leave 4 items for a slate, 5 are"),
    ],
)
def test_impossible_limits_are_errors(changes, message):
    with pytest.raises(ValueError, match=message):
        content(**{**SLATE, **changes})


def test_single_and_vector_agree():
    kwargs = {"rules": {"never_again": "click", "price_ceiling": 2.0}, "arrival": (0.2, 2)}
    single = gymnasium.make("recgym/Content-v1", world=WORLD, **kwargs)
    vector = content(3, **kwargs)
    infos = [single.reset(seed=5)[1], vector.reset(seed=5)[1]]
    rng = np.random.default_rng(1)
    for _ in range(6):
        np.testing.assert_array_equal(infos[0]["action_mask"], infos[1]["action_mask"][0])
        items = allowed(vector, rng)
        done = single.step(int(items[0]))
        infos = [done[4], vector.step(items)[4]]
        if done[2] or done[3]:
            break
