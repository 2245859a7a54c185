"""Wrappers that give algorithms of Stable-Baselines3 slates, and items that are shown once per session.

For algorithms of single items, each position of a slate is a row of the VecEnv, so a session has K rows. They share the
observation and the end of the session; a row's action is the item at its position, its reward that item's credit.
Q(s, i) is learnt from all K items of every slate, and the best slate is the K items of the largest Q.

This is the itemwise decomposition of Ie et al. (2019, IJCAI, "SlateQ") without its choice model: items of a slate do
not affect each other, and the next state's value is that of its best single item, including items already shown. That
value is about a K-th of a slate's, although a response may change the whole next slate: what an item changes later
counts for about a K-th, beside its own reward. `dcf-dqn` and `slateq` count it in full.

Axes: B sessions, K slate positions, N items.
"""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from sb3_contrib import QRDQN
from stable_baselines3 import DQN
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvWrapper

from agents.interface import Actions, Masks, Transition
from agents.problem import Problem
from agents.slates import credit, unseen


class SlateHistory(gymnasium.vector.VectorWrapper):
    """Keeps the credit of each item of the last slates, `shares` (B, K), and the allowed items, `allowed()`."""

    def __init__(self, env: Any, problem: Problem, *, fresh: bool) -> None:
        super().__init__(env)
        self.problem, self.fresh = problem, fresh
        self.shares = np.zeros((env.num_envs, problem.slate_size))
        self.now: Any = None  # latest observation

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """Reset the environment."""
        self.now, info = self.env.reset(seed=seed, options=options)
        return self.now, info

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """A step in any autoreset mode; the credit is also that of sessions that ended."""
        self.now, reward, terminated, truncated, info = self.env.step(actions)
        last = info.get("final_obs", self.now)
        whole = Transition(None, np.asarray(actions), reward, last, terminated, truncated)
        self.shares = credit(self.problem, whole)
        return self.now, reward, terminated, truncated, info

    def allowed(self) -> Masks:
        """Items that may be shown, (B, N): the environment's mask and, where `fresh`, not yet shown in this session."""
        face: Any = self.env.unwrapped
        slots, num_items = self.problem.slate_size, self.problem.num_items
        mask: Masks = face.action_masks().reshape(self.num_envs, slots, num_items).all(axis=1)
        return unseen(self.now, num_items, slots, mask) if self.fresh else mask

    def action_masks(self) -> Masks:
        """The same for each place, (B, K N), as sb3-contrib reads it."""
        return np.tile(self.allowed(), (1, self.problem.slate_size))


class SlatePositions(VecEnvWrapper):
    """B K rows of single items over an adapter of B slates; place k of session b is row b K + k.

    Only position 0 has the info of a slate and of an episode, so that each is counted once; the others have how the
    episode ended.
    """

    def __init__(self, adapter: VecEnv, memory: SlateHistory) -> None:
        super().__init__(adapter, action_space=spaces.Discrete(memory.problem.num_items))
        self.memory, self.slots = memory, memory.problem.slate_size
        self.num_envs = adapter.num_envs * self.slots
        self.reset_infos = [{} for _ in range(self.num_envs)]

    def reset(self) -> NDArray[Any]:
        """Begin every visit anew."""
        return np.repeat(np.asarray(self.venv.reset()), self.slots, axis=0)

    def step_async(self, actions: Any) -> None:
        """Keep the actions, as slates."""
        self.venv.step_async(actions if self.slots == 1 else np.reshape(actions, (-1, self.slots)))

    def step_wait(self) -> Any:
        """One slate of every session."""
        observation, _, over, infos = self.venv.step_wait()
        row_infos = []
        for info in infos:
            rest = {
                name: info[name] for name in ("TimeLimit.truncated", "terminal_observation") if name in info
            }
            row_infos += [info, *(dict(rest) for _ in range(self.slots - 1))]
        shares = self.memory.shares.reshape(-1).astype(np.float32)
        return (
            np.repeat(np.asarray(observation), self.slots, axis=0),
            shares,
            np.repeat(over, self.slots),
            row_infos,
        )


class Filled:
    """Mix-in for an algorithm on `SlatePositions`: the rows of a session are filled together, without repeats."""

    choose: Callable[
        [NDArray[Any], Masks, float], Actions
    ]  # observations, masks, share of random ones to slates
    env: Any  # SlatePositions
    num_timesteps: int
    exploration_rate: float
    _last_obs: Any

    def _sample_action(self, learning_starts: int, action_noise: Any = None, n_envs: int = 1) -> Any:
        """SB3's hook: the actions of all rows, to take and to remember."""
        share = 1.0 if self.num_timesteps < learning_starts else self.exploration_rate
        seen = self._last_obs[:: self.env.slots]
        actions = self.choose(seen, self.env.memory.allowed(), share).reshape(-1)
        return actions, actions


class FilledDQN(Filled, DQN):
    """DQN on slate positions."""


class FilledQRDQN(Filled, QRDQN):
    """QR-DQN on slate positions."""
