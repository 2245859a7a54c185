"""The state that deep-cf learns from a log, as an observation."""

import gymnasium
import numpy as np
import pytest
import torch
from sb3_envs import WORLDS, native, with_history

from agents import Problem, agent_class, make_agent
from agents.deep.states import to_states
from agents.sb3 import as_vec_env
from agents.sb3.learned_state import DeepCfState, with_state
from agents.torch_utils import weights_of
from recgym.logs.sample import sample_log


def test_the_learnt_state_follows_the_features_and_is_deep_cf():
    env = with_history()
    state = DeepCfState(Problem.of(env), width=4, hidden=8)
    before = weights_of(state.towers)
    state.fit(sample_log(WORLDS["ecommerce"], "logged", 60, 1), 0)
    assert any((before[name] != value).any() for name, value in weights_of(state.towers).items())
    wrapped, plain = with_state(with_history(), state), with_history()
    seen, _ = wrapped.reset(seed=2)
    observation, _ = plain.reset(seed=2)
    rng = np.random.default_rng(0)
    for _ in range(5):
        assert wrapped.observation_space.contains(seen)
        np.testing.assert_array_equal(seen[:, :-8], observation["features"])
        states = to_states(observation, torch.device("cpu"))
        with torch.no_grad():
            f = state.towers.state_heads(states).reward.state
            users = state.towers.users(states.user)
        np.testing.assert_allclose(seen[:, -8:], np.tanh(np.concatenate([users, f], axis=1)), atol=1e-6)
        action = rng.integers(12, size=6)
        seen, observation = wrapped.step(action)[0], plain.step(action)[0]
    with pytest.raises(ValueError, match=r"needs the observation 'features\+history', not Box"):
        with_state(native(), state)


def test_a_row_of_the_learnt_state_is_the_single_environment():
    state = DeepCfState(Problem.of(with_history()), width=4, hidden=8, seed=3)
    vector = with_state(with_history(3), state)
    single = with_state(
        gymnasium.make(
            "recgym/Ecommerce-v1", world=WORLDS["ecommerce"], observation="features+history", horizon=4
        ),
        state,
    )
    first, _ = vector.reset(seed=5)
    second, _ = single.reset(seed=7)
    np.testing.assert_allclose(second, first[2], atol=1e-6)
    np.testing.assert_allclose(single.step(3)[0], vector.step(np.full(3, 3))[0][2], atol=1e-6)
    adapters = []
    for mode in ("SameStep", "Disabled"):
        adapter = as_vec_env(with_state(with_history(autoreset_mode=mode), state))
        adapter.seed(1)
        adapter.reset()
        steps = [adapter.step(np.full(6, 2)) for _ in range(4)]
        adapters.append(
            [step[0] for step in steps] + [i["terminal_observation"] for i in steps[3][3] if "episode" in i]
        )
    for one, other in zip(*adapters, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert len(adapters[0]) > 4


@pytest.mark.parametrize("name", ["sb3-dqn", "sb3-ppo"])
def test_an_agent_with_a_learnt_state(name, tmp_path):
    kind, params = agent_class(name), {"state": "deep-cf", "width": 16}
    assert kind.requirements(params) == ("features+history", True)
    env = with_history()
    agent = make_agent(name, Problem.of(env), 0, **params)
    figures = agent.prepare(sample_log(WORLDS["ecommerce"], "logged", 60, 1), 0)
    assert figures["offline_rows"] > 0
    agent.train(env, 200, 0)
    agent.save(tmp_path)
    again = kind.load(tmp_path, Problem.of(env))
    observation, _ = env.reset(seed=0)
    np.testing.assert_array_equal(agent.act(observation), again.act(observation))
    with pytest.raises(ValueError, match="needs the observation 'features', not Dict"):
        make_agent(name, Problem.of(native(observation="history")))
    with pytest.raises(ValueError, match="state is 'deep', allowed: 'none', 'deep-cf'"):
        make_agent(name, Problem.of(env), state="deep")
