"""LinUCB: the largest upper confidence bound of a linear reward (Li, Chu, Langford and Schapire, 2010, WWW).

Bound: x w + alpha s sqrt(x A^-1 x), s the estimated standard deviation of the noise (the paper has s = 1/2, the most
that rewards in [0, 1] allow). Modes "shared" and "disjoint" (the paper's Algorithm 1): see `agents.bandits.linear`.
Deviation: decisions come in batches, and a batch is one update.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.bandits.linear import Linear, LinearParams
from agents.params import check_range


@dataclass(frozen=True, kw_only=True)
class LinUcbParams(LinearParams):
    """The regression and how optimistic."""

    alpha: float = 0.3  # [standard deviations of the mean] added to it, at least 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("alpha", self.alpha, 0)


class LinUcb(Linear):
    """Shows the largest bound; slates: the K largest.

    Idea:
        The reward is linear in features of the session. Ridge regression gives each item's expected reward
        and how uncertain it is in this context; the item of the largest upper bound is shown. So what is
        learnt from one context serves alike ones.

    Formula:
        A = the K largest of x w_a + alpha s sqrt(x A_a^-1 x);   A_a = ridge I + X_a' X_a

    Reads:
        The log (`log_weight`); public user features, context and events of this session, by the features of
        the observation or from its history, without the libraries of friends; in mode "shared" public item
        features.

    Cost:
        O(N d^2) a decision in mode "disjoint", O(N d^2) once a batch for updates.

    Source:
        Li, Chu, Langford and Schapire (2010), A contextual-bandit approach to personalized news article
        recommendation, WWW.
    """

    name: ClassVar[str] = "linucb"
    config: ClassVar[type[Any]] = LinUcbParams
    params: LinUcbParams

    def optimistic(self, design: Any) -> NDArray[np.float64]:
        """Upper confidence bounds, (B, N)."""
        mean, bounds = self.model.moments(design)
        bounds *= self.params.alpha * self.noise
        bounds += mean
        return bounds
