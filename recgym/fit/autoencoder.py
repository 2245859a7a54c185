"""Matrix factorisation of user-item pairs: a denoising linear autoencoder with a multinomial likelihood.

A user's profile is the mean input vector of the user's items, as in Liang et al. (2018), Variational autoencoders for
collaborative filtering, with one linear layer. Input items are dropped out at random in training. We deviate in the
loss: input items get the loss weight `seen_weight`, dropped-out items the weight 1, because the model is judged on
items that were not in its input. Input and output vectors start at the singular vectors of the table of pairs, scaled
by the roots of their counts.

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

INPUT_DROPOUT = 0.3  # share of a user's items that are dropped from the input
WEIGHT_DECAY = 1.0  # of AdamW, of all parameters but the bias
INPUT_SCALE, OUTPUT_SCALE = 0.2, 0.05  # root mean square of input and output vectors at the start


class FactorModel(NamedTuple):
    """P(item | user) = softmax over items of <profile, factors> + item_bias."""

    profile: Doubles  # (U, d)
    factors: Doubles  # (N, d)
    item_bias: Doubles  # (N,)

    def shrunk(self, share: float, popular: Doubles) -> "FactorModel":
        """Shrinks profile and bias by `share` in [0, 1] towards the log-popularity (N,) of items."""
        bias = popular + share * (self.item_bias - popular)
        return FactorModel(share * self.profile, self.factors, bias)

    def scores(self) -> Doubles:
        """(U, N) log-probabilities of items."""
        score: Doubles = self.profile @ self.factors.T + self.item_bias
        score -= score.max(1, keepdims=True)
        score -= np.log(np.exp(score).sum(1, keepdims=True))
        return score


class WeightedPairs(NamedTuple):
    """Distinct pairs of users and items with weights."""

    user: Ints  # (P,)
    item: Ints  # (P,)
    weight: Ints  # (P,) of each pair in the likelihood
    num_users: int
    num_items: int


def fit_autoencoder(
    pairs: WeightedPairs, config: FitConfig, rounds: int | None, seed: int, device: torch.device,
    judge: Callable[[FactorModel, Budget], bool],
) -> FactorModel:  # fmt: skip
    """Trains for `rounds` rounds; None: as many as the budget allows.

    `judge` is called with the model before the first round and after each; training stops when it returns True. A fit
    of fewer rounds is the intermediate model of a longer one.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    user, item, weight, users, items = pairs
    counts = torch.zeros(users, items, device=device)
    counts[torch.as_tensor(user), torch.as_tensor(item)] = torch.as_tensor(
        weight, dtype=torch.float32, device=device
    )
    has = (counts > 0).float()
    start = _start(has, config.dim)
    inputs, outputs = (torch.nn.Parameter(scale * start) for scale in (INPUT_SCALE, OUTPUT_SCALE))
    centre = torch.nn.Parameter(torch.zeros(config.dim, device=device))
    popular = (has.sum(0) + 1.0).log()
    bias = torch.nn.Parameter(popular - popular.mean())
    parts = np.array_split(np.arange(users), max(1, len(user) // step_rows(config, len(user))))[0]
    count = -(-users // len(parts))
    optimizer = torch.optim.AdamW(
        [
            {"params": [inputs, outputs, centre], "weight_decay": WEIGHT_DECAY},
            {"params": [bias], "weight_decay": 0.0},
        ],
        lr=config.learning_rate,
    )
    schedule, plan = schedule_of(optimizer, config, count), Budget.of(config, count)

    def profile(rows: Tensor) -> Tensor:
        return rows / rows.square().sum(1, keepdim=True).sqrt().clamp(min=1.0) @ inputs + centre

    def current() -> FactorModel:
        with torch.no_grad():
            found = (profile(has), outputs, bias)
        return FactorModel(*(value.detach().double().cpu().numpy() for value in found))

    ends = judge(current(), plan)
    for _ in range(plan.rounds if rounds is None else rounds):
        if ends:
            break
        for rows in (
            part for _ in range(plan.epochs) for part in np.array_split(rng.permutation(users), count)
        ):
            seen = torch.nn.functional.dropout(has[torch.as_tensor(rows)], INPUT_DROPOUT)
            target = counts[torch.as_tensor(rows)] * torch.where(seen > 0, config.seen_weight, 1.0)
            chance = (profile(seen) @ outputs.T + bias).log_softmax(1)
            loss = -(chance * target).sum() / target.sum().clamp(min=1.0)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimizer.step()
            schedule.step()
        ends = judge(current(), plan)
    return current()


def _start(has: Tensor, dim: int) -> Tensor:
    """(N, d) right singular vectors of the normalised table of pairs, scaled to a mean square of 1."""
    table = has / has.sum(1, keepdim=True).clamp(min=1.0).sqrt() / has.sum(0).clamp(min=1.0) ** 0.25
    rank = min(dim, *has.shape)
    vectors = torch.svd_lowrank(table, q=min(rank + 8, *has.shape), niter=4)[2][:, :rank]
    vectors = vectors / has.sum(0).clamp(min=1.0)[:, None] ** 0.25
    vectors = vectors / vectors.square().mean().sqrt().clamp(min=1e-6)
    return torch.nn.functional.pad(vectors, (0, dim - rank))
