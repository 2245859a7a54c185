"""Played sessions against the single environment."""

import gymnasium as gym
import numpy as np
import pytest

from agents import make_agent
from recgym.rollout import play as rollout
from recgym.sim.synthetic import synthetic


class Fixed:
    """Shows item (number of steps so far) % 7 to everybody."""

    def act(self, observation, mask=None, explore=False):
        return np.asarray(observation) % 7


@pytest.mark.parametrize("side_by_side", [1, 7, 32])
def test_played_sessions_are_those_of_the_single_environment(monkeypatch, side_by_side):
    monkeypatch.setattr(rollout, "PARALLEL_SESSIONS", side_by_side)
    kwargs = {"world": synthetic(3, domain="content"), "observation": "tabular"}
    columns, facts = rollout.play("recgym/Content-v1", kwargs, lambda env: Fixed(), 2**64 - 5, 20)
    env = gym.make("recgym/Content-v1", **kwargs)
    for i in range(20):
        observation, info = env.reset(seed=(2**64 - 5 + i) % 2**64)
        total, items, likes, over = 0.0, [], 0, False
        assert columns["user"][i] == info["user"]
        while not over:
            items.append(int(observation) % 7)
            observation, reward, terminated, truncated, info = env.step(items[-1])
            total, likes, over = total + reward, likes + info["like"], terminated or truncated
        assert columns["return"][i] == pytest.approx(total)
        assert columns["length"][i] == columns["shown"][i] == len(items)
        assert columns["items"][columns["offsets"][i] : columns["offsets"][i + 1]].tolist() == items
        assert columns["like"][i] == likes
        assert columns["terminated"][i] == terminated
    assert facts["num_items"] == 30


def test_late_items_are_shown_in_judged_sessions():
    kwargs = {"world": synthetic(3, domain="content"), "arrival": (0.5, 10), "observation": "tabular"}
    random = lambda env: make_agent("random", env, 0)  # noqa: E731
    columns, _ = rollout.play("recgym/Content-v1", kwargs, random, 5, 100)
    late = gym.make("recgym/Content-v1", **kwargs).unwrapped.arrival > 0
    assert late[columns["items"]].mean() == pytest.approx(0.5, abs=0.05)


def test_all_items_of_a_page_are_shown():
    """`items` are those of the pages, `named` the actions; played again one by one."""
    kwargs = {"observation": "tabular"}
    columns, facts = rollout.play("recgym/EcommercePage-v1", kwargs, lambda env: Fixed(), 11, 40)
    env = gym.make("recgym/EcommercePage-v1", **kwargs)
    arrays = env.unwrapped.privileged().world.arrays
    page = list(zip(arrays.category.tolist(), arrays.page.tolist(), strict=True))
    named = np.split(columns["named"], np.cumsum(columns["length"])[:-1])
    items = np.split(columns["items"], columns["offsets"][1:-1])
    for i in range(40):
        observation, _ = env.reset(seed=11 + i)
        expected, over = [], False
        for item in named[i].tolist():
            assert item == int(observation) % 7
            expected += [other for other in range(len(page)) if page[other] == page[item]]
            observation, _, terminated, truncated, _ = env.step(item)
            over = terminated or truncated
        assert over
        assert items[i].tolist() == expected
        assert columns["shown"][i] == len(expected)
    assert len(columns["items"]) > 5 * columns["length"].sum()
    figures = rollout.final_figures(columns, facts)
    assert figures["response_rate"]["mean"] == pytest.approx(columns["click"].sum() / len(columns["items"]))


class FixedSlate:
    """The same item twice in every slate, among others."""

    def act(self, observation, mask=None, explore=False):
        return np.tile([3, 5, 3, 1, 0, 2], (len(observation), 1))


def test_a_repeat_in_a_slate_is_not_shown():
    kwargs = {"world": synthetic(3, domain="ecommerce"), "observation": "tabular"}
    columns, _ = rollout.play("recgym/EcommerceSlate-v1", kwargs, lambda env: FixedSlate(), 7, 40)
    assert np.array_equal(columns["shown"], 5 * columns["length"])
    assert columns["click"].sum() > 0
    assert len(columns["items"]) == 6 * columns["length"].sum()


def test_the_worth_of_planning_is_of_the_task_of_the_card():
    """The card of a social world is of suggestions of items: its figure says nothing on suggestions of friends."""
    random = lambda env: make_agent("random", env, 0)  # noqa: E731
    _, items = rollout.play("recgym/Social-v2", {}, random, 1, 3)
    _, friends = rollout.play("recgym/SocialFriends-v3", {}, random, 1, 3)
    assert items["planning"]["difference"] > 0
    assert friends["planning"] is None
