"""One conformance suite over the registry, and what the agents share."""

import ast
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch

import agents
from agents import AGENTS, Problem, Transition, agent_class, make_agent
from agents.base import BaseAgent
from agents.loop import Statistics
from agents.slates import check_log, credit, logged_pay, pay, top_k
from recgym.logs.sample import sample_log
from recgym.sim.synthetic import synthetic

torch.set_num_threads(1)
WORLDS = {domain: synthetic(domain=domain, num_items=30) for domain in ("ecommerce", "content", "social")}
TASKS = {"recgym/Ecommerce-v0": "ecommerce", "recgym/ContentSlate-v0": "content"}
LIGHT = {  # parameters that make an agent quick, for tests
    "sb3-dqn": {"learning_starts": 100, "width": 16},
    "dcf-dqn": {"width": 8, "hidden": 16, "epochs": 1, "warmup": 100, "batch_size": 32},
    "oracle-plan": {"simulations": 4},
}
PRIVILEGED = ("oracle", "oracle-plan")
NO_SLATES = ("sb3-dqn",)
CASES = [
    (row.name, task) for row in AGENTS for task in TASKS if not ("Slate" in task and row.name in NO_SLATES)
]


def make_env(task: str, name: str, num_envs: int = 16, **kwargs):
    return gymnasium.make_vec(
        task,
        num_envs=num_envs,
        world=WORLDS[TASKS[task]],
        observation=agent_class(name).observation,
        **kwargs,
    )


def log_for(task: str):
    return sample_log(WORLDS[TASKS[task]], "logged", 60, 3, slate_size=2 if "Slate" in task else 1)


def trained(name: str, task: str, seed: int = 4, budget: int = 600):
    """An agent after both stages, the environment it acts in, and its reports."""
    env = make_env(task, name)
    agent = make_agent(name, Problem.of(env), seed, **LIGHT.get(name, {}))
    agent.attach(env)
    reports = []
    agent.prepare(log_for(task), seed)
    agent.train(env, budget, seed, lambda steps, figures: reports.append((steps, figures)))
    return agent, env, reports


def rows_of(observation, rows):
    if isinstance(observation, dict):
        return {key: value[rows] for key, value in observation.items()}
    return observation[rows]


def test_the_table_is_sound():
    names = [row.name for row in AGENTS]
    assert len(set(names)) == len(names)
    for row in AGENTS:
        kind = agent_class(row.name)
        assert issubclass(kind, BaseAgent)
        assert kind.name == row.name
        assert kind.observation in ("features", "history", "tabular")
        assert kind.offline == (kind.prepare is not BaseAgent.prepare)
        assert len(row.about) <= 60


def test_unknown_names_are_refused():
    problem = Problem.of(make_env("recgym/Ecommerce-v0", "ucb1", 1))
    with pytest.raises(ValueError, match=r"agent 'no-such' is unknown; there are random, popularity"):
        make_agent("no-such", problem)
    with pytest.raises(ValueError, match=r"agent ucb1 has no parameter 'scales'; allowed: scale$"):
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


SECRETS = {"privileged", "world", "_engine", "sessions", "expected_reward"}


def secrets_in(source: str) -> list[str]:
    """What a file names of the simulator: imports, attributes, names in strings given to getattr."""
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


def test_only_the_oracles_look_into_the_world():
    files = sorted(Path(agents.__file__).parent.rglob("*.py"))
    assert len(files) > 10
    for file in files:
        found = secrets_in(file.read_text(encoding="utf-8"))
        if file.name in ("oracle.py", "oracle_plan.py"):
            assert found, f"{file.name} should be an oracle"
        else:
            assert not found, f"{file.name} reads {found}"
    assert secrets_in("from recgym import sim") == ["recgym.sim"]
    assert secrets_in("x = env.unwrapped.privileged()") == ["privileged"]
    assert secrets_in("getattr(env, '_engine')") == ["_engine"]


def test_the_problem_tells_what_is_public():
    env = make_env("recgym/ContentSlate-v0", "random", 3, max_episode_steps=7)
    problem = Problem.of(env)
    assert (problem.num_items, problem.num_users, problem.slate_size, problem.horizon) == (30, 50, 6, 7)
    assert problem.env_id == "recgym/ContentSlate-v0"
    assert problem.env_kwargs["world"] == "synthetic-0"  # its name, never the World
    assert problem.reward_weights["follow"] == 3.0
    assert problem.reward_weights["hate"] == -2.0
    assert problem.reward_range == (6 * -2.0, 6 * 10.0)
    assert problem.num_categories == 4
    single = Problem.of(gymnasium.make("recgym/Ecommerce-v0", world=WORLDS["ecommerce"], reward="revenue"))
    assert single.reward_by_price
    assert single.reward_range == (0.0, pytest.approx(float(single.items["price_ratio"].max())))
    watch = Problem.of(gymnasium.make("recgym/Content-v0", world=WORLDS["content"], reward="watch_time"))
    assert watch.reward_range == (0.0, 5.0)


@pytest.mark.parametrize(("name", "task"), CASES)
def test_acts_in_range_without_repeats_whatever_the_mask(name, task):
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
    rng = np.random.default_rng(0)
    if name == "oracle-plan":
        with pytest.raises(ValueError, match="takes no mask"):
            agent.act(observation, np.eye(batch, problem.num_items, dtype=bool))
        return
    times = 1 if name in PRIVILEGED else 100_000 // (2 * batch * 64 * slots)
    many = observation if name in PRIVILEGED else rows_of(observation, np.tile(np.arange(batch), 64))
    for _ in range(times):
        count = batch if name in PRIVILEGED else 64 * batch
        mask = rng.random((count, problem.num_items)) < rng.uniform(0.1, 0.9)
        mask[:, :slots] = True
        for explore in (False, True):
            slates = agent.act(many, mask, explore).reshape(count, slots)
            assert np.take_along_axis(mask, slates, axis=1).all()
            ordered = np.sort(slates, axis=1)
            assert (ordered[:, 1:] != ordered[:, :-1]).all()
    with pytest.raises(ValueError, match=f"allows {slots - 1} items, a slate needs {slots}"):
        agent.act(observation, np.arange(problem.num_items)[None].repeat(batch, 0) < slots - 1)


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
    case for case in CASES if agent_class(case[0]).learn is not BaseAgent.learn or case[0] == "sb3-dqn"
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
    assert {file.suffix for file in (tmp_path / "agent").iterdir()} == {".json", ".safetensors"}
    again = agent_class(name).load(tmp_path / "agent", agent.problem)
    again.attach(env)
    observation, _ = env.reset(seed=9)
    for explore in (False, True, True):
        first, second = agent.act(observation, explore=explore), again.act(observation, explore=explore)
        np.testing.assert_array_equal(first, second)
    other = next(row.name for row in AGENTS if row.name != name)
    with pytest.raises(ValueError, match="holds the agent"):
        agent_class(other).load(tmp_path / "agent", agent.problem)
    with pytest.raises(ValueError, match="holds no saved agent"):
        agent_class(name).load(tmp_path, agent.problem)


@pytest.mark.parametrize("name", ["popularity", "ucb1", "q-learning", "sb3-dqn", "dcf-dqn"])
def test_a_saved_agent_of_another_catalogue_is_refused(name, tmp_path):
    agent, _, _ = trained(name, "recgym/Ecommerce-v0", budget=50)
    agent.save(tmp_path)
    smaller = Problem.of(make_env("recgym/Ecommerce-v0", name, 2, n_items=20))
    with pytest.raises(ValueError, match=r"shape|fit this task"):
        agent_class(name).load(tmp_path, smaller)


def test_the_oracle_must_be_attached_to_where_it_acts():
    env = make_env("recgym/Ecommerce-v0", "oracle", 4)
    agent = make_agent("oracle", Problem.of(env))
    observation, _ = env.reset(seed=0)
    with pytest.raises(ValueError, match="must be attached"):
        agent.act(observation)
    agent.attach(make_env("recgym/Ecommerce-v0", "oracle", 3))
    with pytest.raises(ValueError, match="attached to 3 sessions, got 4"):
        agent.act(observation)
    agent.attach(env)
    expected = env.unwrapped.privileged().expected_reward()
    np.testing.assert_array_equal(agent.act(observation), expected.argmax(axis=1))


def test_top_k_is_the_best_in_order():
    scores = np.array([[3.0, 9.0, 5.0, 9.0], [1.0, 2.0, 3.0, 4.0]])
    np.testing.assert_array_equal(top_k(scores, 1), [1, 3])
    np.testing.assert_array_equal(top_k(scores, 3), [[1, 3, 2], [3, 2, 1]])
    mask = np.array([[True, False, True, True], [True, True, False, False]])
    np.testing.assert_array_equal(top_k(scores, 2, mask), [[3, 2], [1, 0]])
    with pytest.raises(ValueError, match="cannot be filled"):
        top_k(scores, 5)


def test_a_slate_is_credited_item_by_item():
    env = make_env("recgym/ContentSlate-v0", "ucb1", 64)
    problem = Problem.of(env)
    observation, _ = env.reset(seed=3)
    rng = np.random.default_rng(0)
    for _ in range(3):
        action = rng.permuted(np.tile(np.arange(30), (64, 1)), axis=1)[:, :6]
        after, reward, terminated, truncated, _ = env.step(action)
        shares = credit(problem, Transition(observation, action, reward, after, terminated, truncated))
        np.testing.assert_allclose(shares.sum(axis=1), reward, atol=1e-9)
        feedback = env.unwrapped._last[1].events  # the truth, position by position
        bits = (feedback[:, :, None] >> np.arange(len(problem.event_names))) & 1
        np.testing.assert_allclose(shares, pay(problem, action, bits), atol=1e-6)
        observation = after
        if (terminated | truncated).any():
            break
    assert np.abs(shares).sum() > 0
    blind = Transition(np.zeros(64), action, reward, np.zeros(64), terminated, truncated)
    np.testing.assert_allclose(credit(problem, blind), np.tile(reward[:, None] / 6, 6))


@pytest.mark.parametrize(
    ("domain", "reward"), [("ecommerce", "revenue"), ("content", "watch_time"), ("content", "engagement")]
)
def test_a_log_is_paid_as_the_environment_pays(domain, reward):
    env_id = {"ecommerce": "recgym/Ecommerce-v0", "content": "recgym/Content-v0"}[domain]
    env = gymnasium.make_vec(env_id, num_envs=200, world=WORLDS[domain], reward=reward)
    problem, total = Problem.of(env), []
    env.reset(seed=5)

    def policy(engine):
        return np.full((engine.num, 1), 2, np.int64), np.ones((engine.num, 1))

    log = sample_log(WORLDS[domain], policy, 200, 5)
    _, paid, *_ = env.step(np.full(200, 2))
    first = log.column("step") == 0
    total = logged_pay(problem, log)[first]
    np.testing.assert_allclose(total, paid, atol=1e-3)  # a log's watch time is in whole milliseconds
    assert total.sum() > 0


def test_a_log_of_another_catalogue_is_refused():
    problem = Problem.of(make_env("recgym/Ecommerce-v0", "popularity", 1, n_items=5))
    with pytest.raises(ValueError, match="item indices reach 29, this task has 5"):
        check_log(problem, log_for("recgym/Ecommerce-v0"))


def test_the_loop_counts_slates_and_drops_restarts():
    class Spy(BaseAgent):
        name = "spy"
        observation = "history"

        def __init__(self, problem):
            super().__init__(problem)
            self.seen = []

        def act(self, observation, mask=None, explore=False):
            assert explore
            return np.zeros(len(observation["user"]), np.int64)

        def learn(self, transition):
            rows = np.arange(8) if transition.row is None else transition.row
            assert len(rows) == len(transition.reward) == len(transition.observation["user"])
            assert (transition.observation["user"] == transition.next_observation["user"]).all()
            self.seen.append((rows, transition.terminated | transition.truncated, transition.reward))
            return {}

    env = gymnasium.make_vec(
        "recgym/Ecommerce-v0", num_envs=8, world=WORLDS["ecommerce"], observation="history", horizon=5
    )
    agent = Spy(Problem.of(env))
    figures = agent.train(env, 400, 3)
    assert figures["env_steps"] == sum(len(rows) for rows, _, _ in agent.seen)
    assert 400 <= figures["env_steps"] < 408
    assert figures["episodes"] == sum(over.sum() for _, over, _ in agent.seen)
    for (rows, over, _), (following, _, _) in zip(agent.seen, agent.seen[1:], strict=False):
        assert set(range(8)) - set(rows[over]) == set(following)  # an ended row sits out one step
    same = gymnasium.make_vec(
        "recgym/Ecommerce-v0", num_envs=2, world=WORLDS["ecommerce"], autoreset_mode="SameStep"
    )
    with pytest.raises(ValueError, match="NextStep"):
        agent.train(same, 10, 0)


def test_statistics_of_episodes_are_exact():
    statistics = Statistics(2)
    live, none = np.array([True, True]), np.array([False, False])
    statistics.add(live, np.array([1.0, 2.0]), none, {"loss": 1.0})
    statistics.add(live, np.array([1.0, 4.0]), np.array([True, False]), {"loss": 3.0})
    statistics.add(np.array([False, True]), np.array([7.0, 1.0]), np.array([False, True]), {})
    assert statistics.flush() == {"loss": 2.0, "return": (2.0 + 7.0) / 2, "length": 2.5}
    assert (statistics.steps, statistics.episodes, statistics.total) == (5, 2, 9.0)
    statistics.add(
        live, np.array([5.0, 1.0]), np.array([True, False]), {}
    )  # the 7 of the restart counts nowhere
    assert statistics.flush() == {"return": 5.0, "length": 1.0}
