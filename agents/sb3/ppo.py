"""PPO of Stable-Baselines3 (Schulman et al., 2017), single items and slates."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import Tensor

from agents.params import check_range
from agents.sb3.sb3_agent import Sb3Agent, Sb3Params


@dataclass(frozen=True, kw_only=True)
class Sb3PpoParams(Sb3Params):
    """SB3's arguments."""

    learning_rate: float = 1e-3  # above 0; SB3: 3e-4
    rollout: int = 1_024  # [environment steps] of all sessions between updates; SB3: 2,048 of one
    batch_size: int = 128  # [transitions]; SB3: 64
    epochs: int = 10  # over a rollout, as SB3
    gae_lambda: float = 0.95  # in [0, 1], as SB3
    clip_range: float = 0.2  # of the probability ratio, above 0, as SB3
    entropy: float = 0.01  # its weight in the loss; SB3: 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("rollout", "batch_size", "epochs"):
            check_range(name, getattr(self, name), 1)
        check_range("gae_lambda", self.gae_lambda, 0, 1)
        check_range("clip_range", self.clip_range, 1e-9)
        check_range("entropy", self.entropy, 0)


class Sb3Ppo(Sb3Agent):
    """Shows the likeliest item at each position. A slate's positions are independent given the state.

    While it trains, a slate may repeat an item (an empty place to the environment); `act` never repeats one.
    `fresh`, too, holds in `act` alone. `sb3-maskable-ppo` keeps to `fresh`, rules and arrivals while it trains.

    Idea:
        A policy network gives probabilities of the items, a value network the return. After each rollout the
        policy is moved toward items that did better than expected, but the probability ratio is clipped, so
        that one update cannot move it far. It knows no masks while it trains: `fresh` holds in `act` alone, and
        environments with rules or arrivals need `sb3-maskable-ppo`.

    Formula:
        loss = -min(ratio A, clip(ratio, 1 - clip_range, 1 + clip_range) A) - entropy H;   A: GAE

    Reads:
        The observation `features`: public user features, category shares, events and context; a log only with
        `state="deep-cf"`.

    Cost:
        `epochs` passes over a rollout of `rollout` steps; a decision is one forward pass.

    Source:
        Schulman, Wolski, Dhariwal, Radford and Klimov (2017), Proximal policy optimization algorithms,
        arXiv:1707.06347.
    """

    name: ClassVar[str] = "sb3-ppo"
    config: ClassVar[type[Any]] = Sb3PpoParams
    algorithm: ClassVar[type[BaseAlgorithm]] = PPO

    def arguments(self, num_envs: int, budget: int) -> dict[str, Any]:
        """Rollouts of equal length that use up the budget; it is overshot by less than a step of each."""
        p = self.params
        rollouts = max(round(budget / p.rollout), 1)
        steps = max(-(-budget // (rollouts * num_envs)), 2)
        return {
            "n_steps": steps,
            "batch_size": min(p.batch_size, steps * num_envs),
            "n_epochs": p.epochs,
            "gae_lambda": p.gae_lambda,
            "clip_range": p.clip_range,
            "ent_coef": p.entropy,
        }

    def _model(self, env: Any, budget: int, seed: int) -> Any:
        """The algorithm; ValueError where it would show items that rules or arrivals exclude."""
        if self.is_limited and self.algorithm is PPO:
            raise ValueError(
                "the environment has rules or arrivals, and agent sb3-ppo trains without masks: take sb3-maskable-ppo"
            )
        return super()._model(env, budget, seed)

    def logits(self, observation: Tensor) -> Tensor:
        """Log-probabilities at each position."""
        inner: Any = self.policy.get_distribution(observation)
        found = getattr(inner, "distributions", None) or inner.distribution
        return torch.stack([each.logits for each in (found if isinstance(found, list) else [found])], dim=1)

    def noisy(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """A draw from the policy: the largest of the logits with Gumbel noise (Maddison et al., 2014)."""
        return logits + self.rng.gumbel(size=logits.shape)
