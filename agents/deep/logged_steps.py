"""The steps of a log as transitions, from which double DQN learns before it acts.

The state after a step is that before the next slate of the session. Targets reach one step: what comes later in a log
is of the policy that made it. A session that has as many steps as the log's horizon was cut there, and the state after
its last step is unknown; other sessions end by leaving. Slates of another size than the task's are left out.

Axes: R rows of the log, S steps, b steps sampled, K slate positions.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from agents.deep.replay import Sample
from agents.deep.states import States, to_states
from agents.log_histories import Histories
from agents.problem import Problem
from recgym.arrays import Ints


class LoggedSteps:
    """Samples of steps of a log, as `agents.deep.replay.Ring` has them of a vector environment."""

    def __init__(
        self, problem: Problem, histories: Histories, horizon: int | None, most: int, device: torch.device
    ) -> None:
        """Takes the steps of a log.

        Args:
            problem: of the task.
            histories: of the log.
            horizon: [steps] at which its sessions were cut; None: at none.
            most: steps to keep, the latest.
            device: of the samples.
        """
        begins, after, ended = steps_of(histories, problem.slate_size, horizon, most)
        rows = begins[:, None] + np.arange(problem.slate_size)

        def there(array: NDArray[Any]) -> torch.Tensor:
            return torch.as_tensor(array, device=device)

        places, where = np.unique(np.r_[begins, after], return_inverse=True)
        self.states = to_states(histories.observation(places, problem.num_items), device)
        self.state, self.after = there(where[: len(begins)]), there(where[len(begins) :])
        self.action, self.ended = there(histories.item[rows]), there(ended)
        self.credit = there(histories.reward[rows].astype(np.float32))
        self.response = there((histories.events[rows, 0] > 0).astype(np.float32))

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

    def _states(self, places: torch.Tensor) -> States:
        return States(*(part[places] for part in self.states))

    def update_priorities(self, place: tuple[torch.Tensor, torch.Tensor], priority: torch.Tensor) -> None:
        """Nothing: samples are uniform."""


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
