"""Off-policy estimators against the truth in simulated worlds: bias, RMSE, coverage, ranking of policies.

The first slates of sessions in a world are a contextual bandit whose response rates are known: a round is a session
with its user and intent, an action one of the most exposed items. Logs are drawn by several logging policies, and the
value of several target policies is estimated from each. `estimator_accuracy.py` runs the study.

Axes: B sessions, N items, n rounds, T target policies.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from recgym.arrays import Doubles, Ints
from recgym.evaluate.doubly_robust import direct, shrunk, switched
from recgym.evaluate.estimate import Estimate, estimate
from recgym.evaluate.ope import clipped, mips
from recgym.evaluate.rounds import Rounds, checked, with_base

SESSIONS, ITEMS = 400, 30  # of a bandit
MAX_WEIGHT, SHRINKAGE = 10.0, 100.0
FOLDS, PSEUDO_ROUNDS = 3, 20.0  # of the reward model: item rates that are shrunk to the mean


class Bandit(NamedTuple):
    """Sessions and items of a world."""

    name: str
    rate: Doubles  # (B, N) probability of a response
    category: Ints  # (N,)


class AccuracyRow(NamedTuple):
    """One estimator for logs of one kind, over all repetitions and targets."""

    world: str
    logging: str
    rounds: int
    estimator: str
    bias: float  # mean over targets of |mean error|
    rmse: float  # root of the mean squared error over targets
    coverage: float  # of the 95 % intervals
    reliable: float  # share of the intervals that are called reliable
    reliable_coverage: float  # of these; NaN for none
    tau: float  # Kendall's tau of the ranking of the targets to the true one
    regret: float  # regret@1: value that is lost by the target of the largest estimate


def softmax(scores: Doubles) -> Doubles:
    """Distributions (B, N)."""
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _noisy(bandit: Bandit, rng: np.random.Generator) -> Doubles:
    """Standardised logits of the rates with as much noise as signal."""
    logit = _logits(bandit)
    return np.asarray(logit + rng.normal(size=logit.shape))


def _logits(bandit: Bandit) -> Doubles:
    logit = np.log(bandit.rate / (1.0 - bandit.rate))
    return np.asarray((logit - logit.mean()) / logit.std())


def _greedy(scores: Doubles, epsilon: float) -> Doubles:
    best = np.eye(scores.shape[1])[scores.argmax(axis=1)]
    return np.asarray((1.0 - epsilon) * best + epsilon / scores.shape[1])


Policy = Callable[[Bandit, np.random.Generator], Doubles]
LOGGING: Mapping[str, Policy] = {
    "uniform": lambda bandit, rng: np.full(bandit.rate.shape, 1.0 / bandit.rate.shape[1]),
    "popularity": lambda bandit, rng: softmax(np.tile(_logits(bandit).mean(axis=0), (len(bandit.rate), 1))),
    "personalised": lambda bandit, rng: softmax(_noisy(bandit, rng)),
    "epsilon-greedy .2": lambda bandit, rng: _greedy(_noisy(bandit, rng), 0.2),
}
TARGETS: Mapping[str, Policy] = {
    "uniform": LOGGING["uniform"],
    "popular items": lambda bandit, rng: softmax(
        3.0 * np.tile(_logits(bandit).mean(axis=0), (len(bandit.rate), 1))
    ),
    "best items": lambda bandit, rng: softmax(2.0 * _logits(bandit)),
    "worst items": lambda bandit, rng: softmax(-_logits(bandit)),
    "epsilon-greedy .05": lambda bandit, rng: _greedy(_noisy(bandit, rng), 0.05),
}
Estimator = Callable[[Rounds, Rounds], Estimate]  # of rounds without and with the reward model
ESTIMATORS: Mapping[str, Estimator] = {
    "IPS": lambda plain, modelled: estimate(plain, 0.95),
    f"IPS, clipped at {MAX_WEIGHT:g}": lambda plain, modelled: _clipped(plain),
    "SNIPS": lambda plain, modelled: estimate(plain, 0.95, is_normalised=True),
    "DM": lambda plain, modelled: direct(modelled, 0.95),
    "DR": lambda plain, modelled: estimate(modelled, 0.95),
    "SNDR": lambda plain, modelled: estimate(modelled, 0.95, is_normalised=True),
    f"SWITCH-DR at {MAX_WEIGHT:g}": lambda plain, modelled: switched(modelled, MAX_WEIGHT, 0.95),
    f"DR, shrinkage {SHRINKAGE:g}": lambda plain, modelled: shrunk(modelled, SHRINKAGE, 0.95),
}


def _clipped(plain: Rounds) -> Estimate:
    rounds, remark = clipped(plain, MAX_WEIGHT)
    return estimate(rounds, 0.95, reasons=remark)


BY_CATEGORY = "MIPS by category"


def bandit_of(env_id: str, seed: int = 0) -> Bandit:
    """The bandit of an environment's first slates."""
    import gymnasium

    import recgym  # noqa: F401 - registers the environments

    env = gymnasium.make_vec(env_id, num_envs=SESSIONS, n_items=ITEMS, reward="clicks")
    env.reset(seed=seed)
    unwrapped: Any = env.unwrapped
    engine = unwrapped.privileged()
    rate = np.clip(np.asarray(engine.expected_reward(), np.float64), 1e-6, 1.0 - 1e-6)
    return Bandit(env_id, rate, engine.world.arrays.category.astype(np.int64))


def cell_rows(
    bandit: Bandit, logging_policy: str, rounds: int, repetitions: int, seed: int
) -> list[AccuracyRow]:
    """Rows of all estimators for logs of one policy and size; `seed` determines policies and logs.

    Policies depend on `seed` and the name of the logging policy alone: sizes have the same targets.
    """
    number = list(LOGGING).index(logging_policy)
    policies = np.random.default_rng([seed, number])
    logging = LOGGING[logging_policy](bandit, policies)
    targets = np.stack([target(bandit, policies) for target in TARGETS.values()])
    truth = (targets * bandit.rate).sum(axis=2).mean(axis=1)
    rng = np.random.default_rng([seed, number, rounds])
    found = [_estimates(bandit, logging, targets, rounds, rng) for _ in range(repetitions)]
    return [
        _row((bandit.name, logging_policy, rounds, name), [each[name] for each in found], truth)
        for name in found[0]
    ]


def _estimates(
    bandit: Bandit, logging: Doubles, targets: Doubles, rounds: int, rng: np.random.Generator
) -> dict[str, list[Estimate]]:
    """Estimates of all targets from one log, by estimator."""
    session = rng.integers(0, len(bandit.rate), rounds)
    below = logging.cumsum(axis=1)[session]
    action = np.minimum((rng.random(rounds)[:, None] > below).sum(axis=1), bandit.rate.shape[1] - 1)
    reward = (rng.random(rounds) < bandit.rate[session, action]).astype(np.float64)
    fold = rng.integers(0, FOLDS, rounds)
    model = _model(action, reward, fold, bandit.rate.shape[1])
    found: dict[str, list[Estimate]] = {name: [] for name in (*ESTIMATORS, BY_CATEGORY)}
    for target in targets:
        plain = checked(reward, target[session, action], logging[session, action], None, None)
        base = np.einsum("na,na->n", target[session], model[fold])
        modelled = with_base(plain, model[fold, action], base)
        for name, estimator in ESTIMATORS.items():
            found[name].append(estimator(plain, modelled))
        found[BY_CATEGORY].append(
            mips(reward, target[session], logging[session], bandit.category, action=action)
        )
    return found


def _model(action: Ints, reward: Doubles, fold: Ints, num_items: int) -> Doubles:
    """Item rates (folds, N) of the rounds outside each fold, shrunk to their mean."""
    rates = []
    for k in range(FOLDS):
        others = fold != k
        count = np.bincount(action[others], minlength=num_items)
        total = np.bincount(action[others], reward[others], num_items)
        mean = reward[others].mean() if others.any() else 0.0
        rates.append((total + PSEUDO_ROUNDS * mean) / (count + PSEUDO_ROUNDS))
    return np.stack(rates)


def _row(where: tuple[str, str, int, str], found: list[list[Estimate]], truth: Doubles) -> AccuracyRow:
    from scipy.stats import kendalltau

    value, low, high = (
        np.array([[getattr(e, name) for e in each] for each in found]) for name in ("value", "low", "high")
    )
    reliable = np.array([[one.is_reliable for one in each] for each in found])
    value = np.where(np.isnan(value), 0.0, value)
    covers = (low <= truth) & (truth <= high)
    return AccuracyRow(
        *where,
        bias=float(np.abs((value - truth).mean(axis=0)).mean()),
        rmse=float(np.sqrt(((value - truth) ** 2).mean())),
        coverage=float(covers.mean()),
        reliable=float(reliable.mean()),
        reliable_coverage=float(covers[reliable].mean()) if reliable.any() else float("nan"),
        tau=float(np.mean([np.nan_to_num(kendalltau(each, truth).statistic) for each in value])),
        regret=float((truth.max() - truth[value.argmax(axis=1)]).mean()),
    )
