"""Deep collaborative filtering: two towers fitted to a log, used greedily (Covington et al., 2016, RecSys).

DCF-DQN without its online stage: items are ranked by the logit x(s, a) of their reward (`agents.deep.towers`), which is
fitted to a log's impressions by cross-entropy with AdamW (`agents.deep.pretraining`). The session so far enters through
the state tower f(s), which `embed` returns.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from agents.base import BaseAgent
from agents.deep.attribution import shares_of
from agents.deep.encoders import ENCODERS
from agents.deep.pretraining import OfflineSettings, fit_towers
from agents.deep.states import to_states
from agents.deep.towers import Towers
from agents.interface import Actions, Figures, Masks, Report
from agents.log_histories import read_histories
from agents.params import check_range
from agents.problem import Problem
from agents.slates import allowed_items, top_k
from agents.torch_utils import GPUS, pick_device, put_weights, seeded, weights_of


@dataclass(frozen=True, kw_only=True)
class DeepCfParams:
    """Settings of the network and of training."""

    width: int = 32  # d of both towers
    hidden: int = 64  # of the towers' hidden layers
    encoder: str = "recurrent"  # of the history, one of ENCODERS
    epochs: int = 10  # at most; early stopping on the last tenth of the sessions
    epoch_rows: int = 100_000  # [shown items] per epoch; a new random subset of a log with more
    batch: int = 512  # [shown items]
    rate: float = 3e-3  # learning rate, above 0
    weight_decay: float = 0.01  # AdamW's
    clip: float = 10.0  # largest norm of a gradient
    fresh: bool = True  # show an item at most once per session (within the last 20 items)

    def __post_init__(self) -> None:
        if self.encoder not in ENCODERS:
            raise ValueError(f"encoder is {self.encoder!r}, allowed: {', '.join(map(repr, ENCODERS))}")
        for name in ("width", "hidden", "epochs", "epoch_rows", "batch"):
            check_range(name, getattr(self, name), 1)
        for name in ("rate", "clip"):
            check_range(name, getattr(self, name), 1e-9)
        check_range("weight_decay", self.weight_decay, 0)


class DeepCf(BaseAgent):
    """Shows the K items of the largest expected reward.

    Idea:
        Two networks: a tower for the state (user, history, context) and one for the item; their inner product
        is the logit of the item's reward. It is fitted to the log's impressions by cross-entropy and then
        used greedily. It is the offline stage of `dcf-dqn` without what reinforcement adds.

    Formula:
        x(s, a) = V(s) + <f(s), g(a)> + b_a + <r(s), h(s, a)>;   loss: cross-entropy of the scaled reward

    Reads:
        The log; the user's number; public user features where the task observes them; items and events of
        this session; context.

    Cost:
        Offline up to `epochs` passes over `epoch_rows` rows; a decision is one forward pass and N inner
        products.

    Source:
        Covington, Adams and Sargin (2016), Deep neural networks for YouTube recommendations, RecSys.
    """

    name: ClassVar[str] = "deep-cf"
    observation: ClassVar[str] = "history"
    offline: ClassVar[bool] = True
    devices: ClassVar[tuple[str, ...]] = GPUS
    config: ClassVar[type[Any]] = DeepCfParams
    params: DeepCfParams

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        p = self.params
        self.torch_device = pick_device(device)
        with seeded(seed):
            self.towers = Towers(problem, width=p.width, hidden=p.hidden, encoder=p.encoder)
        self.towers.to(self.torch_device)

    def prepare(self, log: Any, seed: int, report: Report | None = None) -> Figures:
        """Fit both towers to a log; `report` gets the number of rows so far and the validation loss."""
        histories, settings = read_histories(self.problem, log), OfflineSettings.of(self.params)
        return fit_towers(self.towers, self.problem, histories, seed, settings, report)

    def scores(self, observation: Any) -> NDArray[np.float64]:
        """Expected reward of every item up to a constant, (B, N)."""
        with torch.no_grad():
            values = self.towers.values(to_states(observation, self.torch_device))
        return np.asarray(values.cpu().numpy(), np.float64)

    def embed(self, observation: Any) -> NDArray[np.float32]:
        """State tower f(s), (B, width), of the user and the session so far."""
        with torch.no_grad():
            heads = self.towers.state_heads(to_states(observation, self.torch_device))
        return np.asarray(heads.reward.state.cpu().numpy(), np.float32)

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """The best scores among the allowed items, explore or not."""
        mask = allowed_items(self.problem, observation, mask, fresh=self.params.fresh)
        return top_k(self.scores(observation), self.problem.slate_size, mask, ties=self.tie_order)

    def explain(self, observation: Any, action: Actions) -> list[dict[str, float]]:
        """Contributions of the user, past items, context and the item itself; they sum to `scores` of the action."""
        items = torch.as_tensor(action, device=self.torch_device).reshape(len(action), -1)
        return shares_of(self.towers, self.problem, to_states(observation, self.torch_device), items)

    def state(self) -> dict[str, NDArray[Any]]:
        """Weights."""
        return weights_of(self.towers)

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore the result of `state`."""
        put_weights(self.towers, state)
