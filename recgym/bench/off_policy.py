"""Off-policy estimates of a trained agent's value from a log with propensities.

The target policy shows at each position, with probability 1 - epsilon, the first item of the agent's slate that is not
above it, else an item drawn uniformly from those not above it. Its value per slate is the mean reward of one slate in
the states of the log; that per session is the summed reward of a session, with the weights of all its slates. As its
probabilities depend on the items above, slates have no estimators of independent positions (`independent_ips`,
`pseudo_inverse_ips`). The reward-interaction estimator has a reason against it where no slate has two responses: users
who choose one item of a slate respond to the items below, too, and it is biased.

Axes: n slates, K slate positions, N items, S sessions, T slates of the longest session.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from agents.features import Contexts, item_features
from agents.log_histories import Histories, read_histories
from agents.observation_checks import ANY
from recgym.arrays import Array, Doubles, Ints
from recgym.checks import checked_seed, finite_number
from recgym.evaluate.doubly_robust import direct, shrunk, switched
from recgym.evaluate.estimate import Estimate, estimate
from recgym.evaluate.fitted_q import Steps, fitted_q, fqe, fqe_dr
from recgym.evaluate.ope import clipped
from recgym.evaluate.reward_model import cross_fit
from recgym.evaluate.rounds import checked, with_base
from recgym.evaluate.sequences import per_decision_ips, standard_ips

UNITS = ("slate", "session")
MAX_WEIGHT, SHRINKAGE = 10.0, 100.0  # of the clipped and switched estimators, and of optimistic shrinkage
SLATES_PER_BATCH = 4_096  # of an agent's decisions
CHOSEN = "no slate has two responses: users who choose one item of a slate respond to the items below, too"
DRAWS = 10  # items drawn uniformly, for the reward model's value of the explored share


class LoggedSlates(NamedTuple):
    """Slates of a log, and both policies' probabilities of their items."""

    histories: Histories
    begin: Ints  # (n,) first row
    items: Ints  # (n, K)
    chosen: Ints  # (n, K) the agent's slates
    reward: Doubles  # (n, K)
    propensity: Doubles  # (n, K), given the items above
    target: Doubles  # (n, K), given the items above


def off_policy_values(
    agent: Any,
    log: Any,
    *,
    epsilon: float = 0.0,
    unit: str = "slate",
    level: float = 0.95,
    seed: int = 0,
    fits_q: bool = False,
) -> dict[str, Estimate]:
    """Estimates of an agent's value by all estimators that the task allows, and "logged", the logging policy's own.

    Args:
        agent: trained, of the task that the log is of.
        log: with propensities, on the task's indices (`env.unwrapped.index_log(log)`).
        epsilon: share of exploration of the target policy, in [0, 1]. 0: the agent without exploration.
        unit: "slate" or "session".
        level: coverage of the intervals.
        seed: random seed of the folds and draws of the reward model and of Q.
        fits_q: whether sessions are evaluated by fitted Q, too, for slates of one item: minutes, as each
            fold has as many regressions as the longest session has slates.

    Raises:
        ValueError: an argument is out of range, the log lacks propensities, its slates are of another size, or the
            agent does not read histories.
    """
    epsilon, seed = finite_number(epsilon, "epsilon", 0.0, 1.0), checked_seed(seed)
    if unit not in UNITS:
        raise ValueError(f"unit is {unit!r}, allowed: {', '.join(map(repr, UNITS))}")
    if fits_q and (unit != "session" or agent.problem.slate_size > 1):
        raise ValueError("fitted Q evaluates sessions whose slates are one item: unit='session'")
    slates = read_slates(agent, log, epsilon)
    if unit == "session":
        values = _session_values(slates, level)
        return values | (_fitted_values(agent, slates, epsilon, level, seed) if fits_q else {})
    if slates.items.shape[1] == 1:
        return _item_values(agent, slates, epsilon, level, seed)
    kinds = {"standard IPS": standard_ips, "reward-interaction IPS": per_decision_ips}
    given = slates.reward, slates.target, slates.propensity
    values = _logged(slates.reward.sum(axis=1), level) | _plain_and_normalised(kinds, given, level)
    responses = np.add.reduceat(slates.histories.events[:, 0], slates.begin)
    if (responses > 1).any():
        return values
    return values | {
        name: _with_reason(one, CHOSEN)
        for name, one in values.items()
        if name.startswith("reward-interaction")
    }


def _with_reason(one: Estimate, reason: str) -> Estimate:
    """The estimate with one more reason against its interval."""
    warning = "; ".join(filter(None, (one.warning, reason)))
    return one._replace(reasons=(*one.reasons, reason), warning=warning)


def read_slates(agent: Any, log: Any, epsilon: float) -> LoggedSlates:
    """Slates of a log with the agent's decisions; ValueError where they cannot be read."""
    problem, size = agent.problem, agent.problem.slate_size
    kind = type(agent).accepts(vars(agent.params), size)
    if kind != ANY and "history" not in kind:
        raise ValueError(f"agent {agent.name} observes {kind[0]!r}, a log gives 'history' alone")
    histories = read_histories(problem, log)
    begin = histories.slate_starts
    sizes = np.diff(np.r_[begin, len(log)])
    if (sizes != size).any():
        found = f"{sizes.min()}" if sizes.min() == sizes.max() else f"{sizes.min()} to {sizes.max()}"
        raise ValueError(f"slates of the log have {found} items, those of the agent's task {size}")
    propensity = np.asarray(log.column("propensity"), np.float64).reshape(-1, size)
    if np.isnan(propensity).any():
        missing = int(np.isnan(propensity).sum())
        raise ValueError(
            f"off-policy estimates need propensities: {missing:,} of {len(log):,} rows have none"
        )
    chosen = np.empty((len(begin), size), np.int64)
    for first in range(0, len(begin), SLATES_PER_BATCH):
        block = begin[first : first + SLATES_PER_BATCH]
        seen = histories.observation(block, problem.num_items)
        chosen[first : first + len(block)] = agent.act(seen, explore=False).reshape(len(block), -1)
    items = histories.named.reshape(-1, size)
    target = _target(items, chosen, epsilon, problem.num_items)
    return LoggedSlates(
        histories, begin, items, chosen, histories.reward.reshape(-1, size), propensity, target
    )


def _sessions(slates: LoggedSlates) -> tuple[Ints, Ints]:
    """(n,) session of each slate, from 0, and its step."""
    session = slates.histories.session[slates.begin]
    return session, np.arange(len(session)) - np.searchsorted(session, session)


def _target(items: Ints, chosen: Ints, epsilon: float, num_items: int) -> Doubles:
    """(n, K) probability of each logged item under the target policy, given the items above it."""
    above = np.zeros(chosen.shape, bool)  # items of the agent's slate that the log has shown above
    target = np.empty(items.shape)
    rows = np.arange(len(items))
    for k in range(items.shape[1]):
        next_item = chosen[rows, (~above).argmax(axis=1)]
        target[:, k] = (1.0 - epsilon) * (items[:, k] == next_item) + epsilon / (num_items - k)
        above |= chosen == items[:, k : k + 1]
    return target


def _logged(reward: Array, level: float) -> dict[str, Estimate]:
    same = np.ones(len(reward))
    return {"logged": estimate(checked(reward, same, same, None, None), level)}


def _item_values(
    agent: Any, slates: LoggedSlates, epsilon: float, level: float, seed: int
) -> dict[str, Estimate]:
    """Estimates for slates of one item, with and without a reward model."""
    reward, target, propensity, item, best = (
        each[:, 0] for each in (slates.reward, slates.target, slates.propensity, slates.items, slates.chosen)
    )
    rounds = checked(reward, target, propensity, None, None)
    drawn = _drawn(agent, len(item), seed)
    predicted = cross_fit(
        _features(agent, slates),
        item,
        reward,
        _item_inputs(agent),
        at=np.column_stack([item, best, drawn]),
        group=_sessions(slates)[0],
        seed=seed,
    )
    base = (1.0 - epsilon) * predicted[:, 1] + epsilon * predicted[:, 2:].mean(axis=1)
    modelled = with_base(rounds, predicted[:, 0], base)
    cut, remark = clipped(rounds, MAX_WEIGHT)
    return _logged(reward, level) | {
        "IPS": estimate(rounds, level),
        f"IPS, clipped at {MAX_WEIGHT:g}": estimate(cut, level, reasons=remark),
        "SNIPS": estimate(rounds, level, is_normalised=True),
        "DM": direct(modelled, level),
        "DR": estimate(modelled, level),
        "SNDR": estimate(modelled, level, is_normalised=True),
        f"SWITCH-DR at {MAX_WEIGHT:g}": switched(modelled, MAX_WEIGHT, level),
        f"DR, shrinkage {SHRINKAGE:g}": shrunk(modelled, SHRINKAGE, level),
    }


def _drawn(agent: Any, n: int, seed: int) -> Ints:
    """(n, DRAWS) items that stand for those of a uniform draw."""
    return np.random.default_rng(seed).integers(0, agent.problem.num_items, (n, DRAWS))


def _fitted_values(
    agent: Any, slates: LoggedSlates, epsilon: float, level: float, seed: int
) -> dict[str, Estimate]:
    """Estimates of sessions by fitted Q, alone and doubly robust, for slates of one item."""
    session, step = _sessions(slates)
    actions, share = slates.chosen, np.ones((len(session), 1))
    if epsilon:
        actions = np.column_stack([actions, _drawn(agent, len(session), seed)])
        share = np.full(actions.shape, epsilon / DRAWS)
        share[:, 0] = 1.0 - epsilon
    features = np.column_stack([_features(agent, slates), step])
    fitted = fitted_q(
        Steps(features, slates.items[:, 0], slates.reward[:, 0], session),
        _item_inputs(agent),
        (actions, share),
        seed=seed,
    )
    reward, target, propensity = (each[:, 0] for each in (slates.reward, slates.target, slates.propensity))
    return {"FQE": fqe(fitted, reward, level)} | {
        name: fqe_dr(fitted, reward, target, propensity, level, is_normalised=is_normalised)
        for name, is_normalised in (("DR, FQE", False), ("DR, FQE, self-normalised", True))
    }


def _item_inputs(agent: Any) -> Doubles:
    """(N, f) of the items, for the reward model: public features, and the number, as items may be alike in these."""
    return np.column_stack([item_features(agent.problem)[1], np.arange(agent.problem.num_items)])


def _features(agent: Any, slates: LoggedSlates) -> Doubles:
    """Features of the states of the slates, for the reward model."""
    contexts = Contexts(agent.problem)
    if not contexts.is_history:
        return np.ones((len(slates.begin), 1))
    blocks = []
    for first in range(0, len(slates.begin), SLATES_PER_BATCH):
        rows = slates.begin[first : first + SLATES_PER_BATCH]
        blocks.append(contexts(slates.histories.observation(rows, agent.problem.num_items)))
    return np.concatenate(blocks)


def _session_values(slates: LoggedSlates, level: float) -> dict[str, Estimate]:
    """Estimates of the summed reward of sessions; shorter ones are padded."""
    session, step = _sessions(slates)
    shape = int(session[-1]) + 1, int(step.max()) + 1
    padded = []
    for values, fill in (
        (slates.reward.sum(axis=1), 0.0),
        (slates.target.prod(axis=1), 1.0),
        (slates.propensity.prod(axis=1), 1.0),
    ):
        padded.append(np.full(shape, fill))
        padded[-1][session, step] = values
    names = ("trajectory-wise IS", "per-decision IS")
    return _logged(padded[0].sum(axis=1), level) | _plain_and_normalised(
        dict(zip(names, (standard_ips, per_decision_ips), strict=True)), padded, level
    )


def _plain_and_normalised(
    kinds: dict[str, Callable[..., Estimate]], given: Sequence[Array], level: float
) -> dict[str, Estimate]:
    return {
        name + (", self-normalised" if is_normalised else ""): kind(
            *given, level, is_normalised=is_normalised
        )
        for name, kind in kinds.items()
        for is_normalised in (False, True)
    }
