"""Agents of Stable-Baselines3: slates, histories, masks, budgets, weights."""

import numpy as np
import pytest
from sb3_contrib import MaskablePPO
from sb3_envs import native, with_history
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.evaluation import evaluate_policy

from agents import Problem, agent_class, make_agent
from agents.sb3 import as_vec_env


def test_ppo_fills_slates():
    adapter = as_vec_env(native("recgym/ContentSlate-v1"))
    model = PPO("MlpPolicy", adapter, n_steps=64, batch_size=64, n_epochs=1, seed=0, device="cpu")
    model.learn(512)
    assert model.num_timesteps == 512
    returns = [each["r"] for each in model.ep_info_buffer]
    assert len(returns) > 5
    assert np.isfinite(returns).all()
    mean, _ = evaluate_policy(model, adapter, n_eval_episodes=6)
    assert np.isfinite(mean)


def test_ppo_reads_the_history():
    adapter = as_vec_env(native(observation="history"))
    model = PPO("MultiInputPolicy", adapter, n_steps=32, batch_size=64, n_epochs=1, seed=0, device="cpu")
    assert model.learn(256).num_timesteps == 256


def test_dqn_trains_and_maskable_ppo_keeps_to_its_masks():
    adapter = as_vec_env(native())
    model = DQN(
        "MlpPolicy", adapter, learning_starts=50, train_freq=4, buffer_size=1_000, seed=0, device="cpu"
    )
    assert model.learn(400).num_timesteps == 400
    assert model._n_updates > 10
    masked = MaskablePPO(
        "MlpPolicy", as_vec_env(native()), n_steps=32, batch_size=64, n_epochs=1, seed=0, device="cpu"
    )
    assert masked.learn(256).num_timesteps == 256


def test_the_agent_refuses_other_observations():
    with pytest.raises(ValueError, match="needs the observation 'features', not Discrete"):
        make_agent("sb3-dqn", Problem.of(native(observation="tabular")))
    with pytest.raises(ValueError, match="device is 'tpu', allowed: 'auto'"):
        make_agent("sb3-dqn", Problem.of(native()), device="tpu")


def test_the_agent_goes_on_from_its_weights():
    env = native(num_envs=8)
    agent = make_agent("sb3-dqn", Problem.of(env), 1, learning_starts=10_000)
    before = agent.state()
    figures = agent.train(env, 400, 2)
    assert figures["env_steps"] == 400
    for name, value in agent.state().items():  # no update yet: the weights that it had are the weights it has
        np.testing.assert_array_equal(value, before[name])


FRESH = {
    "sb3-dqn": {"learning_starts": 100},
    "sb3-qrdqn": {"learning_starts": 100, "quantiles": 4},
    "sb3-maskable-ppo": {"rollout": 200, "epochs": 1},
    "sb3-ppo": {"rollout": 200, "epochs": 1},
}


@pytest.mark.parametrize("slate_size", [1, 2])
@pytest.mark.parametrize("name", sorted(FRESH))
def test_fresh_items_are_shown_once_a_visit(name, slate_size):
    """While it trains, too, but for PPO, whose algorithm knows no masks."""
    kind, params = agent_class(name), {**FRESH[name], "fresh": True, "width": 16}
    assert kind.requirements(params, slate_size) == ("features+history", False)
    env = with_history(8, slate_size=slate_size).unwrapped
    agent = make_agent(name, Problem.of(env), 0, **params)
    seen, again, inside = [None], [0, 0], [0]
    reset, step = env.reset, env.step

    def watch_reset(**kwargs):
        seen[0], info = reset(**kwargs)
        return seen[0], info

    def watch_step(actions):
        slates = np.reshape(actions, (8, slate_size))
        again[0] += (seen[0]["shown"][:, :, None] == slates[:, None]).sum()
        again[1] += slates.size
        inside[0] += (slates[:, 0] == slates[:, -1]).sum() if slate_size > 1 else 0
        result = step(actions)
        seen[0] = result[0]
        return result

    env.reset, env.step = watch_reset, watch_step
    agent.train(env, 600, 0)
    assert again[1] >= 600
    assert (again[0] == 0) == (name != "sb3-ppo")
    if "dqn" in name:
        assert inside[0] == 0
    observation, _ = reset(seed=1)
    for explore in (False, True, False):
        slates = agent.act(observation, explore=explore).reshape(8, slate_size)
        assert not (observation["shown"][:, :, None] == slates[:, None]).any()
        observation, *_ = step(slates[:, 0] if slate_size == 1 else slates)
    with pytest.raises(ValueError, match=r"needs the observation 'features\+history', not Box"):
        make_agent(name, Problem.of(native()), **params)


def test_maskable_ppo_never_shows_masked_items():
    env = native(num_envs=8)
    env.unwrapped.action_masks = lambda: np.tile(np.arange(12) % 3 == 0, (8, 1))
    tried, step = set(), env.unwrapped.step
    env.unwrapped.step = lambda actions: (tried.update(actions.tolist()), step(actions))[1]
    for name in ("sb3-maskable-ppo", "sb3-ppo"):
        tried.clear()
        agent = make_agent(name, Problem.of(env), 0, width=16, rollout=200, epochs=1)
        agent.train(env.unwrapped, 400, 0)
        assert (tried == {0, 3, 6, 9}) == (name == "sb3-maskable-ppo")


@pytest.mark.parametrize("name", ["sb3-dqn", "sb3-qrdqn", "sb3-ppo"])
@pytest.mark.parametrize("limit", [{"arrival": (0.5, 50)}, {"rules": {"never_again": "click"}}])
def test_training_keeps_to_rules_and_arrivals(name, limit):
    """The environment refuses other items; PPO, which knows no masks, is refused before its first step."""
    env = native(num_envs=8, **limit)
    agent = make_agent(name, Problem.of(env), 0, **FRESH[name], width=16)
    if name == "sb3-ppo":
        with pytest.raises(ValueError, match=r"rules or arrivals, .* take sb3-maskable-ppo"):
            agent.train(env, 600, 0)
    else:
        assert agent.train(env, 600, 0)["env_steps"] >= 600


def test_a_budget_is_spent_and_hardly_overspent():
    light = {"sb3-ppo": {"rollout": 256, "epochs": 1}, "sb3-qrdqn": {"width": 16, "quantiles": 4}}
    for name in light:
        env = native(num_envs=8)
        agent = make_agent(name, Problem.of(env), 0, **light[name])
        assert 1_000 <= agent.train(env, 1_000, 0)["env_steps"] < 1_000 + 4 * 8
