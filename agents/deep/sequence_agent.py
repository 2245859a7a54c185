"""Base class of the sequence models: an encoder of the items with a response so far, fitted to a log's impressions.

    logit of a's reward = <h, e_a> + b_a        h = encoder(e_1, ..., e_n), 0 before the first response

e are item embeddings, the same for inputs and outputs (as in SASRec), 1 to n the items with a response within the
history. The papers' logs have responses alone and sample items for the negative class; here it is the impressions
without a response. The loss is cross-entropy with the reward scaled to [0, 1] as label; early stopping on the last
tenth of the sessions (`agents.deep.pretraining.train_best`). There is no online stage.

Axes: B sessions, N items, H history, n responses, d width.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from agents.base import BaseAgent
from agents.deep.pretraining import (
    OfflineSettings,
    batches,
    labels_of,
    reward_logits,
    split_rows,
    train_best,
)
from agents.interface import Actions, Figures, Masks, Report
from agents.log_histories import Histories, read_histories
from agents.params import check_range
from agents.problem import Problem
from agents.slates import allowed_items, top_k
from agents.torch_utils import GPUS, entries, pick_device, put_weights, seeded, weights_of

FIRST_SPREAD = 0.02  # standard deviation of embeddings before anything is learnt


@dataclass(frozen=True, kw_only=True)
class SequenceParams:
    """Settings of the network and of training."""

    width: int = 32  # d
    dropout: float = 0.2  # of inputs and of layers, in [0, 1)
    epochs: int = 20  # at most
    epoch_rows: int = 100_000  # [shown items] per epoch; a new random subset of a log with more
    batch: int = 512  # [shown items]
    rate: float = 3e-3  # learning rate, above 0
    weight_decay: float = 0.01  # AdamW's
    clip: float = 10.0  # largest norm of a gradient
    fresh: bool = True  # show an item at most once per session (within the last 20 items)

    def __post_init__(self) -> None:
        for name in ("width", "epochs", "epoch_rows", "batch"):
            check_range(name, getattr(self, name), 1)
        for name in ("rate", "clip"):
            check_range(name, getattr(self, name), 1e-9)
        check_range("weight_decay", self.weight_decay, 0)
        check_range("dropout", self.dropout, 0, 0.99)


def responses(observation: Any, num_items: int) -> NDArray[np.int64]:
    """Items with a response in the observation "history", oldest first, N on the left of them, (B, H)."""
    shown = np.asarray(observation["shown"], np.int64)
    responded = observation["events"].reshape(*shown.shape, -1)[:, :, 0] > 0
    responded &= shown < num_items
    order = np.argsort(responded, axis=1, kind="stable")
    return np.take_along_axis(np.where(responded, shown, num_items), order, axis=1)


class SequenceModel(nn.Module):
    """Embeddings and biases of items around an encoder of (B, H, d) and a mask (B, H) to (B, d)."""

    def __init__(self, num_items: int, width: int, encoder: nn.Module, dropout: float) -> None:
        super().__init__()
        self.items = nn.Embedding(num_items + 1, width, padding_idx=num_items)
        nn.init.normal_(self.items.weight[:-1], std=FIRST_SPREAD)
        self.bias = nn.Parameter(torch.zeros(num_items))
        self.encoder, self.dropout = encoder, nn.Dropout(dropout)

    def code(self, sequence: Tensor) -> Tensor:
        """Codes h of sequences (B, H) with padding N on the left, (B, d)."""
        present = sequence < len(self.bias)
        length = max(int(present.sum(dim=1).max()), 1)
        sequence, present = sequence[:, -length:], present[:, -length:]
        code: Tensor = self.encoder(self.dropout(self.items(sequence)), present)
        return code * present.any(dim=1)[:, None]

    def logits(self, sequence: Tensor) -> Tensor:
        """Of all items, (B, N)."""
        return functional.linear(self.code(sequence), self.items.weight[:-1], self.bias)

    def logits_of(self, sequence: Tensor, item: Tensor) -> Tensor:
        """Of one item for each sequence, (B,)."""
        inner: Tensor = (self.code(sequence) * self.items(item)).sum(dim=1)
        return inner + entries(self.bias, item)


class SequenceAgent(BaseAgent):
    """Shows the K items of the largest logits; subclasses name the encoder."""

    observation: ClassVar[str] = "history"
    offline: ClassVar[bool] = True
    devices: ClassVar[tuple[str, ...]] = GPUS
    config: ClassVar[type[Any]] = SequenceParams
    params: Any

    def __init__(self, problem: Problem, seed: int = 0, device: str = "cpu", **params: Any) -> None:
        super().__init__(problem, seed, device, **params)
        self.torch_device = pick_device(device)
        with seeded(seed):
            self.model = SequenceModel(
                problem.num_items, self.params.width, self.encoder(), self.params.dropout
            )
        self.model.to(self.torch_device).eval()

    def encoder(self) -> nn.Module:
        """A new encoder."""
        raise NotImplementedError

    def prepare(self, log: Any, seed: int, report: Report | None = None) -> Figures:
        """Fit the network to a log; `report` gets the number of rows so far and the validation loss."""
        histories, settings = read_histories(self.problem, log), OfflineSettings.of(self.params)
        train, late = split_rows(histories, settings.epoch_rows)
        with torch.no_grad():
            of_items, _ = reward_logits(self.problem, histories, train)
            self.model.bias.copy_(torch.as_tensor(of_items))
        rng = np.random.default_rng(np.random.SeedSequence([seed, len(histories.item)]))

        def epoch() -> Iterator[tuple[int, Tensor]]:
            self.model.train()
            for rows in batches(train, settings, rng):
                yield len(rows), self._loss(histories, rows)

        def validation_loss() -> float:
            self.model.eval()
            with torch.no_grad():
                parts = np.array_split(late, -(-len(late) // 4_096))
                return sum(float(self._loss(histories, rows)) * len(rows) for rows in parts) / len(late)

        with seeded(seed):  # dropout
            loss = train_best(self.model, epoch, validation_loss, settings, report)
        self.model.eval()
        return {"offline_rows": float(len(histories.item)), "loss": loss}

    def _sequences(self, observation: Any) -> Tensor:
        return torch.as_tensor(responses(observation, self.problem.num_items), device=self.torch_device)

    def _loss(self, histories: Histories, rows: NDArray[np.int64]) -> Tensor:
        """Mean cross-entropy on rows of a log."""
        label = labels_of(self.problem, histories, rows)
        sequences = self._sequences(histories.observation(rows, self.problem.num_items))
        item = torch.as_tensor(histories.item[rows], device=self.torch_device)
        logits = self.model.logits_of(sequences, item)
        return functional.binary_cross_entropy_with_logits(
            logits, torch.as_tensor(label, device=self.torch_device)
        )

    def scores(self, observation: Any) -> NDArray[np.float64]:
        """Logits (B, N)."""
        with torch.no_grad():
            logits = self.model.logits(self._sequences(observation))
        return np.asarray(logits.cpu().numpy(), np.float64)

    def act(self, observation: Any, mask: Masks | None = None, explore: bool = False) -> Actions:
        """The largest logits among the allowed items, explore or not."""
        mask = allowed_items(self.problem, observation, mask, fresh=self.params.fresh)
        return top_k(self.scores(observation), self.problem.slate_size, mask, ties=self.tie_order)

    def state(self) -> dict[str, NDArray[Any]]:
        """Weights."""
        return weights_of(self.model)

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore the result of `state`."""
        put_weights(self.model, state)
