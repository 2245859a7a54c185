"""Metrics of what was shown: coverage at a number of impressions, diversity of lists, novelty.

Axes: N items, n impressions, U users.
"""

import numpy as np
from numpy.typing import ArrayLike

from recgym.arrays import Doubles, Ints
from recgym.checks import MAX_COUNT, as_array, whole_number
from recgym.evaluate.argument_checks import numbers, whole_indices


def coverage_at(counts: ArrayLike, impressions: int) -> float:
    """Expected share of the catalogue in a random part of the impressions; comparable between numbers of impressions.

    The rarefaction of Hurlbert (1971): the mean over items of 1 - C(T - n_i, m) / C(T, m), of n_i impressions of item i
    and T in all.

    Args:
        counts: (N,) number of impressions of each item.
        impressions: m, size of the part.

    Returns:
        In [0, 1]; NaN where there are fewer than m impressions.

    Raises:
        ValueError: counts are empty or no whole numbers, or m is below 1.
    """
    from scipy.special import gammaln

    m, shown = whole_number(impressions, "impressions", 1), numbers("counts", counts, is_finite=True, low=0.0)
    if not shown.size or (shown != np.floor(shown)).any():
        raise ValueError("counts must be whole numbers, one for each item")
    shown = shown.ravel()
    total = float(shown.sum())
    if total < m:
        return float("nan")
    rest = total - shown
    held = rest >= m  # else the part cannot miss the item
    log_missed = (
        gammaln(rest[held] + 1) - gammaln(rest[held] - m + 1) - gammaln(total + 1) + gammaln(total - m + 1)
    )
    return float(1.0 - np.minimum(np.exp(log_missed), 1.0).sum() / len(shown))


def intra_list_diversity(items: ArrayLike, sizes: ArrayLike, category: ArrayLike) -> float:
    """Mean over lists of the share of its pairs of positions whose items are of two categories (Ziegler et al., 2005).

    Args:
        items: (n,) items of all lists, one list after the other.
        sizes: (L,) number of items of each list; those with fewer than two count for nothing.
        category: (N,) category of each item.

    Returns:
        In [0, 1]; NaN without a list of two items.

    Raises:
        ValueError: an item is none of the catalogue, or the sizes do not sum to n.
    """
    named = as_array(category, "category")
    if named.ndim != 1:
        raise ValueError(f"category has {named.ndim} dimensions, expected (N,): one of each item")
    kinds = np.unique(named.astype(str), return_inverse=True)[1].astype(np.int64)
    flat = whole_indices("items", items, len(kinds)).ravel()
    size = _sizes(sizes, len(flat))
    owner = np.repeat(np.arange(len(size)), size)
    span = int(kinds.max(initial=0)) + 1
    keys, number = np.unique(owner * span + kinds[flat], return_counts=True)
    same = np.bincount(keys // span, number * (number - 1), len(size))
    pairs = size * (size - 1)
    if not pairs.any():
        return float("nan")
    return float(np.mean(1.0 - same[pairs > 0] / pairs[pairs > 0]))


def novelty(items: ArrayLike, popularity: ArrayLike) -> float:
    """Mean self-information -log2 p of the shown items [bits] (Zhou et al., 2010).

    Args:
        items: (n,) the impressions.
        popularity: (N,) share of each item in the exposures of a log; those without any have the smallest above 0.

    Returns:
        0 or more; NaN without impressions.

    Raises:
        ValueError: an item is none of the catalogue, or no item has a share.
    """
    share = numbers("popularity", popularity, is_finite=True, low=0.0).ravel()
    if not share.any():
        raise ValueError("popularity is 0 for all items")
    flat = whole_indices("items", items, len(share)).ravel()
    share = np.maximum(share, share[share > 0].min()) / share.sum()
    return float(-np.log2(share[flat]).mean()) if len(flat) else float("nan")


def _sizes(sizes: ArrayLike, total: int) -> Ints:
    size = whole_indices("sizes", sizes, total + 1).ravel()
    if size.sum() != total:
        raise ValueError(f"sizes sum to {size.sum()}, there are {total} items")
    return np.asarray(size, np.int64)


def groups_of(order: ArrayLike, weight: ArrayLike, num_groups: int) -> Ints:
    """(U,) number of the group of each user: `num_groups` parts of equal weight along `order`, ties by number.

    A user belongs to the part in which the middle of its weight lies.

    Args:
        order: (U,) what users are ordered by.
        weight: (U,) weight of each user in the population.
        num_groups: at least 1.
    """
    number = whole_number(num_groups, "num_groups", 1, MAX_COUNT)
    key = numbers("order", order, is_finite=True).ravel()
    mass = numbers("weight", weight, is_finite=True, low=0.0).ravel()
    if key.shape != mass.shape or not mass.any():
        raise ValueError(
            f"order {key.shape} and weight {mass.shape} must be of one shape, with a weight above 0"
        )
    ascending = np.argsort(key, kind="stable")
    middle: Doubles = np.empty(len(key))
    middle[ascending] = (np.cumsum(mass[ascending]) - 0.5 * mass[ascending]) / mass.sum()
    return np.minimum((middle * number).astype(np.int64), number - 1)
