"""The loop that trains a model on batches of sessions: AdamW, in rounds that validation judges.

With `epochs` the rate follows a one-cycle schedule (Smith and Topin, 2019) and a round is an epoch. Without, it is
constant after a warm-up, a round is as many epochs as make ROUND steps, and training ends when validation has not
improved for `patience` rounds (early stopping: Prechelt, 1998), after `config.steps` at the latest.
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
MAX_STEPS = 1_000  # of an epoch: of a larger log, batches are larger
ROUND, WARM_UP = 60, 30  # steps
BATCHES = 100  # of an epoch where the log's size sets the rows of a batch, within these bounds
LEAST_ROWS, MOST_ROWS = 64, 2048


def step_rows(config: FitConfig, rows: int, most: int | None = None) -> int:
    """Rows of a batch of training, `most` where its memory must be bounded."""
    usual = config.batch_rows or int(np.clip(rows // BATCHES, LEAST_ROWS, MOST_ROWS))
    return max(usual, min(rows // MAX_STEPS, rows if most is None else most))


class Budget(NamedTuple):
    """How long to train: rounds of so many epochs."""

    rounds: int  # at most
    epochs: int  # of a round
    patience: int | None  # rounds without a better validation after which training ends

    @classmethod
    def of(cls, config: FitConfig, batches: int) -> "Budget":
        """For epochs of so many batches."""
        if config.epochs is not None:
            return cls(config.epochs, 1, None)
        epochs = -(-ROUND // batches)
        return cls(max(2, config.steps // (epochs * batches)), epochs, config.patience)

    def ends(self, losses: Sequence[float]) -> bool:
        """Whether training ends after these losses on validation, the first of them before it began."""
        best = int(np.argmin(losses)) if len(losses) else 0
        return self.patience is not None and len(losses) - 1 - best >= self.patience


def schedule_of(
    optimizer: torch.optim.Optimizer, config: FitConfig, batches: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """The learning rate after every step."""
    if config.epochs is None:
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / WARM_UP))
    steps = config.epochs * batches
    rates = [group["lr"] for group in optimizer.param_groups]
    warm_up = 0.1 if steps > 10 else 0.0  # of less than a step torch divides by zero
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=steps, pct_start=warm_up)


class Average(Generic[M]):
    """A model's running mean over about its last `steps` steps (Polyak and Juditsky, 1992).

    The model that is trained swings while its rate is high, and the shares that it tells swing with it: where the best
    round is one of those, the mean is what has been learnt.
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
    rounds: int,
    rng: np.random.Generator,
    after: Callable[[], None] = lambda: None,
) -> Iterator[tuple[int, float]]:
    """Train for `rounds` of the plan; after each, its number from 1 and its mean loss.

    Fewer rounds repeat the beginning of a longer training. `after` is called after every step.
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
