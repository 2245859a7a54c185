"""The training loop of all agents but those of Stable-Baselines3, on a native vector environment.

Axes: B sessions, K slate positions, N items.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from agents.guards import check_env
from agents.interface import Agent, Checkpointer, Figures, LoopState, Masks, Report, Transition
from agents.saved import check_arrays
from recgym.rollout.slate_rules import choose, item_mask
from recgym.storage import check_keys, refusing

REPORTS = 50  # per budget


def take(observation: Any, rows: NDArray[Any]) -> Any:
    """Some rows of a batch of observations, an array or a dict of arrays."""
    if isinstance(observation, dict):
        return {name: value[rows] for name, value in observation.items()}
    return observation[rows]


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
            self.figures.setdefault(name, []).append(float(value))

    def flush(self) -> Figures:
        """Means since the last flush; an episode counts where it ended."""
        figures = {name: float(np.mean(values)) for name, values in self.figures.items()}
        if self.returns:
            figures["return"], figures["length"] = float(np.mean(self.returns)), float(np.mean(self.lengths))
        self.returns, self.lengths, self.figures = [], [], {}
        return figures


class Loop:
    """State of a training: latest observations, sessions that ended, statistics."""

    def __init__(self, env: Any, budget: int) -> None:
        mode = env.metadata.get("autoreset_mode")
        if mode != AutoresetMode.NEXT_STEP:
            raise ValueError(
                f"training needs an environment with autoreset_mode NextStep, not {getattr(mode, 'value', mode)}"
            )
        self.env, self.budget, self.every = env, budget, max(budget // REPORTS, 1)
        actions = env.single_action_space
        self.slate_size = len(actions.nvec) if hasattr(actions, "nvec") else 1
        self.over = np.zeros(env.num_envs, np.bool_)
        self.statistics, self.latest, self.due = Statistics(env.num_envs), Figures(), self.every
        self.observation: Any = None
        self.mask: Masks | None = None

    def begin(self, seed: int) -> None:
        """The first observation of every session."""
        self.observation, info = self.env.reset(seed=seed)
        self.mask = item_mask(info, self.slate_size)

    def step(self, agent: Agent, report: Report | None) -> None:
        """One vector step, one call of `learn`, and a report if one is due."""
        action = choose(agent, self.env, self.observation, self.mask, explore=True)
        after, reward, terminated, truncated, info = self.env.step(action)
        next_mask, live = item_mask(info, self.slate_size), ~self.over
        whole = Transition(
            self.observation, action, reward, after, terminated, truncated, self.mask, next_mask
        )
        figures = agent.learn(_drop(whole, self.over)) if live.any() else {}
        self.over = terminated | truncated
        self.observation, self.mask = after, next_mask
        statistics = self.statistics
        statistics.add(live, reward, self.over, figures)
        if (statistics.steps >= self.due and statistics.returns) or statistics.steps >= self.budget:
            self.latest = {**self.latest, **statistics.flush()}
            self.due = statistics.steps + self.every
            if report is not None:
                report(statistics.steps, self.latest)

    def loop_state(self) -> LoopState:
        """The state, for a checkpoint."""
        seen = self.observation if isinstance(self.observation, dict) else {"": self.observation}
        statistics = dict(vars(self.statistics))
        arrays = {f"observation.{name}": value for name, value in seen.items()}
        arrays |= {"over": self.over, "reward": statistics.pop("reward"), "length": statistics.pop("length")}
        if self.mask is not None:
            arrays["mask"] = self.mask
        return LoopState(arrays, {"statistics": statistics, "latest": self.latest, "due": self.due})

    def restore(self, loop_state: LoopState) -> None:
        """Restore the result of `loop_state`; ValueError if it is damaged or does not fit."""
        with refusing("the loop's part of the checkpoint"):
            self._restore(*loop_state)

    def _restore(self, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> None:
        seen = {name[12:]: value for name, value in arrays.items() if name.startswith("observation.")}
        observation = seen.get("", seen)
        space = self.env.observation_space
        kinds = getattr(space, "spaces", {"": space})  # `contains` takes any type that can be cast
        if not space.contains(observation) or any(kinds[key].dtype != seen[key].dtype for key in seen):
            raise ValueError("the observation is not of this environment")
        own, statistics = vars(self.statistics), facts["statistics"]
        there = {name: arrays[name] for name in ("over", "reward", "length")}
        check_arrays(
            "sessions", {"over": self.over, **{name: own[name] for name in ("reward", "length")}}, there
        )
        mask = arrays.get("mask")
        num_items = (
            self.env.single_action_space.nvec[0] if self.slate_size > 1 else self.env.single_action_space.n
        )
        if mask is not None and (mask.dtype != np.bool_ or mask.shape != (len(self.over), num_items)):
            raise ValueError(f"the mask is {mask.dtype} {mask.shape}")
        check_keys(statistics, {"total": float, "episodes": int, "steps": int}, "statistics")
        figures = {
            name: [float(value) for value in statistics["figures"][name]] for name in statistics["figures"]
        }
        statistics = {name: statistics[name] for name in ("total", "episodes", "steps")} | {
            "returns": [float(value) for value in statistics["returns"]],
            "lengths": [int(value) for value in statistics["lengths"]],
            "figures": figures,
        }
        self.observation, self.mask, self.over = observation, mask, there["over"]
        self.latest, self.due = {name: float(v) for name, v in facts["latest"].items()}, int(facts["due"])
        own.update(statistics, reward=there["reward"], length=there["length"])


def run(
    agent: Agent,
    env: Any,
    budget: int,
    seed: int,
    report: Report | None = None,
    checkpointer: Checkpointer | None = None,
) -> Figures:
    """Train for `budget` environment steps: slates shown. Steps that only restart a session do not count.

    The vector step that reaches the budget is the last. The environment must have NEXT_STEP autoreset (Gymnasium's
    default): the row after an episode's end ignores its action and is dropped; the observation before it is the last
    of the session.

    Returns:
        env_steps, episodes, reward a step, and the latest means. There is a report only after episodes have ended.
    """
    loop = Loop(env, budget)
    check_env(agent, env)
    statistics = loop.statistics
    loop_state = None if checkpointer is None else checkpointer.resume()
    if loop_state is None:
        loop.begin(seed)
    else:
        loop.restore(loop_state)
    while statistics.steps < budget:
        if checkpointer is not None:
            checkpointer.keep(statistics.steps, loop.loop_state)
        loop.step(agent, report)
    steps, episodes = float(statistics.steps), float(statistics.episodes)
    reward = statistics.total / max(steps, 1.0)
    return {"env_steps": steps, "episodes": episodes, "reward": reward, **loop.latest}


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
