"""Slates position by position for agents of single items."""

import gymnasium
import numpy as np
import pytest
from env_helpers import events_of_steps
from sb3_envs import native

from agents import Problem, agent_class, make_agent
from agents.sb3 import as_vec_env
from agents.sb3.learned_state import PlainState, with_state
from agents.sb3.slate_wrappers import SlateHistory, SlatePositions
from recgym.bench.training_speed import ten_items


def places_of(env):
    memory = SlateHistory(env, Problem.of(env), fresh=False)
    return SlatePositions(as_vec_env(with_state(memory, PlainState(memory.problem))), memory)


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
def test_a_position_is_a_row_with_the_reward_of_its_item(mode):
    """Against the adapter of whole slates, and the events of the simulator at each position."""
    env = native("recgym/ContentSlate-v1", observation="features+history", horizon=4, autoreset_mode=mode)
    whole = as_vec_env(native("recgym/ContentSlate-v1", horizon=4))
    env = env.unwrapped
    happened = events_of_steps(env)
    places, weights = places_of(env), np.array(list(env.reward_weights.values()))
    places.seed(11)
    whole.seed(11)
    assert (places.num_envs, places.action_space.n) == (24, 12)
    np.testing.assert_array_equal(places.reset(), whole.reset().repeat(6, axis=0))
    rng, kinds = np.random.default_rng(0), set()
    for _ in range(20):
        slates = rng.random((4, 12)).argsort(axis=1)[:, :6]
        seen, reward, over, infos = places.step(slates.reshape(-1))
        expected, paid, done, slate_infos = whole.step(slates)
        np.testing.assert_array_equal(seen, expected.repeat(6, axis=0))
        np.testing.assert_array_equal(over, done.repeat(6))
        np.testing.assert_allclose(reward.reshape(4, 6).sum(axis=1), paid, atol=1e-6)
        bits = happened[-1][..., None] >> np.arange(len(weights)) & 1
        np.testing.assert_allclose(reward.reshape(4, 6), bits @ weights, atol=1e-6)
        kinds.update(reward.tolist())
        for i in range(24):
            mine, slate = dict(infos[i]), dict(slate_infos[i // 6])
            first, second = mine.pop("episode", None), slate.pop("episode", None)
            assert (first is None) == (second is None or i % 6 > 0)
            ending = {"TimeLimit.truncated", "terminal_observation"}
            assert mine.keys() == (slate.keys() & ending if i % 6 else slate.keys())  # a slate counts once
            assert mine["TimeLimit.truncated"] == slate["TimeLimit.truncated"]
            if "terminal_observation" in mine:
                np.testing.assert_array_equal(mine["terminal_observation"], slate["terminal_observation"])
            if first:
                assert (first["r"], first["l"]) == (pytest.approx(second["r"]), second["l"])
    assert len(kinds) > 3


@pytest.mark.parametrize("name", ["sb3-dqn", "sb3-qrdqn"])
@pytest.mark.slow
def test_agents_of_single_items_learn_slates_without_repeats(name):
    """Two of ten items pay: a slate of two holds both, whatever the order."""
    world = ten_items()
    bias = world.arrays.item_bias.copy()
    bias[4] = 1.0
    env = gymnasium.make_vec(
        "recgym/Social-v2",
        8,
        world=world.with_arrays(item_bias=bias),
        slate_size=2,
        observation=agent_class(name).requirements({}, 2)[0],
        horizon=20,
    )
    agent = make_agent(name, Problem.of(env), 3, learning_starts=200, learning_rate=1e-3, width=32)
    shown, step = [], env.unwrapped.step
    env.unwrapped.step = lambda actions: (shown.append(np.array(actions)), step(actions))[1]
    reports = []
    figures = agent.train(
        env.unwrapped, 4_000, 3, lambda steps, means: reports.append((steps, means["length"]))
    )
    assert figures["env_steps"] == 4_000
    assert len(shown) == 500
    shown = np.concatenate(shown)
    assert (shown[:, 0] != shown[:, 1]).all()
    assert len(np.unique(shown[:200])) == 10
    assert reports[-1][0] == 4_000
    assert max(length for _, length in reports) <= 20
    observation, _ = env.reset(seed=1)
    np.testing.assert_array_equal(np.sort(agent.act(observation), axis=1), [[4, 7]] * 8)
