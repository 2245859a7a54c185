"""Posterior of the users' levels under the variance that a log shows, by quadrature.

The ridges of the effects of users are those of least loss, which many ridges have nearly: their means may be shrunk by
more than the posterior means are, and users who are drawn around them are too alike. With the prior N(expected, sd^2),
where the standard deviation is what the log shows (`recgym.taste`), the mean square of posterior means and the mean
posterior variance sum to sd^2 for users with many rows and with few. Mean and variance are integrals by Gauss-Hermite
quadrature around the mode (Naylor and Smith, 1982), as the posterior of a user with few rows is not normal; so are the
random intercepts of visits.

Axes: R rows, U users, V visits, K nodes.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from recgym.arrays import Bools, Doubles
from recgym.fit.dataset import Dataset
from recgym.fit.session_blocks import session_blocks
from recgym.fit.single_visits import LARGEST_STEP, Levels
from recgym.numerics import hermite_nodes, sigmoid

ROUNDS, CLOSE = 15, 1e-3  # of Newton's method, at most; largest step [logits] at which it ends
INTERCEPTS, LEVELS = 9, 7  # nodes for the intercept of a visit, and for the level of a user
ROWS = 200_000  # at once


class _Evidence(NamedTuple):
    """Log-likelihood of the rows of each user at a level (U,), its slope and its curvature (U,)."""

    value: Doubles
    slope: Doubles
    curve: Doubles


def posterior_levels(dataset: Dataset, rows: Bools, x: Doubles, sd: float, visit_sd: float) -> Levels:
    """Posterior means and variances of levels.

    Args:
        dataset: the users, visits and responses.
        rows: (R,) rows that are given.
        x: (R,) logits at a level of 0 and a random intercept of 0.
        sd: standard deviation of levels.
        visit_sd: standard deviation of the random intercepts of visits.
    """
    evidence = _evidence(dataset, rows & np.isfinite(x), x, visit_sd)
    mode, precision = np.zeros(dataset.num_users), np.full(dataset.num_users, sd**-2.0)
    for _ in range(ROUNDS):
        found = evidence(mode)
        precision = np.maximum(found.curve, 0.0) + sd**-2.0
        step = np.clip((found.slope - mode / sd**2) / precision, -LARGEST_STEP, LARGEST_STEP)
        mode += step
        if np.abs(step).max(initial=0.0) < CLOSE:
            break
    node, weight = hermite_nodes(LEVELS)
    levels = mode + precision**-0.5 * node[:, None]
    density = np.stack([evidence(level).value - level**2 / (2.0 * sd**2) for level in levels])
    density += (np.log(weight) + node**2 / 2.0)[:, None]
    share = np.exp(density - density.max(0))
    share /= share.sum(0)
    mean = (share * levels).sum(0)
    return Levels(mean, (share * (levels - mean) ** 2).sum(0))


def common_level(dataset: Dataset, rows: Bools, x: Doubles, visit_sd: float) -> float:
    """What the logits `x` (R,) of `rows` lack at a random intercept of 0, by the likelihood of whole visits.

    The mean probability of rows over random intercepts is too high where who responds stays longer: rows are then of
    visits with high intercepts. The likelihood of a visit holds whatever in its responses decides when it ends.
    """
    evidence, level = _evidence(dataset, rows & np.isfinite(x), x, visit_sd), 0.0
    for _ in range(ROUNDS):
        found = evidence(np.full(dataset.num_users, level))
        step = float(found.slope.sum() / max(found.curve.sum(), 1e-9))
        level += float(np.clip(step, -LARGEST_STEP, LARGEST_STEP))
        if abs(step) < CLOSE:
            break
    return level


def _evidence(dataset: Dataset, rows: Bools, x: Doubles, visit_sd: float) -> Callable[[Doubles], _Evidence]:
    """Of these rows, as a function of the levels (U,)."""
    number = np.flatnonzero(rows)
    visit = dataset.session[number]
    node, weight = hermite_nodes(INTERCEPTS if visit_sd > 0.0 else 1)
    first = np.flatnonzero(np.r_[True, visit[1:] != visit[:-1]][: len(visit)])
    owner, num = dataset.user[number[first]].astype(np.int64), dataset.num_users
    del visit

    def of(level: Doubles) -> _Evidence:
        parts = []
        for place, inside in session_blocks(first, len(number), ROWS):
            part = number[inside]
            sign = (2.0 * dataset.positive[part] - 1.0)[:, None]
            signed = sign * ((x[part] + level[dataset.user[part]])[:, None] + visit_sd * node)
            count = 1.0 if dataset.weight is None else dataset.weight[part][:, None]
            miss, at = sigmoid(-signed), first[place] - inside.start
            value, slope, curve = (
                np.add.reduceat(count * each, at)
                for each in (-np.logaddexp(0.0, -signed), sign * miss, miss * (1.0 - miss))
            )
            parts.append(_over_intercepts(value + np.log(weight), slope, curve))
        if not parts:
            return _Evidence(*np.zeros((3, num)))
        sums = (np.bincount(owner, np.concatenate(each), num) for each in zip(*parts, strict=True))
        return _Evidence(*(each.astype(np.float64) for each in sums))

    return of


def _over_intercepts(joint: Doubles, slope: Doubles, curve: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """(V,) each, of (V, K) at the nodes of the intercepts: the curvature is less by what the intercept may explain."""
    top = joint.max(1)
    share = np.exp(joint - top[:, None])
    total = share.sum(1)
    share /= total[:, None]
    mean = (share * slope).sum(1)
    return top + np.log(total), mean, (share * (curve - slope**2)).sum(1) + mean**2
