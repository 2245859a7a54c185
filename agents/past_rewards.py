"""Rewards of past items from their events, where the minutes watched, which observations do not hold, are estimated.

Axes: n rows, E events, B sessions, H history, N items.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from agents.interface import Transition
from agents.problem import Problem
from agents.slates import item_rewards, scaled
from recgym.arrays import Arrays, Doubles


class RewardSums(NamedTuple):
    """Rewards of sessions, as two sparse matrices."""

    shown: sparse.csr_array  # (B, N) how often
    rewards: sparse.csr_array  # (B, N) sum of the rewards
    squares: float  # sum of the squared rewards

    @classmethod
    def of(
        cls, session: NDArray[Any], item: NDArray[Any], reward: Doubles, shape: tuple[int, int]
    ) -> "RewardSums":
        """Of rows: session (n,), item (n,) and reward (n,)."""
        shown, rewards = (
            sparse.csr_array((values, (session, item)), shape=shape)
            for values in (np.ones(len(reward)), reward)
        )
        return cls(shown, rewards, float(reward @ reward))


def estimated_rewards(
    problem: Problem, items: NDArray[Any], events: NDArray[Any], slopes: Doubles
) -> Doubles:
    """Rewards of shown items (n,) for their events (n, E); the minutes watched are linear in them.

    Args:
        problem: the task.
        items: (n,) below N.
        events: (n, E), 0 or 1.
        slopes: (E + 1,) [minutes] of each event, and at last of every item.
    """
    minutes = np.clip(events @ slopes[:-1] + slopes[-1], 0.0, None)
    return item_rewards(problem, items, events, minutes)


class PastRewards:
    """Rewards in [0, 1] of the items of the observation "history"; its minutes are fitted by least squares."""

    def __init__(self, problem: Problem) -> None:
        width = len(problem.event_names) + 1
        self.problem, self.inner, self.total = problem, np.zeros((width, width)), np.zeros(width)
        self.slopes = np.zeros(width)

    def clear(self) -> None:
        """Drop what was fitted."""
        self.inner[:], self.total[:], self.slopes[:] = 0.0, 0.0, 0.0

    def fit(self, item: NDArray[Any], events: NDArray[Any], reward: Doubles) -> None:
        """Add items with their events (n, E) and rewards (n,); item (n,), or slates (n, K) with events (n, K, E)."""
        if not self.problem.reward_per_minute or not len(reward):
            return
        slates, each = item.reshape(len(reward), -1), events.reshape(len(reward), -1, events.shape[-1])
        paid = item_rewards(self.problem, slates, each).sum(axis=1)
        minutes = (reward - paid) / self.problem.reward_per_minute
        x = np.column_stack([each.sum(axis=1), np.full(len(slates), slates.shape[1])])
        self.inner += x.T @ x
        self.total += x.T @ minutes
        self.solve()

    def learn(self, transition: Transition) -> None:
        """Add the slates of a transition whose observation is "history"."""
        after, count = transition.next_observation, self.problem.slate_size
        length = after["shown"].shape[1]
        if count > length:
            return
        events = after["events"].reshape(len(after["shown"]), length, -1)[:, -count:]
        self.fit(after["shown"][:, -count:].clip(max=self.problem.num_items - 1), events, transition.reward)

    def solve(self) -> None:
        """Least squares, of least norm where events do not vary."""
        self.slopes[:] = np.linalg.lstsq(self.inner, self.total, rcond=1e-10)[0]

    def __call__(self, observation: Any) -> RewardSums:
        """What each session was shown, and its rewards."""
        shown = observation["shown"]
        batch, length = shown.shape
        rows, places = np.nonzero(shown < self.problem.num_items)
        item = shown[rows, places].astype(np.int64)
        events = observation["events"].reshape(batch, length, -1).astype(np.float64)[rows, places]
        reward = scaled(self.problem, estimated_rewards(self.problem, item, events, self.slopes))
        return RewardSums.of(rows, item, reward, (batch, self.problem.num_items))

    def state(self) -> Arrays:
        """Sums of the least squares."""
        return {"minutes_inner": self.inner, "minutes_total": self.total}
