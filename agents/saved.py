"""Reading and checking the files of a saved agent."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.problem import Problem
from recgym import storage
from recgym.arrays import Arrays
from recgym.checks import checked_seed, difference, line_of, quoted

SCHEMA = "recgym.agent/1"


def read_about(folder: Path) -> dict[str, Any]:
    """agent.json: name, parameters, generator state and task; ValueError if the folder has no saved agent."""
    kinds = {"schema": str, "name": str, "params": dict, "rng": dict, "is_learnt": bool}
    about = storage.Stored(folder, "saved agent").json("agent.json", kinds)
    place = Path(folder) / "agent.json"
    if about["schema"] != SCHEMA:
        raise ValueError(f"{place}: schema is {quoted(about['schema'])}, expected {SCHEMA!r}")
    storage.check_keys(about, {"task": dict} if "task" in about else {}, place)
    if about.get("tie_seed") is not None:
        with storage.refusing(place):
            checked_seed(about["tie_seed"], "tie_seed")
    return about


def refuse_other_task(folder: Path, about: Mapping[str, Any], problem: Problem) -> None:
    """ValueError if an agent was saved for another task, with the differences, or without a task."""
    if "task" not in about:
        raise ValueError(
            f"{Path(folder) / 'agent.json'}: task is missing, so it may be of another one; transfer=True takes it over"
        )
    ours, theirs = problem.identity, about["task"]
    odd = {key: difference(theirs.get(key), ours[key]) for key in ours if theirs.get(key) != ours[key]}
    if odd:
        words_first = sorted(odd, key=lambda key: key.endswith("_sha256"))
        what = ", ".join(f"{key} {odd[key][0]}, here {odd[key][1]}" for key in words_first)
        raise ValueError(f"{folder} was saved for another task: {what}; transfer=True takes it over")


def differences_of(folder: Path, problem: Problem) -> list[str]:
    """Which of "world", "reward", "slate size" a saved agent has another of; none where it was saved without a task."""
    task = read_about(folder).get("task")
    return [] if task is None else problem.differences_from(task)


def check_arrays(
    place: str, own: Mapping[str, NDArray[Any]], state: Mapping[str, NDArray[Any]], free: tuple[str, ...] = ()
) -> None:
    """ValueError if `state` has other names, shapes or types than `own`, or an integer below 0 (integers are counts).

    Arrays named in `free` may have any length.
    """
    if own.keys() != state.keys():
        lacks, has = (
            line_of(", ".join(sorted(names)) or "no array")
            for names in (own.keys() - state, state.keys() - own)
        )
        raise ValueError(f"{place} lacks {lacks}, and has {has} that is unknown")
    for key, value in state.items():
        there = own[key]
        if value.ndim != there.ndim or (key not in free and value.shape != there.shape):
            raise ValueError(f"{place}: {key} has shape {value.shape}, this task needs {there.shape}")
        if value.dtype != there.dtype:
            raise ValueError(f"{place}: {key} is of {value.dtype}, expected {there.dtype}")
        check_within(f"{place}: {key}", value, 0 if value.dtype.kind == "i" else -np.inf)


def check_within(name: str, value: NDArray[Any], low: float, high: float = np.inf) -> None:
    """ValueError if an array has a number outside [low, high]."""
    if value.size and not (value.min() >= low and value.max() <= high):
        raise ValueError(f"{name} leaves [{low}, {high}]")


def check_shape(name: str, value: NDArray[Any], shape: tuple[int, ...], kind: Any) -> None:
    """ValueError that names an array of another shape or type."""
    if value.shape != shape or value.dtype != kind:
        raise ValueError(f"{name} is {value.dtype} {value.shape}, expected {np.dtype(kind)} {shape}")


def join_parts(parts: Mapping[str, Arrays]) -> Arrays:
    """Arrays of several parts, each named PART.NAME."""
    return {f"{part}.{name}": value for part, arrays in parts.items() for name, value in arrays.items()}


def split_parts(state: Mapping[str, NDArray[Any]]) -> dict[str, Arrays]:
    """The inverse of `join_parts`; a part without arrays is empty."""
    parts: defaultdict[str, Arrays] = defaultdict(dict)
    for key, value in state.items():
        part, _, name = key.partition(".")
        parts[part][name] = value
    return parts
