"""Slates for algorithms of Stable-Baselines3 that take single items: each place of a slate is a row of its own.

A session that is shown K items is K rows of one VecEnv. They share the observation and the end; a row's action is the
item at its place, its reward what that item paid. So Q(s, i), learnt from all K items of every slate, is what item i
brings and what follows, and the best slate is the K items of the largest Q: exact, for these networks give all N.

This is the itemwise view of Ie et al. (2019, IJCAI, "SlateQ") without its choice model: items of a slate neither
compete nor help each other, and what follows is valued by the best single item of the next state.

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

from agents.base import Actions, Problem, Transition
from agents.slates import credit


class Credits(gymnasium.vector.VectorWrapper):
    """Keeps what each item of the last slates paid, `shares` (B, K), as `agents.slates.credit` tells it."""

    def __init__(self, env: Any, problem: Problem) -> None:
        super().__init__(env)
        self.problem = problem
        self.shares = np.zeros((env.num_envs, problem.slate_size))

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """A step in any autoreset mode; the shares are of the sessions that it ended, too."""
        observation, reward, terminated, truncated, info = self.env.step(actions)
        last = info.get("final_obs", observation)
        whole = Transition(None, np.asarray(actions), reward, last, terminated, truncated)
        self.shares = credit(self.problem, whole)
        return observation, reward, terminated, truncated, info


class Places(VecEnvWrapper):
    """B K rows of single items over an adapter of B slates; place k of session b is row b K + k.

    The info of an episode (`episode`) is place 0's alone, so that a visit is counted once.
    """

    def __init__(self, adapter: VecEnv, credits: Credits) -> None:
        super().__init__(adapter, action_space=spaces.Discrete(credits.problem.num_items))
        self.credits, self.slots = credits, credits.problem.slate_size
        self.num_envs = adapter.num_envs * self.slots
        self.reset_infos = [{} for _ in range(self.num_envs)]

    def reset(self) -> NDArray[Any]:
        """Begin every visit anew."""
        return np.repeat(np.asarray(self.venv.reset()), self.slots, axis=0)

    def step_async(self, actions: Any) -> None:
        """Keep the actions, as slates."""
        self.venv.step_async(np.reshape(actions, (-1, self.slots)))

    def step_wait(self) -> Any:
        """One slate of every session."""
        observation, _, over, infos = self.venv.step_wait()
        told = []
        for info in infos:
            rest = {name: value for name, value in info.items() if name != "episode"}
            told += [info, *(dict(rest) for _ in range(self.slots - 1))]
        shares = self.credits.shares.reshape(-1).astype(np.float32)
        return (
            np.repeat(np.asarray(observation), self.slots, axis=0),
            shares,
            np.repeat(over, self.slots),
            told,
        )


class Slates:
    """Mixed into an algorithm on `Places`: the rows of a session are filled together, without repeats."""

    choose: Callable[
        [NDArray[Any], float], Actions
    ]  # slates (B, K) for B observations, this share of them random
    env: Any  # Places
    num_timesteps: int
    exploration_rate: float
    _last_obs: Any

    def _sample_action(self, learning_starts: int, action_noise: Any = None, n_envs: int = 1) -> Any:
        """SB3's hook: the actions of all rows, to take and to remember."""
        share = 1.0 if self.num_timesteps < learning_starts else self.exploration_rate
        actions = self.choose(self._last_obs[:: self.env.slots], share).reshape(-1)
        return actions, actions


class SlatesDQN(Slates, DQN):
    """DQN of places."""


class SlatesQRDQN(Slates, QRDQN):
    """QR-DQN of places."""
