"""Checks of the states in a saved replay."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
