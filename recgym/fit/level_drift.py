"""Drift of a level: where the rate of an event stands at the end of the period of a fit.

The rate of the last tenth of a log is that of its last days, but it is of few rows: of 2,000 a rate of .3 has a
standard error of 3 % of itself. So the level is that of all known rows, unless these show that it drifts. They are
BLOCKS parts in the order of time, whose levels y have errors of known variance and are a random walk beneath:

    y_k = m_k + e_k,    m_k = m_(k-1) + N(0, tau^2)

the local level model (Harvey, 1989). The variance of the walk is that of the largest restricted likelihood, and 0 where
that is no larger by GUARD; the last m_k is its conditional mean.

Axes: R rows, K blocks.
"""

import numpy as np

from recgym.arrays import Doubles, Ints
from recgym.fit.dataset import Dataset
from recgym.numerics import logit, sigmoid

BLOCKS = 9  # the last one is about the validation period
MIN_EVENTS = 20  # and as many rows without the event, in a block
GUARD = 2.0  # log-likelihood: two standard errors
STEPS = np.geomspace(0.01, 1.0, 30)  # standard deviations of a step of the walk [logits] that are tried


def at_the_end(dataset: Dataset, rows: Ints, flag: Doubles, chance: Doubles) -> Doubles:
    """(R,) the probabilities `chance` at the level of the end of the period; themselves where no drift is shown.

    Args:
        dataset: of the rows.
        rows: (R,) their numbers, of all that the fit knows.
        flag: (R,) 1 with the event, else 0.
        chance: (R,) probabilities of the event, whose mean is that of the flag.
    """
    visit = dataset.session[rows]
    when = visit if dataset.order is None else dataset.order[visit]
    rare = min(float(flag.sum()), float((1.0 - flag).sum()))
    num = min(BLOCKS, int(rare / (2 * MIN_EVENTS)))  # twice: blocks differ in their numbers
    if num < 3:
        return chance
    weight = np.ones(len(rows)) if dataset.weight is None else dataset.weight[rows]
    rank = np.unique(when, return_inverse=True)[1]
    block = rank * num // (int(rank.max()) + 1)
    apart, curve = weight * (flag - chance), weight * chance * (1.0 - chance)
    slope, information = np.bincount(block, apart, num), np.bincount(block, curve, num)
    of_visit = np.bincount(rank, apart)
    excess = float(of_visit @ of_visit) / max(float(curve.sum()), 1e-9)  # rows of a visit are not independent
    drift = last_level(slope / np.maximum(information, 1e-9), excess / np.maximum(information, 1e-9))
    return (
        np.asarray(sigmoid(logit(np.clip(chance, 1e-9, 1.0 - 1e-9)) + drift), np.float64) if drift else chance
    )


def last_level(level: Doubles, variance: Doubles) -> float:
    """Conditional mean of the last level, from estimates (K,) with errors of these variances; 0 without drift."""
    number = np.arange(len(level))
    walk = np.minimum(number[:, None], number).astype(np.float64)  # covariances, of steps of variance 1
    found = [(0.0, *_at(level, variance, 0.0 * walk))]
    found += [(step, *_at(level, variance, step**2 * walk)) for step in STEPS]
    best = max(found, key=lambda each: each[1])
    return best[2] if best[1] > found[0][1] + GUARD else 0.0


def _at(level: Doubles, variance: Doubles, walk: Doubles) -> tuple[float, float]:
    """Restricted log-likelihood under the covariance `walk` (K, K) of levels, and the mean of the last level."""
    inverse = np.linalg.inv(np.diag(variance) + walk)
    mean = float(inverse.sum(0) @ level / inverse.sum())
    rest = inverse @ (level - mean)
    likelihood = 0.5 * (np.linalg.slogdet(inverse)[1] - np.log(inverse.sum()) - (level - mean) @ rest)
    return float(likelihood), mean + float(walk[-1] @ rest)
