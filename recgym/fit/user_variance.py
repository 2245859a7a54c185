"""Posterior variance of users, by empirical Bayes: what a log shows of users' variance beyond that of their means.

The variances of levels and of tastes for categories are found by moments (`recgym.taste`); the means that were
fitted vary less. What is missing is the mean posterior variance. That of a user is 1 / (precision + information), where
the information is that of the user's rows (Laplace), and the precision is such that the whole is what the log shows
(Efron and Morris, 1973).

Axes: R rows, U users, C categories, d factors.
"""

from typing import NamedTuple

import numpy as np

from recgym.arrays import Bools, Doubles, Ints
from recgym.fit.dataset import Dataset, sample
from recgym.numerics import sigmoid
from recgym.taste import Rows, TasteSpread, taste_spread

MAX_CELLS = 20_000_000  # users x categories
MAX_ROWS = 2_000_000  # of more, a random sample
MIN_SHARE = 1e-6  # least posterior variance that is not 0, as a share of the whole
DRAWS = 100  # of users, for the intervals


class Means(NamedTuple):
    """What a fit says of users [logits]."""

    level: Doubles  # (U,) mean over items, by exposure
    taste: Doubles  # (U, C) for a category beyond that


class UserVariance(NamedTuple):
    """Posterior variances [squared logits]."""

    level: Doubles  # (U,)
    taste: Doubles  # (U, C), or (U, 0) where the log does not show tastes
    found: TasteSpread | None = (
        None  # by which levels are drawn; None where the log has too few pairs of rows
    )
    tastes: TasteSpread | None = (
        None  # by which tastes are drawn: of the exposures before the log, where it has them
    )

    @classmethod
    def none(cls, dataset: Dataset) -> "UserVariance":
        """Users who are known exactly."""
        return cls(np.zeros(dataset.num_users), np.zeros((dataset.num_users, 0)))

    def scaled(self, by: float, level: float) -> "UserVariance":
        """Those of logits that are `by` times as large, of levels that are `level` times as large."""
        found = None if self.found is None else self.found.scaled(by, level)
        tastes = found if self.tastes is self.found else self.tastes and self.tastes.scaled(by, level)
        return UserVariance(level**2 * self.level, by**2 * self.taste, found, tastes)


def means_of(dataset: Dataset, user_bias: Doubles, profile: Doubles, factors: Doubles) -> Means:
    """Level and tastes of a world whose affinity is user_bias + <profile, factors> and terms of the item alone."""
    shown = np.maximum(dataset.items.exposure, 1e-12)
    category, num = dataset.items.category, len(dataset.items.categories)
    share = np.bincount(category, shown, num)
    mean = np.stack([np.bincount(category, shown * column, num) for column in factors.T], axis=1)
    table = profile @ (mean / np.maximum(share, 1e-12)[:, None]).T
    of_user = table @ (share / share.sum())
    weight = np.bincount(dataset.user[dataset.known], minlength=dataset.num_users)
    taste = table - of_user[:, None]
    return Means(user_bias + of_user, taste - weight @ taste / weight.sum())


def user_variance(dataset: Dataset, rows: Bools, x: Doubles, means: Means) -> UserVariance:
    """Posterior variances given the rows (R,), of which `x` (R,) are logits; 0 where the log's may be chance."""
    rows = sample(rows & np.isfinite(x), MAX_ROWS)
    num, width = dataset.num_users, len(dataset.items.categories)
    user, visit = dataset.user[rows].astype(np.int64), dataset.session[rows].astype(np.int64)
    category = dataset.items.category[dataset.item[rows]].astype(np.int64)
    flag = dataset.positive[rows].astype(np.float64)
    found = taste_spread(Rows(user, visit, dataset.item[rows].astype(np.int64), category, flag), DRAWS, 0)
    if found is None:
        return UserVariance.none(dataset)
    chance = sigmoid(x[rows])
    slope = chance * (1.0 - chance)
    within = found.visit**2
    level = _information(user, visit, slope, within, num)
    squares = (means.level - means.level[user].mean()) ** 2
    of_level = _posterior(found.level**2, squares, *level) if found.interval(1)[0] > 0.0 else np.zeros(num)
    tastes = found if dataset.history is None else dataset.history.found or found
    if width < 2 or num * width > MAX_CELLS or tastes.interval(0)[0] <= 0.0:
        return UserVariance(of_level, np.zeros((num, 0)), found, tastes)
    if not means.taste.any():  # which have used no information
        return UserVariance(of_level, np.full((num, width), tastes.taste**2), found, tastes)
    cell = _information(user * width + category, visit * width + category, slope, within, num * width)
    taste = _posterior(tastes.taste**2, means.taste.ravel() ** 2, *cell)
    return UserVariance(
        of_level, taste.reshape(num, width) if taste.any() else np.zeros((num, 0)), found, tastes
    )


def _information(unit: Ints, visit: Ints, slope: Doubles, within: float, num: int) -> tuple[Doubles, Doubles]:
    """(num,) information on a unit, whose rows in a visit share a random intercept; its pairs of rows in two visits."""
    first, group = np.unique(visit, return_index=True, return_inverse=True)[1:]
    owner, total = unit[first], np.bincount(group, slope)
    count = np.bincount(group).astype(np.float64)
    of_unit = np.bincount(unit, minlength=num).astype(np.float64)
    pairs = 0.5 * (of_unit**2 - np.bincount(owner, count**2, num))
    found = np.bincount(owner, total / (1.0 + within * total), num)
    return np.asarray(found, np.float64), np.asarray(pairs, np.float64)


def _posterior(whole: float, squares: Doubles, information: Doubles, pairs: Doubles) -> Doubles:
    """Variances 1 / (precision + information) that lack in the mean of squares, weighted by pairs, to the whole."""
    weight = pairs / max(float(pairs.sum()), 1.0)
    lacking = whole - float(weight @ squares)
    if lacking <= MIN_SHARE * whole:
        return np.zeros_like(information)
    low, high = np.log(1.0 / whole), np.log(1e6 / whole)
    for _ in range(60):
        middle = 0.5 * (low + high)
        above = float(weight @ (1.0 / (np.exp(middle) + information))) > lacking
        low, high = (middle, high) if above else (low, middle)
    return np.asarray(1.0 / (np.exp(low) + information), np.float64)
