"""One user, two lists of slates, the same random numbers."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from env_helpers import IDS, SMALL

import recgym
from agents import Problem, make_agent
from recgym.envs.counterfactuals import ENDED, LEFT
from recgym.sim.schema import ETA, KAPPA, RHO

SLATES = "recgym/ContentSlate-v1"


def rich(**kwargs):
    """Slates of two in a world with intent, satiation, a term for repeats, and leaving by what was shown."""
    return gym.make(SLATES, world=SMALL, slate_size=2, horizon=12, **kwargs)


def drawn(seed, steps=12, slots=2, num=12):
    rng = np.random.default_rng(seed)
    return [rng.choice(num, slots, replace=False) for _ in range(steps)]


@pytest.mark.parametrize("env_id", IDS)
def test_equal_slates_give_equal_events_bit_for_bit(env_id):
    env = gym.make(env_id)
    env.action_space.seed(0)
    slates = [env.action_space.sample() for _ in range(8)]
    pair = recgym.counterfactual(env, 5, slates, slates)
    for name in ("slates", "events", "rewards"):
        np.testing.assert_array_equal(getattr(pair.a, name), getattr(pair.b, name))
    assert (pair.a.ending, pair.difference) == (pair.b.ending, 0.0)
    assert pair.a.slates.shape[0] == pair.a.events.shape[0] > 0


@pytest.mark.parametrize("seed", range(20))
def test_a_later_step_depends_on_an_earlier_slate_through_the_state_alone(seed):
    env = rich()
    engine = env.unwrapped.privileged()
    shown = drawn(seed)
    for first in (shown[0], shown[1][::-1]):
        pair = recgym.counterfactual(env, seed, shown, [first, *shown[1:]])
        env.reset(seed=seed)
        _, _, ended, _, _ = env.step(first)
        if ended:
            continue
        state = engine.snapshot()
        env.reset(seed=seed)
        env.step(shown[0])
        engine.restore(state)  # other slate, same state: what follows is what follows the first
        env.unwrapped._is_over = False
        for step, slate in enumerate(shown[1 : len(pair.b.slates)], 1):
            env.step(slate)
            np.testing.assert_array_equal(env.unwrapped.slate_events, pair.b.events[step])


@pytest.mark.parametrize("seed", range(10))
def test_without_effects_on_the_state_later_events_are_the_same(seed):
    still = SMALL.arrays.params.copy()
    still[[ETA, KAPPA, RHO]] = 0.0
    world = replace(SMALL, arrays=SMALL.arrays._replace(params=still))
    env = gym.make(SLATES, world=world, slate_size=2, horizon=12)
    shown, other = drawn(seed), drawn(seed + 100)[0]
    pair = recgym.counterfactual(env, seed, shown, [other, *shown[1:]])
    both = min(len(pair.a.slates), len(pair.b.slates))
    np.testing.assert_array_equal(pair.a.events[1:both], pair.b.events[1:both])


def test_the_single_environment_is_a_row_of_the_vector():
    many = gym.make_vec(SLATES, 6, world=SMALL, slate_size=2, horizon=12)
    a, b = drawn(1), drawn(2)
    for side, slates in (("a", a), ("b", b)):
        infos, over = many.reset(seed=30)[1], np.zeros(6, bool)
        totals, counts = np.zeros(6), np.zeros((6, 2))
        for slate in slates:
            _, reward, terminated, truncated, infos = many.step(np.tile(slate, (6, 1)))
            totals += np.where(over, 0, reward)
            counts += np.where(over, 0, [infos["click"], infos["like"]]).T
            over |= terminated | truncated
        for row in range(6):
            session = getattr(recgym.counterfactual(rich(), 30 + row, a, b), side)
            assert session.total == totals[row]
            np.testing.assert_array_equal(session.events.sum((0, 1))[[0, 2]], counts[row])


def test_records_are_both_sessions_side_by_side():
    pair = recgym.counterfactual(rich(), 3, drawn(1, 3), drawn(2, 5), options={"user": 2})
    rows = pair.records()
    assert (pair.user, pair.a.ending) in {(2, ENDED), (2, LEFT)}
    assert len(rows) == 2 * max(len(pair.a.slates), len(pair.b.slates))
    assert (rows[1]["step"], rows[1]["position"], rows[1]["item_a"]) == (0, 1, drawn(1)[0][1])
    clicks = sum(bool(row["click_b"]) for row in rows)
    assert clicks == pair.b.events[..., 0].sum()
    table = pair.to_pandas()
    assert table.item_a.isna().sum() == 2 * max(len(pair.b.slates) - len(pair.a.slates), 0)
    assert table.click_a.sum() == pair.a.events[..., 0].sum()
    text = str(pair).splitlines()
    assert text[0].startswith("user 2, context ")
    assert len(text) == 1 + 1 + len(rows) + 2
    assert text[-1] == f"b: return {pair.b.total:.2f}, {len(pair.b.slates)} steps, {pair.b.ending}"
    assert max(map(len, text)) <= 110


def test_policies_and_agents_play_the_same_user():
    env = gym.make("recgym/Content-v1", world=SMALL)
    agent = make_agent("ucb1", env, seed=0)
    pair = recgym.counterfactual(env, 3, lambda observation: 4, agent)
    assert (pair.a.slates == 4).all()
    reader = make_agent("random", env, seed=0)
    tabular = make_agent("q-learning", env, seed=0)
    assert tabular.env is not env
    assert recgym.counterfactual("recgym/Content-v1", 3, [4, 4], [4]).a.slates.shape == (2, 1)
    assert recgym.counterfactual(env, 3, reader, tabular).user == pair.user
    with pytest.raises(ValueError, match="different tasks"):
        recgym.counterfactual("recgym/Content-v1", 3, tabular, [1])


def test_the_slates_are_those_shown_where_a_wrapper_changes_the_action():
    env = gym.make("recgym/Content-v1", world=SMALL)
    assert env.unwrapped.last_slate.tolist() == []
    moved = gym.wrappers.TransformAction(env, lambda item: item + 1, gym.spaces.Discrete(11))
    pair = recgym.counterfactual(moved, 5, [0, 1], [3, 4])
    plain = recgym.counterfactual(env, 5, [1, 2], [4, 5])
    assert str(pair) == str(plain)
    assert pair.a.slates.tolist() == [[1], [2]]
    env.reset()
    assert env.unwrapped.last_slate.tolist() == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"env": gym.make("CartPole-v1")}, "env is .*expected a single environment of recgym"),
        ({"seed": -1}, "seed"),
        ({"a": 3}, "a is 3, expected a list of slates"),
        ({"a": iter([[0, 1]])}, "a is <list_iterator.*expected a list of slates"),
        ({"b": {0: [0, 1]}}, "b is {0: .*expected a list of slates"),
        ({"b": {5, 1}}, "b is {.*expected a list of slates"),
        ({"b": np.array(3)}, "b is array.*expected a list of slates"),
        ({"b": [[0, 12]]}, "out of range"),
        ({"b": [[[0, 1]]]}, r"action has shape \(1, 2\), expected a slate of 2 items"),
        ({"options": {"person": 1}}, "reset option 'person' is unknown"),
    ],
)
def test_what_cannot_be_meant_is_an_error(change, message):
    arguments = {"env": rich(), "seed": 3, "a": drawn(1), "b": drawn(2)} | change
    with pytest.raises(ValueError, match=message):
        recgym.counterfactual(**arguments)


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ({"users": [3]}, {"users": [5]}, r"users must be equal; users: \[3\] and \[5\]"),
        ({"users": [3]}, {}, r"users must be equal; users: \[3\] and None"),
        ({"reward": "clicks"}, {"reward": {"click": 100}}, "reward must be equal; reward: .*1.* and .*100"),
        ({"horizon": 9}, {"horizon": 12}, "horizon must be equal; horizon: 9 and 12"),
        ({"max_episode_steps": 9}, {}, "horizon must be equal; horizon: 9 and 50"),
        ({"slate_size": 2}, {}, "slate_size must be equal; slate_size: 2 and 1"),
        ({"n_items": 8}, {}, "world must be equal"),
        ({"n_items": 8, "users": [1]}, {}, "world, users must be equal"),
    ],
)
def test_agents_of_different_tasks_are_refused(one, other, message):
    agents = [
        make_agent("random", gym.make("recgym/Content-v1", world=SMALL, **kwargs), seed=0)
        for kwargs in (one, other)
    ]
    with pytest.raises(ValueError, match=message):
        recgym.counterfactual("recgym/Content-v1", 1, *agents)
    with pytest.raises(ValueError, match=message):
        recgym.counterfactual(agents[1].env, 1, agents[0], [1, 2])


def test_what_does_not_matter_may_differ():
    equal = (
        {"users": [5, 3], "reward": "clicks"},
        {"users": (3, 5), "reward": {"click": 1}, "observation": "history"},
    )
    agents = [
        make_agent("random", gym.make("recgym/Content-v1", world=SMALL, **kwargs), seed=0) for kwargs in equal
    ]
    pair = recgym.counterfactual("recgym/Content-v1", 1, *agents)
    assert pair.user in (3, 5)


def test_a_wrapper_of_the_reward_on_one_side_is_refused():
    env = gym.make("recgym/Content-v1", world=SMALL)
    agent = make_agent("random", env, seed=0)
    scaled = gym.wrappers.TransformReward(env, lambda reward: 2 * reward)
    with pytest.raises(ValueError, match="wrappers of the reward must be equal"):
        recgym.counterfactual(scaled, 1, agent, [1])
    agent.env = gym.wrappers.TransformReward(env, lambda reward: 100 * reward)
    with pytest.raises(ValueError, match="wrappers of the reward must be equal"):
        recgym.counterfactual(scaled, 1, agent, [1])
    both = recgym.counterfactual(scaled, 1, [1], [1])
    assert both.a.rewards.tolist() == (2 * recgym.counterfactual(env, 1, [1], [1]).a.rewards).tolist()
    with pytest.raises(ValueError, match="NormalizeReward, whose rewards depend on what was played before"):
        recgym.counterfactual(gym.wrappers.NormalizeReward(env), 1, [1], [1])


def test_an_agent_of_another_world_than_the_environment_is_refused():
    env = gym.make("recgym/Content-v1", world=SMALL)
    turned = SMALL.permuted(np.arange(SMALL.num_items)[::-1])
    agent = make_agent("random", Problem.of(gym.make("recgym/Content-v1", world=turned)))
    for policy in (agent, agent.act):
        with pytest.raises(ValueError, match="random was made for another world than the environment has"):
            recgym.counterfactual(env, 1, policy, [1])
