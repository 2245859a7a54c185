"""Stages (a) and (b) of genrec: the decoder is fitted to a log, with early stopping on its last sessions."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from agents.deep.pretraining import batches, split_rows, train_best
from agents.generative.decisions import of_log
from agents.interface import Report
from agents.log_histories import Histories


def fit_stage(agent: Any, histories: Histories, stage: str, seed: int, report: Report | None) -> float:
    """Fit the agent's decoder in stage "pretrain" (a) or "sft" (b); the smallest validation loss.

    Raises:
        ValueError: the log has a single session.
    """
    params, is_rewarded = agent.params, stage == "sft"
    settings = params.offline_settings(params.epochs if is_rewarded else params.pretrain_epochs)
    early, late = split_rows(histories, settings.epoch_rows)
    train, validation = (of_log(agent.problem, histories, rows) for rows in (early, late))
    rng = np.random.default_rng(np.random.SeedSequence([seed, len(histories.item), int(is_rewarded)]))

    def epoch() -> Iterator[tuple[int, Tensor]]:
        agent.model.train()
        for rows in batches(np.arange(train.size), settings, rng):
            yield len(rows), agent.loss_of(train.some(rows), rewarded=is_rewarded)

    def validation_loss() -> float:
        agent.model.eval()
        with torch.no_grad():
            parts = np.array_split(np.arange(validation.size), -(-validation.size // 1_024))
            return (
                sum(
                    float(agent.loss_of(validation.some(rows), rewarded=is_rewarded)) * len(rows)
                    for rows in parts
                )
                / validation.size
            )

    loss = train_best(agent.model, epoch, validation_loss, settings, report)
    agent.model.eval()
    return loss
