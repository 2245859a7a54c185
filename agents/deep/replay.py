"""Replay buffer on the device: a ring of vector steps, and n-step returns without a copy to the host.

Axes: T slots of the ring, B sessions, b rows sampled, n steps, K slate positions, N items.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.deep.saved_states import check_states, large_states, small_states
from agents.deep.states import States
from agents.features import candidate_names
from agents.problem import Problem
from agents.saved import check_shape, check_within


def n_step(
    reward: Tensor, terminated: Tensor, truncated: Tensor, discount: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Calculates n-step returns without their bootstrap (Sutton, 1988).

    Args:
        reward: (b, n) of n consecutive steps; those after the episode's end are ignored.
        terminated: (b, n) bool.
        truncated: (b, n) bool.
        discount: per step, in [0, 1].

    Returns:
        The discounted sum (b,); the number of steps in it, 1 to n, (b,) int64; and the factor of the value of the state
        after them, (b,): discount to the power of their number, 0 after termination. A truncated episode keeps the
        value of its last state.
    """
    over = (terminated | truncated).to(reward.dtype)
    before = torch.cumprod(1.0 - over, dim=1)
    alive = torch.cat([torch.ones_like(before[:, :1]), before[:, :-1]], dim=1)
    powers = discount ** torch.arange(reward.shape[1], device=reward.device, dtype=reward.dtype)
    total = (alive * powers * reward).sum(dim=1)
    steps = alive.sum(dim=1)
    stays = 1.0 - (alive * terminated).amax(dim=1)
    return total, steps.long(), stays * discount**steps


class Sample(NamedTuple):
    """b rows of the ring."""

    states: States  # (b, ...)
    action: Tensor  # (b, K)
    credit: Tensor  # (b, K) of each shown item
    response: Tensor  # (b, K) 1 for an item with a response, else 0
    later: Tensor  # (b,) discounted mean credit of the steps 1 to n - 1
    after: States  # states after the last of the steps
    bootstrap: Tensor  # (b,) factor of the value of `after`
    after_mask: Tensor | None  # (b, N)
    weight: Tensor  # (b,) 0 for a slot without a slate, else 1 or an importance weight
    place: tuple[Tensor, Tensor]  # (b,) slot and session


class LoggedRows(NamedTuple):
    """R shown items of a log, each with the history it was shown to."""

    states: States  # (R, ...)
    item: Tensor  # (R,) int64
    label: Tensor  # (R,) float32, the item's reward scaled into [0, 1]

    def sample(self, batch: int, generator: torch.Generator) -> "LoggedRows":
        """A uniform sample of rows, with replacement."""
        rows = torch.randint(len(self.item), (batch,), generator=generator, device=self.item.device)
        return LoggedRows(States(*(part[rows] for part in self.states)), self.item[rows], self.label[rows])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """A copy, in the smallest types that hold it."""
        item, label = (each.cpu().numpy() for each in (self.item, self.label))
        return {**small_states(self.states), "item": item.astype(np.int32), "label": label.copy()}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]], device: torch.device, problem: Problem) -> "LoggedRows":
        """The rows that `arrays` were taken from, on a device; ValueError where they are not of this problem."""
        rows, events = len(arrays["item"]), len(problem.event_names)
        check_states("rows of the log", arrays, (rows,), events, problem)
        check_shape("rows of the log: label", arrays["label"], (rows,), np.float32)
        check_shape("rows of the log: item", arrays["item"], (rows,), np.int32)
        check_within("rows of the log: item", arrays["item"], 0, problem.num_items - 1)
        item, label = arrays["item"].astype(np.int64), np.array(arrays["label"])
        there = (torch.as_tensor(each, device=device) for each in (item, label))
        return cls(large_states(arrays, device), *there)


class Ring:
    """T slots of B rows. The state after slot t is in slot t + 1, also where that step only restarts a session.

    With `prioritised`, rows are sampled in proportion to their priority: at first the largest of any row, later that of
    `update_priorities` (Schaul et al., 2016, ICLR, the proportional variant).
    """

    def __init__(
        self, slots: int, states: States, slate_size: int, device: torch.device, *, prioritised: bool = False
    ) -> None:
        num = len(states.user)
        self.slots, self.device, self.count = slots, device, 0

        def empty(like: Tensor, kind: torch.dtype) -> Tensor:
            return torch.zeros((slots, *like.shape), dtype=kind, device=device)

        self.user, self.items = empty(states.user, torch.int32), empty(states.items, torch.int32)
        self.events, self.context = empty(states.events, torch.uint8), empty(states.context, torch.float32)
        self.action = torch.zeros((slots, num, slate_size), dtype=torch.int64, device=device)
        self.credit = torch.zeros((slots, num, slate_size), device=device)
        self.terminated, self.truncated, self.shown = (
            torch.zeros((slots, num), dtype=torch.bool, device=device) for _ in range(3)
        )
        self.mask: Tensor | None = None
        has_some = states.candidates.shape[1] > 0
        self.candidates = empty(states.candidates, torch.float32) if has_some else None
        self.priority = torch.zeros((slots, num), device=device) if prioritised else None
        self.largest = torch.ones((), device=device)

    def add(
        self,
        rows: Tensor,
        states: States,
        action: Tensor,
        credit: Tensor,
        after: States,
        ends: tuple[Tensor, Tensor],
        masks: tuple[Tensor, Tensor] | None,
    ) -> None:
        """Add one vector step of some rows; the others only restarted, and have no slate in this slot."""
        t, following = self.count % self.slots, (self.count + 1) % self.slots
        if masks is not None and self.mask is None:
            shape = (*self.shown.shape, masks[0].shape[-1])
            self.mask = torch.ones(shape, dtype=torch.bool, device=self.device)
        for place, at in ((t, states), (following, after)):
            self.user[place, rows] = at.user.int()
            self.items[place, rows] = at.items.int()
            self.events[place, rows] = at.events.to(torch.uint8)
            self.context[place, rows] = at.context
            if self.candidates is not None:
                self.candidates[place, rows] = at.candidates
        if masks is not None and self.mask is not None:
            self.mask[t, rows], self.mask[following, rows] = masks
        self.action[t, rows], self.credit[t, rows] = action, credit
        for field, value in ((self.terminated, ends[0]), (self.truncated, ends[1])):
            field[t] = False
            field[t, rows] = value
        self.shown[t] = False
        self.shown[t, rows] = True
        if self.priority is not None:
            self.priority[t] = 0.0
            self.priority[t, rows] = self.largest
        self.count += 1

    def skip(self) -> None:
        """Leave a slot without slates: it holds the states after the slot before it."""
        t = self.count % self.slots
        self.shown[t], self.terminated[t], self.truncated[t] = False, False, False
        if self.priority is not None:
            self.priority[t] = 0.0
        self.count += 1

    def ready(self, steps: int) -> int:
        """Number of slots with `steps` slots after them; one slot of the ring is always the next state's."""
        return max(min(self.count, self.slots - 1) - steps + 1, 0)

    def sample(
        self, batch: int, steps: int, discount: float, generator: torch.Generator, correction: float = 0.0
    ) -> Sample:
        """A sample of b rows of the slots with n slots after them, uniform or by priority.

        `correction` is the paper's beta, the exponent of the importance weights; at 1 the sample is unbiased.
        """
        if self.priority is None:
            age = torch.randint(self.ready(steps), (batch,), generator=generator, device=self.device)
            b = torch.randint(self.shown.shape[1], (batch,), generator=generator, device=self.device)
            t = (self.count - steps - age) % self.slots
            weight = self.shown[t, b].float()
        else:
            t, b, weight = self._by_priority(self.priority, batch, steps, generator, correction)
        path = (t[:, None] + torch.arange(steps, device=self.device)) % self.slots
        rewards = self.credit[path, b[:, None]].mean(dim=2)
        ends = self.terminated[path, b[:, None]], self.truncated[path, b[:, None]]
        total, length, bootstrap = n_step(rewards, *ends, discount)
        last, slots = (t + length) % self.slots, self.action.shape[2]
        after_mask = None if self.mask is None else self.mask[last, b]
        return Sample(
            self._states(t, b),
            self.action[t, b],
            self.credit[t, b],
            self.events[(t + 1) % self.slots, b][:, -slots:, 0].float(),
            total - rewards[:, 0],
            self._states(last, b),
            bootstrap,
            after_mask,
            weight,
            (t, b),
        )

    def _by_priority(
        self, priority: Tensor, batch: int, steps: int, generator: torch.Generator, correction: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Slots, sessions and weights, (b,) each: stratified, one draw from each of b equal parts of the sum."""
        ready = torch.arange(self.ready(steps), device=self.device)
        slots = (self.count - steps - ready) % self.slots
        flat = priority[slots].flatten()
        sums = flat.cumsum(0)
        part = torch.rand(batch, generator=generator, device=self.device)
        part = (part + torch.arange(batch, device=self.device)) / batch * sums[-1]
        place = torch.searchsorted(sums, part, right=True).clamp(max=len(flat) - 1)
        chance = flat[place] / sums[-1]
        weight = ((flat > 0).sum() * chance).clamp(min=1e-12) ** -correction
        num = self.shown.shape[1]
        t, b = slots[place // num], place % num
        return t, b, weight / weight.max() * self.shown[t, b]

    def update_priorities(self, place: tuple[Tensor, Tensor], priority: Tensor) -> None:
        """Set new priorities (b,), above 0, of sampled rows."""
        if self.priority is not None:
            self.priority[place] = priority * self.shown[place]
            self.largest = torch.maximum(self.largest, priority.max())

    def arrays(self) -> dict[str, NDArray[Any]]:
        """A copy of all slots and their count."""
        tensors = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        return {name: value.cpu().numpy().copy() for name, value in tensors.items()} | {
            "count": np.array([self.count])
        }

    @classmethod
    def of(
        cls, arrays: Mapping[str, NDArray[Any]], device: torch.device, problem: Problem, num_envs: int
    ) -> "Ring":
        """The ring that `arrays` were taken from, on a device; ValueError where they do not fit."""
        shape = (len(arrays["shown"]), num_envs)
        if shape[0] < 2:
            raise ValueError("replay: shown has fewer than 2 slots")
        check_states("replay", arrays, shape, len(problem.event_names), problem)
        slate = (*shape, problem.slate_size)
        for name, wanted, kind in (
            *((name, shape, np.bool_) for name in ("shown", "terminated", "truncated")),
            *(("action", slate, np.int64), ("credit", slate, np.float32), ("count", (1,), np.int64)),
            *(("largest", (), np.float32), ("priority", shape, np.float32)),
            ("mask", (*shape, problem.num_items), np.bool_),
            ("candidates", (*shape, len(candidate_names(problem)), problem.num_items), np.float32),
        ):
            if name in arrays or name not in ("priority", "mask", "candidates"):
                check_shape(f"replay: {name}", arrays[name], wanted, kind)
        check_within("replay: action", arrays["action"], 0, problem.num_items - 1)
        check_within("replay: count", arrays["count"], 0, 1 << 62)
        check_within("replay: priority", arrays.get("priority", arrays["largest"]), 0)
        there = {name: torch.as_tensor(np.array(value), device=device) for name, value in arrays.items()}
        ring = cls.__new__(cls)
        ring.mask, ring.priority, ring.candidates = None, None, None
        vars(ring).update(there, device=device, count=int(arrays["count"][0]), slots=len(arrays["shown"]))
        return ring

    def _states(self, t: Tensor, b: Tensor) -> States:
        items, events = self.items[t, b].long(), self.events[t, b].float()
        context = self.context[t, b]
        candidates = context.new_zeros((len(t), 0, 0)) if self.candidates is None else self.candidates[t, b]
        return States(self.user[t, b].long(), items, events, context, candidates)
