"""The offline stage that agents with towers share: x(s, a) learnt from a log, and put into reward units.

Axes: R rows of the log.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from agents.deep.replay import LoggedRows
from agents.deep.towers import Towers, to_states
from agents.interface import Figures, Report
from agents.log_histories import Histories, return_to_go
from agents.problem import Problem
from agents.slates import scaled, shrunk_means
from agents.torch_utils import put_weights, to_host, weights_of

SMOOTHING = 20.0  # [rows] at the log's mean that every item starts with


@dataclass(frozen=True, kw_only=True)
class Stage:
    """How long and how fast."""

    epochs: int  # at most
    epoch_rows: int  # [shown items] an epoch takes, drawn anew from a log that has more
    batch: int  # [shown items]
    rate: float
    weight_decay: float
    clip: float  # largest norm of a gradient
    discount: float  # of the returns that give shift and spread


def fit_towers(
    towers: Towers,
    problem: Problem,
    histories: Histories,
    seed: int,
    stage: Stage,
    report: Report | None = None,
) -> Figures:
    """Cross-entropy on a log's shown items by AdamW (Loshchilov and Hutter, 2019), then reward units.

    The label is the item's reward scaled into [0, 1]. The weights that do best on the last tenth of the sessions are
    kept. `report` counts rows seen. ValueError where the log has a single session.
    """
    is_late = histories.number >= 0.9 * histories.number[-1]
    train, late = np.flatnonzero(~is_late), np.flatnonzero(is_late)[: stage.epoch_rows // 5]
    if not len(train):
        raise ValueError("the log needs at least two sessions")
    rng = np.random.default_rng(np.random.SeedSequence([seed, len(histories.item)]))
    _start(towers, problem, histories, train)

    def epoch() -> Iterator[tuple[int, Tensor]]:
        towers.train()
        taken = rng.permutation(train)[: stage.epoch_rows]
        for rows in np.array_split(taken, -(-len(taken) // stage.batch)):
            yield len(rows), logged_loss(towers, logged_rows(problem, histories, rows, towers.scale.device))

    best_loss = train_best(
        towers, epoch, lambda: _held_out_loss(towers, problem, histories, late), stage, report
    )
    _calibrate(towers, problem, histories, late, stage.discount)
    return {"offline_rows": float(len(histories.item)), "loss": best_loss, "scale": float(towers.scale)}


@torch.no_grad()
def _start(towers: Towers, problem: Problem, histories: Histories, rows: NDArray[np.int64]) -> None:
    """Begin at what items paid on average, each shrunk toward all: interactions must earn their place."""
    label = _labels(problem, histories, rows)
    paid, mean = shrunk_means(histories.item[rows], label, problem.num_items, SMOOTHING)

    def logit(p: Any) -> Any:
        p = np.clip(p, 1e-4, 1.0 - 1e-4)
        return np.log(p / (1.0 - p))

    towers.items.bias.copy_(torch.as_tensor(logit(paid) - logit(mean)))
    towers.head.bias[-1] = float(logit(mean))


def _labels(problem: Problem, histories: Histories, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Rewards of rows scaled into [0, 1]."""
    return scaled(problem, histories.pay[rows]).astype(np.float32)


def train_best(
    towers: Towers,
    epoch: Callable[[], Iterator[tuple[int, Tensor]]],
    held_out: Callable[[], float],
    stage: Stage,
    report: Report | None,
) -> float:
    """AdamW until held-out rows are told no better; the best weights stay, their held-out loss is returned.

    Args:
        towers: what learns.
        epoch: yields a batch's rows and its loss, one batch after the other.
        held_out: loss of the rows that are kept back.
        stage: how long and how fast.
        report: counts rows seen.
    """
    optimizer = torch.optim.AdamW(towers.parameters(), lr=stage.rate, weight_decay=stage.weight_decay)
    best, best_loss, seen = weights_of(towers), held_out(), 0
    for _ in range(stage.epochs):
        for rows, loss in epoch():
            descend(towers, optimizer, loss, stage.clip)
            seen += rows
        found = held_out()
        if report is not None:
            report(seen, {"loss": found})
        if found >= best_loss:
            break
        best, best_loss = weights_of(towers), found
    put_weights(towers, best)
    return float(best_loss)


def descend(towers: Towers, optimizer: torch.optim.Optimizer, loss: Tensor, clip: float) -> None:
    """One step of the optimizer, the gradient's norm clipped."""
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(towers.parameters(), clip)
    optimizer.step()


def logged_rows(
    problem: Problem, histories: Histories, rows: NDArray[np.int64], device: torch.device
) -> LoggedRows:
    """Some rows of a log as tensors on a device."""
    states = to_states(histories.observation(rows, problem.num_items), device)
    items = torch.as_tensor(histories.item[rows], device=device)
    return LoggedRows(states, items, torch.as_tensor(_labels(problem, histories, rows), device=device))


def _logits(towers: Towers, rows: LoggedRows) -> Tensor:
    x, _ = towers.logit_of(rows.states, rows.item[:, None])
    return x[:, 0]


def logged_loss(towers: Towers, rows: LoggedRows) -> Tensor:
    """Mean cross-entropy of x on rows of a log."""
    return functional.binary_cross_entropy_with_logits(_logits(towers, rows), rows.label)


def logits_of_log(
    towers: Towers, problem: Problem, histories: Histories, rows: NDArray[np.int64]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Logits and labels of rows of a log, (R,) each."""
    towers.eval()
    logits, labels = [], []
    for part in np.array_split(rows, -(-len(rows) // 4096)):
        logged = logged_rows(problem, histories, part, towers.scale.device)
        with torch.no_grad():
            logits.append(_logits(towers, logged))
        labels.append(logged.label)
    return to_host(torch.cat(logits)), to_host(torch.cat(labels))


def _held_out_loss(towers: Towers, problem: Problem, histories: Histories, rows: NDArray[np.int64]) -> float:
    logits, labels = (torch.as_tensor(array) for array in logits_of_log(towers, problem, histories, rows))
    return float(functional.binary_cross_entropy_with_logits(logits, labels))


@torch.no_grad()
def _calibrate(
    towers: Towers, problem: Problem, histories: Histories, rows: NDArray[np.int64], discount: float
) -> None:
    """Scale: slope of held-out reward on x. Shift and spread: mean and deviation of the discounted returns.

    And what comes after a slate of the log, as a first guess at what comes after one, answered or not.
    """
    logits, _ = logits_of_log(towers, problem, histories, rows)
    centred = logits - logits.mean()
    slope = float(centred @ histories.pay[rows]) / max(float(centred @ centred), 1e-9)
    smallest = 0.01 * float(towers.scale)  # a log that tells nothing leaves a slope of zero or less
    scale = max(slope, smallest)
    returns = return_to_go(histories, discount)
    towers.scale.fill_(scale)
    towers.shift.fill_(float(returns.mean()) - scale * float(logits.mean()))
    towers.spread.fill_(max(float(returns.std()), scale))
    later = float((returns - histories.pay).mean()) / float(towers.spread)
    towers.idle.bias[0] = towers.follow.bias[0] = later
