"""The training loop: AdamW on batches of sessions, in rounds that are judged on validation.

With `epochs` the learning rate follows a one-cycle schedule (Smith and Topin, 2019) and a round is an epoch. Without,
the learning rate is constant after a warm-up, a round is as many epochs as make ROUND_STEPS steps, and training stops
early when validation has not improved for `patience` rounds (Prechelt, 1998), after `config.steps` at the latest.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from recgym.fit.config import FitConfig
from recgym.fit.torch_session import Batch

M = TypeVar("M", bound=nn.Module)
MAX_EPOCH_STEPS = 1_000  # a larger log has larger batches
ROUND_STEPS, WARM_UP_STEPS = 60, 30  # steps
BATCHES_PER_EPOCH = 100  # where the size of the log sets the rows of a batch
MIN_BATCH_ROWS, MAX_BATCH_ROWS = 64, 2048


def step_rows(config: FitConfig, rows: int, most: int | None = None) -> int:
    """Rows of a training batch; at most `most` where its memory must be bounded."""
    usual = config.batch_rows or int(np.clip(rows // BATCHES_PER_EPOCH, MIN_BATCH_ROWS, MAX_BATCH_ROWS))
    return max(usual, min(rows // MAX_EPOCH_STEPS, rows if most is None else most))


class Budget(NamedTuple):
    """Length of training."""

    rounds: int  # at most
    epochs: int  # per round
    patience: int | None  # rounds without a lower validation loss, after which training stops

    @classmethod
    def of(cls, config: FitConfig, batches: int) -> "Budget":
        """The budget for epochs of `batches` batches."""
        if config.epochs is not None:
            return cls(config.epochs, 1, None)
        epochs = -(-ROUND_STEPS // batches)
        return cls(max(2, config.steps // (epochs * batches)), epochs, config.patience)

    def ends(self, losses: Sequence[float]) -> bool:
        """Whether training stops after these validation losses, the first of them that before training."""
        best = int(np.argmin(losses)) if len(losses) else 0
        return self.patience is not None and len(losses) - 1 - best >= self.patience


def schedule_of(
    optimizer: torch.optim.Optimizer, config: FitConfig, batches: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """Schedule of the learning rate by step."""
    if config.epochs is None:
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / WARM_UP_STEPS))
    steps = config.epochs * batches
    rates = [group["lr"] for group in optimizer.param_groups]
    warm_up = 0.1 if steps > 10 else 0.0  # with a warm-up of less than a step torch divides by zero
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=steps, pct_start=warm_up)


class Average(Generic[M]):
    """Polyak averaging: the running mean of a model over about its last `steps` steps.

    It removes the noise of a high learning rate from the model of the best round. Source: Polyak and Juditsky (1992).
    """

    def __init__(self, model: M, steps: int) -> None:
        self.of, self.model = model, copy.deepcopy(model)
        self.steps, self.seen = steps, 0

    def update(self) -> None:
        """Updates the mean after a step of the model."""
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
    rounds: int,
    rng: np.random.Generator,
    after: Callable[[], None] = lambda: None,
) -> Iterator[tuple[int, float]]:
    """Trains for `rounds` rounds; yields the number of each, from 1, and its mean loss.

    Fewer rounds give the intermediate model of a longer training. `after` is called after every step.
    """
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate)
    schedule = schedule_of(optimizer, config, len(batches))
    epochs = Budget.of(config, len(batches)).epochs
    for number in range(1, rounds + 1):
        total = 0.0
        for index in (index for _ in range(epochs) for index in rng.permutation(len(batches))):
            loss = loss_of(batches[index])
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            after()
            total += loss.item()
        yield number, total / (epochs * len(batches))
