"""Decision transformer: the decoder imitates a log, given the return that followed, and is asked for a large one.

Chen et al. (2021), NeurIPS. Deviations: a decision reads the return to go of its own step alone, not those of earlier
steps, which observations do not hold; what is asked for is a quantile of the log's returns to go at every step, and is
not lowered by what was earned.

Axes: B sessions, n decisions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from agents.deep.states import States
from agents.generative.decisions import Decisions
from agents.generative.decoder_agent import DecoderAgent
from agents.generative.decoder_params import DecoderParams
from agents.interface import Figures, Report
from agents.log_histories import Histories, read_histories, return_to_go
from agents.params import check_range
from agents.problem import Problem


@dataclass(frozen=True, kw_only=True)
class DecisionTransformerParams(DecoderParams):
    """Adds the return that is asked for; items are written greedily, code by code."""

    candidates: int = 1  # beams, of which the largest predicted rewards are shown; 1: greedy, code by code
    discount: float = 0.8  # of returns to go, per slate, in [0, 1]
    quantile: float = 0.9  # of the log's returns to go: the return that is asked for, in [0, 1]

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("discount", "quantile"):
            check_range(name, getattr(self, name), 0, 1)


class DecisionTransformer(DecoderAgent):
    """The decoder of `DecoderAgent`, given the return to go.

    Idea:
        Reinforcement learning as sequence modelling: the decoder learns from a log which item was shown given
        the session and the return that followed. Asked for a large return, it shows what was shown before
        large returns. There is no online stage.

    Formula:
        log p(a | s, G) = sum over levels of log softmax of (h E_level' + b_level) over the codes of the trie
        G = (return to go - mean) / standard deviation of the log; asked for: its `quantile`

    Reads:
        The log; the user's number; public user features where the task observes them; items and events of
        this session; context.

    Cost:
        Offline up to `epochs` passes; a decision is one forward pass and a beam search over the levels.

    Source:
        Chen et al. (2021), Decision transformer: reinforcement learning via sequence modeling, NeurIPS.
    """

    name: ClassVar[str] = "decision-transformer"
    config: ClassVar[type[Any]] = DecisionTransformerParams
    context_size: ClassVar[int] = 4
    params: DecisionTransformerParams

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        self.returns = np.array(
            [0.0, 1.0, 0.0]
        )  # mean and standard deviation of the log's, what is asked for

    def prepare(self, log: Any, seed: int, report: Report | None = None) -> Figures:
        """Fit the decoder to a log; `report` gets the number of slates so far and the validation loss."""
        returns = return_to_go(read_histories(self.problem, log), self.params.discount)
        mean, spread = float(returns.mean()), max(float(returns.std()), 1e-9)
        wanted = (float(np.quantile(returns, self.params.quantile)) - mean) / spread
        self.returns = np.array([mean, spread, wanted])
        return super().prepare(log, seed, report)

    def decisions_of(self, histories: Histories, rows: NDArray[np.int64]) -> Decisions:
        """Slates of a log, with the return to go in their context."""
        found = super().decisions_of(histories, rows)
        first = rows[histories.slate[rows] == rows]
        mean, spread, _ = self.returns
        followed = (return_to_go(histories, self.params.discount)[first] - mean) / spread
        context = np.concatenate([found.context, followed[:, None].astype(np.float32)], axis=1)
        return found._replace(context=context)

    def states_of(self, observation: Any) -> States:
        """The observation as tensors, with the return that is asked for."""
        states = super().states_of(observation)
        wanted = torch.full_like(states.context[:, :1], float(self.returns[2]))
        return states._replace(context=torch.cat([states.context, wanted], dim=1))

    def state(self) -> dict[str, NDArray[Any]]:
        """Adds what is asked for."""
        return {**super().state(), "returns": self.returns}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore the result of `state`."""
        super().restore(state)
        self.returns = np.array(state["returns"])
