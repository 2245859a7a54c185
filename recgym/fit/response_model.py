"""Impressions with and without an answer: every shown item has its own logit, and hangs further events on it."""

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from recgym.arrays import Doubles, Ints
from recgym.fit.additive import Blend, choose_ridges, fit_blend
from recgym.fit.baseline_guard import beats, best_share
from recgym.fit.conditional_logit import Report
from recgym.fit.config import FitConfig
from recgym.fit.dataset import Dataset, sample
from recgym.fit.event_models import MAX_ROWS, latest
from recgym.fit.memory_terms import MemoryTerms
from recgym.fit.random_intercept import RandomIntercept, fit_random_intercept, over_intercepts, visit_losses
from recgym.fit.session_model import SessionModel, item_features
from recgym.fit.torch_session import Batch, logged_affinity
from recgym.fit.training_loop import Budget, descend, step_rows
from recgym.fit.user_features import tower_user_features
from recgym.logs.splits import TRAIN, VALIDATION
from recgym.numerics import log_loss, sigmoid


def train(
    frame: Dataset, config: FitConfig, periods: tuple[int, ...], rounds: int | None, seed: int, device: torch.device,
    report: Report, blend: Blend, judge: Callable[[SessionModel, Budget], bool] | None = None,
) -> SessionModel:  # fmt: skip
    """The response's logit, by cross-entropy, after so many rounds; None: as the plan has it.

    First the additive part, with the ridges of `blend`; then the towers on top of it. `judge(model)` sees it before
    the first round and after each; training ends where it says so.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    users, items = tower_user_features(frame), item_features(frame)
    base = fit_blend(frame, np.isin(frame.row_period, periods), users, items, blend)
    memory = MemoryTerms.of(frame, config, is_choice=False)
    model = SessionModel(frame, users, config, drift=memory.push, fixed=memory.fixed(), base=base).to(device)
    rows = int(np.isin(frame.row_period, periods).sum())
    batches = frame.batches(frame.sessions(*periods), step_rows(config, rows), device, rng)

    def loss_of(batch: Batch) -> torch.Tensor:
        x = logged_affinity(*model.part(batch))
        losses = torch.nn.functional.binary_cross_entropy_with_logits(x, batch.positive, reduction="none")
        return (losses * batch.mask).sum() / batch.mask.sum() + model.ridge(config, rows)

    plan = Budget.of(config, len(batches))
    rounds = plan.rounds if rounds is None else rounds
    if judge is not None and judge(model, plan):
        return model
    for number, loss in descend(model.groups(config), batches, loss_of, config, rounds, rng):
        report("response", number, rounds, f"loss {loss:.3f}")
        if judge is not None and judge(model, plan):
            break
    return model


def logged_x(frame: Dataset, model: SessionModel, batches: Sequence[Batch]) -> Doubles:
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
    kept: float  # share of what the towers learnt
    scale: float  # slope that calibrates the logit at mood 0, from validation
    shift: float  # intercept that keeps the mean of the latest days
    mood: float  # standard deviation of a visit's shift, from validation


def fit_response(
    frame: Dataset, config: FitConfig, seed: int, device: torch.device, report: Report
) -> tuple[Response, Doubles]:
    """The response's model and its calibrated logit at mood 0 of every known row; NaN elsewhere.

    Of more than MAX_ROWS rows of validation, visits drawn at random choose the epoch and set level and mood.
    """
    judged = frame.batches(frame.drawn(VALIDATION, MAX_ROWS), 8192, device, np.random.default_rng(0))
    flag = frame.positive.astype(np.float64)
    losses: list[float] = []

    best_model: list[SessionModel] = []

    def judge(model: SessionModel, plan: Budget) -> bool:
        x = logged_x(frame, model, judged)
        told = np.isfinite(x)
        losses.append(log_loss(flag[told], x[told]))
        if losses[-1] == min(losses):
            best_model[:] = [copy.deepcopy(model)]
        return plan.ends(losses)

    blend = choose_ridges(frame, tower_user_features(frame), item_features(frame), config.guard is not None)
    train(frame, config, (TRAIN,), None, seed, device, report, blend, judge)
    best = int(np.argmin(losses))
    calibrated = calibrate(frame, best_model[0], judged, config, blend.logits)
    rounds = best if calibrated.kept > 0.0 else 0
    model = train(frame, config, (TRAIN, VALIDATION), rounds, seed, device, report, blend)
    model.shrinkage.fill_(calibrated.kept)
    scale, mood = calibrated.scale, calibrated.mood
    every = frame.batches(frame.sessions(TRAIN, VALIDATION), 8192, device, np.random.default_rng(0))
    x = scale * logged_x(frame, model, every)
    rows = latest(frame, frame.positive)
    rows = sample(frame.row_period <= VALIDATION if rows is None else rows, MAX_ROWS)
    shift = intercept(flag[rows], x[rows], mood)
    return Response(model, best, calibrated.kept, scale, shift, mood), x + shift


class Calibration(NamedTuple):
    """What validation says of a trained model."""

    kept: float  # share of what the towers learnt
    scale: float
    mood: float


def calibrate(
    frame: Dataset,
    model: SessionModel,
    judged: Sequence[Batch],
    config: FitConfig,
    alone: Doubles | None = None,
) -> Calibration:
    """How much of the towers, and what slope and moods, are kept: by `config.guard`, or all without one.

    `alone` (rows,) are logits of the additive part where it was not fitted, NaN elsewhere: slope and moods are of
    these rows, more than validation has, where nothing of the towers is kept.
    """
    rows = np.flatnonzero(np.isfinite(logged_x(frame, model, judged)))
    flag, visit = frame.positive[rows].astype(np.float64), frame.session[rows]

    def x_of(share: float) -> Doubles:
        model.shrinkage.fill_(share)
        return logged_x(frame, model, judged)[rows]

    def losses(x: Doubles) -> Doubles:
        return np.logaddexp(0.0, x) - flag * x

    kept = 1.0
    if config.guard is not None:
        kept = best_share(lambda share: losses(x_of(share)), visit, config.guard)
    x = x_of(kept)
    if kept == 0.0 and alone is not None:
        rows = np.flatnonzero(np.isfinite(alone))
        flag, visit, x = frame.positive[rows].astype(np.float64), frame.session[rows], alone[rows]
    found = choose_mood(flag, x, visit, config.guard)
    scale = float(np.clip(found.scale, 0.2, 1.5))
    if config.guard is None:
        return Calibration(kept, scale, found.sd)
    level = [intercept(flag, share * x, 0.0) + share * x for share in (1.0, scale)]
    scaled = beats(losses(level[1]), losses(level[0]), visit, config.guard)
    return Calibration(kept, scale if scaled else 1.0, found.sd)


def choose_mood(flag: Doubles, x: Doubles, visit: Ints, guard: float | None) -> RandomIntercept:
    """`fit_random_intercept`, without moods where they explain visits no better than chance does."""
    moody = fit_random_intercept(flag, x, visit)
    if guard is None:
        return moody
    even = fit_random_intercept(flag, x, visit, moods=False)
    losses = [visit_losses(mood, flag, x, visit) for mood in (moody, even)]
    return moody if beats(losses[0], losses[1], np.arange(len(losses[0])), guard) else even


def intercept(flag: Doubles, logit: Doubles, mood: float) -> float:
    """The intercept beside a fixed logit that gives the flag's mean over moods (Newton)."""
    value = 0.0
    for _ in range(50):
        chance = over_intercepts(partial(_chance, value + logit), mood)
        value += float((flag - chance).sum() / max((chance * (1 - chance)).sum(), 1e-9))
    return value


def _chance(logit: Doubles, mood: float) -> Doubles:
    return sigmoid(logit + mood)
