"""One conformance suite over the registry."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from zoo import CASES, LIGHT, PRIVILEGED, WORLDS, log_for, make_env, rows_of, trained

import agents
from agents import AGENTS, Problem, agent_class, make_agent
from agents.base import BaseAgent
from recgym.sim.synthetic import synthetic


def test_the_table_of_agents_is_consistent():
    names = [row.name for row in AGENTS]
    assert len(set(names)) == len(names)
    for row in AGENTS:
        kind = agent_class(row.name)
        assert issubclass(kind, BaseAgent)
        assert kind.name == row.name
        assert kind.observation in ("features", "history", "tabular")
        assert kind.offline <= (
            kind.prepare is not BaseAgent.prepare
        )  # SB3's learn from a log where asked to
        assert kind.requirements({}) == (kind.observation, kind.offline)
        assert len(row.about) <= 60


def test_unknown_names_are_refused():
    problem = Problem.of(make_env("recgym/Ecommerce-v1", "ucb1", 1))
    with pytest.raises(ValueError, match=r"agent 'no-such' is unknown; there are random, popularity"):
        make_agent("no-such", problem)
    with pytest.raises(
        ValueError,
        match=r"agent ucb1 has no parameter 'scales'; allowed: scale, fresh; did you mean 'scale'\?$",
    ):
        make_agent("ucb1", problem, scales=2.0)
    with pytest.raises(ValueError, match=r"scale is -1\.0, expected a number from 0"):
        make_agent("ucb1", problem, scale=-1.0)
    with pytest.raises(ValueError, match="no parameters"):
        make_agent("random", problem, temperature=1.0)


def test_importing_the_registry_imports_no_torch():
    code = (
        "import sys, agents; assert not {'torch', 'stable_baselines3', 'pandas'} & set(sys.modules), 'heavy'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


SECRETS = {"privileged", "world", "_engine", "sessions", "expected_reward", "snapshot"}


def secrets_in(source: str) -> list[str]:
    """Names of the simulator in a file: imports, attributes, names in strings given to getattr."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [
                alias.name for alias in node.names if alias.name.startswith(("recgym.sim", "recgym.fit"))
            ]
        elif isinstance(node, ast.ImportFrom):
            full = {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            found += [name for name in full if name.startswith(("recgym.sim", "recgym.fit"))]
        elif isinstance(node, ast.Attribute) and node.attr in SECRETS:
            found.append(node.attr)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "import_module"):
            text = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            found += [
                name for name in text if name in SECRETS or name.startswith(("recgym.sim", "recgym.fit"))
            ]
    return found


def test_only_the_references_read_the_world():
    files = sorted(Path(agents.__file__).parent.rglob("*.py"))
    assert len(files) > 10
    for file in files:
        found = secrets_in(file.read_text(encoding="utf-8"))
        if file.name in ("logged.py", "oracle.py", "oracle_plan.py"):
            assert found, f"{file.name} should be privileged"
        else:
            assert not found, f"{file.name} reads {found}"
    assert secrets_in("from recgym import sim") == ["recgym.sim"]
    assert secrets_in("x = env.unwrapped.privileged()") == ["privileged"]
    assert secrets_in("getattr(env, '_engine')") == ["_engine"]


def test_the_problem_has_the_public_facts():
    env = make_env("recgym/ContentSlate-v1", "random", 3, max_episode_steps=7)
    problem = Problem.of(env)
    assert (problem.num_items, problem.num_users, problem.slate_size, problem.horizon) == (30, 50, 6, 7)
    assert problem.env_id == "recgym/ContentSlate-v1"
    assert problem.reward_weights["follow"] == 3.0
    assert problem.reward_weights["hate"] == -2.0
    assert problem.reward_range == (6 * -2.0, 6 * 10.0)
    assert problem.num_categories == 4
    single = Problem.of(gymnasium.make("recgym/Ecommerce-v1", world=WORLDS["ecommerce"], reward="revenue"))
    assert single.reward_by_price
    assert single.reward_range == (0.0, pytest.approx(float(single.items["price_ratio"].max())))
    watch = Problem.of(gymnasium.make("recgym/Content-v1", world=WORLDS["content"], reward="watch_time"))
    assert watch.reward_range == (0.0, 5.0)


@pytest.mark.parametrize(("name", "task"), CASES)
def test_acts_in_range(name, task):
    agent, env, _ = trained(name, task, budget=200)
    problem = agent.problem
    observation, _ = env.reset(seed=1)
    slots, batch = problem.slate_size, env.num_envs
    for explore in (False, True):
        action = agent.act(observation, explore=explore)
        assert action.dtype == np.int64
        assert action.shape == ((batch,) if slots == 1 else (batch, slots))
        assert action.min() >= 0
        assert action.max() < problem.num_items
        env.step(action)


@pytest.mark.parametrize(("name", "task"), [case for case in CASES if case[0] not in ("random", *PRIVILEGED)])
def test_a_batch_is_its_rows(name, task):
    agent, env, _ = trained(name, task, budget=200)
    observation, _ = env.reset(seed=2)
    for _ in range(3):
        together = agent.act(observation)
        for i in range(env.num_envs):
            np.testing.assert_array_equal(agent.act(rows_of(observation, [i]))[0], together[i])
        observation, *_ = env.step(together)


LEARNERS = [
    case for case in CASES if agent_class(case[0]).learn is not BaseAgent.learn or case[0].startswith("sb3-")
]


@pytest.mark.parametrize(("name", "task"), LEARNERS)
def test_a_seed_fixes_the_curve(name, task):
    torch_state = torch.get_rng_state()
    curves = [trained(name, task, seed)[2] for seed in (4, 4, 5)]
    assert curves[0] == curves[1]
    assert curves[0] != curves[2]
    assert curves[0][-1][0] >= 600
    assert all({"return", "length"} <= set(figures) for _, figures in curves[0])
    if name == "dcf-dqn":
        assert torch.equal(torch.get_rng_state(), torch_state)


@pytest.mark.parametrize(("name", "task"), CASES)
def test_saved_and_loaded_it_acts_the_same(name, task, tmp_path):
    agent, env, _ = trained(name, task)
    agent.save(tmp_path / "agent")
    files = sorted(file.name for file in (tmp_path / "agent").iterdir())
    assert files == ["SHA256SUMS", "agent.json", "agent.safetensors"]
    again = agent_class(name).load(tmp_path / "agent", agent.problem)
    again.bind(env)
    observation, _ = env.reset(seed=9)
    for explore in (False, True, True):
        first, second = agent.act(observation, explore=explore), again.act(observation, explore=explore)
        np.testing.assert_array_equal(first, second)
    other = next(row.name for row in AGENTS if row.name != name)
    with pytest.raises(ValueError, match="holds the agent"):
        agent_class(other).load(tmp_path / "agent", agent.problem)
    with pytest.raises(ValueError, match="holds no saved agent"):
        agent_class(name).load(tmp_path, agent.problem)


@pytest.mark.parametrize(("name", "rank"), [("mf", 8), ("dcf-dqn", 4)])
def test_factors_saved_after_the_log_score_the_same(name, rank, tmp_path):
    """Posteriors are not saved: they are solved again from the sums, which the last pass over the log must leave."""
    task = "recgym/Ecommerce-v1"
    env = make_env(task, name)
    agent = make_agent(name, Problem.of(env), 4, **{**LIGHT.get(name, {}), "rank": rank})
    agent.prepare(log_for(task), 4)
    agent.save(tmp_path / "agent")
    again = agent_class(name).load(tmp_path / "agent", agent.problem)
    observation, _ = env.reset(seed=9)
    for _ in range(3):
        scores = agent.scores(observation)
        np.testing.assert_allclose(again.scores(observation), scores, rtol=1e-6, atol=1e-7)
        observation, *_ = env.step(scores.argmax(axis=1))


@pytest.mark.parametrize("name", ["popularity", "ucb1", "q-learning", "sb3-dqn", "dcf-dqn"])
def test_a_saved_agent_of_another_catalogue_is_refused(name, tmp_path):
    agent, _, _ = trained(name, "recgym/Ecommerce-v1", budget=50)
    agent.save(tmp_path)
    smaller = Problem.of(make_env("recgym/Ecommerce-v1", name, 2, n_items=20))
    with pytest.raises(ValueError, match=r"saved for another task: num_items \d+, here 20, world_sha256 "):
        agent_class(name).load(tmp_path, smaller)
    with pytest.raises(ValueError, match=r"shape|fit this task"):
        agent_class(name).load(tmp_path, smaller, transfer=True)


def test_a_saved_agent_of_another_task_of_the_same_size_is_refused(tmp_path):
    def problem(env_id="recgym/Ecommerce-v1", world=3, **kwargs):
        kwargs = {"world": synthetic(world), "observation": "history", **kwargs}
        return Problem.of(gymnasium.make_vec(env_id, num_envs=2, **kwargs))

    ours, kind = problem(), agent_class("ucb1")
    agent = kind(ours)
    agent.pulls[:] = 7
    agent.save(tmp_path / "agent")
    kind.load(tmp_path / "agent", problem())
    for other, what in (
        (problem(world=4), "world_sha256 .*, here .*, items_sha256"),
        (problem(reward="conversion"), "reward .*, here"),
        (problem(horizon=9), "horizon 50, here 9"),
        (problem(reward={"click": 1.0, "purchase": 2.0}), "reward {'purchase': 0.0}, here {'purchase': 2.0}"),
        (
            problem("recgym/EcommerceSlate-v1"),
            "env recgym/Ecommerce-v1, here recgym/Ecommerc.*slate_size 1, here 6",
        ),
    ):
        with pytest.raises(ValueError, match=f"saved for another task: {what}.*transfer=True takes it over"):
            kind.load(tmp_path / "agent", other)
        assert kind.load(tmp_path / "agent", other, transfer=True).pulls[0] == 7
    about = json.loads((tmp_path / "agent" / "agent.json").read_text())
    del about["task"]  # as earlier versions saved it
    (tmp_path / "agent" / "agent.json").write_text(json.dumps(about))
    (tmp_path / "agent" / "SHA256SUMS").unlink()
    with pytest.raises(ValueError, match=r"agent\.json: task is missing.*transfer=True takes it over"):
        kind.load(tmp_path / "agent", problem())
    assert kind.load(tmp_path / "agent", problem(world=4), transfer=True).pulls[0] == 7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"params": {"fresh": 1.5}}, "agent ucb1: fresh is 1.5, expected True or False"),
        ({"params": {"scale": float("nan")}}, "agent ucb1: scale is nan, expected a finite number"),
        ({"params": {"nonsense": 1}}, "has no parameter 'nonsense'"),
        ({"params": []}, r"agent\.json: params is \[\], expected dict"),
        ({"rng": {}}, "agent: state must be for a PCG64 RNG"),
        (
            {"rng": {"bit_generator": "PCG64", "state": {"state": 1 << 300, "inc": 1}}},
            "is damaged|OverflowError",
        ),
        ({"task": 3}, "task is 3, expected dict"),
        ({"task": {}}, "was saved for another task: env None, here recgym/Ecommerce-v1"),
        ({"schema": "recgym.agent/2"}, r"schema is 'recgym\.agent/2', expected 'recgym\.agent/1'"),
        ({"schema": None}, "schema is None, expected str"),
        ({"is_learnt": "no"}, "is_learnt is 'no', expected bool"),
        ({"is_learnt": 0}, "is_learnt is 0, expected bool"),
        ({"name": 3}, "name is 3, expected str"),
    ],
)
def test_a_damaged_agent_is_refused_in_one_line(change, message, tmp_path):
    agent, _, _ = trained("ucb1", "recgym/Ecommerce-v1", budget=50)
    agent.save(tmp_path / "agent")
    file = tmp_path / "agent" / "agent.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(ValueError, match="differs from its checksum"):
        agent_class("ucb1").load(tmp_path / "agent", agent.problem)
    (tmp_path / "agent" / "SHA256SUMS").unlink()
    with pytest.raises(ValueError, match=message) as found:
        agent_class("ucb1").load(tmp_path / "agent", agent.problem)
    assert "\n" not in str(found.value)


def test_the_oracle_must_be_attached_to_where_it_acts():
    env = make_env("recgym/Ecommerce-v1", "oracle", 4)
    agent = make_agent("oracle", Problem.of(env))
    observation, _ = env.reset(seed=0)
    with pytest.raises(ValueError, match="must be attached"):
        agent.act(observation)
    agent.bind(make_env("recgym/Ecommerce-v1", "oracle", 3))
    with pytest.raises(ValueError, match="attached to 3 sessions, got 4"):
        agent.act(observation)
    agent.bind(env)
    expected = env.unwrapped.privileged().expected_reward()
    np.testing.assert_array_equal(agent.act(observation), expected.argmax(axis=1))
