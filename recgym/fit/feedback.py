"""Impressions with and without an answer: every shown item has its own logit, and hangs further events on it."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from recgym.fit.additive import choose_ridge, fit_additive
from recgym.fit.choice import Report
from recgym.fit.config import ASSUMED, FitConfig, assumed
from recgym.fit.features import tower_user_features
from recgym.fit.fidelity import calibration_slope
from recgym.fit.frame import TRAIN, VALIDATION, Doubles, Frame
from recgym.fit.logistic import log_loss
from recgym.fit.model import SessionModel, item_features
from recgym.fit.session import Batch, logged_affinity
from recgym.fit.training import descend


def train(
    frame: Frame, config: FitConfig, periods: tuple[int, ...], epochs: int, seed: int, device: torch.device,
    report: Report, ridge: float, judge: Callable[[SessionModel, int], None] | None = None,
) -> SessionModel:  # fmt: skip
    """The response's logit, by cross-entropy; `judge(model, epoch)` sees every epoch, 0 before the first.

    First the additive part, with `ridge`; then the towers on top of it.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    users, items = tower_user_features(frame), item_features(frame)
    base = fit_additive(frame, np.isin(frame.row_period, periods), users, items, ridge)
    fixed = {"rho": assumed(frame.domain, "rho")} if "rho" in ASSUMED[frame.domain] else {}
    fixed |= {} if config.drift else {"pull": 0.0}
    model = SessionModel(frame, users, config, drift=config.drift, fixed=fixed, base=base).to(device)
    if judge is not None:
        judge(model, 0)
    batches = frame.batches(frame.sessions(*periods), config.batch_rows, device, rng)
    rows = int(np.isin(frame.row_period, periods).sum())

    def loss_of(batch: Batch) -> torch.Tensor:
        x = logged_affinity(model.terms(), batch)
        losses = torch.nn.functional.binary_cross_entropy_with_logits(x, batch.positive, reduction="none")
        return (losses * batch.mask).sum() / batch.mask.sum() + model.ridge(config, rows)

    for epoch, loss in descend(model.groups(config), batches, loss_of, config, epochs, rng):
        report("response", epoch, epochs, f"loss {loss:.3f}")
        if judge is not None:
            judge(model, epoch)
    return model


def logged_x(frame: Frame, model: SessionModel, batches: list[Batch]) -> Doubles:
    """(rows,) affinity of every logged row; NaN for rows that are not in the batches."""
    out = np.full(len(frame.item), np.nan)
    with torch.no_grad():
        model.eval()
        terms = model.terms()
        for batch in batches:
            chosen = batch.mask > 0
            out[batch.row[chosen].cpu().numpy()] = logged_affinity(terms, batch)[chosen].cpu().numpy()
    model.train()
    return out


class Response(NamedTuple):
    """The trained response and what validation said."""

    model: SessionModel
    epochs: int
    scale: float  # slope that calibrates the logit, from validation
    shift: float  # intercept that keeps the mean of train and validation


def fit_response(
    frame: Frame, config: FitConfig, seed: int, device: torch.device, report: Report
) -> tuple[Response, Doubles]:
    """The response's model and its calibrated logit at every row, test rows included."""
    every = frame.batches(np.arange(len(frame.starts)), 8192, device, np.random.default_rng(0))
    checked = frame.row_period == VALIDATION
    flag = frame.positive.astype(np.float64)
    losses: list[float] = []
    slopes: list[float] = []

    def judge(model: SessionModel, epoch: int) -> None:
        x = logged_x(frame, model, every)[checked]
        losses.append(log_loss(flag[checked], x))
        slopes.append(calibration_slope(flag[checked], x)[1])

    ridge = choose_ridge(frame, tower_user_features(frame), item_features(frame))
    train(frame, config, (TRAIN,), config.epochs, seed, device, report, ridge, judge)
    best = int(np.argmin(losses))
    model = train(frame, config, (TRAIN, VALIDATION), best, seed, device, report, ridge)
    scale = float(np.clip(slopes[best], 0.2, 1.5))
    x = scale * logged_x(frame, model, every)
    past = frame.row_period <= VALIDATION
    shift = intercept(flag[past], x[past])
    return Response(model, best, scale, shift), x + shift


def intercept(flag: Doubles, logit: Doubles) -> float:
    """The intercept beside a fixed logit that gives the flag's mean (Newton)."""
    value = 0.0
    for _ in range(50):
        chance = 1 / (1 + np.exp(-np.clip(value + logit, -30, 30)))
        value += float((flag - chance).sum() / max((chance * (1 - chance)).sum(), 1e-9))
    return value
