"""Errors of every agent in one line: acting unlearnt, other observations, devices, logs and parameters."""

import json
import re
import warnings
from dataclasses import fields
from typing import get_type_hints

import gymnasium as gym
import numpy as np
import pytest
import torch
from refusals import refused
from zoo import LIGHT, PRIVILEGED

from agents import AGENTS, Problem, Transition, agent_class, judge, load_agent, make_agent
from agents.base import BaseAgent
from recgym.bench.rollout import make_vector
from recgym.device import DEVICES, resolve
from recgym.fit import fit
from recgym.logs.sample import sample_log
from recgym.sim.synthetic import synthetic

ENV, SLATE = "recgym/Ecommerce-v0", "recgym/EcommerceSlate-v0"
WORLD = synthetic(3, num_items=30, num_users=40)
NAMES = [row.name for row in AGENTS]
SETTINGS = {name: LIGHT.get(name, {}) for name in NAMES}
LEARNT = {"sb3-dqn", "sb3-qrdqn", "sb3-ppo", "sb3-maskable-ppo"}  # from a log with state="deep-cf"
CASES = [(name, SETTINGS[name]) for name in NAMES] + [
    (name, {"state": "deep-cf", "width": 8}) for name in sorted(LEARNT)
]
FROM_LOG = [(name, params) for name, params in CASES if agent_class(name).requirements(params)[1]]
OBSERVATIONS = ("features", "history", "tabular", "features+history")


def env_for(name, params, num=4, task=ENV, **kwargs):
    kind = agent_class(name)
    observation = kind.requirements(params, 6 if task == SLATE else 1)[0]
    return make_vector(task, num, **{"world": WORLD, "observation": observation, **kwargs})


def made(name, params, **kwargs):
    env = env_for(name, params, **kwargs)
    return make_agent(name, Problem.of(env), 0, **params), env


def one_line(error):
    return "\n" not in str(error.value)


# nothing learnt


@pytest.mark.parametrize(("name", "params"), FROM_LOG)
def test_an_agent_that_saw_no_log_does_not_act(name, params, tmp_path):
    agent, env = made(name, params)
    observation, _ = env.reset(seed=1)
    with pytest.raises(
        ValueError, match=rf"agent {name} has learnt nothing: call prepare\(log, seed\)"
    ) as error:
        agent.act(observation)
    assert one_line(error)
    learns_online = type(agent).learn is not BaseAgent.learn
    if learns_online:
        agent.act(observation, explore=True)  # how training without a log begins
    else:
        for refusing in (lambda: agent.act(observation, explore=True), lambda: agent.train(env, 50, 0)):
            with pytest.raises(ValueError, match="has learnt nothing"):
                refusing()
    agent.save(tmp_path / "early")
    early = load_agent(tmp_path / "early", Problem.of(env))
    with pytest.raises(ValueError, match="has learnt nothing"):
        early.act(observation)
    agent.prepare(sample_log(env, sessions=60, seed=1), 0)
    action = agent.act(observation)
    agent.save(tmp_path / "late")
    np.testing.assert_array_equal(load_agent(tmp_path / "late", Problem.of(env)).act(observation), action)


@pytest.mark.parametrize("name", ["linucb", "lints", "neural-linear", "dcf-dqn", "slateq"])
def test_an_agent_that_also_learns_online_may_start_without_a_log(name):
    agent, env = made(name, SETTINGS[name])
    agent.train(env, 60, 0)
    observation, _ = env.reset(seed=1)
    assert agent.act(observation).shape == (4,)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("linucb", {"log_weight": 0}),
        ("lints", {"log_weight": 0.0}),
        ("neural-linear", {"epochs": 0}),
        ("dcf-dqn", {"epochs": 0}),
    ],
)
def test_without_an_offline_stage_no_log_is_needed(name, params):
    assert agent_class(name).requirements(params)[1] is False
    agent, env = made(name, {**SETTINGS[name], **params})
    observation, _ = env.reset(seed=1)
    agent.act(observation)
    assert agent.prepare(None, 0) == {}


# the observation


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


# judging and loading


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


# devices


@pytest.mark.parametrize("name", NAMES)
def test_a_device_is_used_or_refused(name):
    params = SETTINGS[name]
    assert make_agent(name, Problem.of(env_for(name, params)), device="auto", **params).device == resolve(
        "auto", agent_class(name).devices
    )
    make_agent(name, Problem.of(env_for(name, params)), device="cpu", **params)
    absent = [each for each in ("cuda", "cuda:99", "mps") if not there(each)]
    assert "cuda:99" in absent
    for device in (*absent, "tpu", "", None, "cuda:x", "cpu:1"):
        with pytest.raises(ValueError, match=r"device (is )?('|None)") as error:
            make_agent(name, Problem.of(env_for(name, params)), device=device, **params)
        assert one_line(error)
    if agent_class(name).devices == ("cpu",):
        with pytest.raises(ValueError, match=f"device is 'cuda', agent {name} can use only 'auto', 'cpu'"):
            make_agent(name, Problem.of(env_for(name, params)), device="cuda", **params)


def there(device):
    kind, _, number = device.partition(":")
    return (
        torch.cuda.device_count() > int(number or 0) if kind == "cuda" else torch.backends.mps.is_available()
    )


def test_one_rule_for_devices():
    assert DEVICES == ("auto", "cpu", "cuda", "mps")
    assert resolve("auto", ("cpu",)) == resolve("cpu") == resolve(torch.device("cpu")) == "cpu"
    with pytest.raises(ValueError, match="device is 'mps', fitting can use only 'auto', 'cpu', 'cuda'"):
        fit(None, name="x", device="mps", progress=False)
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="device 'cuda' is not available here; use 'auto' or 'cpu'"):
            resolve("cuda")


def test_the_command_line_refuses_devices_before_it_begins(run, tmp_path):
    log = tmp_path / "none.csv"
    refused(
        run("fit", log, "--out", tmp_path / "w", "--device", "mps"),
        "fitting can use only 'auto', 'cpu', 'cuda'",
    )
    refused(run("fit", log, "--out", tmp_path / "w", "--device", "tpu"), "device is 'tpu', allowed: 'auto'")
    train = ("train", "ucb1", ENV, "--out", tmp_path / "a", "--device")
    if not torch.cuda.is_available():
        refused(run(*train, "cuda"), "'cuda' is not available here")
        refused(run("fit", log, "--out", tmp_path / "w", "--device", "cuda"), "'cuda' is not available here")
    assert not any(tmp_path.iterdir())


def test_a_gpu_is_refused_by_agents_that_run_on_the_cpu(monkeypatch):
    monkeypatch.setattr("recgym.device._count", lambda kind: 1)
    with pytest.raises(ValueError, match="device is 'cuda', agent ucb1 can use only 'auto', 'cpu'"):
        make_agent("ucb1", Problem.of(env_for("ucb1", {})), device="cuda")
    assert make_agent("ucb1", Problem.of(env_for("ucb1", {})), device="auto").device == "cpu"
    assert resolve("auto") == "cuda"
    assert resolve("auto", ("cpu", "mps")) == "mps"


# parameters

WRONG = {
    bool: (1, "yes", None, 0.0),
    int: (1.5, "8", True, None, [8], 2.0),
    float: ("a", True, None, [0.1], float("inf"), float("nan")),
    str: (1, None, True),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_parameter_of_another_type_is_refused(name):
    kind = agent_class(name)
    problem = Problem.of(env_for(name, {}))
    types = get_type_hints(kind.config)
    for field in fields(kind.config):
        for value in WRONG[types[field.name]]:
            with pytest.raises(
                ValueError, match=rf"agent {name}: {field.name} is .*, expected (a|True)"
            ) as error:
                kind(problem, **{field.name: value})
            assert one_line(error)
        kind(problem, **{field.name: np.array([field.default])[0]})  # numpy's numbers are numbers


def test_a_wrong_type_on_the_command_line_is_one_line(run, tmp_path):
    for params, words in (
        ({"width": 1.5}, "agent dcf-dqn: width is 1.5, expected a whole number"),
        ({"width": "8"}, "agent dcf-dqn: width is '8', expected a whole number"),
        ({"compile": 1}, "agent dcf-dqn: compile is 1, expected True or False"),
        ({"encoder": 3}, "agent dcf-dqn: encoder is 3, expected a text"),
        ({"discount": None}, "agent dcf-dqn: discount is None, expected a finite number"),
    ):
        refused(run("train", "dcf-dqn", ENV, "--out", tmp_path / "a", "--params", json.dumps(params)), words)
    assert not any(tmp_path.iterdir())


# a log


@pytest.mark.parametrize(("name", "params"), FROM_LOG)
def test_a_log_that_was_not_mapped_is_refused(name, params):
    from dataclasses import replace

    agent, env = made(name, params)
    log = sample_log(env, sessions=30, seed=1)
    for strange, match in (
        (replace(log, indexed_by=None), "the log is on its own indices, not on the task's"),
        (replace(log, indexed_by="0" * 64), "the log is on another world's indices, not on the task's"),
        (replace(log, rows=log.rows.slice(0, 0)), "the log has no rows"),
    ):
        with pytest.raises(ValueError, match=match) as error:
            agent.prepare(strange, 0)
        assert one_line(error)
        assert not agent.is_learnt


def test_calls_of_learn_count_as_learning():
    agent, env = made("linucb", {})
    observation, _ = env.reset(seed=0)
    action = agent.act(observation, explore=True)
    after, reward, left, cut, _ = env.step(action)
    agent.learn(Transition(observation, action, reward, after, left, cut))
    agent.act(after)


# what the observations, masks and transitions hold


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
