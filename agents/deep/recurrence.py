"""Gated recurrent units (Cho et al., 2014, EMNLP) over sequences of several lengths, their derivative in closed form.

torch's `nn.GRU` records some fifteen operations a step on a CPU, on small matrices. Here a step has seven, one of
backward has three, and the gradient of the weights is one matrix product over all steps.

Axes: B sequences, longest first; T steps; R items of all sequences, step by step; d width of the state.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class Recurrence(torch.autograd.Function):
    """The last states (B, d) of sequences, from zeros, in the formulas and the order of weights of `nn.GRU`.

    Args of `apply`:
        inputs: (R, 3 d) the inputs' part of the gates reset, update and new, their bias included.
        sizes: (T,) number of sequences at each step, falling.
        weight: (3 d, d) of the state.
        bias: (3 d,) of the state.
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, sizes: Sequence[int], weight: Tensor, bias: Tensor) -> Tensor:
        """The last states."""
        d = weight.shape[1]
        gates = inputs[:, : 2 * d] + bias[: 2 * d]  # reset, update
        # tanh(a) is 2 sigmoid(2 a) - 1, in a fifth of the time: `new` and `inner` hold twice the argument first
        new = 2.0 * inputs[:, 2 * d :]
        inner, before = torch.empty_like(new), torch.empty_like(new)
        to_gates, to_new, of_new = weight[: 2 * d].T, 2.0 * weight[2 * d :].T, 2.0 * bias[2 * d :]
        state = new.new_zeros(sizes[0], d)
        parts = (gates, gates[:, :d], gates[:, d:], new, inner, before)
        steps = zip(*(torch.split(part, list(sizes)) for part in parts), strict=True)
        for both, reset, update, fresh, of_state, last in steps:
            live = state[: len(last)]
            last.copy_(live)
            both.addmm_(last, to_gates).sigmoid_()
            torch.addmm(of_new, last, to_new, out=of_state)
            fresh.addcmul_(reset, of_state).sigmoid_().mul_(2.0).sub_(1.0)
            torch.lerp(fresh, last, update, out=live)
        ctx.sizes = list(sizes)
        ctx.save_for_backward(weight, gates, new, inner, before)
        return state

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the inputs and the weights; they have no derivative themselves."""
        weight, gates, new, inner, before = ctx.saved_tensors
        d = weight.shape[1]
        reset, update = gates.chunk(2, dim=1)
        by_new = (1.0 - update) * (1.0 - new * new)
        by_inner = by_new * reset
        by_reset = by_inner * inner * (0.5 - 0.5 * reset)
        by_update = (before - new) * update * (1.0 - update)
        # derivatives of the state by the arguments; below of the loss
        slopes = torch.stack([by_inner, by_reset, by_update, by_new], dim=1)
        of_state, of_inputs = slopes.flatten(1)[:, : 3 * d], slopes.flatten(1)[:, d:]
        weight, error = weight.roll(d, 0), grad.clone()  # of new, reset, update
        steps = [reversed(torch.split(part, ctx.sizes)) for part in (slopes, of_state, update)]
        for slope, to_state, kept in zip(*steps, strict=True):
            live = error[: len(slope)]
            slope.mul_(live[:, None])
            live.mul_(kept).addmm_(to_state, weight)
        return of_inputs, None, (of_state.T @ before).roll(-d, 0), of_state.sum(dim=0).roll(-d, 0)
