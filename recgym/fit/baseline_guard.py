"""What is chosen on rows that it was not fitted to, and how much of what was learnt is kept.

What was learnt may be noise, above all in a small log. What is trained is kept, or shrunk toward the baseline, where
its gain in log-loss is more than so many of its standard errors over visits, and left out otherwise. Regressions under
several ridges are averaged, each by how likely it made rows that it was not fitted to: pseudo-Bayesian model averaging
(Geisser and Eddy, 1979; Yao et al., 2018). On small logs of known truth that loses less to shrunk rates of items and
users than the ridges of least loss, or the strongest ridges within a standard error of these (Breiman et al., 1984).
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from recgym.arrays import Bools, Codes, Doubles, Ints
from recgym.fit.dataset import Dataset, sample
from recgym.logs.splits import TRAIN, VALIDATION

SHARES = (1.0, 0.75, 0.5, 0.25)
FOLDS, FOLD_ROWS = 5, 20_000  # of visits, in logs of at most so many rows
ID_RIDGES = (1.0, 3.0, 10.0, 30.0, math.inf)  # of id effects of users and items; infinite: no effects
MIN_WEIGHT = 0.02  # of a fit in an average; a smaller one is set to 0
ChoicesT = TypeVar("ChoicesT", bound=NamedTuple)


def held_out(dataset: Dataset, rows: Bools, limit: int, folds: bool) -> list[tuple[Bools, Bools]]:
    """Of `rows` (rows,), those to fit to and those to judge by: of train and of validation, at most `limit` each.

    `folds`: of FOLDS folds of the visits of both, where they have at most FOLD_ROWS rows.
    """
    past = rows & dataset.rows_of(TRAIN, VALIDATION)
    if not folds or past.sum() > FOLD_ROWS:
        known, judged = (sample(past & dataset.rows_of(k), limit) for k in (TRAIN, VALIDATION))
        return [(known, judged)]
    return visit_folds(dataset, past)


def visit_folds(dataset: Dataset, rows: Bools) -> list[tuple[Bools, Bools]]:
    """Of `rows` (rows,), those outside and those in each of FOLDS random folds of visits."""
    fold = np.random.default_rng(0).permutation(len(dataset.starts))[dataset.session] % FOLDS
    return [(rows & (fold != k), rows & (fold == k)) for k in range(FOLDS) if (rows & (fold == k)).any()]


def search(
    start: ChoicesT, groups: Sequence[Sequence[dict[str, Any]]], loss: Callable[[ChoicesT], float]
) -> dict[ChoicesT, float]:
    """The `loss` of all choices tried, the best first: each group of changes at the best of the groups before it."""
    tried: dict[ChoicesT, float] = {}
    best = start
    for group in groups:
        candidates = [best._replace(**changes) for changes in group]
        for choices in candidates:
            if choices not in tried:
                tried[choices] = loss(choices)
        best = min(candidates, key=lambda choices: tried[choices])
    return {best: tried[best]} | tried


def weights(tried: dict[ChoicesT, float]) -> dict[ChoicesT, float]:
    """Weights of settings by their total losses on held-out rows; those below MIN_WEIGHT are left out."""
    low = min(tried.values())
    likely = {choices: math.exp(low - loss) for choices, loss in tried.items()}
    kept = {choices: value for choices, value in likely.items() if value >= MIN_WEIGHT * sum(likely.values())}
    return {choices: value / sum(kept.values()) for choices, value in kept.items()}


def best_share(losses: Callable[[float], Doubles], cluster: Ints, guard: float) -> float:
    """The share of SHARES with the least mean of `losses(share)`, (rows,); 0 where it does not beat that of 0."""
    baseline = losses(0.0)
    tried = [losses(share) for share in SHARES]
    best = int(np.argmin([loss.mean() for loss in tried]))
    return SHARES[best] if beats(tried[best], baseline, cluster, guard) else 0.0


def beats(losses: Doubles, baseline: Doubles, cluster: Codes, guard: float) -> bool:
    """Whether `losses` (rows,) are less than those of the baseline by `guard` standard errors of the mean gain.

    Rows of one cluster are not independent: errors are those of the sums of clusters (Liang and Zeger, 1986), or of
    the rows where these are larger, as for few clusters.
    """
    gain = baseline - losses
    gap = gain - gain.mean()
    sums = np.bincount(np.unique(cluster, return_inverse=True)[1], gap)
    error = float(np.sqrt(max(np.square(sums).sum(), np.square(gap).sum()))) / len(gain)
    return bool(gain.mean() > guard * error)
