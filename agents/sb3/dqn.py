"""DQN of Stable-Baselines3 (Mnih et al., 2015, Nature 518).

It is trained by SB3's own loop, through `agents.sb3.vec_env`. Where a parameter differs from SB3's default, so that it
learns within some 20,000 slates, the comment gives the default.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from stable_baselines3 import DQN
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import Tensor

from agents.interface import Actions, Masks
from agents.params import check_range
from agents.sb3.sb3_agent import Sb3Agent, Sb3Params
from agents.sb3.slate_wrappers import FilledDQN
from agents.slates import top_k


@dataclass(frozen=True, kw_only=True)
class Sb3DqnParams(Sb3Params):
    """SB3's arguments."""

    learning_rate: float = 5e-4  # above 0; SB3: 1e-4
    batch_size: int = 128  # [transitions]; SB3: 32
    buffer_size: int = 50_000  # [transitions]; SB3: 1,000,000
    learning_starts: int = 1_000  # [environment steps] of random items before the first update; SB3: 100
    steps_per_update: int = 4  # [environment steps], as SB3
    target_update_interval: int = 1_000  # [environment steps]; SB3: 10,000
    n_steps: int = 1  # [slates] paid before the bootstrap, as SB3
    exploration_fraction: float = 0.5  # of the budget, over which epsilon falls from 1; SB3: 0.1
    exploration_final: float = 0.05  # as SB3

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("exploration_fraction", "exploration_final"):
            check_range(name, getattr(self, name), 0, 1)
        for name in ("batch_size", "buffer_size", "steps_per_update", "target_update_interval", "n_steps"):
            check_range(name, getattr(self, name), 1)
        check_range("learning_starts", self.learning_starts, 0)


class Sb3Dqn(Sb3Agent):
    """Shows the largest Q; slates: the K largest.

    Idea:
        The deep Q-network of Stable-Baselines3: a network gives Q of every item from the features; it is
        trained on random transitions of a replay buffer toward the reward plus the discounted value of a
        slower copy of itself. Slates are learnt item by item, toward the value of the best single item of the
        next state: what an item changes in later slates of K items counts for about a K-th.

    Formula:
        loss = (r + discount max_a' Q_target(s', a') - Q(s, a))^2, Huber's beyond 1

    Reads:
        The observation `features`: public user features, category shares, events and context; a log only with
        `state="deep-cf"`.

    Cost:
        One gradient step every `steps_per_update` steps; a decision is one forward pass.

    Source:
        Mnih et al. (2015), Human-level control through deep reinforcement learning, Nature 518.
    """

    name: ClassVar[str] = "sb3-dqn"
    config: ClassVar[type[Any]] = Sb3DqnParams
    algorithm: ClassVar[type[BaseAlgorithm]] = DQN
    of_places: ClassVar[type[BaseAlgorithm] | None] = FilledDQN

    def arguments(self, num_envs: int, budget: int) -> dict[str, Any]:
        """One vector step, then as many updates as its environment steps call for, or one after several steps."""
        p = self.params
        return {
            "buffer_size": p.buffer_size,
            "learning_starts": p.learning_starts * self.rows,
            "batch_size": p.batch_size,
            "train_freq": max(p.steps_per_update // num_envs, 1),
            "gradient_steps": max(round(num_envs / p.steps_per_update), 1),
            "target_update_interval": p.target_update_interval * self.rows,
            "n_steps": p.n_steps,
            "exploration_fraction": p.exploration_fraction,
            "exploration_final_eps": p.exploration_final,
        }

    def logits(self, observation: Tensor) -> Tensor:
        """Q of every item."""
        values: Tensor = self.policy.q_net(observation)
        return values[:, None]

    def noisy(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Random items at the final rate."""
        return self.shuffled(logits, self.params.exploration_final)

    def shuffled(self, logits: NDArray[np.float64], share: float) -> NDArray[np.float64]:
        """Logits (B, 1, N), at random for so large a share of the sessions."""
        random = self.rng.random(len(logits)) < share
        return np.where(random[:, None, None], self.rng.random(logits.shape), logits)

    def fill(self, seen: NDArray[Any], mask: Masks, share: float) -> Actions:
        """Slates (B, K) of the largest Q that the mask (B, N) allows, so large a share of them at random."""
        slates = top_k(
            self.shuffled(self.rank(seen), share)[:, 0], self.problem.slate_size, mask, ties=self.tie_order
        )
        return slates.reshape(len(mask), -1)
