"""Evaluation over whole sessions."""

import gymnasium as gym
import numpy as np
import pytest
from sb3_contrib import MaskablePPO
from stable_baselines3 import DQN
from zoo import LIGHT, make_env
from zoo_cases import ENV, WORLD

from agents import AGENTS, Problem, judge, load_agent, make_agent
from recgym.rollout.play import make_vector


def test_judging_plays_the_same_users_and_leaves_the_environment_alone(tmp_path):
    env = make_vector(ENV, 3, world=WORLD)
    agent = make_agent("oracle", env)
    observation, _ = agent.env.reset(seed=1)
    before = agent.act(observation)
    first = judge(agent, env, sessions=40, seed=5)
    assert first["return"]["n"] == 40
    assert first["return"]["se"] > 0
    assert judge(make_agent("oracle", env), gym.make(ENV, world=WORLD), sessions=40, seed=5) == first
    assert (
        judge(make_agent("random", env), env, sessions=40, seed=5)["return"]["mean"] < first["return"]["mean"]
    )
    np.testing.assert_array_equal(agent.act(observation), before)
    with pytest.raises(ValueError, match="sessions is 1, expected a whole number of at least 2"):
        judge(agent, env, sessions=1)
    ucb = make_agent("ucb1", env)
    with pytest.raises(ValueError, match="was made for the observation 'history', it got an array"):
        judge(ucb, env, sessions=5)
    ucb.save(tmp_path / "ucb1")
    assert load_agent(tmp_path / "ucb1", env).env.unwrapped.arguments.observation == "history"
    with pytest.raises(ValueError, match="holds no saved agent"):
        load_agent(tmp_path, env)


def test_an_agent_of_a_users_own_is_loaded_by_its_class(tmp_path, monkeypatch):
    env = gym.make(ENV, world=WORLD, observation="history")
    agent = make_agent("ucb1", env)
    agent.save(tmp_path / "own")
    monkeypatch.setattr("agents.AGENTS", tuple(row for row in AGENTS if row.name != "ucb1"))
    with pytest.raises(
        ValueError, match=r"unknown.*an agent of your own: load\(folder, Problem.of\(env\)\) of its class"
    ):
        load_agent(tmp_path / "own", env)
    assert type(agent).load(tmp_path / "own", Problem.of(env)).name == "ucb1"


@pytest.mark.parametrize(("kind", "slots"), [(DQN, 1), (MaskablePPO, 1), (MaskablePPO, 3)])
def test_a_model_is_judged_as_it_plays_alone(kind, slots):
    """Of Stable-Baselines3 and of sb3-contrib, with masks: session i of seed + i in the single environment."""
    is_masked = kind is MaskablePPO
    env = gym.make(ENV, world=WORLD, slate_size=slots, action_mask=is_masked, observation="features")
    model = kind("MlpPolicy", env, seed=0, device="cpu")
    total = []
    for i in range(6):
        observation, info = env.reset(seed=3 + i)
        total.append(0.0)
        over = False
        while not over:
            masks = {"action_masks": info["action_mask"]} if is_masked else {}
            action = model.predict(observation, deterministic=True, **masks)[0]
            observation, reward, terminated, truncated, info = env.step(action)
            total[-1] += reward
            over = terminated or truncated
    figures = judge(model, env, sessions=6, seed=3)
    assert figures["return"]["mean"] == pytest.approx(np.mean(total))
    with pytest.raises(ValueError, match="the model reads Box"):
        judge(model, gym.make(ENV, world=WORLD, observation="history"), sessions=6)


def test_judging_in_another_world_or_by_another_reward_is_refused():
    agent = make_agent("random", gym.make(ENV, world=WORLD))
    other = WORLD.permuted(np.arange(WORLD.num_items)[::-1])
    for kwargs, what in (({"world": other}, "world"), ({"world": WORLD, "reward": {"click": 9.0}}, "reward")):
        env = gym.make(ENV, **kwargs)
        with pytest.raises(
            ValueError, match=f"was made for another {what} than the environment has: judge it"
        ):
            judge(agent, env, sessions=4)
        assert judge(agent, env, sessions=4, transfer=True)["return"]["n"] == 4
    assert judge(agent, gym.make(ENV, world=WORLD, horizon=2), sessions=4)["length"]["mean"] <= 2


@pytest.mark.parametrize("name", [row.name for row in AGENTS if row.name != "friends"])
def test_the_same_seed_gives_the_same_figures(name):
    env = make_env("recgym/ContentSlate-v1", name, 4, horizon=3)
    agent, twin = (make_agent(name, env, seed=1, **LIGHT.get(name, {})) for _ in range(2))
    agent.is_learnt = True  # first weights do
    first, before = judge(agent, env, sessions=8, seed=5), agent.rng.bit_generator.state
    assert before == twin.rng.bit_generator.state  # its training goes on as if it were not judged
    agent.rng.random(7)
    assert judge(agent, env, sessions=8, seed=5) == first
    if name == "random":
        other = judge(agent, env, sessions=8, seed=6)
        assert other != first
