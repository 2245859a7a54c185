"""The loop that trains an agent on a native vector environment, shared by all that have none of their own.

Axes: B sessions, K slate positions, N items.
"""

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from agents.base import Agent, Figures, Masks, Report, Transition

REPORTS = 50  # reports over a budget


def take(observation: Any, rows: NDArray[Any]) -> Any:
    """Some rows of a batch of observations, an array or a dict of arrays."""
    if isinstance(observation, dict):
        return {name: value[rows] for name, value in observation.items()}
    return observation[rows]


def item_mask(info: dict[str, Any], slate_size: int) -> Masks | None:
    """The info's mask as (B, N): items that may stand at every position; None where none is given."""
    mask = info.get("action_mask")
    if mask is None:
        return None
    flat = np.asarray(mask, dtype=np.bool_)
    masks: Masks = np.logical_and.reduce(flat.reshape(len(flat), slate_size, -1), axis=1)
    return masks


class Statistics:
    """Returns and lengths of episodes, exact under NEXT_STEP autoreset, and means of the agent's figures."""

    def __init__(self, num_envs: int) -> None:
        self.reward, self.length = np.zeros(num_envs), np.zeros(num_envs, np.int64)
        self.total, self.episodes, self.steps = 0.0, 0, 0
        self.returns: list[float] = []
        self.lengths: list[int] = []
        self.figures: dict[str, list[float]] = {}

    def add(self, live: Masks, reward: NDArray[np.float64], over: Masks, figures: Figures) -> None:
        """One vector step: rows that were live, their reward, the rows that ended."""
        self.steps += int(live.sum())
        self.total += float(reward[live].sum())
        self.reward += np.where(live, reward, 0.0)
        self.length += live
        self.episodes += int(over.sum())
        self.returns += self.reward[over].tolist()
        self.lengths += self.length[over].tolist()
        self.reward[over], self.length[over] = 0.0, 0
        for name, value in figures.items():
            self.figures.setdefault(name, []).append(value)

    def flush(self) -> Figures:
        """Means since the last flush; an episode counts where it ended."""
        figures = {name: float(np.mean(values)) for name, values in self.figures.items()}
        if self.returns:
            figures["return"], figures["length"] = float(np.mean(self.returns)), float(np.mean(self.lengths))
        self.returns, self.lengths, self.figures = [], [], {}
        return figures


def run(agent: Agent, env: Any, budget: int, seed: int, report: Report | None = None) -> Figures:
    """Train for `budget` environment steps: slates shown. Steps that only restart a session do not count.

    The vector step that reaches the budget is the last. Needs NEXT_STEP autoreset (Gymnasium's default):
    there, the row after an episode's end ignores its action, so it is dropped, and the observation before it
    is the last of the session that ended.

    Returns:
        env_steps, episodes, reward a step, and the latest means. Reports come where episodes have ended.
    """
    mode = env.metadata.get("autoreset_mode")
    if mode != AutoresetMode.NEXT_STEP:
        raise ValueError(
            f"training needs an environment with autoreset_mode NextStep, not {getattr(mode, 'value', mode)}"
        )
    action_space = env.single_action_space
    slate_size = len(action_space.nvec) if hasattr(action_space, "nvec") else 1
    observation, info = env.reset(seed=seed)
    mask, over = item_mask(info, slate_size), np.zeros(env.num_envs, np.bool_)
    statistics, latest = Statistics(env.num_envs), Figures()
    every, due = max(budget // REPORTS, 1), max(budget // REPORTS, 1)
    while statistics.steps < budget:
        action = agent.act(observation, mask, explore=True)
        next_observation, reward, terminated, truncated, info = env.step(action)
        next_mask, live = item_mask(info, slate_size), ~over
        whole = Transition(
            observation, action, reward, next_observation, terminated, truncated, mask, next_mask
        )
        figures = agent.learn(_drop(whole, over)) if live.any() else {}
        over = terminated | truncated
        statistics.add(live, reward, over, figures)
        observation, mask = next_observation, next_mask
        if (statistics.steps >= due and statistics.returns) or statistics.steps >= budget:
            latest = {**latest, **statistics.flush()}
            due = statistics.steps + every
            if report is not None:
                report(statistics.steps, latest)
    steps, episodes = float(statistics.steps), float(statistics.episodes)
    return {"env_steps": steps, "episodes": episodes, "reward": statistics.total / max(steps, 1.0), **latest}


def _drop(whole: Transition, over: Masks) -> Transition:
    """The transition without the rows whose previous step ended a session."""
    if not over.any():
        return whole
    rows = np.flatnonzero(~over)
    observation, next_observation = take(whole.observation, rows), take(whole.next_observation, rows)
    mask = None if whole.mask is None else whole.mask[rows]
    next_mask = None if whole.next_mask is None else whole.next_mask[rows]
    return Transition(
        observation,
        whole.action[rows],
        whole.reward[rows],
        next_observation,
        whole.terminated[rows],
        whole.truncated[rows],
        mask,
        next_mask,
        rows,
    )
