"""The zoo of agents: one table of names; classes are loaded when asked, so this import brings in no torch."""

from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from agents.interface import Agent, Transition
from agents.params import parse_params
from agents.problem import Problem
from agents.saved import read_about

if TYPE_CHECKING:
    from agents.judging import judge

try:
    from recgym.clash import refuse_clash
except ImportError as error:  # the top-level package 'recgym' is another project's
    raise ImportError(f"agents needs the package recgym beside it, and found another one: {error}") from error
refuse_clash()

__all__ = [
    "AGENTS",
    "Agent",
    "AgentRow",
    "Problem",
    "Transition",
    "agent_class",
    "judge",
    "load_agent",
    "make_agent",
]


class AgentRow(NamedTuple):
    """One agent of the zoo."""

    name: str
    entry: str  # "module:Class"
    family: str
    about: str


AGENTS = (
    AgentRow("random", "agents.references.random_agent:Random", "references", "shows items at random"),
    AgentRow(
        "popularity",
        "agents.references.popularity:Popularity",
        "references",
        "shows what paid best in the log",
    ),
    AgentRow(
        "logged", "agents.references.logged:Logged", "references", "privileged: who chose what the log shows"
    ),
    AgentRow(
        "oracle", "agents.references.oracle:Oracle", "references", "privileged: the best expected reward now"
    ),
    AgentRow(
        "oracle-plan", "agents.references.oracle_plan:OraclePlan", "references", "privileged: looks ahead"
    ),
    AgentRow(
        "user-knn",
        "agents.neighbours.user_knn:UserKnn",
        "collaborative filtering",
        "people who answered alike",
    ),
    AgentRow(
        "item-knn", "agents.neighbours.item_knn:ItemKnn", "collaborative filtering", "items answered alike"
    ),
    AgentRow(
        "content-based",
        "agents.neighbours.content_based:ContentBased",
        "collaborative filtering",
        "like features",
    ),
    AgentRow(
        "hybrid",
        "agents.neighbours.hybrid:Hybrid",
        "collaborative filtering",
        "the three before it, weighted",
    ),
    AgentRow(
        "deep-cf", "agents.deep.deep_cf:DeepCf", "collaborative filtering", "two towers fitted to a log"
    ),
    AgentRow(
        "epsilon-greedy",
        "agents.bandits.epsilon_greedy:EpsilonGreedy",
        "bandits",
        "the best mean, sometimes any",
    ),
    AgentRow(
        "ucb1", "agents.bandits.ucb1:Ucb1", "bandits", "optimism: mean plus a bonus for the little tried"
    ),
    AgentRow("thompson", "agents.bandits.thompson:Thompson", "bandits", "draws from Beta posteriors"),
    AgentRow(
        "linucb", "agents.bandits.linucb:LinUcb", "bandits", "upper confidence bound of a linear reward"
    ),
    AgentRow("lints", "agents.bandits.lints:LinTs", "bandits", "posterior draws of a linear reward"),
    AgentRow(
        "neural-linear",
        "agents.bandits.neural_linear:NeuralLinear",
        "bandits",
        "posterior draws on a network's features",
    ),
    AgentRow("q-learning", "agents.tabular.q_learning:QLearning", "tabular", "a table of state and item"),
    AgentRow("sarsa", "agents.tabular.sarsa:Sarsa", "tabular", "a table, on what the policy does next"),
    AgentRow(
        "expected-sarsa",
        "agents.tabular.expected_sarsa:ExpectedSarsa",
        "tabular",
        "a table, on what it expects",
    ),
    AgentRow("sb3-dqn", "agents.sb3.dqn:Sb3Dqn", "deep RL", "DQN of Stable-Baselines3"),
    AgentRow("sb3-qrdqn", "agents.sb3.qrdqn:Sb3QrDqn", "deep RL", "QR-DQN of sb3-contrib"),
    AgentRow("sb3-ppo", "agents.sb3.ppo:Sb3Ppo", "deep RL", "PPO of Stable-Baselines3"),
    AgentRow("sb3-maskable-ppo", "agents.sb3.maskable_ppo:Sb3MaskablePpo", "deep RL", "PPO that heeds masks"),
    AgentRow("dcf-dqn", "agents.deep.dcf_dqn:DcfDqn", "deep RL", "deep CF on a log, then double DQN"),
    AgentRow("slateq", "agents.deep.slateq:SlateQ", "slates", "values items once chosen, and the choice"),
)


def row_of(name: str) -> AgentRow:
    """The table's row; ValueError that lists the names there are."""
    for row in AGENTS:
        if row.name == name:
            return row
    raise ValueError(f"agent {name!r} is unknown; there are {', '.join(row.name for row in AGENTS)}")


def agent_class(name: str) -> type[Any]:
    """The agent's class; ValueError that lists the names there are."""
    module, _, attribute = row_of(name).entry.partition(":")
    loaded: type[Any] = getattr(import_module(module), attribute)
    return loaded


def make_agent(name: str, task: Any, seed: int = 0, device: str = "cpu", **params: Any) -> Agent:
    """A fresh agent; ValueError names an unknown agent or parameter and what is allowed.

    Args:
        name: of the table.
        task: an environment of ours, single or vector, or its `Problem`. Of an environment, `agent.env` is the task
            with the observation that the agent reads: `task` itself where it shows that, else one made alike.
        seed: of what it draws.
        device: "auto", "cpu", or a GPU for agents with networks.
        **params: of the agent.
    """
    kind = agent_class(name)
    if isinstance(task, Problem):
        agent: Agent = kind(task, seed=seed, device=device, **params)
        return agent
    return _in_its_env(kind, task, params, lambda problem: kind(problem, seed=seed, device=device, **params))


def load_agent(folder: str | Path, task: Any, device: str = "cpu", *, transfer: bool = False) -> Agent:
    """The agent that was saved in a folder; `task` as for `make_agent`. ValueError where it does not fit.

    With `transfer`, an agent of another task of the same size is taken over all the same.
    """
    about = read_about(Path(folder))
    kind = agent_class(about["name"])
    if isinstance(task, Problem):
        agent: Agent = kind.load(Path(folder), task, device, transfer=transfer)
        return agent
    return _in_its_env(
        kind,
        task,
        about["params"],
        lambda problem: kind.load(Path(folder), problem, device, transfer=transfer),
    )


def _in_its_env(kind: type[Any], task: Any, params: Any, make: Callable[[Problem], Any]) -> Agent:
    """An agent attached to an environment of the task that shows what it reads."""
    from agents.environments import face_of, observing
    from agents.guards import wanted

    shown, settings = face_of(task).arguments, asdict(parse_params(kind.name, kind.config, params))
    best = kind.requirements(settings, shown.slate_size)[
        0
    ]  # others that it accepts may leave its offline stage out
    asked = wanted(kind, settings, shown.slate_size, shown.observation)
    env = observing(task, best if asked == "features" and best == "history" else asked)
    agent: Agent = make(Problem.of(env))
    agent.env = env
    agent.bind(env)
    return agent


def __getattr__(name: str) -> Any:
    """`judge` plays whole sessions: it is loaded when asked for."""
    if name != "judge":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from agents.judging import judge

    return judge
