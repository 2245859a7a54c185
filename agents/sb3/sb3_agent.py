"""Base class of the agents of Stable-Baselines3 (Raffin et al., 2021, JMLR 22), which train in SB3's own loop.

Their policies read "features", or with `state="deep-cf"` the features and the user and history embedding of deep CF
fitted to the log (`agents.sb3.learned_state`). With `fresh`, or if an algorithm for single items fills slates, the
agents also observe the history (`agents.sb3.slate_wrappers`), for the items shown and the reward of each item of a
slate; it is no input of the policy.

Axes: B sessions, K slate positions, N items.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import Tensor

from agents.base import BaseAgent
from agents.environments import vector_of
from agents.guards import begin_training, check_env
from agents.interface import Actions, Checkpointer, Figures, Masks, Report
from agents.loop import REPORTS
from agents.params import check_range
from agents.problem import Problem
from agents.sb3.learned_state import OBSERVATION, STATES, DeepCfState, PlainState, State, with_state
from agents.sb3.progress_callback import ProgressCallback
from agents.sb3.slate_wrappers import SlateHistory, SlatePositions
from agents.sb3.vec_env import as_vec_env
from agents.slates import allowed_items, top_k
from agents.torch_utils import GPUS, moments_of, pick_device, put_moments, put_weights, seeded, weights_of


@dataclass(frozen=True, kw_only=True)
class Sb3Params:
    """Parameters of all SB3 agents."""

    learning_rate: float = 5e-4  # above 0
    discount: float = 0.95  # per slate, in [0, 1]; SB3: 0.99
    width: int = 64  # of the two hidden layers, as SB3
    state: str = "none"  # "deep-cf": the features and the embedding of deep CF
    fresh: bool = (
        False  # show an item at most once per session (the last 20 items); `sb3-ppo`: in `act` alone
    )

    def __post_init__(self) -> None:
        check_range("learning_rate", self.learning_rate, 1e-9)
        check_range("discount", self.discount, 0, 1)
        check_range("width", self.width, 1)
        if self.state not in STATES:
            raise ValueError(f"state is {self.state!r}, allowed: {', '.join(map(repr, STATES))}")


class Sb3Agent(BaseAgent):
    """A policy of SB3: `act` evaluates it directly, `train` passes it to SB3's algorithm."""

    observation: ClassVar[str] = "features"
    num_envs: ClassVar[int] = 8
    config: ClassVar[type[Any]] = Sb3Params
    algorithm: ClassVar[type[BaseAlgorithm]]
    of_places: ClassVar[type[BaseAlgorithm] | None] = (
        None  # its variant for slates and masks, if SB3's supports neither
    )
    resumes_exactly: ClassVar[bool] = False
    devices: ClassVar[tuple[str, ...]] = GPUS
    params: Any

    @classmethod
    def requirements(cls, params: Mapping[str, Any], slate_size: int = 1) -> tuple[str, bool]:
        """A learnt state needs the history and a log; `agents.sb3.slate_wrappers` needs the history."""
        is_learnt = params.get("state") == "deep-cf"
        more = is_learnt or params.get("fresh", False) or (slate_size > 1 and cls.of_places is not None)
        return OBSERVATION if more else cls.observation, is_learnt

    @classmethod
    def accepts(cls, params: Mapping[str, Any], slate_size: int = 1) -> tuple[str, ...]:
        """The features; also with the history if it is not needed."""
        return tuple(dict.fromkeys((cls.requirements(params, slate_size)[0], OBSERVATION)))

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        self.torch_device = pick_device(device)
        self.learnt: DeepCfState | None = None
        self.read: State | None = None  # maps an observation to a Box, if it is not one
        space = problem.observation_space
        if self.params.state == "deep-cf":
            self.read = self.learnt = DeepCfState(problem, seed=seed, device=device)
        elif isinstance(space, spaces.Dict) and "features" in space.spaces:
            self.read = PlainState(problem)
        actions: spaces.Space[Any] = spaces.Discrete(problem.num_items)
        if problem.slate_size > 1 and self.of_places is None:
            actions = spaces.MultiDiscrete([problem.num_items] * problem.slate_size)
        with seeded(seed):
            kind: Any = self.algorithm.policy_aliases["MlpPolicy"]
            read = space if self.read is None else self.read.space
            self.policy = kind(read, actions, lambda _: 1e-3, **self.policy_arguments())
        self.policy.to(self.torch_device)
        self.is_limited = False  # the environment that trains it has rules or arrivals
        self.moments: dict[str, NDArray[Any]] = {}  # of a checkpoint's optimizer

    def policy_arguments(self) -> dict[str, Any]:
        """SB3's `policy_kwargs`."""
        return {"net_arch": [self.params.width] * 2}

    def arguments(self, num_envs: int, budget: int) -> dict[str, Any]:
        """Arguments of the algorithm other than its policy."""
        raise NotImplementedError

    def logits(self, observation: Tensor) -> Tensor:
        """Scores of the items at each position, (B, K, N), or at all positions, (B, 1, N)."""
        raise NotImplementedError

    def noisy(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same with exploration."""
        raise NotImplementedError

    def fill(self, seen: NDArray[Any], mask: Masks, share: float) -> Actions:
        """Slates (B, K), a given share of them random; for agents with `of_places`."""
        raise NotImplementedError

    def prepare(self, log: Any, seed: int, report: Report | None = None) -> Figures:
        """Fit the learnt state, if there is one."""
        return {} if self.learnt is None else self.learnt.fit(log, seed, report)

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """The best item of each position in turn, without repeats."""
        slots = self.problem.slate_size
        mask = allowed_items(self.problem, observation, mask, fresh=self.params.fresh)
        logits = self.rank(observation if self.read is None else self.read(observation))
        scores = self.noisy(logits) if explore else logits
        if mask is not None:
            scores[~np.broadcast_to(mask[:, None], scores.shape)] = -np.inf
        slates = np.empty((len(scores), slots), np.int64)
        rows, last = np.arange(len(scores)), scores.shape[1] - 1
        for k in range(slots):
            slates[:, k] = top_k(scores[:, min(k, last)], 1, ties=self.tie_order)
            scores[rows, :, slates[:, k]] = -np.inf
        return slates[:, 0] if slots == 1 else slates

    def rank(self, seen: NDArray[Any]) -> NDArray[np.float64]:
        """The logits of observations, on the host."""
        self.policy.set_training_mode(False)
        with torch.no_grad():
            logits = self.logits(torch.as_tensor(seen, device=self.torch_device)).cpu().numpy()
        return np.asarray(logits, np.float64)

    def train(
        self,
        env: Any,
        budget: int,
        seed: int,
        report: Report | None = None,
        checkpointer: Checkpointer | None = None,
    ) -> Figures:
        """SB3's loop for `budget` environment steps, from the present weights.

        SB3 seeds the global generators of Python, numpy and torch with `seed`. A checkpoint keeps weights, the
        optimizer's moments and counts: a resumed training starts with new sessions, a new generator and an empty
        replay, with its warm-up.
        """
        budget, seed = begin_training(self, budget, seed)
        env = vector_of(env, self.num_envs)
        check_env(self, env)
        asked = env.unwrapped.arguments
        self.is_limited = asked.rules is not None or asked.arrival is not None
        loop_state = None if checkpointer is None else checkpointer.resume()
        done, episodes = (
            (0, 0) if loop_state is None else (loop_state.facts["env_steps"], loop_state.facts["episodes"])
        )
        model, rows = self._model(env, budget, seed + done), self.rows
        if loop_state is not None:
            put_moments(model.policy.optimizer, self.moments)
            model.num_timesteps = rows * done
            if hasattr(model, "learning_starts"):
                model.learning_starts += rows * done
        callback = ProgressCallback(max(budget // REPORTS, 1), report, checkpointer, rows, episodes)
        model.learn(
            rows * (budget - done), callback, log_interval=1 << 60, reset_num_timesteps=loop_state is None
        )
        return {
            "env_steps": float(model.num_timesteps // rows),
            "episodes": float(callback.episodes),
            **callback.latest,
        }

    def _model(self, env: Any, budget: int, seed: int) -> Any:
        """SB3's algorithm, which trains this agent's policy."""
        algorithm: Any = self.of_places if self.is_filled else self.algorithm
        with warnings.catch_warnings():  # the mini-batch need not divide the rollout
            warnings.filterwarnings("ignore", message="You have specified a mini-batch size")
            model = algorithm(
                "MlpPolicy",
                self._adapter(env),
                learning_rate=self.params.learning_rate,
                policy_kwargs=self.policy_arguments(),
                seed=seed % (1 << 32),
                device=self.torch_device,
                gamma=self.params.discount,
                **self.arguments(env.num_envs, budget),
            )
        put_weights(model.policy, weights_of(self.policy))
        self.policy = model.policy
        if self.is_filled:
            model.choose = self.fill
        return model

    @property
    def is_filled(self) -> bool:
        """Whether SB3 trains on single positions, with masks."""
        has_masks = self.params.fresh or self.is_limited
        return self.of_places is not None and (self.problem.slate_size > 1 or has_masks)

    @property
    def rows(self) -> int:
        """Number of rows per session that SB3 sees as environments."""
        return self.problem.slate_size if self.is_filled else 1

    def _adapter(self, env: Any) -> Any:
        """The VecEnv that SB3 trains on: a row per session, or per position of a slate."""
        memory = SlateHistory(env, self.problem, fresh=self.params.fresh)
        adapter = as_vec_env(
            memory if self.read is None else with_state(memory, self.read), memory.action_masks
        )
        return SlatePositions(adapter, memory) if self.is_filled else adapter

    def state(self) -> dict[str, NDArray[Any]]:
        """Weights of the policy, and of the learnt state."""
        learnt = {} if self.learnt is None else weights_of(self.learnt.towers, "state.")
        return weights_of(self.policy) | learnt

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Load weights."""
        put_weights(self.policy, state)
        if self.learnt is not None:
            put_weights(self.learnt.towers, state, "state.")

    def training_state(self) -> dict[str, NDArray[Any]]:
        """The optimizer's moments."""
        return moments_of(self.policy.optimizer)

    def restore_training(self, state: Mapping[str, NDArray[Any]], num_envs: int) -> None:
        """Keep the moments for SB3's algorithm, which `train` makes."""
        self.moments = dict(state)
