"""The interface of agents, which the training loop, the benchmark and the command line use.

Axes: B sessions, K slate positions, N items.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from agents.problem import Problem

Actions = NDArray[np.int64]
Masks = NDArray[np.bool_]
Figures = dict[str, float]
Report = Callable[[int, Figures], None]  # (environment steps so far, figures)


class LoopState(NamedTuple):
    """State of a training loop."""

    arrays: dict[str, NDArray[Any]]
    facts: dict[str, Any]  # values of JSON


class Checkpointer(Protocol):
    """Writes checkpoints of a training, and resumes from one."""

    def resume(self) -> LoopState | None:
        """Restore agent and environment, and return the loop's state; None if there is no checkpoint."""
        ...

    def keep(self, steps: int, loop_state: Callable[[], LoopState]) -> None:
        """Write a checkpoint if one is due after so many environment steps."""
        ...


class Transition(NamedTuple):
    """b <= B rows of experience, without rows that only restarted.

    `next_observation` is of the same session as `observation`, also at its end. `row` is the index in B of each row
    (None: row i is session i), for agents that follow sessions.
    """

    observation: Any
    action: Actions  # (b,) or (b, K)
    reward: NDArray[np.float64]  # (b,)
    next_observation: Any
    terminated: NDArray[np.bool_]  # (b,) the user left: the continuation value is 0
    truncated: NDArray[np.bool_]  # (b,) the horizon: the continuation value is not 0
    mask: Masks | None = None  # (b, N)
    next_mask: Masks | None = None  # (b, N)
    row: NDArray[np.int64] | None = None  # (b,)


class Agent(Protocol):
    """An agent. One agent, one file.

    Made by `cls(problem, seed=0, device="cpu", **params)`; an unknown parameter is a ValueError.
    """

    name: ClassVar[str]
    observation: ClassVar[str]  # the observation that it reads: "features", "history" or "tabular"
    offline: ClassVar[bool]  # whether `prepare` learns from a log
    num_envs: ClassVar[int]  # sessions at once for which the defaults were chosen; other numbers work, too
    resumes_exactly: ClassVar[bool]  # whether a resumed training equals an uninterrupted one to the bit
    env: Any  # set by `make_agent(name, env)`: the task with the observation that it reads; else None

    @classmethod
    def requirements(cls, params: Mapping[str, Any], slate_size: int = 1) -> tuple[str, bool]:
        """The observation that it reads, and whether `prepare` learns from a log, with these parameters."""
        ...

    def bind(self, env: Any) -> None:
        """Called before `train` and before every evaluation, with the environment to act in.

        Only privileged agents use it: they keep `env.unwrapped.privileged()`.
        """
        ...

    def prepare(self, log: Any, seed: int, report: Report | None = None) -> Figures:
        """Offline stage on a `recgym.logs.Log` with the task's user and item indices; most do nothing."""
        ...

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """Items for B sessions, shape (B,), or slates without repeats (B, K) where the task has slates.

        `mask` (B, N) is True where an item may be shown; ValueError where a row allows fewer than K.
        """
        ...

    def learn(self, transition: Transition) -> Figures:
        """One update from a batch of transitions; figures to log."""
        ...

    def train(
        self,
        env: Any,
        budget: int,
        seed: int,
        report: Report | None = None,
        checkpointer: Checkpointer | None = None,
    ) -> Figures:
        """Online stage on a native vector environment for `budget` environment steps (slates shown)."""
        ...

    def save(self, folder: Path) -> None:
        """Write state into `folder`: weights as safetensors, the rest as JSON; no pickle."""
        ...

    @classmethod
    def load(cls, folder: Path, problem: Problem, device: str = "cpu", *, transfer: bool = False) -> "Agent":
        """Read what `save` wrote; ValueError for an agent of another task, unless `transfer`."""
        ...
