"""What a log says about randomised exposure: propensities, and flags of rows that were shown at random."""

import numpy as np

from recgym.logs.log import Log

RANDOM_FLAGS = ("is_rand", "is_random", "random", "randomised", "randomized")  # with or without `context_`
SAME_PROPENSITY = 1e-6  # relative difference below which propensities are equal


def not_random(log: Log) -> str:
    """What shows that items were not drawn at random, in words; empty where nothing does."""
    value = np.asarray(log.column("propensity"), np.float64)
    known = value[np.isfinite(value)]
    if len(known) and known.max() - known.min() > SAME_PROPENSITY * known.max():
        return f"propensities of {known.min():.3g} to {known.max():.3g}: its exposure is not uniform"
    for name in log.rows.column_names:
        if name.removeprefix("context_") in RANDOM_FLAGS:
            flag = np.asarray(log.column(name), object)
            count = int(np.sum([str(each) in ("1", "1.0", "True") for each in flag]))
            if count < len(flag):
                return f"{len(flag) - count:,} of {len(flag):,} rows that {name} does not mark as random"
    return ""
