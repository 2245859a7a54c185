"""How returns are spread over sessions and groups of users. Axes: S sessions."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from recgym.checks import as_array, finite_number
from recgym.evaluate.argument_checks import numbers

MIN_GROUP = 20  # sessions of a group whose mean counts


class GroupReturns(NamedTuple):
    """Mean returns of groups of users."""

    worst: float  # smallest mean of a group
    gap: float  # largest less smallest mean


def cvar(returns: ArrayLike, share: float = 0.1) -> float:
    """Conditional value at risk: mean of the worst `share` of the returns (Rockafellar and Uryasev, 2000).

    Where `share` of S is no whole number, the last return counts by its part.

    Args:
        returns: (S,).
        share: in (0, 1].

    Raises:
        ValueError: there are no returns, or an argument is out of range.
    """
    ordered = np.sort(numbers("returns", returns, is_finite=True).ravel())
    if not len(ordered):
        raise ValueError("returns is empty")
    share = finite_number(share, "share", 0.0, 1.0)
    if not share:
        raise ValueError("share is 0, expected a number in (0, 1]")
    size = share * len(ordered)
    whole = min(math.floor(size + 1e-9), len(ordered))
    part = max(size - whole, 0.0) if whole < len(ordered) else 0.0
    rest = part * float(ordered[whole]) if part else 0.0
    return (float(ordered[:whole].sum()) + rest) / (whole + part)


def group_returns(returns: ArrayLike, group: ArrayLike) -> GroupReturns | None:
    """Worst mean and gap over the groups with at least `MIN_GROUP` sessions; None for fewer than two of them.

    Args:
        returns: (S,).
        group: (S,) number of the group of each session's user, 0 or more.

    Raises:
        ValueError: the shapes differ.
    """
    values, labels = numbers("returns", returns, is_finite=True), as_array(group, "group")
    if values.shape != labels.shape or values.ndim != 1:
        raise ValueError(f"returns {values.shape} and group {labels.shape} must be of one shape (S,)")
    _, number = np.unique(labels, return_inverse=True)
    count = np.bincount(number)
    means = np.bincount(number, values)[count >= MIN_GROUP] / count[count >= MIN_GROUP]
    if len(means) < 2:
        return None
    return GroupReturns(float(means.min()), float(means.max() - means.min()))
