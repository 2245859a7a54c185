"""Learnt states: the user and history embedding of deep collaborative filtering beside the features.

Any agent that reads a Box can use it: `with_state` wraps single and vector environments (and so Stable-Baselines3's
VecEnv, by `agents.sb3.as_vec_env`) that observe "features+history".

Axes: B sessions, d width of the towers.
"""

from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray

from agents.deep.pretraining import OfflineSettings, fit_towers
from agents.deep.states import to_states
from agents.deep.towers import Towers
from agents.interface import Figures, Report
from agents.log_histories import read_histories
from agents.problem import Problem
from agents.torch_utils import pick_device, seeded

OBSERVATION = "features+history"
STATES = ("none", "deep-cf")  # what an agent's parameter `state` may be


class DeepCfState:
    """Towers fitted to a log by the offline stage of deep CF, with fixed weights afterwards.

    Args:
        problem: of a task that observes "features+history".
        width: d.
        hidden: of the towers' hidden layers.
        encoder: of the history, one of `agents.deep.encoders.ENCODERS`.
        seed: of the initial weights.
        device: "auto", "cpu", "cuda" or "mps".
    """

    def __init__(
        self,
        problem: Problem,
        *,
        width: int = 16,
        hidden: int = 64,
        encoder: str = "recurrent",
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        self.problem, self.device = problem, pick_device(device)
        features = features_of(problem.observation_space)
        with seeded(seed):
            self.towers = Towers(problem, width=width, hidden=hidden, encoder=encoder)
        self.towers.to(self.device)
        size = features.shape[0] + 2 * width
        self.space = spaces.Box(-1.0, 1.0, (size,), np.float32)  # of one session

    def fit(self, log: Any, seed: int, report: Report | None = None) -> Figures:
        """Deep CF's offline stage, with the settings that DCF-DQN has by default."""
        settings = OfflineSettings(
            epochs=6, epoch_rows=50_000, batch=512, rate=3e-3, weight_decay=0.01, clip=10.0, discount=0.8
        )
        figures = fit_towers(
            self.towers, self.problem, read_histories(self.problem, log), seed, settings, report
        )
        self.towers.eval()
        return figures

    def __call__(self, observation: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
        """(B, features + 2 d) in [-1, 1]: the features, the user's embedding, the state tower's f; tanh of both."""
        states = to_states(observation, self.device)
        with torch.no_grad():
            learnt = torch.tanh(
                torch.cat(
                    [self.towers.users(states.user), self.towers.state_heads(states).reward.state], dim=1
                )
            )
        return np.concatenate([observation["features"], learnt.cpu().numpy()], axis=1, dtype=np.float32)


class PlainState:
    """The features alone, for an observation with a history that the policy does not read."""

    def __init__(self, problem: Problem) -> None:
        self.space = features_of(problem.observation_space)

    def __call__(self, observation: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
        """(B, features)."""
        features: NDArray[np.float32] = observation["features"]
        return features


State = DeepCfState | PlainState


def features_of(space: spaces.Space[Any]) -> spaces.Box:
    """The features' part of an observation space; ValueError if it is not "features+history"."""
    part = space.get("features") if isinstance(space, spaces.Dict) else None
    if not isinstance(part, spaces.Box):
        raise ValueError(f"a learnt state needs the observation {OBSERVATION!r}, not {type(space).__name__}")
    return part


def with_state(env: Any, state: State) -> "StateEnv | StateVectorEnv":
    """The environment, single or vector, with the learnt state in its observation, a Box."""
    return StateVectorEnv(env, state) if hasattr(env, "num_envs") else StateEnv(env, state)


class StateEnv(gymnasium.ObservationWrapper[Any, Any, Any]):
    """One environment."""

    def __init__(self, env: Any, state: State) -> None:
        super().__init__(env)
        features_of(env.observation_space)
        self.state, self.observation_space = state, state.space

    def observation(self, observation: Any) -> NDArray[np.float32]:
        """The session's learnt state."""
        row: NDArray[np.float32] = self.state(
            {name: np.asarray(value)[None] for name, value in observation.items()}
        )[0]
        return row


class StateVectorEnv(gymnasium.vector.VectorWrapper):
    """A vector of environments, in any autoreset mode."""

    def __init__(self, env: Any, state: State) -> None:
        super().__init__(env)
        features_of(env.single_observation_space)
        self.state, self.single_observation_space = state, state.space
        self.observation_space = gymnasium.vector.utils.batch_space(state.space, env.num_envs)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """Begin anew, as the environment does."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self.state(observation), info

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """A step; `final_obs` of SAME_STEP autoreset is a learnt state, too."""
        observation, reward, terminated, truncated, info = self.env.step(actions)
        if "final_obs" in info:
            info = {**info, "final_obs": self.state(info["final_obs"])}
        return self.state(observation), reward, terminated, truncated, info
