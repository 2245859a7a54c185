"""Weights of a log's rows by inverse propensity: a fit for items drawn uniformly, not by the logging policy.

Weights are clipped at a quantile, which bounds their variance at the price of some bias, and self-normalised: their
mean is 1. Sources: Schnabel et al. (2016), Recommendations as treatments; Ionides (2008), Truncated importance
sampling; Swaminathan and Joachims (2015), The self-normalized estimator for counterfactual learning.
"""

import numpy as np

from recgym.arrays import Array, Bools, Doubles

CLIPPED_ABOVE = 0.98  # quantile of inverse propensities


def propensity_weights(propensity: Array, known: Bools) -> Doubles:
    """(rows,) weights, of mean 1 over the `known` rows (rows,), by which they are clipped and normalised.

    Raises:
        ValueError: the log has no propensities, or rows without one.
    """
    value = np.asarray(propensity, np.float64)
    missing = ~(np.isfinite(value) & (value > 0))
    if missing.all():
        raise ValueError("propensity_weights: the log has no propensities; map a column as propensity")
    if missing.any():
        raise ValueError(
            f"propensity_weights: {int(missing.sum()):,} of {len(value):,} rows have no propensity; all rows need one"
        )
    inverse = 1.0 / value
    clipped = np.minimum(inverse, np.quantile(inverse[known], CLIPPED_ABOVE))
    return np.asarray(clipped / clipped[known].mean(), np.float64)
