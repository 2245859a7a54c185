"""Checks of the arguments of every agent: its log, its environment, its transitions, and that it has learnt.

`BaseAgent` wraps `prepare`, `act`, `learn` and `explain` of each subclass in these checks. Axes: B sessions.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from agents.observation_checks import ANY, as_batch, as_mask, kind_of_space
from agents.slates import check_kind, check_log, num_rows
from recgym.arrays import Ints
from recgym.checks import checked_seed, difference, flag, made_for_another, quoted, whole_number


def wanted(kind: Any, params: dict[str, Any], slate_size: int, shown: str) -> str:
    """The observation that an agent needs with these parameters: the one shown, if it can read that."""
    accepted = kind.accepts(params, slate_size)
    if accepted == ANY or shown in accepted or (shown == "features+history" and "history" in accepted):
        return shown
    return str(kind.requirements(params, slate_size)[0])


def check_observation(agent: Any, params: dict[str, Any]) -> None:
    """ValueError if an agent cannot read its task's observation; the message says which it needs."""
    space = agent.problem.observation_space
    shown = kind_of_space(space)
    asked = wanted(agent, params, agent.problem.slate_size, shown)
    if asked == shown:
        return
    name = type(space).__name__
    found = f"{name} (observation={shown!r})" if shown in ANY else name
    raise ValueError(
        f"agent {agent.name} needs the observation {asked!r}, not {found}: give make_agent the environment itself "
        f"and take agent.env, or make it with observation={asked!r}"
    )


def refuse_unlearnt(agent: Any, explore: bool) -> None:
    """ValueError if an agent with an offline stage would act or train without it.

    An agent that also learns online may explore and be trained without a log.
    """
    explore = flag("explore", explore)
    if agent.is_learnt or not agent.learns_from_log:
        return
    online = agent.learns_online
    if not (online and explore):
        more = " or train(env, budget, seed)" if online else ""
        raise ValueError(f"agent {agent.name} has learnt nothing: call prepare(log, seed){more} first")


def begin_training(agent: Any, budget: Any, seed: Any) -> tuple[int, int]:
    """Budget [environment steps] and random seed of an online stage as Python ints; ValueError if it cannot start."""
    checked = whole_number(budget, "budget", 1), checked_seed(seed)
    refuse_unlearnt(agent, explore=True)
    return checked


def begin_preparing(agent: Any, log: Any, seed: Any, report: Any = None) -> int:
    """Random seed of an offline stage; ValueError if it cannot start. The log may be None if it is not used."""
    number = checked_seed(seed)
    if report is not None and not callable(report):
        raise ValueError(
            f"report is {quoted(report)}, expected a function of the rounds done and the figures"
        )
    if agent.learns_from_log:
        check_log(agent.problem, log)
        if agent.env is not None:
            agent.env.unwrapped.index_log(log)  # refuses tables that are not those of the log's mark
    elif log is not None:
        check_kind(log)
    return number


def check_agent(agent: Any) -> None:
    """ValueError for an object that is no agent."""
    if isinstance(agent, type) or not (hasattr(agent, "act") and hasattr(agent, "bind")):
        raise ValueError(f"agent is {quoted(agent)}, expected an agent, such as make_agent(name, env) gives")


def check_transition(agent: Any, transition: Any) -> None:
    """ValueError if a transition is not of the task: observations, actions, rewards or numbers of rows."""
    rows = np.shape(transition.reward)
    if len(rows) != 1:
        raise ValueError(
            f"agent {agent.name}: the transition's reward has shape {rows}, expected one for each row"
        )
    if not np.isfinite(transition.reward).all():
        raise ValueError(f"agent {agent.name}: the transition's reward holds a number that is not finite")
    slots, action = agent.problem.slate_size, np.asarray(transition.action)
    if (
        action.shape not in ({(rows[0], slots)} | ({rows} if slots == 1 else set()))
        or action.dtype.kind not in "iu"
    ):
        wanted = rows if slots == 1 else (rows[0], slots)
        raise ValueError(
            f"agent {agent.name}: the transition's action is {action.dtype} of shape {action.shape}, expected whole "
            f"numbers of shape {wanted}"
        )
    if action.size and (action.min() < 0 or action.max() >= agent.problem.num_items):
        raise ValueError(
            f"agent {agent.name}: the transition's action leaves the items 0 to {agent.problem.num_items - 1}"
        )
    if agent.is_indifferent:
        return
    for name in ("observation", "next_observation"):
        found = num_rows(as_batch(agent, getattr(transition, name))[0])
        if found != rows[0]:
            raise ValueError(
                f"agent {agent.name}: the transition's {name} has {found} rows, its reward {rows[0]}"
            )


def check_env(agent: Any, env: Any) -> None:
    """ValueError if an environment's observation, world or reward differs from that of the agent's task."""
    space = getattr(env, "single_observation_space", getattr(env, "observation_space", None))
    ours = agent.problem.observation_space
    if space is not None and space != ours:
        kinds = kind_of_space(ours), kind_of_space(space)
        theirs, own = difference(space, ours)
        what = f"the observation {kinds[1]!r}" if kinds[0] != kinds[1] else f"{theirs}, not {own},"
        raise ValueError(
            f"agent {agent.name} was made for the observation {kinds[0]!r}, the environment shows {what}: train it in "
            "agent.env of make_agent(name, env), or in an environment made alike"
        )
    check_task(agent, env)


def check_task(agent: Any, env: Any, does: str = "train it", else_: str = "") -> None:
    """ValueError if an environment of recgym has another world, reward or slate size than the agent's task.

    Args:
        agent: with a `problem`.
        env: of recgym; others are not compared.
        does: what is asked of the agent.
        else_: what else the message offers.
    """
    if not hasattr(getattr(env, "unwrapped", env), "index_digest"):
        return
    if others := agent.problem.differences(env):
        raise ValueError(
            f"{made_for_another(f'agent {agent.name}', others)}: {does} in agent.env of make_agent(name, env), or in "
            f"an environment made alike{else_}"
        )


def _prepare(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def prepare(self: Any, log: Any, seed: Any, report: Any = None) -> Any:
        figures = method(self, log, begin_preparing(self, log, seed, report), report)
        self.is_learnt |= self.learns_from_log
        return figures

    return prepare


def _act(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def act(self: Any, observation: Any, mask: Any = None, explore: bool = False) -> Any:
        refuse_unlearnt(self, explore)
        batch, is_single = as_batch(self, observation)
        mask = as_mask(self, mask, None if self.is_indifferent else num_rows(batch), is_single)
        action = method(self, batch, mask, explore)
        if self.env is not None:
            self.env.unwrapped.note_agent(self.name)
        return action[0] if is_single else action

    return act


def _learn(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def learn(self: Any, transition: Any) -> Any:
        check_transition(self, transition)
        figures = method(self, transition)
        self.is_learnt = True
        return figures

    return learn


def _explain(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def explain(self: Any, observation: Any, action: Any) -> Any:
        refuse_unlearnt(self, explore=False)
        batch, is_single = as_batch(self, observation)
        explanations = method(self, batch, _slates(self, action, num_rows(batch)))
        return explanations[0] if is_single else explanations

    return explain


def _slates(agent: Any, action: Any, rows: int) -> Ints:
    """Items (B, K) whose scores are explained; ValueError where they are no slates of the task for B sessions."""
    slates, slots = np.asarray(action), agent.problem.slate_size
    if slates.dtype.kind not in "iu" or slates.size != rows * slots:
        found = f"{slates.dtype} of shape {slates.shape}"
        raise ValueError(f"agent {agent.name}: action is {found}, expected items of shape {(rows, slots)}")
    if slates.min() < 0 or slates.max() >= agent.problem.num_items:
        last = agent.problem.num_items - 1
        raise ValueError(f"agent {agent.name}: action leaves the items 0 to {last}")
    return slates.reshape(rows, slots).astype(np.int64)


WRAPPERS = {"prepare": _prepare, "act": _act, "learn": _learn, "explain": _explain}


def guard(kind: type[Any]) -> None:
    """Wrap the methods that a class defines in the checks."""
    for name, wrapper in WRAPPERS.items():
        if name in vars(kind):
            setattr(kind, name, wrapper(vars(kind)[name]))
