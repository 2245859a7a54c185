"""The response to an impression: an independent logit for each shown item, calibrated on validation."""

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from recgym.arrays import Bools, Doubles, Ints
from recgym.fit.additive import Blend, choose_ridges, fit_blend
from recgym.fit.baseline_guard import beats, best_share
from recgym.fit.conditional_logit import Report
from recgym.fit.config import FitConfig
from recgym.fit.dataset import Dataset, sample
from recgym.fit.event_rates import MAX_ROWS, latest
from recgym.fit.memory_terms import MemoryTerms
from recgym.fit.random_intercept import RandomIntercept, fit_random_intercept, over_intercepts, visit_losses
from recgym.fit.session_model import SessionModel, item_features
from recgym.fit.single_visits import has_single_visits, levels_of
from recgym.fit.torch_session import Batch, logged_affinity
from recgym.fit.training_loop import Budget, descend, step_rows
from recgym.fit.user_features import tower_user_features
from recgym.fit.user_variance import UserVariance, means_of, user_variance
from recgym.logs.splits import TRAIN, VALIDATION
from recgym.numerics import log_loss, sigmoid


class TrainingRun(NamedTuple):
    """Arguments that all trainings of a fit have in common."""

    config: FitConfig
    seed: int
    device: torch.device
    report: Report


def train(
    dataset: Dataset, run: TrainingRun, periods: tuple[int, ...], rounds: int | None, blend: Blend,
    judge: Callable[[SessionModel, Budget], bool] | None = None,
) -> SessionModel:  # fmt: skip
    """Fits the logit of the response by cross-entropy: the additive part by `blend`, then the towers.

    Args:
        dataset: the rows.
        run: settings.
        periods: of the sessions to train on.
        rounds: of training; None: as many as the budget allows.
        blend: ridges of the additive part.
        judge: called with the model before the first round and after each; training stops where it returns True.
    """
    config, seed, device, report = run
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    users, items = tower_user_features(dataset), item_features(dataset)
    base = fit_blend(dataset, np.isin(dataset.row_period, periods), users, items, blend)
    memory = MemoryTerms.of(dataset, config, is_choice=False)
    model = SessionModel(dataset, users, config, drift=memory.push, fixed=memory.fixed(), base=base).to(
        device
    )
    rows = int(np.isin(dataset.row_period, periods).sum())
    batches = dataset.batches(dataset.sessions(*periods), step_rows(config, rows), device, rng)

    weights = (
        None if dataset.weight is None else torch.as_tensor(dataset.weight, dtype=torch.float32).to(device)
    )

    def loss_of(batch: Batch) -> torch.Tensor:
        x = logged_affinity(*model.part(batch))
        losses = torch.nn.functional.binary_cross_entropy_with_logits(x, batch.positive, reduction="none")
        weight = batch.mask if weights is None else batch.mask * weights[batch.row]
        return (losses * weight).sum() / weight.sum() + model.ridge(config, rows)

    plan = Budget.of(config, len(batches))
    rounds = plan.rounds if rounds is None else rounds
    if judge is not None and judge(model, plan):
        return model
    for number, loss in descend(model.groups(config), batches, loss_of, config, rounds, rng):
        report("fitting responses", number, rounds, f"loss {loss:.3f}")
        if judge is not None and judge(model, plan):
            break
    return model


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


class Response(NamedTuple):
    """The trained model and its calibration."""

    model: SessionModel
    epochs: int
    kept: float  # share of the towers' terms
    scale: float  # calibration slope of the logit at a random intercept of 0
    shift: float  # intercept at which the mean is that of the latest days
    random_intercept_sd: float  # standard deviation of the random intercept
    variance: UserVariance  # posterior, of the users
    single_visits_sd: float = 0.0  # ... of the levels of users, each of whom has one visit; else 0

    def deviate_sd(self, dataset: Dataset) -> Doubles:
        """(rows,) standard deviation of what the rows of a visit share: random intercept, level less its mean."""
        return np.asarray(
            np.sqrt(self.random_intercept_sd**2 + self.variance.level[dataset.user]), np.float64
        )


def fit_response(
    dataset: Dataset, config: FitConfig, seed: int, device: torch.device, report: Report
) -> tuple[Response, Doubles]:
    """Fits the response.

    The epoch, the level and the random intercept are chosen on validation, of at most about MAX_ROWS rows.

    Returns:
        The model, and (rows,) its calibrated logit at a random intercept of 0; NaN outside train and validation.
    """
    judged = dataset.batches(dataset.drawn(VALIDATION, MAX_ROWS), 8192, device, np.random.default_rng(0))
    flag = dataset.positive.astype(np.float64)
    losses: list[float] = []

    best_model: list[SessionModel] = []

    def judge(model: SessionModel, plan: Budget) -> bool:
        x = logged_x(dataset, model, judged)
        finite = np.isfinite(x)
        losses.append(log_loss(flag[finite], x[finite], _part(dataset.weight, finite)))
        if losses[-1] == min(losses):
            best_model[:] = [copy.deepcopy(model)]
        return plan.ends(losses)

    run = TrainingRun(config, seed, device, report)
    blend = choose_ridges(
        dataset, tower_user_features(dataset), item_features(dataset), config.guard is not None
    )
    train(dataset, run, (TRAIN,), None, blend, judge)
    best = int(np.argmin(losses))
    alone = blend.tastes or blend
    early = _variance(dataset, best_model[0], run, (TRAIN,), 1.0)
    calibrated = calibrate(dataset, best_model[0], judged, config, alone.logits, early.level)
    rounds, blend = (best, blend) if calibrated.kept > 0.0 else (0, alone)
    model = train(dataset, run, (TRAIN, VALIDATION), rounds, blend)
    model.shrinkage.fill_(calibrated.kept)
    scale, random_intercept_sd = calibrated.scale, calibrated.random_intercept_sd
    every = dataset.batches(dataset.sessions(TRAIN, VALIDATION), 8192, device, np.random.default_rng(0))
    x = scale * logged_x(dataset, model, every)
    variance = _variance(dataset, model, run, (TRAIN, VALIDATION), scale)
    found = Response(model, best, calibrated.kept, scale, 0.0, random_intercept_sd, variance)
    found = found._replace(shift=_shift(dataset, found, x))
    if config.guard is None or random_intercept_sd == 0.0 or not has_single_visits(dataset):
        return found, x + found.shift
    levels = levels_of(dataset, dataset.row_period <= VALIDATION, x + found.shift, random_intercept_sd)
    model.base_user += torch.as_tensor(levels.mean / scale, dtype=torch.float32).to(device)
    x = x + levels.mean[dataset.user]
    found = found._replace(
        random_intercept_sd=0.0,
        variance=variance._replace(level=levels.variance),
        single_visits_sd=random_intercept_sd,
    )
    shift = _shift(dataset, found, x)
    return found._replace(shift=shift), x + shift


def _shift(dataset: Dataset, found: Response, x: Doubles) -> float:
    """The intercept of the latest days, over random intercepts and levels."""
    flag, rows = dataset.positive.astype(np.float64), latest(dataset, dataset.positive)
    rows = sample(dataset.row_period <= VALIDATION if rows is None else rows, MAX_ROWS)
    return intercept(flag[rows], x[rows], found.deviate_sd(dataset)[rows], _part(dataset.weight, rows))


def _variance(
    dataset: Dataset, model: SessionModel, run: TrainingRun, periods: tuple[int, ...], scale: float
) -> UserVariance:
    """Posterior variance of the users of a model that was trained on these periods; 0 without a guard."""
    if run.config.guard is None:
        return UserVariance.none(dataset)
    batches = dataset.batches(dataset.sessions(*periods), 8192, run.device, np.random.default_rng(0))
    with torch.no_grad():
        terms = model.terms()
        user_bias, profile, factors = (
            value.cpu().double().numpy() for value in (terms.user_bias, terms.profile, terms.factors)
        )
    means = means_of(dataset, scale * user_bias, scale * profile, factors)
    rows = np.isin(dataset.row_period, periods)
    return user_variance(dataset, rows, scale * logged_x(dataset, model, batches), means)


class Calibration(NamedTuple):
    """Calibration of a trained model, chosen on validation."""

    kept: float  # share of the towers' terms
    scale: float
    random_intercept_sd: float


def calibrate(
    dataset: Dataset,
    model: SessionModel,
    judged: Sequence[Batch],
    config: FitConfig,
    additive: Doubles | None = None,
    of_users: Doubles | None = None,
) -> Calibration:
    """Chooses the share of the towers, the calibration slope and the random intercept, by `config.guard`.

    `additive` (rows,) are out-of-fold logits of the additive part, NaN elsewhere. They are used in place of validation
    if no share of the towers is kept. `of_users` (U,) are the posterior variances of their levels.
    """
    rows = np.flatnonzero(np.isfinite(logged_x(dataset, model, judged)))
    flag, visit = dataset.positive[rows].astype(np.float64), dataset.session[rows]

    def x_of(share: float) -> Doubles:
        model.shrinkage.fill_(share)
        return logged_x(dataset, model, judged)[rows]

    def losses(x: Doubles) -> Doubles:
        loss: Doubles = np.logaddexp(0.0, x) - flag * x
        weight = _part(dataset.weight, rows)
        return loss if weight is None else weight * loss

    kept = 1.0
    if config.guard is not None:
        kept = best_share(lambda share: losses(x_of(share)), visit, config.guard)
    x = x_of(kept)
    if kept == 0.0 and additive is not None:
        rows = np.flatnonzero(np.isfinite(additive))
        flag, visit, x = dataset.positive[rows].astype(np.float64), dataset.session[rows], additive[rows]
    known = of_users[dataset.user[rows]] if of_users is not None and of_users.any() else None
    found = choose_random_intercept(flag, x, visit, config.guard, known)
    scale = float(np.clip(found.scale, 0.2, 1.5))
    if config.guard is None:
        return Calibration(kept, scale, found.sd)
    plain = fit_random_intercept(flag, x, visit, found.sd > 0.0, known, slope=1.0)
    scaled, unscaled = (
        visit_losses(each, flag, x, visit, known) for each in (found._replace(scale=scale), plain)
    )
    is_better = beats(scaled, unscaled, np.arange(len(scaled)), config.guard)
    return Calibration(kept, *((scale, found.sd) if is_better else (1.0, plain.sd)))


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


def _part(weight: Doubles | None, rows: Bools | Ints) -> Doubles | None:
    """The weights of some rows."""
    return None if weight is None else weight[rows]
