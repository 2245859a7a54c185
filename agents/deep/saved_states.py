"""States of a log or a replay in the smallest types that hold them, for a file, and their checks."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from agents.deep.states import States
from agents.problem import Problem
from agents.saved import check_shape, check_within
from recgym.observation import HISTORY_LENGTH


def check_states(
    place: str, arrays: Mapping[str, NDArray[Any]], shape: tuple[int, ...], events: int, problem: Problem
) -> None:
    """ValueError unless stored states (shape ...) are of users and items of the problem."""
    check_shape(f"{place}: user", arrays["user"], shape, np.int32)
    check_shape(f"{place}: items", arrays["items"], (*shape, HISTORY_LENGTH), np.int32)
    check_shape(f"{place}: events", arrays["events"], (*shape, HISTORY_LENGTH, events), np.uint8)
    check_shape(f"{place}: context", arrays["context"], (*shape, 3), np.float32)
    check_within(f"{place}: user", arrays["user"], 0, problem.num_users - 1)
    check_within(f"{place}: items", arrays["items"], 0, problem.num_items)
    check_within(f"{place}: events", arrays["events"], 0, 1)


def small_states(states: States) -> dict[str, NDArray[Any]]:
    """A copy of states of a log, which have no candidate features."""
    small = {"user": np.int32, "items": np.int32, "events": np.uint8, "context": np.float32}
    return {name: getattr(states, name).cpu().numpy().astype(kind) for name, kind in small.items()}


def large_states(arrays: Mapping[str, NDArray[Any]], device: torch.device) -> States:
    """The states that `small_states` were taken from, on a device."""
    large = {"user": np.int64, "items": np.int64, "events": np.float32, "context": np.float32}
    parts = {name: torch.as_tensor(arrays[name].astype(kind), device=device) for name, kind in large.items()}
    return States(**parts, candidates=parts["context"].new_zeros((len(parts["user"]), 0, 0)))
