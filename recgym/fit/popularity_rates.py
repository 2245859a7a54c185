"""Item biases with which responses to shown items have the popularity of the log.

A world of pairs is fitted by a multinomial likelihood, P(item | user) = softmax of its scores, and played as
independent responses to items that are shown by an assumed share. Where responses are rare the two agree. Where they
are not, the logistic function flattens what many users like, and popular items get too few responses. So each item's
bias is shifted, until its expected share of the responses is that of the multinomial model.

Axes: U users, N items.
"""

import numpy as np

from recgym.arrays import Doubles
from recgym.numerics import sigmoid

ROUNDS, CLOSE = 60, 1e-6  # at most; largest change of a logarithm at which the search ends
LARGEST = 4.0  # shift of a logit


def popularity_shifts(score: Doubles, bias: Doubles, share: Doubles, rate: float) -> Doubles:
    """Shifts of the item biases, (N,), with mean 0; 0 for items that are not shown.

    Args:
        score: (U, N) scores of the multinomial model.
        bias: (N,) subtracted from the scores for the exposure.
        share: (N,) share of the impressions, before a response.
        rate: mean response rate to items that are shown in proportion to their popularity in the model, in (0, 1).
    """
    target = np.exp(score - score.max(axis=1, keepdims=True))
    target = (target / target.sum(axis=1, keepdims=True)).mean(axis=0)
    shown = (share > 0) & (target > 0)
    logit, popular, share = (score - bias)[:, shown], target[shown] / target[shown].sum(), share[shown]
    found, start = np.zeros(len(share)), np.average(logit, axis=1, weights=popular).mean()
    intercept = float(np.log(rate / (1.0 - rate)) - start)
    for _ in range(ROUNDS):
        chance = sigmoid(logit + (found + intercept))
        mean, slope = chance.mean(axis=0), (chance * (1.0 - chance)).mean(axis=0)
        responses = share * mean
        change = np.clip(np.log(popular / (responses / responses.sum())), -1.0, 1.0)
        change -= change.mean()
        found = np.clip(found + change, -LARGEST, LARGEST)
        intercept += float(np.clip((rate - popular @ mean) / (popular @ slope), -1.0, 1.0) - popular @ change)
        if np.abs(change).max() < CLOSE:
            break
    shifts = np.zeros(len(shown))
    shifts[shown] = found - found.mean()
    return shifts
