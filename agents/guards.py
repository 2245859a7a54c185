"""What every agent refuses, in one place: a log that is not the task's, acting on nothing learnt, another observation.

`BaseAgent` puts these checks round `prepare`, `act` and `learn` of each class that is derived from it.

Axes: B sessions, F numbers of an observation.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
from gymnasium import spaces

HISTORY_KEYS = {"shown", "events"}
ANY = ("features", "history", "tabular", "features+history")


def kind_of_space(space: spaces.Space[Any]) -> str:
    """The environment's argument `observation` that gives a space; the name of its class where none does."""
    if isinstance(space, spaces.Dict) and set(space.spaces) >= HISTORY_KEYS:
        return "features+history" if "features" in space.spaces else "history"
    known: tuple[tuple[type[Any], str], ...] = ((spaces.Box, "features"), (spaces.Discrete, "tabular"))
    return next((name for kind, name in known if isinstance(space, kind)), type(space).__name__)


def wanted(kind: Any, params: dict[str, Any], slate_size: int, shown: str) -> str:
    """The observation that an agent's class asks for with all its parameters: the one shown, if it can read that."""
    accepted = kind.accepts(params, slate_size)
    if accepted == ANY or shown in accepted or (shown == "features+history" and "history" in accepted):
        return shown
    return str(kind.needs(params, slate_size)[0])


def check_observation(agent: Any, params: dict[str, Any]) -> None:
    """ValueError where an agent cannot read what its task shows, with what it reads and how to get it."""
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


def learns_online(agent: Any) -> bool:
    """Whether acting teaches it something."""
    from agents.base import BaseAgent

    return type(agent).learn is not BaseAgent.learn


def refuse_unlearnt(agent: Any, explore: bool) -> None:
    """ValueError where an agent that learns from a log has seen none, and would act or train on first values.

    One that learns online as well may begin without a log: it explores, and is trained.
    """
    if agent.is_learnt or not agent.learns_from_log:
        return
    online = learns_online(agent)
    if not (online and explore):
        more = " or train(env, budget, seed)" if online else ""
        raise ValueError(f"agent {agent.name} has learnt nothing: call prepare(log, seed){more} first")


def as_batch(agent: Any, observation: Any) -> tuple[Any, bool]:
    """A batch of observations, and whether it was a single one.

    ValueError where it is of another kind; an agent that reads none takes that for a batch.
    """
    try:
        return _as_batch(agent, observation)
    except ValueError:
        if agent.is_indifferent:
            return observation, False
        raise


def _as_batch(agent: Any, observation: Any) -> tuple[Any, bool]:
    space = agent.problem.observation_space
    if isinstance(space, spaces.Dict):
        name = "shown" if "shown" in space.spaces else next(iter(space.spaces))
        if not isinstance(observation, dict) or name not in observation:
            raise ValueError(_not_read(agent, observation))
        if np.ndim(observation[name]) > len(space.spaces[name].shape or ()):
            return observation, False
        return {key: np.asarray(value)[None] for key, value in observation.items()}, True
    shape = space.shape or ()
    found = () if isinstance(observation, dict) else np.shape(observation)
    is_single = len(found) == len(shape)
    if (
        isinstance(observation, dict)
        or found[len(found) - len(shape) :] != shape
        or len(found) > len(shape) + 1
    ):
        raise ValueError(_not_read(agent, observation))
    return (np.asarray(observation)[None], True) if is_single else (observation, False)


def _not_read(agent: Any, observation: Any) -> str:
    kind = kind_of_space(agent.problem.observation_space)
    if isinstance(observation, dict):
        found = f"a dict of {', '.join(map(str, observation)) or 'nothing'}"
    else:
        found = f"an array of shape {np.shape(observation)}"
    return f"agent {agent.name} was made for the observation {kind!r}, it got {found}"


def check_env(agent: Any, env: Any) -> None:
    """ValueError where an environment to train in is not the task that the agent was made for."""
    space = getattr(env, "single_observation_space", getattr(env, "observation_space", None))
    ours = agent.problem.observation_space
    if space is not None and space != ours:
        kinds = kind_of_space(ours), kind_of_space(space)
        what = f"the observation {kinds[1]!r}" if kinds[0] != kinds[1] else f"{space}, not {ours},"
        raise ValueError(
            f"agent {agent.name} was made for the observation {kinds[0]!r}, the environment shows {what}: train it in "
            "agent.env of make_agent(name, env), or in an environment made alike"
        )


# round the methods


def _prepare(method: Callable[..., Any]) -> Callable[..., Any]:
    from agents.slates import check_log

    @wraps(method)
    def prepare(self: Any, log: Any, *args: Any, **kwargs: Any) -> Any:
        if not self.learns_from_log:
            return method(self, log, *args, **kwargs)
        check_log(self.problem, log)
        figures = method(self, log, *args, **kwargs)
        self.is_learnt = True
        return figures

    return prepare


def _act(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def act(self: Any, observation: Any, mask: Any = None, explore: bool = False) -> Any:
        refuse_unlearnt(self, explore)
        batch, is_single = as_batch(self, observation)
        if is_single and mask is not None:
            mask = np.asarray(mask)[None]
        try:
            action = method(self, batch, mask, explore)
        except KeyError as error:
            if not isinstance(batch, dict) or error.args[0] in batch:
                raise
            raise ValueError(_not_read(self, observation)) from None
        return action[0] if is_single else action

    return act


def _learn(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def learn(self: Any, transition: Any) -> Any:
        figures = method(self, transition)
        self.is_learnt = True
        return figures

    return learn


WRAPPERS = {"prepare": _prepare, "act": _act, "learn": _learn}


def guard(kind: type[Any]) -> None:
    """Put the checks round the methods that a class defines."""
    for name, wrapper in WRAPPERS.items():
        if name in vars(kind):
            setattr(kind, name, wrapper(vars(kind)[name]))
