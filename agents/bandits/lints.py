"""LinTS: Thompson sampling with a linear reward (Agrawal and Goyal, 2013, ICML).

Weights are drawn from N(w, (scale s)^2 A^-1), s the estimated standard deviation of the noise, anew for every session
of a batch. "shared": one draw for all items, as in the paper. "disjoint": every arm has weights of its own, and x w_a
are then independent normal numbers N(x w, (scale s)^2 x A^-1 x): drawn as such, which is the same and needs no root
of a matrix. The paper's scale sqrt(9 d ln(t / delta)) is for its proof; 1 is the posterior.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.bandits.linear import Linear, LinearParams
from agents.bandits.ridge import Disjoint
from agents.params import check_range
from agents.problem import Problem


@dataclass(frozen=True, kw_only=True)
class LinTsParams(LinearParams):
    """The regression and how wide draws scatter."""

    scale: float = 0.3  # of the posterior's standard deviations, at least 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("scale", self.scale, 0)


class LinTs(Linear):
    """Shows the largest of one posterior draw; slates: its K largest.

    Idea:
        As `linucb`, with a draw in place of a bound: weights are drawn from their posterior, and the items of
        the largest rewards under the draw are shown. Draws differ between the sessions of a batch, so that
        they do not all try the same item.

    Formula:
        w_a ~ N(mean, (scale s)^2 A_a^-1);   A = the K largest of x w_a

    Reads:
        The log (`log_weight`); public user features, context and events of this session, by the features of
        the observation or from its history, without the libraries of friends; in mode "shared" public item
        features.

    Cost:
        As `linucb`.

    Source:
        Agrawal and Goyal (2013), Thompson sampling for contextual bandits with linear payoffs, ICML.
    """

    name: ClassVar[str] = "lints"
    config: ClassVar[type[Any]] = LinTsParams
    params: LinTsParams

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        self.normals = np.zeros((0, 0))  # room for draws

    def optimistic(self, design: Any) -> NDArray[np.float64]:
        """Rewards under drawn weights, (B, N)."""
        scale = self.params.scale * self.noise
        if isinstance(self.model, Disjoint):
            mean, scores = self.model.moments(design)
            if self.normals.shape != scores.shape:
                self.normals = np.empty_like(scores)
            scores *= self.rng.standard_normal(out=self.normals)
            scores *= scale
            scores += mean
            return scores
        return np.asarray(design.times(self.model.draw(self.rng, len(design.session), scale)))
