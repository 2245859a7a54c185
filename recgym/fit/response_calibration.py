"""Calibration of a trained response: share of the towers, slope, random intercept, streaks; the mean of a rate."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from recgym.arrays import Bools, Doubles, Ints
from recgym.fit.baseline_guard import beats, best_share
from recgym.fit.config import FitConfig
from recgym.fit.dataset import Dataset
from recgym.fit.random_intercept import RandomIntercept, fit_random_intercept, over_intercepts, visit_losses
from recgym.fit.session_model import SessionModel
from recgym.fit.streaks import PULLS, Streak, can_have_streaks, unexpected
from recgym.fit.torch_session import Batch, logged_affinity
from recgym.numerics import sigmoid

MAX_ROWS = 100_000  # of whole visits, from which random intercept and streaks are found


def logged_x(dataset: Dataset, model: SessionModel, batches: Sequence[Batch]) -> Doubles:
    """(rows,) affinity of every logged row; NaN for rows that are not in the batches."""
    out = np.full(len(dataset.item), np.nan)
    with torch.no_grad():
        model.eval()
        terms = model.terms()
        for batch in batches:
            chosen = batch.mask > 0
            out[batch.row[chosen].cpu().numpy()] = logged_affinity(terms, batch)[chosen].cpu().numpy()
    model.train()
    return out


class Calibration(NamedTuple):
    """Calibration of a trained model, chosen on validation."""

    kept: float  # share of the towers' terms
    scale: float
    random_intercept_sd: float
    streak: Streak = Streak()


def calibrate(
    dataset: Dataset,
    model: SessionModel,
    judged: Sequence[Batch],
    config: FitConfig,
    additive: Doubles | None = None,
    of_users: Doubles | None = None,
    by_visit: Doubles | None = None,
) -> Calibration:
    """Chooses share of the towers, calibration slope, random intercept and streaks, by `config.guard`.

    `additive` (rows,) are out-of-fold logits of the additive part, NaN elsewhere. They are used in place of validation
    if no share of the towers is kept. `of_users` (U,) are the posterior variances of their levels. `by_visit` (rows,)
    are such logits by which random intercept and streaks alone are found, as they are not those of the chosen ridges.
    """
    rows = np.flatnonzero(np.isfinite(logged_x(dataset, model, judged)))
    flag, visit = dataset.positive[rows].astype(np.float64), dataset.session[rows]

    def x_of(share: float) -> Doubles:
        model.shrinkage.fill_(share)
        return logged_x(dataset, model, judged)[rows]

    def losses(x: Doubles) -> Doubles:
        loss: Doubles = np.logaddexp(0.0, x) - flag * x
        weight = part_of(dataset.weight, rows)
        return loss if weight is None else weight * loss

    kept = 1.0
    shared = None
    if config.guard is not None:
        kept = best_share(lambda share: losses(x_of(share)), visit, config.guard)
        if config.dynamics:
            shared = _of_all_visits(
                dataset, by_visit if additive is None else additive, of_users, config.guard
            )
        if kept > 0.0 and shared is not None and shared[1].gain:
            kept *= _is_better_than_streaks(dataset, rows, x_of(kept), x_of(0.0), shared[1], config.guard)
    x = x_of(kept)
    if kept == 0.0 and additive is not None:
        rows = np.flatnonzero(np.isfinite(additive))
        flag, visit, x = dataset.positive[rows].astype(np.float64), dataset.session[rows], additive[rows]
    known = of_users[dataset.user[rows]] if of_users is not None and of_users.any() else None
    guard = np.inf if dataset.has_records else config.guard  # no gain is enough
    found = choose_random_intercept(flag, x, visit, guard, known)
    scale = float(np.clip(found.scale, 0.2, 1.5))
    if config.guard is None:
        return Calibration(kept, scale, found.sd)
    plain = fit_random_intercept(flag, x, visit, found.sd > 0.0, known, slope=1.0)
    scaled, unscaled = (
        visit_losses(each, flag, x, visit, known) for each in (found._replace(scale=scale), plain)
    )
    is_better = beats(scaled, unscaled, np.arange(len(scaled)), config.guard)
    scale, sd = (scale, found.sd) if is_better else (1.0, plain.sd)
    if kept == 0.0 and shared is not None:
        return Calibration(kept, scale, *shared)
    if not config.dynamics:
        return Calibration(kept, scale, sd)
    pulls = (float(model.number("pull").detach()),) if kept > 0.0 and model.drift else PULLS
    return Calibration(kept, scale, *choose_streak(dataset, rows, scale * x, sd, known, pulls, config.guard))


def _of_all_visits(
    dataset: Dataset, x: Doubles | None, of_users: Doubles | None, guard: float
) -> tuple[float, Streak] | None:
    """Random intercept and streak by logits `x` (rows,) of the additive part, NaN where unknown; None without them."""
    if x is None:
        return None
    rows = _whole_visits(dataset, np.isfinite(x))
    flag, visit, logit = dataset.positive[rows].astype(np.float64), dataset.session[rows], x[rows]
    known = None if of_users is None or not of_users.any() else of_users[dataset.user[rows]]
    found = choose_random_intercept(flag, logit, visit, np.inf if dataset.has_records else guard, known)
    return choose_streak(dataset, rows, found.scale * logit, found.sd, known, PULLS, guard)


def _is_better_than_streaks(
    dataset: Dataset, rows: Ints, x: Doubles, additive: Doubles, streak: Streak, guard: float
) -> bool:
    """Whether logits `x` of the towers beat those of the additive part with a streak, both with random intercepts.

    The towers have effects of earlier responses, and may have been kept for these alone.
    """
    flag, visit = dataset.positive[rows].astype(np.float64), dataset.session[rows]
    whole = np.full(len(dataset.item), np.nan)
    whole[rows] = additive
    earlier = unexpected(dataset, whole, streak.pull)[rows]
    losses = [
        visit_losses(fit_random_intercept(flag, each, visit, earlier=more), flag, each, visit, earlier=more)
        for each, more in ((x, None), (additive, earlier))
    ]
    return beats(losses[0], losses[1], np.arange(len(losses[0])), guard)


def choose_streak(
    dataset: Dataset, rows: Ints, x: Doubles, sd: float, known: Doubles | None, pulls: Sequence[float], guard: float
) -> tuple[float, Streak]:  # fmt: skip
    """Standard deviation of the random intercept and the streak, whose gain is 0 if it is no better by `guard` errors.

    `x` and `known` are of the rows, given by number; `sd` is the standard deviation without a streak.
    """
    if not can_have_streaks(dataset, rows):
        return sd, Streak()
    flag, visit = dataset.positive[rows].astype(np.float64), dataset.session[rows]
    without = fit_random_intercept(flag, x, visit, sd > 0.0, known, slope=1.0)
    whole = np.full(len(dataset.item), np.nan)
    whole[rows] = x + without.shift
    plain, best, lowest = visit_losses(without, flag, x, visit, known), (sd, Streak()), np.inf
    for pull in pulls:
        earlier = unexpected(dataset, whole, pull)[rows]
        found = fit_random_intercept(flag, x, visit, sd > 0.0, known, slope=1.0, earlier=earlier)
        losses = visit_losses(found, flag, x, visit, known, earlier)
        if losses.mean() < lowest and beats(losses, plain, np.arange(len(losses)), guard):
            lowest, best = float(losses.mean()), (found.sd, Streak(found.gain, pull))
    return best


def _whole_visits(dataset: Dataset, rows: Bools) -> Ints:
    """The rows, by number; of more than MAX_ROWS, those of a random part of the visits."""
    share = MAX_ROWS / max(int(rows.sum()), 1)
    drawn = np.random.default_rng(0).random(len(dataset.starts)) < share
    return np.flatnonzero(rows & drawn[dataset.session])


def choose_random_intercept(
    flag: Doubles, x: Doubles, visit: Ints, guard: float | None, known: Doubles | None = None
) -> RandomIntercept:
    """`fit_random_intercept`; sd is 0 unless it improves the likelihood of sessions by `guard` standard errors."""
    with_intercepts = fit_random_intercept(flag, x, visit, known=known)
    if guard is None:
        return with_intercepts
    without_intercepts = fit_random_intercept(flag, x, visit, varies=False, known=known)
    losses = [
        visit_losses(random_intercept_sd, flag, x, visit, known)
        for random_intercept_sd in (with_intercepts, without_intercepts)
    ]
    return (
        with_intercepts
        if beats(losses[0], losses[1], np.arange(len(losses[0])), guard)
        else without_intercepts
    )


def intercept(
    flag: Doubles, logit: Doubles, random_intercept_sd: float | Doubles, weight: Doubles | None = None
) -> float:
    """The intercept at which the mean probability, over random intercepts too, is that of the flag. Newton's method."""
    value, weights = 0.0, 1.0 if weight is None else weight
    for _ in range(50):
        chance = over_intercepts(partial(_chance, value + logit), random_intercept_sd)
        slope, curve = weights * (flag - chance), weights * (chance * (1 - chance))
        value += float(slope.sum() / max(curve.sum(), 1e-9))
    return value


def _chance(logit: Doubles, deviate: float | Doubles) -> Doubles:
    return sigmoid(logit + deviate)


def part_of(weight: Doubles | None, rows: Bools | Ints) -> Doubles | None:
    """The weights of some rows."""
    return None if weight is None else weight[rows]
