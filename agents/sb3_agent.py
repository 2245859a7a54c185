"""What the agents of Stable-Baselines3 share (Raffin et al., 2021, JMLR 22): their own loop on our adapter.

They read "features", or with `state="deep-cf"` the features and the user and history embedding of deep CF fitted to
the log (`agents.state`). Axes: B sessions, K slate positions, N items.
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
from stable_baselines3.common.callbacks import BaseCallback
from torch import Tensor

from agents.base import Actions, BaseAgent, Figures, Keeper, Masks, Problem, Report, check_range
from agents.loop import REPORTS
from agents.modules import pick_device, put_weights, seeded, weights_of
from agents.sb3 import as_vec_env
from agents.slates import check_mask
from agents.state import OBSERVATION, STATES, DeepCfState, with_state


@dataclass(frozen=True, kw_only=True)
class Sb3Params:
    """What all of them have."""

    learning_rate: float = 5e-4  # above 0
    discount: float = 0.95  # a slate, in [0, 1]; SB3: 0.99
    width: int = 64  # of the two hidden layers, as SB3
    state: str = "none"  # "deep-cf": the features and what deep CF learnt from the log

    def __post_init__(self) -> None:
        check_range("learning_rate", self.learning_rate, 1e-9)
        check_range("discount", self.discount, 0, 1)
        check_range("width", self.width, 1)
        if self.state not in STATES:
            raise ValueError(f"state is {self.state!r}, allowed: {', '.join(map(repr, STATES))}")


class Sb3Agent(BaseAgent):
    """A policy of SB3: `act` asks it directly, `train` hands it to SB3's algorithm."""

    observation: ClassVar[str] = "features"
    num_envs: ClassVar[int] = 8
    config: ClassVar[type[Any]] = Sb3Params
    algorithm: ClassVar[type[BaseAlgorithm]]
    slates: ClassVar[bool] = False  # whether it takes MultiDiscrete actions
    params: Any

    @classmethod
    def needs(cls, params: Mapping[str, Any]) -> tuple[str, bool]:
        """More with a learnt state: the history, and a log."""
        return (OBSERVATION, True) if params.get("state") == "deep-cf" else (cls.observation, cls.offline)

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        if problem.slate_size > 1 and not self.slates:
            short = self.algorithm.__name__
            raise ValueError(
                f"agent {self.name} shows single items: SB3's {short} takes no slates (MultiDiscrete actions)"
            )
        self.torch_device = pick_device(device)
        self.learnt: DeepCfState | None = None
        space = problem.observation_space
        if self.params.state == "deep-cf":
            self.learnt = DeepCfState(problem, seed=seed, device=device)
            space = self.learnt.space
        elif not isinstance(space, spaces.Box):
            raise ValueError(
                f"agent {self.name} needs the observation 'features', not {type(space).__name__}"
            )
        actions: spaces.Space[Any] = spaces.Discrete(problem.num_items)
        if problem.slate_size > 1:
            actions = spaces.MultiDiscrete([problem.num_items] * problem.slate_size)
        with seeded(seed):
            kind: Any = self.algorithm.policy_aliases["MlpPolicy"]
            self.policy = kind(space, actions, lambda _: 1e-3, **self.policy_arguments())
        self.policy.to(self.torch_device)

    def policy_arguments(self) -> dict[str, Any]:
        """SB3's `policy_kwargs`."""
        return {"net_arch": [self.params.width] * 2}

    def arguments(self, num_envs: int, budget: int) -> dict[str, Any]:
        """What the algorithm takes beside its policy; each agent's own."""
        raise NotImplementedError

    def logits(self, observation: Tensor) -> Tensor:
        """What ranks items at each position, (B, K, N); each agent's own."""
        raise NotImplementedError

    def noisy(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same with exploration; each agent's own."""
        raise NotImplementedError

    def prepare(self, log: Any, seed: int, report: Report | None = None) -> Figures:
        """Fit the learnt state, where there is one."""
        return {} if self.learnt is None else self.learnt.fit(log, seed, report)

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """The best item, position after position, without repeats."""
        check_mask(mask, self.problem.slate_size)
        seen = observation if self.learnt is None else self.learnt(observation)
        self.policy.set_training_mode(False)
        with torch.no_grad():
            logits = self.logits(torch.as_tensor(seen, device=self.torch_device)).cpu().numpy()
        scores = self.noisy(logits.astype(np.float64)) if explore else logits.astype(np.float64)
        if mask is not None:
            scores[~np.broadcast_to(mask[:, None], scores.shape)] = -np.inf
        slates = np.empty(scores.shape[:2], np.int64)
        rows = np.arange(len(scores))
        for k in range(scores.shape[1]):
            slates[:, k] = scores[:, k].argmax(axis=1)
            scores[rows, k:, slates[:, k]] = -np.inf
        return slates[:, 0] if self.problem.slate_size == 1 else slates

    def train(
        self,
        env: Any,
        budget: int,
        seed: int,
        report: Report | None = None,
        keeper: Keeper | None = None,
    ) -> Figures:
        """SB3's loop for `budget` environment steps; goes on from the weights that are there.

        SB3 seeds the global generators of Python, numpy and torch with `seed`. It keeps no checkpoints.
        """
        adapter = as_vec_env(env if self.learnt is None else with_state(env, self.learnt))
        with warnings.catch_warnings():  # a rollout that a mini-batch does not divide is no mistake
            warnings.filterwarnings("ignore", message="You have specified a mini-batch size")
            algorithm: Any = self.algorithm
            model = algorithm(
                "MlpPolicy",
                adapter,
                learning_rate=self.params.learning_rate,
                policy_kwargs=self.policy_arguments(),
                seed=seed % (1 << 32),
                device=self.torch_device,
                gamma=self.params.discount,
                **self.arguments(env.num_envs, budget),
            )
        put_weights(model.policy, weights_of(self.policy))
        callback = _Reports(max(budget // REPORTS, 1), report)
        model.learn(budget, callback=callback, log_interval=1 << 60)
        self.policy = model.policy
        return {
            "env_steps": float(model.num_timesteps),
            "episodes": float(callback.episodes),
            **callback.latest,
        }

    def state(self) -> dict[str, NDArray[Any]]:
        """Weights of the policy, and of the learnt state."""
        learnt = {} if self.learnt is None else weights_of(self.learnt.towers, "state.")
        return weights_of(self.policy) | learnt

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Load weights."""
        put_weights(self.policy, state)
        if self.learnt is not None:
            put_weights(self.learnt.towers, state, "state.")


class _Reports(BaseCallback):
    """Hands the means of the episodes that ended to `report`, every so many steps."""

    def __init__(self, every: int, report: Report | None) -> None:
        super().__init__()
        self.every, self.due, self.report = every, every, report
        self.ended: list[dict[str, float]] = []
        self.episodes = 0
        self.latest: Figures = {}

    def _on_step(self) -> bool:
        self.ended += [info["episode"] for info in self.locals["infos"] if "episode" in info]
        if self.num_timesteps >= self.due:
            self._flush()
        return True

    def _on_training_end(self) -> None:
        self._flush()

    def _flush(self) -> None:
        self.due = self.num_timesteps + self.every
        if not self.ended:
            return
        self.episodes += len(self.ended)
        mean = {
            name: float(np.mean([each[key] for each in self.ended]))
            for name, key in (("return", "r"), ("length", "l"))
        }
        self.latest, self.ended = mean, []
        if self.report is not None:
            self.report(self.num_timesteps, mean)
