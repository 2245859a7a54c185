"""Logistic regression with slopes, an effect of every item and effects of groups of items, by penalised likelihood."""

from typing import NamedTuple

import numpy as np
import torch

from recgym.fit.frame import Doubles, Ints

GROUP_RIDGE = 1.0


class Logistic(NamedTuple):
    """logit = bias + dense @ slopes + item; the groups' effects are in `item`."""

    bias: float
    slopes: Doubles  # (F,)
    item: Doubles  # (N,)

    def logits(self, dense: Doubles, item: Ints) -> Doubles:
        """Per row."""
        value: Doubles = self.bias + dense @ self.slopes + self.item[item]
        return value


def log_loss(flag: Doubles, logit: Doubles) -> float:
    """Mean log-loss of a flag under a logit."""
    return float(np.mean(np.logaddexp(0.0, logit) - flag * logit))


def fit_logistic(
    flag: Doubles, dense: Doubles, item: Ints, groups: list[Ints], num_items: int, ridge: float
) -> Logistic:
    """L-BFGS in float64, the same on every run; `groups` are codes of the items, `ridge` weighs on the items.

    An infinite ridge leaves item and group effects out.
    """
    left = torch.as_tensor(flag.astype(np.float64))
    inputs = torch.as_tensor(np.column_stack([np.ones(len(flag)), dense]))
    codes = [item, *(group[item] for group in groups)] if np.isfinite(ridge) else []
    sizes = [num_items, *(int(group.max()) + 1 for group in groups)]
    rows = [torch.as_tensor(code) for code in codes]
    rate = float(np.clip(flag.mean(), 1e-6, 1 - 1e-6))
    slopes = torch.zeros(inputs.shape[1], dtype=torch.float64)
    slopes[0] = float(np.log(rate / (1 - rate)))
    effects = [torch.zeros(size, dtype=torch.float64) for size in sizes[: len(codes)]]
    weights = [ridge, *([GROUP_RIDGE] * len(groups))]
    parameters = [value.requires_grad_() for value in (slopes, *effects)]
    solver = torch.optim.LBFGS(parameters, max_iter=80, line_search_fn="strong_wolfe", tolerance_grad=1e-7,
                               tolerance_change=1e-10)  # fmt: skip

    def closure() -> torch.Tensor:
        solver.zero_grad()
        logit = inputs @ slopes
        for effect, row in zip(effects, rows, strict=True):
            logit = logit + effect[row]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logit, left, reduction="sum")
        for effect, weight in zip(effects, weights, strict=False):
            loss = loss + 0.5 * weight * effect.square().sum()
        loss = loss / len(left)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return loss

    solver.step(closure)  # type: ignore[no-untyped-call]
    total = np.zeros(num_items)
    for effect, index in zip(effects, [np.arange(num_items), *groups], strict=False):
        total += effect.detach().numpy()[index]
    values = slopes.detach().numpy()
    return Logistic(float(values[0]), values[1:], total)
