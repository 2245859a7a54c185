"""Observations, masks and transitions that do not fit the task are refused in one line."""

import re

import numpy as np
import pytest
from zoo import PRIVILEGED
from zoo_cases import CASES, ENV, NAMES, OBSERVATIONS, SETTINGS, SLATE, WORLD, made, one_line

from agents import Problem, Transition, agent_class
from agents.base import BaseAgent
from recgym.rollout.play import make_vector


@pytest.mark.parametrize(("name", "params"), CASES)
@pytest.mark.parametrize("task", [ENV, SLATE])
def test_an_observation_that_it_cannot_read_is_refused_as_it_is_made(name, params, task):
    kind = agent_class(name)
    slots = 6 if task == SLATE else 1
    wanted = kind.requirements(params, slots)[0]
    accepted = kind.accepts(params, slots)
    for observation in OBSERVATIONS:
        problem = Problem.of(make_vector(task, 2, world=WORLD, observation=observation))
        if observation in accepted or (observation == "features+history" and "history" in accepted):
            assert kind(problem, **params).problem is problem
            continue
        with pytest.raises(
            ValueError, match=re.escape(f"agent {name} needs the observation {wanted!r}, not")
        ) as error:
            kind(problem, **params)
        assert f"(observation={observation!r})" in str(error.value)
        assert one_line(error)
    if name not in ("random", *PRIVILEGED):
        assert len(accepted) < 3


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("random", *PRIVILEGED)])
def test_a_single_observation_is_a_batch_of_one(name):
    params = SETTINGS[name]
    agent, env = made(name, params)
    agent.is_learnt = True
    observation, _ = env.reset(seed=3)
    batch = agent.act(observation)
    for row in range(4):
        one = (
            {key: value[row] for key, value in observation.items()}
            if isinstance(observation, dict)
            else observation[row]
        )
        assert agent.act(one) == batch[row]
        mask = np.zeros(30, bool)
        mask[7] = True
        assert agent.act(one, mask) == 7


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("random", *PRIVILEGED)])
def test_an_observation_of_another_kind_is_refused_as_it_acts(name):
    agent, _ = made(name, SETTINGS[name])
    agent.is_learnt = True
    strange = [np.zeros((4, 3), np.float32), {"events": np.zeros((4, 20))}, {}, np.zeros((2, 4, 3, 3))]
    if name not in ("popularity", "epsilon-greedy", "ucb1", "thompson"):  # they read what was shown alone
        strange.append({"shown": np.zeros((4, 20), np.int32)})
    for observation in strange:
        with pytest.raises(
            ValueError, match=rf"agent {name} was made for the observation '[a-z+]+', it got a"
        ) as error:
            agent.act(observation)
        assert one_line(error)


def damaged(observation):
    """Copies of a "history" of 4 sessions, each with one fault, and words of the message."""
    nan = {key: value * np.nan for key, value in observation.items()}
    yield nan, "holds nan"
    for key, value, words in (
        ("user", 10**6, "'user' holds 1000000, expected whole numbers from 0 to 39"),
        ("user", -5, "'user' holds -5"),
        ("shown", 500, "'shown' holds 500, expected whole numbers from 0 to 30"),
        ("shown", -1, "'shown' holds -1"),
        ("shown", 0.5, "'shown' holds 0.5"),
        ("events", np.inf, "'events' holds inf"),
        ("context", -2.0, "'context' holds -2"),
    ):
        yield {**observation, key: np.full_like(observation[key], value, dtype=type(value))}, words
    yield {**observation, "shown": observation["shown"][:, :5]}, "'shown' has shape"
    yield {**observation, "shown": observation["shown"][:2]}, "'shown' has shape"
    yield {**observation, "more": observation["shown"]}, "it got a dict of"
    yield {key: value for key, value in observation.items() if key != "events"}, "it got a dict of"
    yield {key: value[:0] for key, value in observation.items()}, "has no rows"
    yield {**observation, "user": np.array(["a"] * 4)}, "is of <U1, expected numbers"


@pytest.mark.parametrize("name", ["ucb1", "dcf-dqn", "slateq", "linucb", "item-knn"])
def test_a_damaged_history_is_refused_by_act_and_learn(name):
    agent, env = made(name, SETTINGS[name])
    agent.is_learnt = True
    observation, _ = env.reset(seed=1)
    good = agent.act(observation)
    for bad, words in damaged(observation):
        for call in (
            lambda bad=bad: agent.act(bad),
            lambda bad=bad: agent.learn(
                Transition(bad, good, np.zeros(4), observation, np.zeros(4, bool), np.zeros(4, bool))
            ),
            lambda bad=bad: agent.learn(
                Transition(observation, good, np.zeros(4), bad, np.zeros(4, bool), np.zeros(4, bool))
            ),
        ):
            if type(agent).learn is BaseAgent.learn and "act" not in call.__code__.co_names:
                continue
            with pytest.raises(ValueError, match=rf"agent {name}.*{re.escape(words)}") as error:
                call()
            assert one_line(error)
    np.testing.assert_array_equal(agent.act(observation), good)


@pytest.mark.parametrize(
    ("name", "value"), [("sb3-dqn", np.nan), ("sb3-ppo", 2.0), ("q-learning", -1), ("q-learning", 10**6)]
)
def test_an_array_outside_its_space_is_refused(name, value):
    agent, env = made(name, SETTINGS[name])
    observation, _ = env.reset(seed=1)
    for bad in (np.full_like(observation, value), np.full_like(observation, value)[0], observation[:0]):
        with pytest.raises(ValueError, match=f"agent {name}: the observation (holds|has no rows)") as error:
            agent.act(bad)
        assert one_line(error)


@pytest.mark.parametrize("name", ["ucb1", "thompson", "sb3-dqn", "dcf-dqn"])
def test_masks_and_transitions_that_are_not_the_tasks_are_refused(name):
    agent, env = made(name, SETTINGS[name])
    observation, _ = env.reset(seed=1)
    agent.is_learnt = True
    for mask in (np.ones((4, 29), bool), np.ones((3, 30), bool), np.ones(30, bool), np.full((4, 30), 0.5)):
        with pytest.raises(ValueError, match=f"agent {name}: the mask is") as error:
            agent.act(observation, mask)
        assert one_line(error)
    over = np.zeros(4, bool)
    for action, reward in (
        (np.full(4, 30), np.zeros(4)),
        (np.full(4, -1), np.zeros(4)),
        (np.zeros(4), np.zeros(4)),
        (np.zeros(3, np.int64), np.zeros(4)),
        (np.zeros(4, np.int64), np.full(4, np.nan)),
        (np.zeros(3, np.int64), np.zeros(3)),
    ):
        if type(agent).learn is not BaseAgent.learn:
            with pytest.raises(ValueError, match=f"agent {name}: the transition's") as error:
                agent.learn(Transition(observation, action, reward, observation, over, over))
            assert one_line(error)
