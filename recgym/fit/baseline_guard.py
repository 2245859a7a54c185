"""How much of what was learnt is kept: as much as beats a baseline on validation by more than chance.

What was learnt may be noise, above all in a small log. It is kept, or shrunk toward the baseline, where its gain in
log-loss is more than so many of its standard errors over visits, and left out otherwise.
"""

from collections.abc import Callable

import numpy as np

from recgym.arrays import Doubles, Ints

SHARES = (1.0, 0.75, 0.5, 0.25)


def best_share(losses: Callable[[float], Doubles], cluster: Ints, guard: float) -> float:
    """The share of SHARES with the least mean of `losses(share)`, (rows,); 0 where it does not beat that of 0."""
    baseline = losses(0.0)
    tried = [losses(share) for share in SHARES]
    best = int(np.argmin([loss.mean() for loss in tried]))
    return SHARES[best] if beats(tried[best], baseline, cluster, guard) else 0.0


def beats(losses: Doubles, baseline: Doubles, cluster: Ints, guard: float) -> bool:
    """Whether `losses` (rows,) are less than those of the baseline by `guard` standard errors of the mean gain.

    Rows of one cluster are not independent: errors are those of the sums of clusters (Liang and Zeger, 1986), or of
    the rows where these are larger, as for few clusters.
    """
    gain = baseline - losses
    gap = gain - gain.mean()
    sums = np.bincount(np.unique(cluster, return_inverse=True)[1], gap)
    error = float(np.sqrt(max(np.square(sums).sum(), np.square(gap).sum()))) / len(gain)
    return bool(gain.mean() > guard * error)
