"""The steps of a log as transitions, from which double DQN learns before it acts.

The state after a step is that before the next slate of the session. Targets reach one step: what comes later in a log
is of the policy that made it. A session that has as many steps as the log's horizon was cut there, and the state after
its last step is unknown; other sessions end by leaving. Slates of another size than the task's are left out.

Axes: R rows of the log, S steps, P states, b steps sampled, K slate positions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.deep.replay import Sample
from agents.deep.saved_states import check_states, large_states, small_states
from agents.deep.states import States, to_states
from agents.log_histories import Histories
from agents.problem import Problem
from agents.saved import check_shape, check_within
from recgym.arrays import Ints

PLACES = ("state", "after", "ended")
PARTS: dict[str, Any] = {  # of steps, in files
    "state": np.int32,
    "after": np.int32,
    "ended": np.bool_,
    "action": np.int32,
    "credit": np.float32,
    "response": np.uint8,
}


@dataclass(frozen=True, eq=False)
class LoggedSteps:
    """Samples of S steps of a log, as `agents.deep.replay.Ring` has them of a vector environment."""

    states: States  # (P, ...) each before or after a step, or both
    state: Tensor  # (S,) int64 the place of that before a step ...
    after: Tensor  # (S,) int64 ... and after it
    ended: Tensor  # (S,) bool
    action: Tensor  # (S, K) int64
    credit: Tensor  # (S, K) float32
    response: Tensor  # (S, K) float32, 0 or 1

    @classmethod
    def of_log(
        cls, problem: Problem, histories: Histories, horizon: int | None, most: int, device: torch.device
    ) -> "LoggedSteps":
        """The steps of a log.

        Args:
            problem: of the task.
            histories: of the log.
            horizon: [steps] at which its sessions were cut; None: at none.
            most: steps to keep, the latest.
            device: of the samples.
        """
        begins, after, ended = steps_of(histories, problem.slate_size, horizon, most)
        rows = begins[:, None] + np.arange(problem.slate_size)
        places, where = np.unique(np.r_[begins, after], return_inverse=True)
        parts = (
            *(where[: len(begins)], where[len(begins) :], ended, histories.item[rows]),
            *(histories.reward[rows].astype(np.float32), (histories.events[rows, 0] > 0).astype(np.float32)),
        )
        states = to_states(histories.observation(places, problem.num_items), device)
        return cls(states, *(torch.as_tensor(part, device=device) for part in parts))

    def __len__(self) -> int:
        return len(self.state)

    def sample(
        self, batch: int, steps: int, discount: float, generator: torch.Generator, correction: float = 0.0
    ) -> Sample:
        """A uniform sample of b steps with one-step targets; `steps` and `correction` are those of a ring."""
        del steps, correction
        chosen = torch.randint(len(self), (batch,), generator=generator, device=self.state.device)
        credit = self.credit[chosen]
        return Sample(
            self._states(self.state[chosen]),
            self.action[chosen],
            credit,
            self.response[chosen],
            torch.zeros_like(credit[:, 0]),
            self._states(self.after[chosen]),
            discount * (~self.ended[chosen]).to(credit.dtype),
            None,
            torch.ones_like(credit[:, 0]),
            (chosen, chosen),
        )

    def _states(self, places: Tensor) -> States:
        return States(*(part[places] for part in self.states))

    def update_priorities(self, place: tuple[Tensor, Tensor], priority: Tensor) -> None:
        """Nothing: samples are uniform."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """A copy, in the smallest types that hold it."""
        own = {name: getattr(self, name).cpu().numpy() for name in PARTS}
        return small_states(self.states) | {name: own[name].astype(kind) for name, kind in PARTS.items()}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]], device: torch.device, problem: Problem) -> "LoggedSteps":
        """The steps that `arrays` were taken from, on a device; ValueError where they are not of this problem."""
        what, states, steps = "steps of the log", len(arrays["user"]), len(arrays["state"])
        check_states(what, arrays, (states,), len(problem.event_names), problem)
        for name, kind in PARTS.items():
            shape = (steps,) if name in PLACES else (steps, problem.slate_size)
            check_shape(f"{what}: {name}", arrays[name], shape, kind)
        for name in ("state", "after"):
            check_within(f"{what}: {name}", arrays[name], 0, states - 1)
        check_within(f"{what}: action", arrays["action"], 0, problem.num_items - 1)
        check_within(f"{what}: response", arrays["response"], 0, 1)
        large = {np.int32: np.int64, np.uint8: np.float32}
        parts = (arrays[name].astype(large.get(kind, kind)) for name, kind in PARTS.items())
        return cls(large_states(arrays, device), *(torch.as_tensor(part, device=device) for part in parts))


def steps_of(
    histories: Histories, slots: int, horizon: int | None, most: int
) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """First rows of the steps, of the steps after them, and whether the session ended, (S,) each.

    The step after a last one is itself; see the module's docstring for what is left out.
    """
    begins = histories.slate_starts
    size = np.diff(np.r_[begins, len(histories.slate)])
    session = histories.session[begins]
    is_last = np.r_[session[1:] != session[:-1], True]
    is_cut = is_last & (np.bincount(session)[session] == (horizon or 0))
    kept = np.flatnonzero((size == slots) & ~is_cut)[-most:]
    return begins[kept], begins[kept + ~is_last[kept]], is_last[kept]
