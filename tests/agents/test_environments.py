"""Environments that an agent is made for, trains in and refuses."""

import warnings

import gymnasium as gym
import numpy as np
import pytest
from zoo_cases import CASES, ENV, OBSERVATIONS, SETTINGS, WORLD, env_for, made, one_line

from agents import Problem, agent_class, make_agent
from recgym.logs.sample import sample_log
from recgym.rollout.play import make_vector


@pytest.mark.parametrize(("name", "params"), CASES)
def test_an_agent_made_for_an_environment_gets_the_observation_that_it_reads(name, params):
    for env in (
        gym.make(ENV, world=WORLD, n_items=12, horizon=9),
        make_vector(ENV, 3, world=WORLD, n_items=12, horizon=9),
    ):
        agent = make_agent(name, env, 0, **params)
        face, given = agent.env.unwrapped, env.unwrapped
        assert (face.arguments.n_items, face.arguments.horizon) == (12, 9)
        assert hasattr(face, "num_envs") == hasattr(given, "num_envs")
        assert (agent.env is env) == (face.arguments.observation == "features")
        if agent.learns_from_log:
            agent.prepare(sample_log(agent.env, sessions=40, seed=2), 0)
        observation, _ = agent.env.reset(seed=4)
        action = agent.act(observation)
        assert np.shape(action) == ((3,) if hasattr(given, "num_envs") else ())
        agent.env.step(action)


@pytest.mark.parametrize("name", ["ucb1", "q-learning", "linucb", "sb3-dqn", "dcf-dqn"])
def test_training_in_another_task_is_refused(name):
    agent, _ = made(name, SETTINGS[name])
    shown = agent_class(name).requirements({}, 1)[0]
    other = next(each for each in OBSERVATIONS if each != shown)
    with pytest.raises(
        ValueError, match=f"was made for the observation '{shown}', the environment shows"
    ) as error:
        agent.train(make_vector(ENV, 4, world=WORLD, observation=other), 50, 0)
    assert one_line(error)
    if shown == "history":
        with pytest.raises(ValueError, match=r"the environment shows {'shown': Box.*, not {'shown': Box"):
            agent.train(env_for(name, {}, n_items=12), 50, 0)


@pytest.mark.parametrize("name", ["ucb1", "q-learning", "sb3-dqn"])
def test_it_trains_from_a_single_environment(name):
    env = gym.make(ENV, world=WORLD)
    agent = make_agent(name, env, 0, **SETTINGS[name])
    assert agent.train(agent.env, 60, 0)["env_steps"] >= 60


@pytest.mark.parametrize("name", ["ucb1", "q-learning", "sb3-dqn"])
def test_training_for_another_world_or_reward_is_refused(name):
    agent = make_agent(name, gym.make(ENV, world=WORLD), 0)
    other = WORLD.with_params(outside=WORLD.params["outside"] + 0.5)
    for kwargs, what in (
        ({"world": other}, "world"),
        ({"world": WORLD, "reward": {"click": -1.0}}, "reward"),
    ):
        env = gym.make_vec(ENV, 2, observation=type(agent).observation, **kwargs)
        with pytest.raises(
            ValueError, match=f"was made for another {what} than the environment has"
        ) as error:
            agent.train(env, 10, 0)
        assert one_line(error)


def test_other_environments_are_refused_in_one_line():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cart = gym.make("CartPole-v1")
    several = gym.vector.SyncVectorEnv([lambda: gym.make(ENV, world=WORLD)] * 2)
    wrapped = gym.wrappers.TransformReward(gym.make(ENV, world=WORLD), lambda r: 2 * r)
    from recgym.envs.environment import RecEnv

    bare = RecEnv(domain="ecommerce", world=WORLD)
    for env, match in (
        (cart, "environments of recgym, this one is CartPoleEnv"),
        (several, "this one is SyncVectorEnv .a vector of ours: gymnasium.make_vec"),
        (wrapped, "wrapped in TransformReward: the agent needs another one"),
        (gym.make(ENV, world=WORLD, max_episode_steps=3), "cut after 3 steps"),
        (gym.wrappers.TimeLimit(gym.make(ENV, world=WORLD), 2), "cut after 2 steps"),
        (bare, "has no spec: make it by gymnasium.make"),
        (None, "this one is NoneType"),
        (ENV, "this one is str"),
    ):
        with pytest.raises(ValueError, match=match) as error:
            make_agent("ucb1", env)
        assert one_line(error)
    for env in (cart, None):
        with pytest.raises(ValueError, match="environments of recgym"):
            Problem.of(env)
