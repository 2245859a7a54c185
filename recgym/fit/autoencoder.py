"""Taste from who has which item: a denoising linear autoencoder under the multinomial likelihood.

A user's profile is the sum of what his items stand for (as in Liang et al., 2018, with one linear layer, which did
better here than a hyperbolic tangent, than an embedding of the user's id and than weighted alternating least
squares); items are hidden from it at random while it learns to tell them all. Unlike there, those that it was told
weigh less (`seen_weight`) than those that were hidden: what it is judged by are items that it was not told. Both sides
begin at the singular vectors of the table of pairs, scaled by the roots of their counts.

Axes: U users, N items, d factors.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from recgym.arrays import Doubles, Ints
from recgym.fit.config import FitConfig
from recgym.fit.training_loop import Budget, schedule_of, step_rows

HIDDEN = 0.3  # share of a user's items that a step does not see
DECAY = 1.0  # AdamW's, of everything but the bias
STAND, POINT = 0.2, 0.05  # root mean square of the two sides of an item at the start


class Taste(NamedTuple):
    """P(item | user) is a softmax of <profile, factors> + item_bias."""

    profile: Doubles  # (U, d)
    factors: Doubles  # (N, d)
    item_bias: Doubles  # (N,)

    def shrunk(self, share: float, popular: Doubles) -> "Taste":
        """So much of what was learnt beside how often items (N,) occur."""
        bias = popular + share * (self.item_bias - popular)
        return Taste(share * self.profile, self.factors, bias)

    def scores(self) -> Doubles:
        """(U, N) log-probabilities of items."""
        score: Doubles = self.profile @ self.factors.T + self.item_bias
        score -= score.max(1, keepdims=True)
        score -= np.log(np.exp(score).sum(1, keepdims=True))
        return score


def fit_taste(
    user: Ints, item: Ints, weight: Ints, sizes: tuple[int, int], config: FitConfig, rounds: int | None, seed: int,
    device: torch.device, judge: Callable[[Taste, Budget], bool],
) -> Taste:  # fmt: skip
    """Train on distinct pairs, each as often as its `weight` says, for so many `rounds`; None: as the plan has it.

    `judge` sees the taste before the first round and after each; training ends where it says so. Fewer rounds repeat
    the beginning of a longer fit.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    users, items = sizes
    often = torch.zeros(users, items, device=device)
    often[torch.as_tensor(user), torch.as_tensor(item)] = torch.as_tensor(
        weight, dtype=torch.float32, device=device
    )
    has = (often > 0).float()
    start = _start(has, config.dim)
    stand, point = (torch.nn.Parameter(scale * start) for scale in (STAND, POINT))
    centre = torch.nn.Parameter(torch.zeros(config.dim, device=device))
    popular = (has.sum(0) + 1.0).log()
    bias = torch.nn.Parameter(popular - popular.mean())
    parts = np.array_split(np.arange(users), max(1, len(user) // step_rows(config, len(user))))[0]
    count = -(-users // len(parts))
    optimizer = torch.optim.AdamW(
        [
            {"params": [stand, point, centre], "weight_decay": DECAY},
            {"params": [bias], "weight_decay": 0.0},
        ],
        lr=config.learning_rate,
    )
    schedule, plan = schedule_of(optimizer, config, count), Budget.of(config, count)

    def profile(rows: Tensor) -> Tensor:
        return rows / rows.square().sum(1, keepdim=True).sqrt().clamp(min=1.0) @ stand + centre

    def now() -> Taste:
        with torch.no_grad():
            found = (profile(has), point, bias)
        return Taste(*(value.detach().double().cpu().numpy() for value in found))

    ends = judge(now(), plan)
    for _ in range(plan.rounds if rounds is None else rounds):
        if ends:
            break
        for rows in (
            part for _ in range(plan.epochs) for part in np.array_split(rng.permutation(users), count)
        ):
            seen = torch.nn.functional.dropout(has[torch.as_tensor(rows)], HIDDEN)
            wanted = often[torch.as_tensor(rows)] * torch.where(seen > 0, config.seen_weight, 1.0)
            chance = (profile(seen) @ point.T + bias).log_softmax(1)
            loss = -(chance * wanted).sum() / wanted.sum().clamp(min=1.0)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimizer.step()
            schedule.step()
        ends = judge(now(), plan)
    return now()


def _start(has: Tensor, dim: int) -> Tensor:
    """(N, d) right singular vectors of the pairs, each pair over the roots of its counts, at a mean square of 1."""
    table = has / has.sum(1, keepdim=True).clamp(min=1.0).sqrt() / has.sum(0).clamp(min=1.0) ** 0.25
    rank = min(dim, *has.shape)
    vectors = torch.svd_lowrank(table, q=min(rank + 8, *has.shape), niter=4)[2][:, :rank]
    vectors = vectors / has.sum(0).clamp(min=1.0)[:, None] ** 0.25
    vectors = vectors / vectors.square().mean().sqrt().clamp(min=1e-6)
    return torch.nn.functional.pad(vectors, (0, dim - rank))
