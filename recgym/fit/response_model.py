"""The response to an impression: an independent logit for each shown item, calibrated on validation."""

import copy
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from recgym.arrays import Bools, Doubles, Ints
from recgym.fit.additive import Blend, choose_ridges, fit_blend
from recgym.fit.conditional_logit import Report
from recgym.fit.config import FitConfig
from recgym.fit.dataset import Dataset, sample
from recgym.fit.event_rates import MAX_ROWS, latest
from recgym.fit.level_drift import at_the_end
from recgym.fit.memory_terms import MemoryTerms
from recgym.fit.place_terms import of_steps, shifts_of_steps
from recgym.fit.random_intercept import over_intercepts
from recgym.fit.response_calibration import calibrate, intercept, logged_x, part_of
from recgym.fit.session_model import SessionModel, item_features
from recgym.fit.single_visits import has_single_visits, levels_of
from recgym.fit.streaks import Streak, of_visits, own_share
from recgym.fit.torch_session import Batch, logged_affinity
from recgym.fit.training_loop import Budget, descend, step_rows
from recgym.fit.user_features import tower_user_features
from recgym.fit.user_levels import common_level, posterior_levels
from recgym.fit.user_variance import Means, UserVariance, means_of, user_variance
from recgym.logs.splits import TRAIN, VALIDATION
from recgym.numerics import log_loss, logit, sigmoid

MIN_OWN_SHARE = 0.01  # of the variance of levels, which the users' columns do not explain


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
    base = fit_blend(dataset, dataset.rows_of(*periods), users, items, blend)
    memory = MemoryTerms.of(dataset, config, is_choice=False)
    model = SessionModel(dataset, users, config, drift=memory.push, fixed=memory.fixed(), base=base).to(
        device
    )
    rows = int(dataset.rows_of(*periods).sum())
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


class Response(NamedTuple):
    """The trained model and its calibration."""

    model: SessionModel
    epochs: int
    kept: float  # share of the towers' terms
    scale: float  # calibration slope of the logit at a random intercept of 0
    shift: float  # intercept, of the latest days
    random_intercept_sd: float  # standard deviation of the random intercept
    variance: UserVariance  # posterior, of the users
    single_visits_sd: float = 0.0  # ... of the levels of users, each of whom has one visit; else 0
    streak: Streak = Streak()
    above: float = 0.0  # what rows have above the intercept on average, as where who responds stays longer
    steps: Doubles = np.zeros(1)  # (O,) what the effect of a step lacks beside effects of earlier responses
    common: float = 1.0  # slope of what all items have in common, beside that of the rest

    def deviate_sd(self, dataset: Dataset, rows: Bools | Ints | slice = slice(None)) -> Doubles:
        """Standard deviation of what rows of a visit share: random intercept, level less its mean; of `rows`."""
        return np.asarray(
            np.sqrt(self.random_intercept_sd**2 + self.variance.level[dataset.user[rows]]), np.float64
        )

    def moved(self, slope: float, level: float, common: float) -> "Response":
        """The response whose logits are `slope` times its own, plus `level`; `common` times what items share."""
        return self._replace(
            scale=slope * self.scale,
            shift=slope * self.shift + level,
            above=common * self.above,
            random_intercept_sd=common * self.random_intercept_sd,
            variance=self.variance.scaled(slope, common),
            single_visits_sd=common * self.single_visits_sd,
            streak=self.streak._replace(gain=common * self.streak.gain),
            steps=common * self.steps,
            common=common / slope * self.common,
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
    losses: list[float] = []

    best_model: list[SessionModel] = []

    def judge(model: SessionModel, plan: Budget) -> bool:
        x = logged_x(dataset, model, judged)
        finite = np.isfinite(x)
        flag = dataset.positive[finite].astype(np.float64)
        losses.append(log_loss(flag, x[finite], part_of(dataset.weight, finite)))
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
    calibrated = calibrate(dataset, best_model[0], judged, config, alone.logits, early.level, blend.by_visit)
    rounds, blend = (best, blend) if calibrated.kept > 0.0 else (0, alone)
    model = train(dataset, run, (TRAIN, VALIDATION), rounds, blend)
    model.shrinkage.fill_(calibrated.kept)
    scale, random_intercept_sd = calibrated.scale, calibrated.random_intercept_sd
    every = dataset.batches(dataset.sessions(TRAIN, VALIDATION), 8192, device, np.random.default_rng(0))
    streak = calibrated.streak
    if streak.gain and calibrated.kept > 0.0 and model.drift:
        streak = streak._replace(pull=float(model.number("pull").detach()))
    x = scale * logged_x(dataset, model, every)
    variance = _variance(dataset, model, run, (TRAIN, VALIDATION), scale, x)
    found = Response(model, best, calibrated.kept, scale, 0.0, random_intercept_sd, variance, streak=streak)
    if config.dynamics:
        found, x = with_posterior_levels(dataset, found, x)
    found, x = with_memory(dataset, config, found, x)
    found = found._replace(**_shift(dataset, found, x, config.dynamics)._asdict())
    if config.guard is None or random_intercept_sd == 0.0 or not has_single_visits(dataset):
        return found, x + found.shift
    levels = levels_of(dataset, dataset.rows_of(TRAIN, VALIDATION), x + found.shift, random_intercept_sd)
    model.base_user += torch.as_tensor(levels.mean / scale, dtype=torch.float32).to(device)
    x = x + levels.mean[dataset.user]
    found = found._replace(
        random_intercept_sd=0.0,
        variance=variance._replace(level=levels.variance),
        single_visits_sd=random_intercept_sd,
    )
    level = _shift(dataset, found, x, config.dynamics)
    return found._replace(**level._asdict()), x + level.shift


def with_memory(dataset: Dataset, config: FitConfig, found: Response, x: Doubles) -> tuple[Response, Doubles]:
    """The response with a streak in its logits (rows,), levels less by what it adds, and the means of all steps."""
    streak = found.streak
    if streak.gain:
        share = own_share(dataset, streak, x)
        level = found.scale * found.model.base_user.double().cpu().numpy()
        x = x + streak.gain * of_visits(dataset, streak.pull)[0] - (1.0 - share) * level[dataset.user]
        found.model.base_user.mul_(share)
        found = found._replace(variance=found.variance._replace(level=share**2 * found.variance.level))
    if config.guard is None or (not streak.gain and (found.kept == 0.0 or not config.dynamics)):
        return found, x
    steps = shifts_of_steps(dataset, x)
    return found._replace(steps=steps), x + of_steps(dataset, steps)


class _Level(NamedTuple):
    """Fields of a response."""

    shift: float
    above: float


def _shift(dataset: Dataset, found: Response, x: Doubles, dynamics: bool) -> _Level:
    """The intercept over levels and random intercepts, and what rows have above it.

    With `dynamics` that of the end of the period, see `at_the_end`, and of whole visits, see `common_level`; without,
    that of the rows of the validation period.
    """
    past, recent = dataset.rows_of(TRAIN, VALIDATION), latest(dataset, dataset.positive)
    rows = np.flatnonzero(sample(past if dynamics or recent is None else recent, MAX_ROWS))
    flag, spread = dataset.positive[rows].astype(np.float64), found.deviate_sd(dataset, rows)
    weight = part_of(dataset.weight, rows)
    level = intercept(flag, x[rows], spread, weight)
    if not dynamics:
        return _Level(level, 0.0)
    chance = over_intercepts(lambda m: sigmoid(level + x[rows] + m), spread)
    now = intercept(at_the_end(dataset, rows, flag, chance), x[rows], spread, weight)
    above = -_of_visits(dataset, found, level + x)
    return _Level(now - above, above)


def _of_visits(dataset: Dataset, found: Response, x: Doubles) -> float:
    """What logits (rows,) that have the rate of the rows lack by the likelihood of visits; 0 if rows are as alike."""
    if found.random_intercept_sd == 0.0:
        return 0.0
    drawn = np.zeros(len(dataset.starts), bool)
    drawn[np.r_[dataset.drawn(TRAIN, MAX_ROWS), dataset.drawn(VALIDATION, MAX_ROWS)]] = True
    rows = np.repeat(drawn, dataset.lengths)
    chance = over_intercepts(
        lambda m: sigmoid(x[rows] + m), np.sqrt(found.variance.level[dataset.user[rows]])
    )
    flat = np.full(len(x), np.nan)
    flat[rows] = logit(chance)
    return common_level(dataset, rows, flat, found.random_intercept_sd)


def _variance(
    dataset: Dataset, model: SessionModel, run: TrainingRun, periods: tuple[int, ...], scale: float,
    x: Doubles | None = None,
) -> UserVariance:  # fmt: skip
    """Posterior variance of the users of a model that was trained on these periods; 0 without a guard.

    `x` (rows,) are its logits, times the scale, where they are known.
    """
    if run.config.guard is None:
        return UserVariance.none(dataset)
    if x is None:
        batches = dataset.batches(dataset.sessions(*periods), 8192, run.device, np.random.default_rng(0))
        x = scale * logged_x(dataset, model, batches)
    rows = dataset.rows_of(*periods)
    return user_variance(dataset, rows, x, _means(dataset, model, scale))


def _means(dataset: Dataset, model: SessionModel, scale: float) -> Means:
    with torch.no_grad():
        terms = model.terms()
        user_bias, profile, factors = (
            value.cpu().double().numpy() for value in (terms.user_bias, terms.profile, terms.factors)
        )
    return means_of(dataset, scale * user_bias, scale * profile, factors)


def with_posterior_levels(dataset: Dataset, found: Response, x: Doubles) -> tuple[Response, Doubles]:
    """The response whose levels have the posterior under the variance that the log shows, in its logits (rows,), too.

    What the users' columns say of their levels is the mean of the prior.
    """
    spread, model, user = found.variance.found, found.model, dataset.user
    if spread is None or spread.interval(1)[0] <= 0.0:
        return found, x
    expected = found.scale * model.base_expected.double().cpu().numpy()
    own = _means(dataset, model, found.scale).level - expected
    within = float(expected[user[dataset.known]].var())
    sd = float(np.sqrt(max(spread.level**2 - within, MIN_OWN_SHARE * spread.level**2)))
    rows, fixed = dataset.rows_of(TRAIN, VALIDATION), x + _shift(dataset, found, x, True).shift
    levels = posterior_levels(dataset, rows, fixed - own[user], sd, found.random_intercept_sd)
    change = levels.mean - own
    with torch.no_grad():
        model.base_user += torch.as_tensor(change / found.scale, dtype=torch.float32).to(
            model.base_user.device
        )
    variance = found.variance._replace(level=levels.variance)
    return found._replace(variance=variance), x + change[user]
