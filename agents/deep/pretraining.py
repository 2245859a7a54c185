"""The offline stage of the agents with towers: the reward logit x(s, a) is fitted to a log and scaled to reward units.

Axes: R rows of the log.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from agents.deep.replay import LoggedRows
from agents.deep.states import to_states
from agents.deep.towers import Towers
from agents.factors.session_factors import SessionFactors
from agents.interface import Figures, Report
from agents.log_histories import Histories, return_to_go
from agents.problem import Problem
from agents.slates import scaled, shrunk_means
from agents.torch_utils import put_weights, to_host, weights_of
from recgym.arrays import Doubles

FACTOR_PASSES = 10  # over the log; in more, the variance of the noise becomes too small
SMOOTHING_ROWS = 20.0  # pseudo-rows of each item at the mean of all items


@dataclass(frozen=True, kw_only=True)
class OfflineSettings:
    """Settings of the offline stage."""

    epochs: int  # at most
    epoch_rows: int  # [shown items] per epoch; a new random subset of a log with more
    batch: int  # [shown items]
    rate: float  # learning rate
    weight_decay: float
    clip: float  # largest norm of a gradient
    discount: float  # per slate, of the returns from which shift and spread are computed

    @classmethod
    def of(cls, params: Any) -> "OfflineSettings":
        """Of the parameters of an agent without an online stage, which have the same names."""
        names = ("epochs", "epoch_rows", "batch", "rate", "weight_decay", "clip")
        return cls(**{name: getattr(params, name) for name in names}, discount=0.0)


class LoggedFactors(NamedTuple):
    """A factorisation to be fitted to a log first: on the rows of training, and on all rows at the end."""

    own: SessionFactors
    features: Doubles  # (U, F) of the log's users

    def fit(self, histories: Histories, rows: NDArray[np.int64], rng: np.random.Generator) -> None:
        """Fit it to some rows."""
        self.own.fit(histories, rows, self.features, FACTOR_PASSES, rng)


def fit_towers(
    towers: Towers,
    problem: Problem,
    histories: Histories,
    seed: int,
    settings: OfflineSettings,
    report: Report | None = None,
    factors: LoggedFactors | None = None,
) -> Figures:
    """Fits the reward logit x to a log's impressions by cross-entropy, then calibrates Q's scale, shift and spread.

    The optimizer is AdamW (Loshchilov and Hutter, 2019). The label is the item's reward scaled to [0, 1]. Validation is
    on the last tenth of the sessions; the weights of the smallest validation loss are kept.

    Returns:
        offline_rows, loss (of validation), scale; `report` gets the number of rows so far and the loss.

    Raises:
        ValueError: the log has a single session.
    """
    train, validation = split_rows(histories, settings.epoch_rows)
    rng = np.random.default_rng(np.random.SeedSequence([seed, len(histories.item)]))
    _initialise_biases(towers, problem, histories, train)
    if factors is not None:
        towers.items.bias.detach().zero_()  # the factorisation has them
        factors.fit(histories, train, rng)
        towers.take_factors(factors.own)

    def epoch() -> Iterator[tuple[int, Tensor]]:
        towers.train()
        for rows in batches(train, settings, rng):
            yield len(rows), logged_loss(towers, logged_rows(problem, histories, rows, towers.scale.device))

    best_loss = train_best(
        towers, epoch, lambda: _validation_loss(towers, problem, histories, validation), settings, report
    )
    _calibrate(towers, problem, histories, validation, settings.discount)
    if factors is not None:
        factors.fit(histories, np.arange(len(histories.item)), rng)
        towers.take_factors(factors.own)
    return {"offline_rows": float(len(histories.item)), "loss": best_loss, "scale": float(towers.scale)}


@torch.no_grad()
def _initialise_biases(
    towers: Towers, problem: Problem, histories: Histories, rows: NDArray[np.int64]
) -> None:
    """Set V and b_a to the logits of the mean reward and of the items' shrunk mean rewards."""
    of_items, of_all = reward_logits(problem, histories, rows)
    towers.items.bias.copy_(torch.as_tensor(of_items - of_all))
    towers.reward_head.bias[-1] = of_all


def split_rows(histories: Histories, epoch_rows: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of training, and those of the last tenth of the sessions; ValueError for a log of one session."""
    is_late = histories.session >= 0.9 * histories.session[-1]
    train = np.flatnonzero(~is_late)
    if not len(train):
        raise ValueError("the log needs at least two sessions")
    return train, np.flatnonzero(is_late)[: max(epoch_rows // 5, 1)]


def batches(
    rows: NDArray[np.int64], settings: OfflineSettings, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """The batches of an epoch: rows in random order, a random subset where there are more than `epoch_rows`."""
    taken = rng.permutation(rows)[: settings.epoch_rows]
    return np.array_split(taken, -(-len(taken) // settings.batch))


def reward_logits(
    problem: Problem, histories: Histories, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float64], float]:
    """Logits of the items' shrunk mean rewards, (N,), and of the mean reward."""
    label = labels_of(problem, histories, rows)
    rewards, mean = shrunk_means(histories.item[rows], label, problem.num_items, SMOOTHING_ROWS)

    def logit(p: Any) -> Any:
        p = np.clip(p, 1e-4, 1.0 - 1e-4)
        return np.log(p / (1.0 - p))

    return logit(rewards), float(logit(mean))


def labels_of(problem: Problem, histories: Histories, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Rewards of rows scaled to [0, 1], (R,)."""
    return scaled(problem, histories.reward[rows]).astype(np.float32)


def train_best(
    network: nn.Module,
    epoch: Callable[[], Iterator[tuple[int, Tensor]]],
    validation_loss: Callable[[], float],
    settings: OfflineSettings,
    report: Report | None,
) -> float:
    """Early stopping: trains until an epoch does not lower the validation loss, and keeps the best weights.

    Args:
        network: trained in place.
        epoch: yields the number of rows and the loss of each batch.
        validation_loss: of the present weights.
        settings: of AdamW.
        report: gets the number of rows so far and the validation loss.

    Returns:
        The smallest validation loss.
    """
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.rate, weight_decay=settings.weight_decay, fused=True
    )
    best, best_loss, seen = weights_of(network), validation_loss(), 0
    for _ in range(settings.epochs):
        for rows, loss in epoch():
            descend(network, optimizer, loss, settings.clip)
            seen += rows
        found = validation_loss()
        if report is not None:
            report(seen, {"loss": found})
        if found >= best_loss:
            break
        best, best_loss = weights_of(network), found
    put_weights(network, best)
    return float(best_loss)


def descend(network: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor, clip: float) -> None:
    """One step of the optimizer, with the norm of the gradient clipped to `clip`."""
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(network.parameters(), clip)
    optimizer.step()


def logged_rows(
    problem: Problem, histories: Histories, rows: NDArray[np.int64], device: torch.device
) -> LoggedRows:
    """Some rows of a log as tensors on a device."""
    states = to_states(histories.observation(rows, problem.num_items), device)
    items = torch.as_tensor(histories.item[rows], device=device)
    return LoggedRows(states, items, torch.as_tensor(labels_of(problem, histories, rows), device=device))


def _logits(towers: Towers, rows: LoggedRows) -> Tensor:
    x, _ = towers.logit_of(rows.states, rows.item[:, None])
    return x[:, 0]


def logged_loss(towers: Towers, rows: LoggedRows) -> Tensor:
    """Mean cross-entropy of x on rows of a log."""
    return functional.binary_cross_entropy_with_logits(_logits(towers, rows), rows.label)


def logits_of_log(
    towers: Towers, problem: Problem, histories: Histories, rows: NDArray[np.int64]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Reward logits and labels of rows of a log, (R,) each."""
    towers.eval()
    logits, labels = [], []
    for part in np.array_split(rows, -(-len(rows) // 4096)):
        logged = logged_rows(problem, histories, part, towers.scale.device)
        with torch.no_grad():
            logits.append(_logits(towers, logged))
        labels.append(logged.label)
    return to_host(torch.cat(logits)), to_host(torch.cat(labels))


def _validation_loss(
    towers: Towers, problem: Problem, histories: Histories, rows: NDArray[np.int64]
) -> float:
    logits, labels = (torch.as_tensor(array) for array in logits_of_log(towers, problem, histories, rows))
    return float(functional.binary_cross_entropy_with_logits(logits, labels))


@torch.no_grad()
def _calibrate(
    towers: Towers, problem: Problem, histories: Histories, rows: NDArray[np.int64], discount: float
) -> None:
    """Sets scale, shift and spread, and the initial continuation values.

    The scale is the least-squares slope of the validation rewards on x; shift and spread are mean and standard
    deviation of the log's discounted returns. The log's mean continuation value is the first value of both
    continuation heads.
    """
    logits, _ = logits_of_log(towers, problem, histories, rows)
    centred = logits - logits.mean()
    slope = float(centred @ histories.reward[rows]) / max(float(centred @ centred), 1e-9)
    smallest = 0.01 * float(towers.scale)  # without a relation in the log the slope is zero or less
    scale = max(slope, smallest)
    returns = return_to_go(histories, discount)
    towers.scale.fill_(scale)
    towers.shift.fill_(float(returns.mean()) - scale * float(logits.mean()))
    towers.spread.fill_(max(float(returns.std()), scale))
    later = float((returns - histories.reward).mean()) / float(towers.spread)
    towers.after_none_head.bias[0] = towers.after_response_head.bias[0] = later
