"""Metrics of ranked lists by the textbook (Manning, Raghavan and Schütze, 2008; Järvelin and Kekäläinen, 2002).

Relevance is binary, positions count from 1, and a list may be shorter than k: missing positions are not relevant.
`docs/conventions.md` lists where libraries differ.
"""

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from recgym.checks import MAX_COUNT, quoted, whole_number

Item = Hashable


def _hits(ranked: Any, relevant: Any, k: int) -> tuple[np.ndarray, int]:
    """Which of the first k items of the list are relevant, (k,) or shorter, and the number of relevant items."""
    whole_number(k, "k", 1, MAX_COUNT)
    is_one_list = isinstance(ranked, Sequence) or getattr(ranked, "ndim", 0) == 1
    if not is_one_list or isinstance(ranked, str | bytes):
        raise ValueError(f"ranked is {quoted(ranked)}, expected a list of items, best first")
    if isinstance(relevant, Mapping | str | bytes) or not isinstance(relevant, Collection | np.ndarray):
        raise ValueError(f"relevant is {quoted(relevant)}, expected the relevant items alone")
    top = list(ranked[:k])
    distinct, wanted = _distinct("ranked", top), _distinct("relevant", relevant)
    if len(distinct) < len(top):
        raise ValueError("the ranked list has an item twice")
    if not wanted:
        raise ValueError("no item is relevant, the metric is undefined")
    return np.array([item in wanted for item in top], np.float64), len(wanted)


def _distinct(name: str, items: Collection[Any]) -> set[Any]:
    """The items as a set; ValueError for a mask of them, or for lists in place of items."""
    listed = list(items) if getattr(items, "ndim", 1) else [items]
    if listed and all(isinstance(each, bool | np.bool_) for each in listed):
        raise ValueError(f"{name} is {quoted(items)}, expected the items themselves, not a mask of them")
    try:
        return set(listed)
    except TypeError:
        raise ValueError(f"{name} is {quoted(items)}, expected one list of items: numbers or texts") from None


def precision_at(ranked: Sequence[Item], relevant: Collection[Item], k: int) -> float:
    """Share of the k positions that are relevant.

    Args:
        ranked: items, best first, without repeats in the first k.
        relevant: relevant items, at least one.
        k: number of positions, at least 1.

    Raises:
        ValueError: an item is ranked twice, none is relevant, or k is out of range.
    """
    hits, _ = _hits(ranked, relevant, k)
    return float(hits.sum() / k)


def recall_at(ranked: Sequence[Item], relevant: Collection[Item], k: int) -> float:
    """Share of all relevant items in the first k positions; arguments as for `precision_at`."""
    hits, count = _hits(ranked, relevant, k)
    return float(hits.sum() / count)


def average_precision_at(ranked: Sequence[Item], relevant: Collection[Item], k: int) -> float:
    """Sum of the precisions at relevant positions over min(k, relevant items); arguments as for `precision_at`."""
    hits, count = _hits(ranked, relevant, k)
    precisions = hits.cumsum() / np.arange(1, len(hits) + 1)
    return float((precisions * hits).sum() / min(k, count))


def ndcg_at(ranked: Sequence[Item], relevant: Collection[Item], k: int) -> float:
    """Discounted gain 1 / log2(position + 1) over that of the best list; arguments as for `precision_at`."""
    hits, count = _hits(ranked, relevant, k)
    discount = 1.0 / np.log2(np.arange(2, max(len(hits), min(k, count)) + 2))
    return float(hits @ discount[: len(hits)] / discount[: min(k, count)].sum())
