"""What every agent is: an interface, and the public facts of the task that it is made for.

Axes: B sessions, K slate positions, N items, E events.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

Actions = NDArray[np.int64]
Masks = NDArray[np.bool_]
Figures = dict[str, float]
Report = Callable[[int, Figures], None]  # (environment steps so far, figures)


class Transition(NamedTuple):
    """B rows of experience, restart rows already dropped.

    `next_observation` belongs to the same session, also where it ended; `info` holds what the step's info held for
    these rows (counts of each event).
    """

    observation: Any
    action: Actions  # (B,) or (B, K)
    reward: NDArray[np.float64]  # (B,)
    next_observation: Any
    terminated: NDArray[np.bool_]  # (B,)
    truncated: NDArray[np.bool_]  # (B,)
    mask: Masks | None = None  # (B, N)
    next_mask: Masks | None = None  # (B, N)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """The public facts of a task: spaces, the item table, names. Nothing of the World's hidden numbers."""

    env_id: str
    env_kwargs: Mapping[str, Any]
    num_items: int
    num_users: int
    slate_size: int
    horizon: int  # [slates]
    event_names: tuple[str, ...]  # the first is the response
    items: Mapping[str, NDArray[Any]]  # (N,) category, page, price, price_ratio, seconds
    observation_space: spaces.Space[Any]  # of one session
    reward_range: tuple[float, float]  # of one step

    @property
    def num_categories(self) -> int:
        """Categories in the item table."""
        return int(self.items["category"].max()) + 1


class Agent(Protocol):
    """What the runner, the benchmark and the command line use. One agent, one file.

    Made by `cls(problem, seed=0, device="cpu", **params)`; an unknown parameter is a ValueError.
    """

    name: ClassVar[str]
    observation: ClassVar[str]  # the observation that it reads: "features", "history" or "tabular"
    offline: ClassVar[bool]  # whether `prepare` learns from a log

    def prepare(self, log: Any, seed: int, report: Report | None = None) -> Figures:
        """Offline stage on a `recgym.logs.Log`; most do nothing."""
        ...

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """Items for B sessions, shape (B,), or slates (B, K) where the task has slates."""
        ...

    def learn(self, transition: Transition) -> Figures:
        """One update from a batch of transitions; figures to log."""
        ...

    def train(self, env: Any, budget: int, seed: int, report: Report | None = None) -> Figures:
        """Online stage on a native vector environment for `budget` environment steps (slates shown)."""
        ...

    def save(self, folder: Path) -> None:
        """Write state into `folder`: weights as safetensors, the rest as JSON; no pickle."""
        ...

    @classmethod
    def load(cls, folder: Path, problem: Problem, device: str = "cpu") -> "Agent":
        """Read what `save` wrote."""
        ...
