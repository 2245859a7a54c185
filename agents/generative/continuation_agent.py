"""An agent with a decoder that looks ahead: its beams are ranked by reward and continuation.

Axes: B sessions, b rows of a transition, W beams.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.deep.states import States
from agents.generative.beams import Found
from agents.generative.continuation import Continuation, continuation_loss
from agents.generative.decisions import Decisions
from agents.generative.decoder import Decoder
from agents.generative.decoder_agent import DecoderAgent
from agents.generative.objectives import Read
from agents.interface import Transition
from agents.log_histories import Histories, return_to_go
from agents.loop import take
from agents.problem import Problem
from agents.slates import check_slate_size
from agents.torch_utils import to_host


class ContinuationAgent(DecoderAgent):
    """Parameters have `look_ahead`, without which it is a `DecoderAgent`, and the `discount` per slate."""

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        if self.learns_online:
            check_slate_size(self.name, problem)

    @property
    def continuation(self) -> Continuation | None:
        """The heads of what follows a slate; None unless it looks ahead."""
        return self.model.continuation

    def _decoder(self) -> Decoder:
        model, (low, high) = super()._decoder(), self.problem.item_reward_range
        if self.params.look_ahead:
            model.continuation = Continuation(self.params.width, max(high - low, 1e-3)).to(self.torch_device)
        return model

    def begin_stages(self, histories: Histories) -> None:
        """Scale by the spread of the log's returns; their means are the first values of F, F_0 and the value head.

        What followed each item in the log is not learnt: it followed another policy.
        """
        if self.continuation is None:
            return
        returns = return_to_go(histories, self.params.discount)
        spread = max(float(returns.std()), 1e-6)
        self.continuation.start(spread, float((returns - histories.reward).mean()) / spread)
        torch.nn.init.constant_(self.model.value_head.bias, float(returns.mean()))

    def prediction_loss(self, read: Read, decisions: Decisions) -> Tensor:
        """Adds the loss of the continuation."""
        loss = super().prediction_loss(read, decisions)
        if self.continuation is None or read.following is None:
            return loss
        _, _, happened, weight = decisions.tensors(self.torch_device)
        later, known = (
            torch.as_tensor(each, device=self.torch_device) for each in (decisions.later, decisions.known)
        )
        later = later / self.continuation.spread
        return loss + continuation_loss(read.following, happened[..., 0], later, known, weight)

    @torch.no_grad()
    def values_after_horizon(self, transition: Transition) -> NDArray[np.float32]:
        """The value head's prediction of what follows where the horizon ended the visit, (b,), else 0."""
        values = np.zeros(len(transition.reward), np.float32)
        if (cut := transition.truncated & ~transition.terminated).any():
            states = self.states_of(take(transition.next_observation, cut))
            values[cut] = to_host(self.model.value_head(self.model.read(states, self.trie).last)[:, 0])
        return values

    def worth(self, found: Found, states: States) -> Tensor:
        """Expected reward and discounted continuation of the beams, (B, W)."""
        reward = super().worth(found, states)
        if self.continuation is None:
            return reward
        assert found.hidden is not None
        low, high = self.problem.item_reward_range
        credit = self.continuation.credit(found.last, found.hidden, self.problem.slate_size)
        return low + (high - low) * reward.sigmoid() + credit
