"""What the responses of this session say of its user: the mode of a posterior, as a layer of the state tower.

In x = <u, g(a)> + b_a + v the user's vector u and level v have a Gaussian prior around those of the user's number and
public features. Given the shown items of the history and the part of the reward that their events say, one Newton step
from the prior mean to the mode of the logistic posterior is

    (P + Z' W Z) step = Z' (y - p);   z_j = (g(a_j), 1), p_j = sigmoid(x_j), W = diag p_j (1 - p_j)

with P the prior's precision. It is differentiable, so that item vectors, precision and the weights of events are learnt
through it (closed-form solvers as layers: Bertinetto et al., 2019, ICLR). A matrix factorisation with Gaussian
responses does the same in `agents.factors`.

Axes: B sessions, H history, E events, d width of the towers.
"""

import torch
from torch import Tensor, nn

from agents.problem import Problem
from agents.slates import weight_vector


class SessionPosterior(nn.Module):
    """One Newton step from the prior of a session's vector and level to the mode of their posterior."""

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        low, high = problem.item_reward_range
        span = max(high - low, 1e-12)
        weights = weight_vector(problem) / span
        # the part of the largest reward that an item's events are worth
        self.credit = nn.Linear(len(weights), 1)
        with torch.no_grad():
            self.credit.weight.copy_(torch.as_tensor(weights, dtype=torch.float32)[None])
            self.credit.bias.fill_(-low / span)
        self.log_precision = nn.Parameter(torch.zeros(2))  # of each number of the vector, and of the level
        self.offset = nn.Parameter(torch.zeros(1))  # mean level

    def forward(self, user: Tensor, vectors: Tensor, bias: Tensor, events: Tensor, present: Tensor) -> Tensor:
        """Steps of vector and level, (B, d + 1).

        Args:
            user: (B, d) prior means.
            vectors: (B, H, d) of the shown items.
            bias: (B, H) of the shown items.
            events: (B, H, E) that they had, 0 or 1.
            present: (B, H) whether there is an item.
        """
        precision, evidence = self._system(user, vectors, bias, events, present)
        step: Tensor = torch.linalg.solve(precision, evidence.sum(dim=1))
        return step

    def shares(self, user: Tensor, vectors: Tensor, bias: Tensor, events: Tensor, present: Tensor) -> Tensor:
        """The part of the step that is due to each shown item, (B, H, d + 1), given the precision."""
        precision, evidence = self._system(user, vectors, bias, events, present)
        parts: Tensor = torch.linalg.solve(precision, evidence.mT).mT
        return parts

    def _system(
        self, user: Tensor, vectors: Tensor, bias: Tensor, events: Tensor, present: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Precision (B, d + 1, d + 1) at the prior mean, and the evidence of each item, (B, H, d + 1)."""
        with torch.autocast("cuda", enabled=False):  # a system of equations needs all digits
            user, vectors, bias = (part.to(self.offset.dtype) for part in (user, vectors, bias))
            z = torch.cat([vectors, torch.ones_like(vectors[..., :1])], dim=-1)
            probability = torch.sigmoid((vectors @ user[:, :, None])[..., 0] + bias + self.offset)
            surprise = (self.credit(events)[..., 0] - probability) * present
            weight = probability * (1.0 - probability) * present
            prior = self.log_precision.exp()
            diagonal = torch.cat([prior[:1].expand(vectors.shape[-1]), prior[1:]])
            return torch.diag(diagonal) + z.mT @ (weight[..., None] * z), surprise[..., None] * z
