"""What every agent refuses, in one place: a log that is not the task's, acting on nothing learnt, another observation.

`BaseAgent` puts these checks round `prepare`, `act` and `learn` of each class that is derived from it.

Axes: B sessions, F numbers of an observation.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from agents.as_made import as_made
from agents.slates import check_kind, check_log
from recgym.checks import difference, said, seed_of, whole

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
    return str(kind.requirements(params, slate_size)[0])


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


def refuse_unlearnt(agent: Any, explore: bool) -> None:
    """ValueError where an agent that learns from a log has seen none, and would act or train on first values.

    One that learns online as well may begin without a log: it explores, and is trained.
    """
    if agent.is_learnt or not agent.learns_from_log:
        return
    online = agent.learns_online
    if not (online and explore):
        more = " or train(env, budget, seed)" if online else ""
        raise ValueError(f"agent {agent.name} has learnt nothing: call prepare(log, seed){more} first")


def begin_training(agent: Any, budget: Any, seed: Any) -> tuple[int, int]:
    """Budget [environment steps] and seed of a training as Python ints; ValueError where it cannot begin."""
    checked = whole(budget, "budget", 1), seed_of(seed)
    refuse_unlearnt(agent, explore=True)
    return checked


def begin_preparing(agent: Any, log: Any, seed: Any) -> int:
    """Seed of an offline stage; ValueError where it cannot begin. What learns from no log may be given None."""
    number = seed_of(seed)
    if agent.learns_from_log:
        check_log(agent.problem, log)
    elif log is not None:
        check_kind(log)
    return number


def check_agent(agent: Any) -> None:
    """ValueError for what cannot act."""
    if not (hasattr(agent, "act") and hasattr(agent, "bind")):
        raise ValueError(f"agent is {said(agent)}, expected an agent, such as make_agent(name, env) gives")


class Part(NamedTuple):
    """An array of the observations of one session, as their space describes it."""

    name: str  # "": the whole observation
    shape: tuple[int, ...]
    low: float
    high: float
    is_whole: bool
    dtype: Any  # np.dtype


def parts_of(space: spaces.Space[Any]) -> tuple[Part, ...]:
    """The arrays that an observation consists of; none for a space that is not of our environments."""
    named = space.spaces if isinstance(space, spaces.Dict) else {"": space}
    parts = []
    for name, part in named.items():
        if isinstance(part, spaces.Discrete):
            parts.append(Part(name, (), float(part.start), float(part.start + part.n - 1), True, part.dtype))
        elif isinstance(part, spaces.Box):
            is_whole = np.issubdtype(part.dtype, np.integer)
            low, high = float(part.low.min()), float(part.high.max())
            parts.append(Part(name, part.shape, low, high, is_whole, part.dtype))
    return tuple(parts)


def as_batch(agent: Any, observation: Any) -> tuple[Any, bool]:
    """A batch of observations, as arrays, and whether it was a single one.

    ValueError where it is of another kind, shape or size, or leaves its space; an agent that reads none takes it as
    it is.
    """
    found = as_made(agent.parts, observation)
    if found is not None:
        return found
    try:
        return _as_batch(agent, observation)
    except ValueError:
        if agent.is_indifferent:
            return observation, False
        raise


def _as_batch(agent: Any, observation: Any) -> tuple[Any, bool]:
    is_dict = isinstance(agent.problem.observation_space, spaces.Dict)
    names = {part.name for part in agent.parts}
    if is_dict != isinstance(observation, dict) or (is_dict and observation.keys() != names):
        raise ValueError(_not_read(agent, observation))
    found = {
        part.name: _array(agent, part, observation[part.name] if is_dict else observation)
        for part in agent.parts
    }
    first = agent.parts[0]
    is_single = found[first.name].shape == first.shape
    rows = 1 if is_single else len(found[first.name]) if found[first.name].ndim else 0
    for part in agent.parts:
        value = found[part.name][None] if is_single else found[part.name]
        if value.shape != (rows, *part.shape):
            if not is_dict:
                raise ValueError(_not_read(agent, observation))
            wanted = part.shape if is_single else (rows, *part.shape)
            raise ValueError(f"{_place(agent, part)} has shape {found[part.name].shape}, expected {wanted}")
        _check_values(agent, part, value)
        found[part.name] = value
    return (found if is_dict else found[""]), is_single


def _place(agent: Any, part: Part) -> str:
    return f"agent {agent.name}: the observation" + (f"'s {part.name!r}" if part.name else "")


def _array(agent: Any, part: Part, value: Any) -> NDArray[Any]:
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{_place(agent, part)} is no array: {' '.join(str(error).split())}") from None
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{_place(agent, part)} is of {array.dtype}, expected numbers")
    return array


def _check_values(agent: Any, part: Part, value: NDArray[Any]) -> None:
    """ValueError for no rows, NaN, a number outside the space, or a fraction where whole numbers are due."""
    if not value.size:
        raise ValueError(f"{_place(agent, part)} has no rows")
    is_wrong = not (value.min() >= part.low and value.max() <= part.high)
    if not is_wrong and part.is_whole and value.dtype.kind == "f":
        is_wrong = bool((value != np.floor(value)).any())
    if is_wrong:
        odd = ~((value >= part.low) & (value <= part.high))
        one = value[odd][0] if odd.any() else value[value != np.floor(value)][0]
        what = "whole numbers" if part.is_whole else "numbers"
        raise ValueError(
            f"{_place(agent, part)} holds {one}, expected {what} from {part.low:g} to {part.high:g}"
        )


def check_transition(agent: Any, transition: Any) -> None:
    """ValueError where experience is not of the task: observations, actions, rewards, or their numbers of rows."""
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
        found = _rows(as_batch(agent, getattr(transition, name))[0])
        if found != rows[0]:
            raise ValueError(
                f"agent {agent.name}: the transition's {name} has {found} rows, its reward {rows[0]}"
            )


def as_mask(agent: Any, mask: Any, rows: int | None, is_single: bool) -> Any:
    """A mask (B, N) of bool, or None; ValueError for another shape or other numbers than 0 and 1."""
    if mask is None:
        return None
    found = np.asarray(mask)
    given, wanted = found.shape, (agent.problem.num_items,) if is_single else (rows, agent.problem.num_items)
    if is_single:
        found = found[None]
    is_binary = found.dtype.kind == "b" or (
        found.dtype.kind in "iu" and bool(((found == 0) | (found == 1)).all())
    )
    if found.ndim != 2 or found.shape[1] != wanted[-1] or rows not in (None, len(found)) or not is_binary:
        raise ValueError(
            f"agent {agent.name}: the mask is {found.dtype} of shape {given}, expected bool of {wanted}"
        )
    return found.astype(np.bool_, copy=False)


def _not_read(agent: Any, observation: Any) -> str:
    kind = kind_of_space(agent.problem.observation_space)
    if isinstance(observation, dict):
        found = f"a dict of {', '.join(map(str, observation)) or 'nothing'}"
    else:
        found = f"an array of shape {np.shape(observation)}"
    names = ", ".join(part.name for part in agent.parts if part.name)
    more = f", expected a dict of {names}" if names else ""
    return f"agent {agent.name} was made for the observation {kind!r}, it got {found}{more}"


def check_env(agent: Any, env: Any) -> None:
    """ValueError where an environment to train in is not the task that the agent was made for."""
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


# round the methods


def _prepare(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def prepare(self: Any, log: Any, seed: Any, report: Any = None) -> Any:
        figures = method(self, log, begin_preparing(self, log, seed), report)
        self.is_learnt |= self.learns_from_log
        return figures

    return prepare


def _act(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def act(self: Any, observation: Any, mask: Any = None, explore: bool = False) -> Any:
        refuse_unlearnt(self, explore)
        batch, is_single = as_batch(self, observation)
        mask = as_mask(self, mask, None if self.is_indifferent else _rows(batch), is_single)
        action = method(self, batch, mask, explore)
        return action[0] if is_single else action

    return act


def _rows(batch: Any) -> int:
    return len(next(iter(batch.values())) if isinstance(batch, dict) else batch)


def _learn(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def learn(self: Any, transition: Any) -> Any:
        check_transition(self, transition)
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
