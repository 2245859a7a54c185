"""Decisions: states with the slates that were shown in them and what these earned, of a log and of rollouts.

Axes: n decisions, K slate positions, N items, H history, E events, R rows of a log.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.deep.states import States
from agents.interface import Masks
from agents.log_histories import Histories
from agents.problem import Problem
from recgym.arrays import Arrays


class Decisions(NamedTuple):
    """Columns of numpy arrays; a slate that is shorter than K has items of weight 0."""

    user: NDArray[np.int32]  # (n,)
    items: NDArray[np.int32]  # (n, H) of the history, N for none
    events: NDArray[np.uint8]  # (n, H, E)
    context: NDArray[np.float32]  # (n, 3)
    slate: NDArray[np.int64]  # (n, K)
    credit: NDArray[np.float32]  # (n, K) reward of each shown item
    happened: NDArray[np.uint8]  # (n, K, E) events of each shown item
    weight: NDArray[np.float32]  # (n, K) 1, 0 where there is no item
    later: NDArray[np.float32]  # (n,) discounted return after the slate, in rewards per slot
    known: NDArray[np.uint8]  # (n,) whether that is known
    allowed: NDArray[np.uint8]  # (n, N / 8) bits of the items that an own slate could have; (n, 0): all

    def some(self, rows: Any) -> "Decisions":
        """Some decisions."""
        return Decisions(*(column[rows] for column in self))

    @property
    def size(self) -> int:
        """Number of decisions n."""
        return len(self.user)

    def states(self, device: torch.device) -> States:
        """The states as tensors."""
        user, items, events, context = (torch.as_tensor(column, device=device) for column in tuple(self)[:4])
        no_candidates = context.new_zeros((len(user), 0, 0))
        return States(user.long(), items.long(), events.float(), context, no_candidates)

    def mask(self, num_items: int) -> Masks | None:
        """Items that could be shown, (n, N) bool; None: all."""
        if not self.allowed.shape[1]:
            return None
        return np.unpackbits(self.allowed, axis=1, count=num_items).astype(np.bool_)

    def tensors(self, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Slates, credits, events of the shown items and weights as tensors."""
        slate, credit, happened, weight = (
            torch.as_tensor(column, device=device) for column in tuple(self)[4:8]
        )
        return slate, credit, happened.float(), weight

    def arrays(self) -> Arrays:
        """For a checkpoint."""
        return dict(self._asdict())

    @classmethod
    def join(cls, parts: list["Decisions"]) -> "Decisions":
        """One after the other."""
        return cls(*(np.concatenate(columns) for columns in zip(*map(tuple, parts), strict=True)))


def of_log(problem: Problem, histories: Histories, rows: NDArray[np.int64]) -> Decisions:
    """The slates of a log of which the first row is among some rows, cut at K items."""
    first = rows[histories.slate[rows] == rows]
    end = np.append(histories.slate_starts, len(histories.slate))
    size = end[np.searchsorted(end, first) + 1] - first
    place = np.arange(min(int(size.max(initial=1)), problem.slate_size))
    inside = place < size[:, None]
    index = np.where(inside, first[:, None] + place, first[:, None])
    seen = histories.observation(first, problem.num_items)
    return Decisions(
        user=seen["user"].astype(np.int32),
        items=seen["shown"],
        events=seen["events"].reshape(*seen["shown"].shape, -1).astype(np.uint8),
        context=seen["context"],
        slate=histories.item[index],
        credit=histories.reward[index].astype(np.float32),
        happened=histories.events[index].astype(np.uint8),
        weight=inside.astype(np.float32),
        later=np.zeros(len(first), np.float32),
        known=np.zeros(len(first), np.uint8),
        allowed=np.zeros((len(first), 0), np.uint8),
    )
