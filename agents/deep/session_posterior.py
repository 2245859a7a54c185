"""What the responses of this session say of its user: the mode of a posterior, as a layer of the state tower.

In x = <u, g(a)> + b_a + v the user's vector u and level v have a Gaussian prior around those of the user's number and
public features. Given the shown items of the history and the part of the reward that their events say, one Newton step
from the prior mean to the mode of the logistic posterior is

    (P + Z' W Z) step = Z' (y - p);   z_j = (g(a_j), 1), p_j = sigmoid(x_j), W = diag p_j (1 - p_j)

with P the prior's precision. For the H shown items, of which there are fewer than numbers in a vector, that is

    (P + Z' W Z)^-1 = V - V Z' S (I + S K S)^-1 S Z V;   V = P^-1, S = W^(1/2), K = Z V Z'

by the matrix inversion lemma. It is differentiable, so that item vectors, precision and the weights of events are
learnt through it (closed-form solvers as layers: Bertinetto et al., 2019, ICLR). A matrix factorisation with Gaussian
responses does the same in `agents.factors`.

Axes: B sessions, H history, E events, d width of the towers.
"""

from typing import Any

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
        with torch.autocast("cuda", enabled=False):  # a system of equations needs all digits
            vectors, surprise, weight = self._evidence(user, vectors, bias, events, present)
            step: Tensor = NewtonStep.apply(vectors, surprise, weight, (-self.log_precision).exp())  # type: ignore[no-untyped-call]
            return step

    def shares(self, user: Tensor, vectors: Tensor, bias: Tensor, events: Tensor, present: Tensor) -> Tensor:
        """The part of the step that is due to each shown item, (B, H, d + 1), given the precision."""
        vectors, surprise, weight = self._evidence(user, vectors, bias, events, present)
        z = torch.cat([vectors, torch.ones_like(vectors[..., :1])], dim=-1)
        prior = self.log_precision.exp()
        diagonal = torch.cat([prior[:1].expand(vectors.shape[-1]), prior[1:]])
        precision = torch.diag(diagonal) + z.mT @ (weight[..., None] * z)
        parts: Tensor = torch.linalg.solve(precision, (surprise[..., None] * z).mT).mT
        return parts

    def _evidence(
        self, user: Tensor, vectors: Tensor, bias: Tensor, events: Tensor, present: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The items' vectors, (B, H, d), and e and w at the prior mean, (B, H) each, 0 where there is no item."""
        user, vectors, bias = (part.to(self.offset.dtype) for part in (user, vectors, bias))
        probability = torch.sigmoid((vectors * user[:, None]).sum(dim=-1) + bias + self.offset)
        surprise = (self.credit(events)[..., 0] - probability) * present
        return vectors, surprise, probability * (1.0 - probability) * present


class NewtonStep(torch.autograd.Function):
    """Solutions (B, d + 1) of (P + Z' W Z) step = Z' e, by systems of the H items.

    Args of `apply`:
        vectors: (B, H, d); z_j is the vector and a 1.
        e: (B, H).
        weight: (B, H) the diagonal of W, at least 0.
        variance: (2,) the diagonal of P^-1, of each number of the vector and of the level.
    """

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, e: Tensor, weight: Tensor, variance: Tensor) -> Tensor:
        """The solutions."""
        root = weight.sqrt()
        k, scale = torch.baddbmm(variance[1] / variance[0], vectors, vectors.mT), root * variance[0].sqrt()
        system = k.mul_(scale[:, :, None]).mul_(scale[:, None])
        system.diagonal(dim1=1, dim2=2).add_(1.0)
        solver = (vectors, root, torch.linalg.cholesky_ex(system).L, variance)
        step = _solution((e[:, None] @ vectors)[:, 0], e.sum(dim=1), *solver)
        ctx.save_for_backward(*solver, e, weight, step)
        return step

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        """With v the solution for the gradient: e has Z v, and P + Z' W Z has -v step'."""
        *solver, e, weight, step = ctx.saved_tensors
        vectors, _, _, variance = solver
        v = _solution(grad[:, :-1], grad[:, -1], *solver)
        by_step, by_v = (_products(vectors, each[:, :-1], each[:, -1]) for each in (step, v))
        pair = torch.stack([e - weight * by_step, -weight * by_v], dim=2)  # (B, H, 2)
        of_vectors = pair @ torch.stack([v, step], dim=1)[..., :-1]
        of_variance = (v * step).sum(dim=0)
        of_variance = torch.stack([of_variance[:-1].sum(), of_variance[-1]]) / variance**2
        return of_vectors, by_v, -by_step * by_v, of_variance


def _products(vectors: Tensor, of_vector: Tensor, of_level: Tensor) -> Tensor:
    """Z times a vector and a level, (B, H)."""
    return (vectors * of_vector[:, None]).sum(dim=2) + of_level[:, None]


def _solution(
    of_vector: Tensor, of_level: Tensor, vectors: Tensor, root: Tensor, factor: Tensor, variance: Tensor
) -> Tensor:
    """(P + Z' W Z)^-1 times (B, d) and (B,), as (B, d + 1), given the Cholesky factor of I + S K S."""
    of_vector, of_level = variance[0] * of_vector, variance[1] * of_level
    known = root * _products(vectors, of_vector, of_level)
    known = root * torch.cholesky_solve(known[..., None], factor)[..., 0]
    of_vector = of_vector - variance[0] * (known[:, None] @ vectors)[:, 0]
    return torch.cat([of_vector, (of_level - variance[1] * known.sum(dim=1))[:, None]], dim=1)
