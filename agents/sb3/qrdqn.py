"""QR-DQN of sb3-contrib: the distribution of returns by quantile regression (Dabney et al., 2018, AAAI)."""

from dataclasses import dataclass
from typing import Any, ClassVar

from sb3_contrib import QRDQN
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import Tensor

from agents.params import check_range
from agents.sb3.dqn import Sb3Dqn, Sb3DqnParams
from agents.sb3.slate_wrappers import FilledQRDQN


@dataclass(frozen=True, kw_only=True)
class Sb3QrDqnParams(Sb3DqnParams):
    """DQN's, and how many quantiles."""

    quantiles: int = 25  # sb3-contrib: 200

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("quantiles", self.quantiles, 1)


class Sb3QrDqn(Sb3Dqn):
    """Shows the largest mean of the quantiles.

    Idea:
        As `sb3-dqn`, but the network gives quantiles of the return, not its mean alone: the distribution is
        the target, which often trains better. The item of the largest mean is shown.

    Formula:
        Q(s, a) = mean of quantiles theta_i(s, a);   loss = quantile Huber loss toward r + discount theta_j(s', a*)

    Reads:
        The observation `features`: public user features, category shares, events and context; a log only with
        `state="deep-cf"`.

    Cost:
        As `sb3-dqn`, times the number of quantiles.

    Source:
        Dabney, Rowland, Bellemare and Munos (2018), Distributional reinforcement learning with quantile
        regression, AAAI.
    """

    name: ClassVar[str] = "sb3-qrdqn"
    config: ClassVar[type[Any]] = Sb3QrDqnParams
    algorithm: ClassVar[type[BaseAlgorithm]] = QRDQN
    of_places: ClassVar[type[BaseAlgorithm] | None] = FilledQRDQN

    def policy_arguments(self) -> dict[str, Any]:
        """SB3's `policy_kwargs`."""
        return {**super().policy_arguments(), "n_quantiles": self.params.quantiles}

    def logits(self, observation: Tensor) -> Tensor:
        """Mean of the quantiles of every item."""
        quantiles: Tensor = self.policy.quantile_net(observation)
        return quantiles.mean(dim=1, keepdim=True)
