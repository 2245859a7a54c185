"""Bounds of exposure: kept at every step, without effect where they bind nothing."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from recgym.envs.exposure_bounds import ExposureBounds

ROWS = 8


def native(**kwargs):
    given = {"num_envs": ROWS, "n_items": 12, "observation": "tabular", **kwargs}
    return gym.make_vec("recgym/Content-v1", vectorization_mode="vector_entry_point", **given)


def halves():
    return np.repeat(["a", "b"], 6)


def steps(env, action, count=40):
    env.reset(seed=5)
    found = []
    for _ in range(count):
        _, reward, terminated, truncated, info = env.step(action)
        found.append((reward, terminated | truncated, info))
    return found


def test_bounds_that_allow_everything_change_nothing():
    action = np.arange(ROWS) % 12
    plain, bounded = steps(native(), action), steps(ExposureBounds(native(), halves(), {"a": 1.0}), action)
    for (reward, over, info), (other, ends, more) in zip(plain, bounded, strict=True):
        assert np.array_equal(reward, other)
        assert np.array_equal(over, ends)
        assert more["replaced"].sum() == 0
        assert all(np.array_equal(info[name], more[name]) for name in info)


@pytest.mark.parametrize("slate_size", [1, 3])
def test_a_bounded_group_has_its_share_and_no_more(slate_size):
    env = ExposureBounds(native(slate_size=slate_size), halves(), {"a": 0.3}, seed=1)
    action = np.zeros(ROWS, int) if slate_size == 1 else np.tile(np.arange(3), (ROWS, 1))
    env.reset(seed=5)
    over, shown, group_a = np.zeros(ROWS, bool), 0, 0
    for _ in range(40):
        _, _, terminated, truncated, info = env.step(action)
        slates = info["slates"][~over]
        assert all(len(set(slate)) == len(slate) for slate in slates.tolist())
        assert np.array_equal(info["replaced"], (info["slates"] != action.reshape(ROWS, -1)).sum(axis=1))
        shown, group_a = shown + slates.size, group_a + int((slates < 6).sum())
        assert group_a <= 0.3 * shown + 1
        over = terminated | truncated
    assert group_a / shown == pytest.approx(0.3, abs=0.02)
    assert env.shares["a"] == pytest.approx(group_a / shown)


def test_bounds_that_cannot_hold_are_refused():
    for bounds, message in (
        ({"a": 0.4, "b": 0.5}, "most allows 0.9 of all impressions"),
        ({"c": 0.5}, "a bound for 'c', which is no group"),
        ({"a": 1.5}, "most of 'a' is 1.5"),
        ({"a": 0.0}, "most of 'a' is 0, expected a share above 0"),
    ):
        with pytest.raises(ValueError, match=message):
            ExposureBounds(native(), halves(), bounds)
    with pytest.raises(ValueError, match="expected one label for each item"):
        ExposureBounds(native(), halves()[:5], {"a": 0.5})
    few = np.repeat(["a", "b", "free"], [6, 5, 1])
    for group, bounds in ((halves(), {"a": 0.1}), (few, {"a": 0.1, "b": 0.1})):
        with pytest.raises(ValueError, match="most leaves too few items to fill a slate within the bounds"):
            ExposureBounds(native(slate_size=4), group, bounds)
    with pytest.raises(ValueError, match="NextStep or Disabled"):
        ExposureBounds(native(autoreset_mode=AutoresetMode.SAME_STEP), halves(), {"a": 0.5})


def test_what_the_wrapper_does_not_count_is_refused():
    page = gym.make_vec("recgym/EcommercePage-v1", 2)
    with pytest.raises(ValueError, match="an environment without pages"):
        ExposureBounds(page, page.unwrapped.items["category"], {0: 0.5})
    for name, value in (("rules", {"per_category": 2}), ("arrival", (0.2, 5))):
        with pytest.raises(ValueError, match=f"an environment without {name}"):
            ExposureBounds(native(**{name: value}), halves(), {"a": 0.5})


@pytest.mark.parametrize("wrong", [99, -1, 1.7, np.nan, True])
def test_a_refused_step_counts_nothing(wrong):
    env = ExposureBounds(native(), halves(), {"a": 0.5})
    env.reset(seed=5)
    action = np.array([wrong] * ROWS)
    with pytest.raises(ValueError, match=r"^action "):
        env.step(action)
    assert set(env.shares.values()) == {0.0}


def test_a_repeated_item_is_no_impression():
    env = ExposureBounds(native(slate_size=3), halves(), {"a": 0.9})
    env.reset(seed=5)
    *_, info = env.step(np.tile([0, 0, 6], (ROWS, 1)))
    assert info["slates"].tolist() == [[0, 0, 6]] * ROWS
    assert env.shares == {"a": 0.5, "b": 0.5}


def test_a_repeat_of_a_replaced_item_is_no_impression_either():
    env = ExposureBounds(native(slate_size=3), halves(), {"a": 0.3})
    was_replaced = 0
    for _, over, info in steps(env, np.tile([0, 0, 7], (ROWS, 1)), 5):
        slates = info["slates"][~over]
        assert (slates[:, 1] == slates[:, 0]).all()
        assert (info["replaced"][~over] == (slates[:, 0] >= 6)).all()
        was_replaced += int(info["replaced"].sum())
    assert was_replaced


def test_where_no_item_has_room_the_bound_is_relaxed_and_counted():
    """Of the group with the largest bound both items are in the slate when the others are at theirs."""
    group = np.repeat(list("abcde"), [6, 5, 4, 2, 7])
    bounds = dict(zip("abcde", (0.15, 0.21, 0.18, 0.36, 0.15), strict=True))
    env = ExposureBounds(native(n_items=24, slate_size=3), group, bounds)
    _, info = env.reset(seed=5)
    assert info["relaxed"].tolist() == [0] * ROWS
    action, over, shown, relaxed = np.tile(np.arange(3), (ROWS, 1)), np.zeros(ROWS, bool), 0, 0
    for _ in range(60):
        _, _, terminated, truncated, info = env.step(action)
        shown, relaxed = shown + 3 * int((~over).sum()), relaxed + int(info["relaxed"].sum())
        assert all(env.shares[name] * shown <= most * shown + 1 + relaxed for name, most in bounds.items())
        assert (info["relaxed"] + info["replaced"] <= 3).all()
        over = terminated | truncated
    assert 1 <= relaxed <= 0.02 * shown


def test_a_partial_reset_begins_the_rows_of_its_mask_alone():
    """Also above an environment that takes the mask out of the options, as vectors of Gymnasium do."""

    class Taking(gym.vector.VectorWrapper):
        def reset(self, *, seed=None, options=None):
            mask = options.pop("reset_mask") if options else None
            return self.env.reset(seed=seed, options=None if mask is None else {"reset_mask": mask})

    env = ExposureBounds(
        Taking(native(horizon=1, autoreset_mode=AutoresetMode.DISABLED)), halves(), {"a": 1.0}
    )
    env.reset(seed=5)
    env.step(np.zeros(ROWS, int))
    assert env._over.all()
    env.reset(options={"reset_mask": np.arange(ROWS) < 3})
    assert env._over.tolist() == [False] * 3 + [True] * 5


def test_no_replacement_is_an_item_that_the_mask_forbids():
    """Of friend suggestions: no candidate who is a friend already is suggested again."""
    plain = gym.make_vec(
        "recgym/SocialFriends-v3", 32, vectorization_mode="vector_entry_point", action_mask=True
    )
    env = ExposureBounds(plain, plain.unwrapped.items["category"], {0: 0.3})
    _, info = env.reset(seed=0)
    engine, replaced = plain.unwrapped.privileged(), 0
    for _ in range(100):
        mask = info["action_mask"].copy()
        *_, info = env.step(np.where(mask, engine.expected_reward(), -1.0).argmax(axis=1))
        rows = np.flatnonzero(info["replaced"])
        assert mask[rows, info["slates"][rows, 0]].all()
        replaced += len(rows)
    assert replaced > 100
