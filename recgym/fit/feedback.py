"""Impressions with and without an answer: every shown item has its own logit, and hangs further events on it."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from recgym.fidelity.stats import sigmoid
from recgym.fit.additive import Ridges, choose_ridges, fit_additive
from recgym.fit.choice import Report
from recgym.fit.config import ASSUMED, FitConfig, assumed
from recgym.fit.features import tower_user_features
from recgym.fit.frame import TRAIN, VALIDATION, Doubles, Frame, sample
from recgym.fit.heads import MAX_ROWS, latest
from recgym.fit.logistic import log_loss
from recgym.fit.model import SessionModel, item_features
from recgym.fit.mood import Mood, fit_mood, over_moods
from recgym.fit.session import Batch, logged_affinity
from recgym.fit.training import descend, step_rows


def train(
    frame: Frame, config: FitConfig, periods: tuple[int, ...], epochs: int, seed: int, device: torch.device,
    report: Report, ridges: Ridges, judge: Callable[[SessionModel, int], None] | None = None,
) -> SessionModel:  # fmt: skip
    """The response's logit, by cross-entropy; `judge(model, epoch)` sees every epoch, 0 before the first.

    First the additive part, with `ridges`; then the towers on top of it.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    users, items = tower_user_features(frame), item_features(frame)
    base = fit_additive(frame, np.isin(frame.row_period, periods), users, items, ridges)
    fixed = {"rho": assumed(frame.domain, "rho")} if "rho" in ASSUMED[frame.domain] else {}
    fixed |= {} if config.drift else {"pull": 0.0}
    model = SessionModel(frame, users, config, drift=config.drift, fixed=fixed, base=base).to(device)
    if judge is not None:
        judge(model, 0)
    rows = int(np.isin(frame.row_period, periods).sum())
    batches = frame.batches(frame.sessions(*periods), step_rows(config, rows), device, rng)

    def loss_of(batch: Batch) -> torch.Tensor:
        x = logged_affinity(*model.part(batch))
        losses = torch.nn.functional.binary_cross_entropy_with_logits(x, batch.positive, reduction="none")
        return (losses * batch.mask).sum() / batch.mask.sum() + model.ridge(config, rows)

    for epoch, loss in descend(model.groups(config), batches, loss_of, config, epochs, rng):
        report("response", epoch, epochs, f"loss {loss:.3f}")
        if judge is not None:
            judge(model, epoch)
    return model


def logged_x(frame: Frame, model: SessionModel, batches: Sequence[Batch]) -> Doubles:
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
    scale: float  # slope that calibrates the logit at mood 0, from validation
    shift: float  # intercept that keeps the mean of the latest days
    mood: float  # standard deviation of a visit's shift, from validation


def fit_response(
    frame: Frame, config: FitConfig, seed: int, device: torch.device, report: Report
) -> tuple[Response, Doubles]:
    """The response's model and its calibrated logit at mood 0 of every known row; NaN elsewhere.

    Of more than MAX_ROWS rows of validation, visits drawn at random choose the epoch and set level and mood.
    """
    judged = frame.batches(frame.drawn(VALIDATION, MAX_ROWS), 8192, device, np.random.default_rng(0))
    flag = frame.positive.astype(np.float64)
    losses: list[float] = []
    moods: list[Mood] = []

    def judge(model: SessionModel, epoch: int) -> None:
        x = logged_x(frame, model, judged)
        told = np.isfinite(x)
        losses.append(log_loss(flag[told], x[told]))
        moods.append(fit_mood(flag[told], x[told], frame.session[told]))

    ridges = choose_ridges(frame, tower_user_features(frame), item_features(frame))
    train(frame, config, (TRAIN,), config.epochs, seed, device, report, ridges, judge)
    best = int(np.argmin(losses))
    model = train(frame, config, (TRAIN, VALIDATION), best, seed, device, report, ridges)
    scale, mood = float(np.clip(moods[best].scale, 0.2, 1.5)), moods[best].sd
    every = frame.batches(frame.sessions(TRAIN, VALIDATION), 8192, device, np.random.default_rng(0))
    x = scale * logged_x(frame, model, every)
    rows = latest(frame, frame.positive)
    rows = sample(frame.row_period <= VALIDATION if rows is None else rows, MAX_ROWS)
    shift = intercept(flag[rows], x[rows], mood)
    return Response(model, best, scale, shift, mood), x + shift


def intercept(flag: Doubles, logit: Doubles, mood: float) -> float:
    """The intercept beside a fixed logit that gives the flag's mean over moods (Newton)."""
    value = 0.0
    for _ in range(50):
        chance = over_moods(partial(_chance, value + logit), mood)
        value += float((flag - chance).sum() / max((chance * (1 - chance)).sum(), 1e-9))
    return value


def _chance(logit: Doubles, mood: float) -> Doubles:
    return sigmoid(logit + mood)
