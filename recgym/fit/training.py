"""The loop that trains a model on batches of sessions: AdamW under a one-cycle schedule (Smith and Topin, 2019)."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recgym.fit.config import FitConfig
from recgym.fit.session import Batch


def descend(
    groups: list[dict[str, Any]],
    batches: Sequence[Batch],
    loss_of: Callable[[Batch], Tensor],
    config: FitConfig,
    epochs: int,
    rng: np.random.Generator,
) -> Iterator[tuple[int, float]]:
    """Train for `epochs` of a schedule that `config.epochs` sets; after each, its number from 1 and its mean loss."""
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        [group["lr"] for group in optimizer.param_groups],
        total_steps=config.epochs * len(batches),
        pct_start=0.1,
    )
    for epoch in range(1, epochs + 1):
        total = 0.0
        for index in rng.permutation(len(batches)):
            loss = loss_of(batches[index])
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            total += loss.item()
        yield epoch, total / len(batches)
