"""The loop that trains a model on batches of sessions: AdamW under a one-cycle schedule (Smith and Topin, 2019)."""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from recgym.fit.config import FitConfig
from recgym.fit.session import Batch

M = TypeVar("M", bound=nn.Module)
MAX_STEPS = 1_000  # of an epoch: of a larger log, batches are larger


def step_rows(config: FitConfig, rows: int, most: int | None = None) -> int:
    """Rows of a batch of training, `most` where its memory must be bounded."""
    return max(config.batch_rows, min(rows // MAX_STEPS, rows if most is None else most))


class Average(Generic[M]):
    """A model's running mean over about its last `steps` steps (Polyak and Juditsky, 1992): it stands still.

    The model that is trained swings while its rate is high, and the shares that it tells swing with it: where the best
    epoch is one of those, the mean is what has been learnt.
    """

    def __init__(self, model: M, steps: int) -> None:
        self.of, self.model = model, copy.deepcopy(model)
        self.steps, self.seen = steps, 0

    def follow(self) -> None:
        """Take a step of the model in."""
        self.seen += 1
        share = 1.0 / min(self.seen, self.steps)
        with torch.no_grad():
            for mean, value in zip(self.model.parameters(), self.of.parameters(), strict=True):
                mean.lerp_(value, share)


def descend(
    groups: list[dict[str, Any]],
    batches: Sequence[Batch],
    loss_of: Callable[[Batch], Tensor],
    config: FitConfig,
    epochs: int,
    rng: np.random.Generator,
    after: Callable[[], None] = lambda: None,
) -> Iterator[tuple[int, float]]:
    """Train for `epochs` of a schedule that `config.epochs` sets; after each, its number from 1 and its mean loss.

    `after` is called after every step.
    """
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
            after()
            total += loss.item()
        yield epoch, total / len(batches)
