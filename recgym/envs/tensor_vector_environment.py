"""The vector environment on the CPU with results that are torch tensors, and the change from one to the other.

Axes: B sessions, K slate positions.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from recgym.envs.step_info import Info
from recgym.envs.vector_environment import RecVectorEnv


def each_array(function: Callable[[Any], Any], result: Any) -> Any:
    """A result of an environment, of tuples and dicts, with a function of each array."""
    if isinstance(result, tuple):
        return tuple(each_array(function, part) for part in result)
    if isinstance(result, dict):
        return {name: each_array(function, part) for name, part in result.items()}
    return function(result)


class TensorVectorEnv(RecVectorEnv):
    """`RecVectorEnv` whose results are tensors on the CPU, over the memory of its arrays."""

    def reset(self, *, seed: Any = None, options: Mapping[str, Any] | None = None) -> tuple[Any, Info]:
        """As in `RecVectorEnv`."""
        result: tuple[Any, Info] = each_array(torch.from_numpy, super().reset(seed=seed, options=options))
        return result

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, Info]:
        """As in `RecVectorEnv`; actions are a tensor on the CPU, or an array."""
        result: tuple[Any, Any, Any, Any, Info] = each_array(torch.from_numpy, super().step(actions))
        return result
