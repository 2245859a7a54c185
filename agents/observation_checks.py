"""Checks of observations and masks: kind, shape, type and range of their arrays.

Axes: B sessions, N items.
"""

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from agents.fast_checks import Part, fast_batch

HISTORY_KEYS = {"shown", "events"}
ANY = ("features", "history", "tabular", "features+history")


def kind_of_space(space: spaces.Space[Any]) -> str:
    """The argument `observation` of an environment with this space; the name of its class if there is none."""
    if isinstance(space, spaces.Dict) and set(space.spaces) >= HISTORY_KEYS:
        return "features+history" if "features" in space.spaces else "history"
    known: tuple[tuple[type[Any], str], ...] = ((spaces.Box, "features"), (spaces.Discrete, "tabular"))
    return next((name for kind, name in known if isinstance(space, kind)), type(space).__name__)


def parts_of(space: spaces.Space[Any]) -> tuple[Part, ...]:
    """The arrays of an observation; none for a space that no recgym environment has."""
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

    An agent that does not read observations gets it unchecked.

    Raises:
        ValueError: the kind, a shape or a number of rows is wrong, or a value is outside its space.
    """
    found = fast_batch(agent.parts, observation)
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
    """ValueError for no rows, NaN, a number outside the space, or a fraction where whole numbers are expected."""
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
