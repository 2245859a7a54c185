"""Levels of users who have one visit each: a visit's random intercept is its user's level.

A table of ratings, or of visits without user ids, has one visit of each user. Nothing in it tells what a visit adds to
its user, so what the rows of a visit share is kept for the user: later responses of the same user, in no visit of the
log, are then forecast with it. A level is N(0, sd^2) before the rows of the user, and has a normal posterior after them
(Laplace); a user without rows keeps the first.

Where each visit is the whole record of a user, its rows are held out in place of visits, see `with_rows_held_out`.
"""

from typing import NamedTuple

import numpy as np

from recgym.arrays import Bools, Doubles
from recgym.fit.dataset import Dataset
from recgym.logs.splits import TRAIN, VALIDATION
from recgym.numerics import sigmoid

ROUNDS, CLOSE = 50, 1e-8  # of Newton's method, at most; largest step at which it ends
LARGEST_STEP = 1.0  # [logits]
HELD_OUT = 0.2  # of the rows of a record


class Levels(NamedTuple):
    """Posterior of the users' levels [logits], (U,) each."""

    mean: Doubles
    variance: Doubles


def has_single_visits(dataset: Dataset) -> bool:
    """Whether no user has two visits among the known rows."""
    return len(np.unique(dataset.user[dataset.visits])) == len(dataset.visits)


def levels_of(dataset: Dataset, rows: Bools, x: Doubles, sd: float) -> Levels:
    """The posterior given `rows` (R,), with logits `x` (R,) at a level of 0, under the standard deviation `sd`."""
    rows = rows & np.isfinite(x)
    user, flag, logit = dataset.user[rows], dataset.positive[rows].astype(np.float64), x[rows]
    weight = np.ones(len(flag)) if dataset.weight is None else dataset.weight[rows]
    mean, precision = np.zeros(dataset.num_users), np.full(dataset.num_users, sd**-2.0)
    for _ in range(ROUNDS):
        chance = sigmoid(logit + mean[user])
        slope = np.bincount(user, weight * (flag - chance), len(mean)) - mean / sd**2
        precision = np.bincount(user, weight * chance * (1.0 - chance), len(mean)) + sd**-2.0
        step = np.clip(slope / precision, -LARGEST_STEP, LARGEST_STEP)
        mean += step
        if np.abs(step).max() < CLOSE:
            break
    return Levels(mean, 1.0 / precision)


def with_rows_held_out(dataset: Dataset) -> Dataset:
    """Each known visit as three, of a random part of its rows each: two to train on, one, of a fifth, to validate on.

    Two, as what rows of two visits share is the level of their user. Where a visit is the whole record of its user,
    held-out visits are of users without any other row, so that they say nothing of levels and tastes. The rows of a
    record have no order, and share nothing but their user.
    """
    past = dataset.period <= VALIDATION
    rng = np.random.default_rng(0)
    drawn = rng.random(len(dataset.item))
    part, half = np.where(drawn < HELD_OUT, VALIDATION, TRAIN), drawn > (1.0 + HELD_OUT) / 2.0
    first = np.repeat(dataset.starts, dataset.lengths)
    part[dataset.starts] = TRAIN  # a visit has a row to train on
    part = np.where(np.repeat(past, dataset.lengths), part, np.repeat(dataset.period, dataset.lengths))
    code = 2 * part + half * (part == TRAIN)
    order = np.lexsort((np.arange(len(first)), code, first))
    code = first[order] * 8 + code[order]
    starts = np.flatnonzero(np.r_[True, np.diff(code) != 0])
    whole = dataset.session[order][starts]
    return dataset.at_rows(
        order, starts=starts.astype(np.int64), lengths=np.diff(np.r_[starts, len(order)]).astype(np.int64),
        period=part[order][starts].astype(np.int8), ordered=np.zeros(len(starts), bool), has_records=True,
        place=np.zeros(len(order), np.int32),
        order=None if dataset.order is None else dataset.order[whole],
    )  # fmt: skip
