"""DQN of Stable-Baselines3 (Mnih et al., 2015, Nature 518; Raffin et al., 2021, JMLR 22) on "features".

SB3's own loop trains it, through our adapter. Where a parameter differs from SB3's default, so that it learns
within some 20,000 slates, the comment gives SB3's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3 import DQN
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.dqn.policies import DQNPolicy

from agents.base import Actions, BaseAgent, Figures, Keeper, Masks, Problem, Report, check_range
from agents.loop import REPORTS
from agents.modules import pick_device, put_weights, seeded, weights_of
from agents.sb3 import as_vec_env
from agents.slates import top_k


@dataclass(frozen=True, kw_only=True)
class Sb3DqnParams:
    """SB3's arguments."""

    learning_rate: float = 5e-4  # above 0; SB3: 1e-4
    discount: float = 0.95  # a slate, in [0, 1]; SB3: 0.99
    batch_size: int = 128  # [transitions]; SB3: 32
    buffer_size: int = 50_000  # [transitions]; SB3: 1,000,000
    learning_starts: int = 1_000  # [environment steps] of random items before the first update; SB3: 100
    steps_per_update: int = 4  # [environment steps], as SB3
    target_update_interval: int = 1_000  # [environment steps]; SB3: 10,000
    exploration_fraction: float = 0.5  # of the budget, over which epsilon falls from 1; SB3: 0.1
    exploration_final: float = 0.05  # as SB3
    width: int = 64  # of the two hidden layers, as SB3

    def __post_init__(self) -> None:
        check_range("learning_rate", self.learning_rate, 1e-9)
        for name in ("discount", "exploration_fraction", "exploration_final"):
            check_range(name, getattr(self, name), 0, 1)
        for name in ("batch_size", "buffer_size", "steps_per_update", "target_update_interval", "width"):
            check_range(name, getattr(self, name), 1)
        check_range("learning_starts", self.learning_starts, 0)


class Sb3Dqn(BaseAgent):
    """Shows the largest Q. Single items alone: SB3's DQN takes no slates."""

    name: ClassVar[str] = "sb3-dqn"
    observation: ClassVar[str] = "features"
    num_envs: ClassVar[int] = 8
    config: ClassVar[type[Any]] = Sb3DqnParams
    params: Sb3DqnParams

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        if problem.slate_size > 1:
            raise ValueError(
                "agent sb3-dqn shows single items: SB3's DQN takes no slates (MultiDiscrete actions)"
            )
        if not isinstance(problem.observation_space, spaces.Box):
            found = type(problem.observation_space).__name__
            raise ValueError(f"agent {self.name} needs the observation 'features', not {found}")
        actions: spaces.Discrete[Any] = spaces.Discrete(problem.num_items)
        self.torch_device = pick_device(device)
        with seeded(seed):
            self.policy = DQNPolicy(
                problem.observation_space, actions, lambda _: 1e-3, [self.params.width] * 2
            )
        self.policy.to(self.torch_device)

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """The largest Q; with `explore`, a random item at the final rate."""
        self.policy.set_training_mode(False)
        with torch.no_grad():
            values = self.policy.q_net(torch.as_tensor(observation, device=self.torch_device)).cpu().numpy()
        if explore:
            random = self.rng.random(len(values)) < self.params.exploration_final
            values = np.where(random[:, None], self.rng.random(values.shape), values)
        return top_k(values, 1, mask)

    def train(
        self,
        env: Any,
        budget: int,
        seed: int,
        report: Report | None = None,
        keeper: Keeper | None = None,
    ) -> Figures:
        """SB3's loop for `budget` environment steps; goes on from the weights that are there.

        SB3 seeds the global generators of Python, numpy and torch with `seed`.
        """
        p, adapter = self.params, as_vec_env(env)
        model = DQN(
            "MlpPolicy",
            adapter,
            learning_rate=p.learning_rate,
            buffer_size=p.buffer_size,
            learning_starts=p.learning_starts,
            batch_size=p.batch_size,
            gamma=p.discount,
            train_freq=1,
            gradient_steps=max(round(env.num_envs / p.steps_per_update), 1),
            target_update_interval=p.target_update_interval,
            exploration_fraction=p.exploration_fraction,
            exploration_final_eps=p.exploration_final,
            policy_kwargs={"net_arch": [p.width] * 2},
            seed=seed % (1 << 32),
            device=self.torch_device,
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
        """Weights of the Q network and its target."""
        return weights_of(self.policy)

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Load weights."""
        put_weights(self.policy, state)


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
