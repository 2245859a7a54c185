"""All agents, in the table AGENTS. Their modules are imported on use, so that `import agents` imports no torch."""

from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from agents.interface import Agent, Transition
from agents.params import parse_params
from agents.problem import Problem
from agents.saved import read_about
from recgym.checks import require_name, stated_path

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
    """One agent: its name, its class, its family and a short description for the table of agents."""

    name: str
    entry: str  # "module:Class"
    family: str
    about: str


AGENTS = (
    AgentRow(
        "random", "agents.references.random_agent:Random", "references", "uniformly random allowed items"
    ),
    AgentRow(
        "popularity",
        "agents.references.popularity:Popularity",
        "references",
        "items of the largest mean reward in the log",
    ),
    AgentRow(
        "friends",
        "agents.references.friends_favourites:FriendsFavourites",
        "references",
        "items that most friends have, where friends are observed",
    ),
    AgentRow(
        "logged",
        "agents.references.logged:Logged",
        "references",
        "privileged: the logging policy of the world",
    ),
    AgentRow(
        "oracle",
        "agents.references.oracle:Oracle",
        "references",
        "privileged: largest expected reward of the next step",
    ),
    AgentRow(
        "oracle-plan",
        "agents.references.oracle_plan:OraclePlan",
        "references",
        "privileged: lookahead search in the simulator",
    ),
    AgentRow(
        "user-knn",
        "agents.neighbours.user_knn:UserKnn",
        "collaborative filtering",
        "user-based nearest neighbours",
    ),
    AgentRow(
        "item-knn",
        "agents.neighbours.item_knn:ItemKnn",
        "collaborative filtering",
        "item-based nearest neighbours",
    ),
    AgentRow(
        "content-based",
        "agents.neighbours.content_based:ContentBased",
        "collaborative filtering",
        "nearest neighbours by item features",
    ),
    AgentRow(
        "hybrid",
        "agents.neighbours.hybrid:Hybrid",
        "collaborative filtering",
        "weighted sum of the three before it",
    ),
    AgentRow(
        "markov",
        "agents.neighbours.markov_chain:MarkovChain",
        "collaborative filtering",
        "item and category after the last response, with backoff",
    ),
    AgentRow(
        "mf",
        "agents.factors.mf:Mf",
        "collaborative filtering",
        "matrix factorisation, posterior of the session, Thompson",
    ),
    AgentRow(
        "deep-cf",
        "agents.deep.deep_cf:DeepCf",
        "collaborative filtering",
        "two-tower network fitted to a log",
    ),
    AgentRow(
        "gru4rec",
        "agents.deep.gru4rec:Gru4Rec",
        "collaborative filtering",
        "recurrent network over the responses, fitted to a log",
    ),
    AgentRow(
        "sasrec",
        "agents.deep.sasrec:SasRec",
        "collaborative filtering",
        "self-attention over the responses, fitted to a log",
    ),
    AgentRow(
        "epsilon-greedy",
        "agents.bandits.epsilon_greedy:EpsilonGreedy",
        "bandits",
        "largest mean reward, random with probability epsilon",
    ),
    AgentRow("ucb1", "agents.bandits.ucb1:Ucb1", "bandits", "upper confidence bound of the mean reward"),
    AgentRow(
        "thompson", "agents.bandits.thompson:Thompson", "bandits", "Thompson sampling with Beta posteriors"
    ),
    AgentRow("linucb", "agents.bandits.linucb:LinUcb", "bandits", "upper confidence bound of a linear model"),
    AgentRow("lints", "agents.bandits.lints:LinTs", "bandits", "Thompson sampling with a linear model"),
    AgentRow(
        "logistic",
        "agents.bandits.logistic_bandit:LogisticBandit",
        "bandits",
        "online logistic regression on crosses, Thompson sampling",
    ),
    AgentRow(
        "neural-linear",
        "agents.bandits.neural_linear:NeuralLinear",
        "bandits",
        "Thompson sampling on the last layer of a network",
    ),
    AgentRow("q-learning", "agents.tabular.q_learning:QLearning", "tabular", "Q-learning with a table"),
    AgentRow("sarsa", "agents.tabular.sarsa:Sarsa", "tabular", "SARSA with a table"),
    AgentRow(
        "expected-sarsa",
        "agents.tabular.expected_sarsa:ExpectedSarsa",
        "tabular",
        "expected SARSA with a table",
    ),
    AgentRow("sb3-dqn", "agents.sb3.dqn:Sb3Dqn", "deep RL", "DQN of Stable-Baselines3"),
    AgentRow("sb3-qrdqn", "agents.sb3.qrdqn:Sb3QrDqn", "deep RL", "QR-DQN of sb3-contrib"),
    AgentRow("sb3-ppo", "agents.sb3.ppo:Sb3Ppo", "deep RL", "PPO of Stable-Baselines3"),
    AgentRow(
        "sb3-maskable-ppo",
        "agents.sb3.maskable_ppo:Sb3MaskablePpo",
        "deep RL",
        "PPO of sb3-contrib with action masks",
    ),
    AgentRow("dcf-dqn", "agents.deep.dcf_dqn:DcfDqn", "deep RL", "deep CF fitted to a log, then double DQN"),
    AgentRow(
        "slateq", "agents.deep.slateq:SlateQ", "slates", "item values after a choice, and a choice model"
    ),
    AgentRow(
        "genrec",
        "agents.generative.genrec:GenRec",
        "generative",
        "semantic IDs by a decoder, fitted to a log, then GRPO",
    ),
    AgentRow(
        "decision-transformer",
        "agents.generative.decision_transformer:DecisionTransformer",
        "generative",
        "a decoder that imitates a log, given a large return",
    ),
)


def row_of(name: str) -> AgentRow:
    """The table's row; ValueError for an unknown name, with all names."""
    rows = {row.name: row for row in AGENTS}
    require_name("agent", name, rows)
    return rows[name]


def agent_class(name: str) -> type[Any]:
    """The agent's class; ValueError for an unknown name, with all names."""
    module, _, attribute = row_of(name).entry.partition(":")
    loaded: type[Any] = getattr(import_module(module), attribute)
    return loaded


def make_agent(name: str, task: Any, seed: int = 0, device: str = "cpu", **params: Any) -> Agent:
    """A new agent; ValueError for an unknown agent or parameter, with what is allowed.

    Args:
        name: in AGENTS.
        task: a recgym environment, single or vector, or its `Problem`. For an environment, `agent.env` is the same task
            with the observation that the agent reads: `task` itself if it has that, else a new environment.
        seed: random seed of the agent.
        device: "auto", "cpu", "cuda" or "mps"; a GPU for agents with networks only.
        **params: of the agent.
    """
    kind = agent_class(name)
    if isinstance(task, Problem):
        agent: Agent = kind(task, seed=seed, device=device, **params)
        return agent
    return _in_its_env(kind, task, params, lambda problem: kind(problem, seed=seed, device=device, **params))


def load_agent(folder: str | Path, task: Any, device: str = "cpu", *, transfer: bool = False) -> Agent:
    """The agent that was saved in a folder; `task` as for `make_agent`.

    Raises:
        ValueError: the folder is damaged, the agent is of another task and `transfer` is False, or it is not in AGENTS:
            `load` of its class loads it.
    """
    folder = stated_path(folder)
    about = read_about(folder)
    try:
        kind = agent_class(about["name"])
    except ValueError as error:
        raise ValueError(
            f"{error}; an agent of your own: load(folder, Problem.of(env)) of its class"
        ) from None
    if isinstance(task, Problem):
        agent: Agent = kind.load(folder, task, device, transfer=transfer)
        return agent
    return _in_its_env(
        kind,
        task,
        about["params"],
        lambda problem: kind.load(folder, problem, device, transfer=transfer),
    )


def _in_its_env(kind: type[Any], task: Any, params: Any, make: Callable[[Problem], Any]) -> Agent:
    """An agent bound to an environment of the task with the observation that it reads."""
    from agents.environments import face_of, observing
    from agents.guards import wanted

    shown, settings = face_of(task).arguments, asdict(parse_params(kind.name, kind.config, params))
    best = kind.requirements(settings, shown.slate_size)[0]  # others may exclude the offline stage
    asked = wanted(kind, settings, shown.slate_size, shown.observation)
    env = observing(task, best if asked == "features" and best == "history" else asked)
    agent: Agent = make(Problem.of(env))
    agent.env = env
    agent.bind(env)
    return agent


def __getattr__(name: str) -> Any:
    """`judge` is imported on use: it imports the simulator."""
    if name != "judge":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from agents.judging import judge

    return judge
