"""The stages on a log: the decoder is fitted to a log, with early stopping on its last sessions."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from agents.deep.pretraining import OfflineSettings, batches, split_rows, train_best
from agents.interface import Report
from agents.log_histories import Histories


def fit_stage(
    agent: Any,
    histories: Histories,
    seed: int,
    settings: OfflineSettings,
    *,
    rewarded: bool,
    report: Report | None,
) -> float:
    """Fit the agent's decoder by its `loss_of`; the smallest validation loss.

    Raises:
        ValueError: the log has a single session.
    """
    early, late = split_rows(histories, settings.epoch_rows)
    train, validation = (agent.decisions_of(histories, rows) for rows in (early, late))
    rng = np.random.default_rng(np.random.SeedSequence([seed, len(histories.item), int(rewarded)]))

    def epoch() -> Iterator[tuple[int, Tensor]]:
        agent.model.train()
        for rows in batches(np.arange(train.size), settings, rng):
            yield len(rows), agent.loss_of(train.some(rows), rewarded=rewarded)

    def validation_loss() -> float:
        agent.model.eval()
        with torch.no_grad():
            parts = np.array_split(np.arange(validation.size), -(-validation.size // 1_024))
            losses = [
                float(agent.loss_of(validation.some(rows), rewarded=rewarded)) * len(rows) for rows in parts
            ]
            return float(np.sum(losses)) / int(validation.size)

    loss = train_best(agent.model, epoch, validation_loss, settings, report)
    agent.model.eval()
    return loss
