"""Sixteen faults of other simulators: those that could occur here, each with the place of its test.

1  sigmoid applied twice, wrong rates       tests/sim (frequencies), tests/fit (rates of each event on unseen days)
2  time and feedback mixed up               here (history)
3  global random state                      tests/envs (seeding), test_rng
4  next user's observation                  tests/envs (last observation)
5  time limit as termination                tests/envs (horizon)
6  unused or swallowed argument             tests/sim (each parameter, each array), tests/envs (arguments)
7  mean without its axis                    tests/sim (satiation changes in its own category only)
8  observation outside its space            here (spaces)
9  window of the wrong length               here (history shorter and longer than H)
10 the environment in info                  tests/envs (step_info: numbers, nothing hidden)
11 the true hazard of leaving               tests/agents (only privileged agents read the world)
12 missing impressions taken as no response here (a sampled log holds what was shown, and no more)
13 no diagnostics of overlap                tests/evaluate (effective sample size and reasons)
14 eval and pickle                          here
15 heavy dependencies                       here, tests/envs (what importing recgym loads)
16 coverage not reported                    tests/bench (coverage beside return)
"""

import ast
import tomllib
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from recgym.envs import ENVIRONMENTS
from recgym.logs.sample import sample_log
from recgym.observation import HISTORY_LENGTH
from recgym.sim.synthetic import synthetic

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("slots", [1, 6])
def test_history_holds_items_and_events_in_order_and_apart(slots):
    world = synthetic(5, domain="content", num_items=200).with_params(leave_bias=-60.0, patience=0.0)
    env = gym.make("recgym/Content-v1", world=world, slate_size=slots, observation="history", horizon=60)
    observation, _ = env.reset(seed=0)
    shown, responses = [], []
    for step in range(40):
        items = (np.arange(slots) + step * slots) % 200  # every item at most once among the last H
        observation, *_ = env.step(items if slots > 1 else int(items[0]))
        record = env.unwrapped.privileged().sessions
        shown += items.tolist()
        responses += record.events[0, -slots:].tolist()
        want = ([200] * HISTORY_LENGTH + shown)[-HISTORY_LENGTH:]
        np.testing.assert_array_equal(observation["shown"], want)
        bits = ([0] * HISTORY_LENGTH + responses)[-HISTORY_LENGTH:]
        unpacked = [[(b >> e) & 1 for e in range(len(world.events))] for b in bits]
        np.testing.assert_array_equal(observation["events"].reshape(HISTORY_LENGTH, -1), unpacked)
    assert sum(responses) > 0


@pytest.mark.parametrize("observation", ["features", "history", "tabular"])
@pytest.mark.parametrize("row", ENVIRONMENTS, ids=lambda row: row.id)
def test_every_observation_is_in_its_space(row, observation):
    vector = gym.make_vec(row.id, num_envs=32, observation=observation)
    seen, _ = vector.reset(seed=0)
    for _ in range(60):
        assert seen in vector.observation_space
        seen, *_ = vector.step(vector.action_space.sample())


def test_what_was_not_shown_is_not_logged():
    world = synthetic(5)
    log = sample_log(world, "logged", 200, seed=0, horizon=5)
    rows = list(zip(log.column("session"), log.column("step"), strict=True))
    assert len(rows) == len(set(rows))  # one shown item a step, so one row
    clicks, carts = log.column("click"), log.column("cart")
    assert not clicks.all()
    assert not carts[~clicks].any()


def sources():
    return sorted([*(ROOT / "recgym").rglob("*.py"), *(ROOT / "agents").rglob("*.py")])


def test_nothing_is_evaluated_or_unpickled():
    for file in sources():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
                assert not {"pickle", "cloudpickle", "dill", "joblib"}.intersection(names), file
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("eval", "exec"), file


def test_dependencies_are_few_and_not_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert len(project["dependencies"]) <= 9  # scipy since Student-t quantiles come from it
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    assert not [line for group in groups for line in group if "==" in line]
