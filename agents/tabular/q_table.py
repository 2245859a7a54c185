"""Base class of the tabular agents: the table, the epsilon-greedy policy, and the batched update toward a target.

A vector step is one update: a cell with several sessions takes the mean of their targets, with the step size of as many
consecutive updates. The value of the next state is 0 after termination, and is kept after truncation at the horizon
(Pardo et al., 2018, ICML).

Axes: B sessions, b rows learnt from, S states, N items, K slate positions.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from agents.base import BaseAgent
from agents.interface import Actions, Figures, Masks, Transition
from agents.params import check_range
from agents.problem import Problem
from agents.slates import credit, num_rows, top_k


@dataclass(frozen=True, kw_only=True)
class TableParams:
    """Step size, discount, exploration."""

    step_size: float = 0.02  # in (0, 1]; the smallest, see `decay`
    decay: bool = True  # 1 / visits of the cell while larger
    discount: float = 0.5  # per slate, in [0, 1]; a smaller one needs fewer visits
    epsilon_start: float = 1.0  # share of random slates, in [0, 1]
    epsilon_end: float = 0.05  # ... after `epsilon_steps`, in [0, 1]
    epsilon_steps: int = 10_000  # [environment steps] from start to end, linear
    initial: float = 0.0  # reward units; every cell's first value: above what is paid, it is optimism

    def __post_init__(self) -> None:
        check_range("step_size", self.step_size, 1e-9, 1)
        for name in ("discount", "epsilon_start", "epsilon_end"):
            check_range(name, getattr(self, name), 0, 1)
        check_range("epsilon_steps", self.epsilon_steps, 1)


class TableAgent(BaseAgent):
    """A table Q (S, N). Slates: the K best items; each is updated by its share of the reward.

    The value of a next state is a mean over the K items of a slate: the values of a slate's items sum to the slate's.
    """

    config: ClassVar[type[Any]] = TableParams
    num_envs: ClassVar[int] = 64
    params: TableParams

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        shape = (int(cast(spaces.Discrete, problem.observation_space).n), problem.num_items)
        self.values = np.full(shape, self.params.initial, np.float32)  # (S, N) Q
        self.visits = np.zeros(shape, np.int32)  # (S, N)
        self.steps = np.zeros(1, np.int64)  # environment steps learnt from

    @property
    def epsilon(self) -> float:
        """Share of random slates at the present step."""
        done = min(float(self.steps[0]) / self.params.epsilon_steps, 1.0)
        return self.params.epsilon_start + done * (self.params.epsilon_end - self.params.epsilon_start)

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """The best K of Q; with `explore`, ties break at random, some rows are random."""
        values = self.values[observation].astype(np.float64)
        if explore:
            noise = self.rng.random(values.shape)
            random = self.rng.random(num_rows(observation)) < self.epsilon
            values = np.where(random[:, None], noise, values + 1e-9 * noise)
        return top_k(values, self.problem.slate_size, mask, ties=self.tie_order)

    def next_value(self, observation: Any, mask: Masks | None) -> NDArray[np.float64]:
        """Value of next states, (b,), as if no session had ended; defined by each agent."""
        raise NotImplementedError

    def value_of(self, observation: Any, slates: Actions) -> NDArray[np.float64]:
        """Mean value of the items of slates, (b,)."""
        values = self.values[observation].astype(np.float64)
        return np.asarray(np.take_along_axis(values, slates.reshape(len(values), -1), axis=1).mean(axis=1))

    def learn(self, transition: Transition) -> Figures:
        """One batched update."""
        return self.update(transition, self.next_value(transition.next_observation, transition.next_mask))

    def update(self, transition: Transition, after: NDArray[np.float64]) -> Figures:
        """Move the cells of a batch toward their targets, given the values (b,) of the next states."""
        p, slots = self.params, self.problem.slate_size
        states = np.repeat(np.asarray(transition.observation), slots)
        items = transition.action.reshape(-1)
        after = np.where(transition.terminated, 0.0, after)
        target = credit(self.problem, transition) + p.discount * after[:, None]
        error = target.reshape(-1) - self.values[states, items]
        cells, inverse, count = np.unique(
            states * self.values.shape[1] + items, return_inverse=True, return_counts=True
        )
        mean_error = np.bincount(inverse, error, len(cells)) / count
        before = self.visits.reshape(-1)[cells]
        share = 1.0 - (1.0 - p.step_size) ** count
        if p.decay:
            share = np.maximum(share, count / (before + count))
        self.values.reshape(-1)[cells] += (share * mean_error).astype(np.float32)
        self.visits.reshape(-1)[cells] += count.astype(np.int32)
        self.steps += len(transition.reward)
        return {"td_error": float(np.abs(error).mean()), "epsilon": self.epsilon}

    def state(self) -> dict[str, NDArray[Any]]:
        """The table, its visits, the steps."""
        return {"values": self.values, "visits": self.visits, "steps": self.steps}
