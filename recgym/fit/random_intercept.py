"""Random-intercept logistic regression: a normal deviate of each session in its logits, by marginal likelihood.

Gauss-Hermite quadrature. The logit at a deviate of 0 has a steeper slope than that of the mean probability over
deviates. Source: Stiratelli, Laird and Ware (1984), Biometrics 40.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

from recgym.arrays import Doubles, Ints
from recgym.numerics import hermite_nodes

MIN_VARIANCE = 1e-12  # at which a square root has a slope
NODES = tuple(zip(*(values.tolist() for values in hermite_nodes(15)), strict=True))
"""(node, weight) of a standard normal."""


class RandomIntercept(NamedTuple):
    """logit = shift + scale * x + sd * v + gain * earlier, v a standard normal deviate of the session."""

    shift: float
    scale: float
    sd: float
    gain: float = 0.0


def fit_random_intercept(
    flag: Doubles, x: Doubles, visit: Ints, varies: bool = True, known: Doubles | None = None,
    slope: float | None = None, earlier: Doubles | None = None,
) -> RandomIntercept:  # fmt: skip
    """Fits by L-BFGS; the flags of a session are independent given its intercept.

    Args:
        flag: (rows,) 1 where there was a response.
        x: (rows,) logits.
        visit: (rows,) any numbers of the sessions.
        varies: whether the standard deviation is fitted; else it is 0.
        known: (rows,) variance of each session that adds to it, as that of the user's level; None: 0.
        slope: the scale, if it is not fitted.
        earlier: (rows,) what earlier responses of the session add to, by a fitted gain; None: nothing.
    """
    losses_of = _losses(flag, x, visit, known, earlier)
    spread = torch.tensor(1.0 if varies else 0.0, dtype=torch.float64)
    fixed = None if slope is None else torch.tensor(slope, dtype=torch.float64)
    start = [0.0, 1.0, 0.5] + ([] if earlier is None else [0.0])
    values = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([values], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        solver.zero_grad()
        scale = values[1] if fixed is None else fixed
        loss = losses_of(values[0], scale, spread * values[2], *values[3:]).sum() / len(flag)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return loss

    solver.step(closure)  # type: ignore[no-untyped-call]
    shift, scale, sd, *gain = values.detach().tolist()
    return RandomIntercept(shift, scale if slope is None else slope, abs(sd) if varies else 0.0, *gain)


def visit_losses(
    fitted: RandomIntercept, flag: Doubles, x: Doubles, visit: Ints, known: Doubles | None = None,
    earlier: Doubles | None = None,
) -> Doubles:  # fmt: skip
    """(sessions,) negative log-likelihood of the flags of each session, in ascending order of `visit`."""
    values = (torch.tensor(value, dtype=torch.float64) for value in fitted)
    losses: Doubles = _losses(flag, x, visit, known, earlier)(*values).numpy()
    return losses


def _losses(
    flag: Doubles, x: Doubles, visit: Ints, known: Doubles | None, earlier: Doubles | None
) -> Callable[..., torch.Tensor]:
    """A function of shift, scale, standard deviation and gain that returns (sessions,) losses."""
    _, first, code = np.unique(visit, return_index=True, return_inverse=True)
    added = None if known is None else torch.as_tensor(known[first])[code]  # of the session of each row
    rows, place = torch.as_tensor(code), torch.tensor([z for z, _ in NODES], dtype=torch.float64)
    sign, given = torch.as_tensor(2.0 * flag - 1.0), torch.as_tensor(x.astype(np.float64))
    weight = torch.tensor([w for _, w in NODES], dtype=torch.float64).log()

    before = None if earlier is None else torch.as_tensor(earlier)

    def losses(
        shift: torch.Tensor, scale: torch.Tensor, sd: torch.Tensor, gain: torch.Tensor | None = None
    ) -> torch.Tensor:
        spread = sd if added is None else torch.sqrt(sd * sd + added + MIN_VARIANCE)[:, None]
        fixed = shift + scale * given
        if before is not None and gain is not None:
            fixed = fixed + gain * before
        logit = fixed[:, None] + spread * place
        each = torch.nn.functional.logsigmoid(sign[:, None] * logit)
        joint = torch.zeros(int(code.max()) + 1, len(place), dtype=torch.float64).index_add(0, rows, each)
        return -torch.logsumexp(joint + weight, 1)

    return losses


def over_intercepts(chance: Callable[[Any], Doubles], sd: float | Doubles) -> Doubles:
    """Mean of `chance(deviate)` over normal deviates with the standard deviation `sd`, a number or (rows,)."""
    if not np.any(sd):
        return chance(0.0)
    return sum((weight * chance(sd * place) for place, weight in NODES), np.zeros(1))
